"""What cuts the user's texts into tokens: the model's own tokenizer, else bytes."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from hwbench import own_models
from hwbench.dialects import tokenizing
from hwbench.model_spec import parse
from hwbench.registry import Network

# Of the texts, at most: enough for any measurement, and for memory; a tokenizer takes its time.
MOST_BYTES, MOST_CUT_BYTES = 1 << 28, 1 << 25
AT_ONCE = 1000  # documents that a tokenizer is given


@dataclass(frozen=True, kw_only=True)
class Tokenizer:
    """`cut` gives arrays of ids below `vocab`, one a text; `end` is put between documents."""

    said: str
    vocab: int
    end: int
    most_bytes: int
    version: str  # what is kept of its tokens is of this one
    cut: Callable[[Iterable[str]], Iterator[Any]]


def of(network: Network) -> Tokenizer:
    """Return the tokenizer of a network: that of a transformers model where this machine has it."""
    facts = own_models.facts_of(network.name)
    spec = parse(facts.spec) if facts else None
    if spec is None or spec.kind != "hf":
        return _bytes("no tokenizer being known")
    found = tokenizing.found(spec.target)
    if isinstance(found, str):
        return _bytes(found)

    def cut(texts: Iterable[str]) -> Iterator[Any]:
        import numpy as np

        every = list(texts)
        for n in range(0, len(every), AT_ONCE):
            ids = found.cut(every[n : n + AT_ONCE])
            yield from (np.asarray(d, dtype="uint32") for d in ids)

    return Tokenizer(
        said=f"cut by the tokenizer of {spec.target}",
        vocab=found.vocab,
        end=found.end,
        most_bytes=MOST_CUT_BYTES,
        version=found.version,
        cut=cut,
    )


def _bytes(why: str) -> Tokenizer:
    def cut(texts: Iterable[str]) -> Iterator[Any]:
        import numpy as np

        for text in texts:
            yield np.frombuffer(text.encode("utf-8", "replace"), dtype="uint8").astype("uint16") + 1

    return Tokenizer(
        said=f"taken as bytes, {why}",
        vocab=257,
        end=0,
        most_bytes=MOST_BYTES,
        version="bytes",
        cut=cut,
    )
