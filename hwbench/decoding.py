"""The contract of token by token generation: what a decoder's architecture gives to be served.

A workload whose network generates text states `decoding(config, model, limit)`, which returns these
parts of the torch module. Who drives them keeps the keys and values (`dialects.torch_decoding`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Block:
    """One block. x is (batch, n, width), positions (batch, n) integers.

    `project(x, positions)` returns queries (batch, heads, n, head_dim), and keys and values
    (batch, kv_heads, n, head_dim); `close(x, attended)` takes what the queries found back to x.
    """

    project: Callable[[Any, Any], tuple[Any, Any, Any]]
    close: Callable[[Any, Any], Any]


@dataclass(frozen=True, kw_only=True)
class Decoding:
    """A decoder in parts: `embed(ids, positions)`, the blocks, `logits(x)` over the vocabulary."""

    embed: Callable[[Any, Any], Any]
    blocks: Sequence[Block]
    logits: Callable[[Any], Any]
    kv_heads: int
    head_dim: int
