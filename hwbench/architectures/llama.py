"""Decoders of the Llama family (Llama 3, arXiv:2407.21783), named as in transformers.

Pre-norm blocks of RMSNorm, grouped-query attention (Ainslie et al. 2023, arXiv:2305.13245) turned
by rotary positions (Su et al. 2021, arXiv:2104.09864) and SwiGLU (Shazeer 2020, arXiv:2002.05202);
no biases, dropout 0. transformers' prefix `model.` is left out. With `experts` the feed-forward is
a mixture of them (`experts.py`), with `qk_norm` each head's queries and keys are normalised first:
together that is Qwen3's mixture (arXiv:2505.09388).

A configuration holds integers alone: `rope_theta` is one; the normalisations' epsilon is
10 ** -`epsilon_exponent`; `rope_factor` 0 stands for positions that are not rescaled. `seq` is the
measured length and that of the table of rotations, `context` the published longest.
"""

# flax.linen.compact is untyped, as all of the frameworks:
# mypy: disallow-untyped-decorators=False

import math
from typing import Any

from hwbench.architectures import experts
from hwbench.workload import Config

EMBEDDINGS = ("embed_tokens.weight",)

# Llama 3.1's rescaling (rope_type "llama3"): how many turns over the original context a frequency
# makes to be left as it is, and to be divided by the whole factor; between them it is a mixture.
HIGH_TURNS = 4
LOW_TURNS = 1


def inputs(config: Config, batch_size: int, rng: Any) -> tuple[Any, ...]:
    """Return one int64 array of token ids, (batch, seq)."""
    return (rng.integers(config["vocab"], size=(batch_size, config["seq"]), dtype="int64"),)


def targets(config: Config, batch_size: int, rng: Any) -> Any:
    """Return int64 labels, one a token: (batch, seq)."""
    return rng.integers(config["vocab"], size=(batch_size, config["seq"]), dtype="int64")


def _attention(config: Config) -> int:
    """Count the weights of the four projections of a layer."""
    queries = config["heads"] * config["head_dim"]
    keys = config["kv_heads"] * config["head_dim"]
    return config["width"] * (2 * queries + 2 * keys)  # q and o, k and v


def parameters(config: Config) -> int:
    """Count the parameters; all experts count, and a tied head once, as the token embedding."""
    d = config["width"]
    tables = config["vocab"] * d * (1 if config["tied"] else 2)
    norms = 2 * d + (2 * config["head_dim"] if config["qk_norm"] else 0)
    mlp = experts.parameters(config) if config["experts"] else 3 * d * config["mlp_width"]
    return tables + config["layers"] * (_attention(config) + mlp + norms) + d


def flops(config: Config) -> int:
    """Return the forward FLOPs of one sequence: 2 per MAC, head and attention included.

    Attention counts the full seq x seq products, as in GPT-2; of the experts those count that a
    token is sent to, and the router.
    """
    d, seq = config["width"], config["seq"]
    scores_and_values = 2 * seq * config["heads"] * config["head_dim"]  # per token
    mlp = experts.products(config) if config["experts"] else 3 * d * config["mlp_width"]
    layer = _attention(config) + scores_and_values + mlp
    return 2 * seq * (config["layers"] * layer + d * config["vocab"])


def frequencies(config: Config) -> list[float]:
    """Return how many radians a token's position turns each pair of a head's features."""
    half = config["head_dim"] // 2
    plain = [config["rope_theta"] ** (-i / half) for i in range(half)]
    if not config["rope_factor"]:
        return plain
    return [_rescaled(f, config["rope_factor"], config["rope_original"]) for f in plain]


def _rescaled(frequency: float, factor: int, original: int) -> float:
    """Slow a frequency down for a context `factor` times the `original` one (Llama 3.1)."""
    turns = original * frequency / (2 * math.pi)
    kept = (turns - LOW_TURNS) / (HIGH_TURNS - LOW_TURNS)
    kept = min(1.0, max(0.0, kept))
    return (1 - kept) * frequency / factor + kept * frequency


def rotations(config: Config) -> tuple[Any, Any]:
    """Return cosines and sines, two float32 arrays (seq, head_dim), both halves alike."""
    import numpy as np

    angles = np.outer(np.arange(config["seq"]), np.tile(frequencies(config), 2))
    return np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32)


def _epsilon(config: Config) -> float:
    return float(10.0 ** -config["epsilon_exponent"])


def build_torch(config: Config) -> Any:
    """Build the torch module: token ids (batch, seq) to logits (batch, seq, vocab)."""
    import torch
    import torch.nn.functional as F
    from torch import nn

    width, head_dim = config["width"], config["head_dim"]

    def linear(n_in: int, n_out: int) -> Any:
        return nn.Linear(n_in, n_out, bias=False)

    def norm(features: int) -> Any:
        return nn.RMSNorm(features, eps=_epsilon(config))

    def turned(x: Any, cos: Any, sin: Any) -> Any:
        first, second = x.chunk(2, dim=-1)
        return x * cos + torch.cat((-second, first), dim=-1) * sin

    class Attention(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.q_proj = linear(width, config["heads"] * head_dim)
            self.k_proj = linear(width, config["kv_heads"] * head_dim)
            self.v_proj = linear(width, config["kv_heads"] * head_dim)
            self.o_proj = linear(config["heads"] * head_dim, width)
            if config["qk_norm"]:
                self.q_norm, self.k_norm = norm(head_dim), norm(head_dim)

        def forward(self, x: Any, cos: Any, sin: Any) -> Any:
            batch, seq, _ = x.shape
            q, k, v = (
                projection(x).view(batch, seq, -1, head_dim)
                for projection in (self.q_proj, self.k_proj, self.v_proj)
            )
            # Under autocast the norms' weights and the table are float32 still: normalised and
            # turned in that, and rounded then.
            if config["qk_norm"]:
                kept = self.q_norm.weight.dtype
                q, k = self.q_norm(q.to(kept)), self.k_norm(k.to(kept))
            q, k = (turned(y.transpose(1, 2), cos, sin).to(v.dtype) for y in (q, k))
            y = F.scaled_dot_product_attention(
                q, k, v.transpose(1, 2), is_causal=True, enable_gqa=True
            )
            return self.o_proj(y.transpose(1, 2).reshape(batch, seq, -1))

    class Mlp(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.gate_proj = linear(width, config["mlp_width"])
            self.up_proj = linear(width, config["mlp_width"])
            self.down_proj = linear(config["mlp_width"], width)

        def forward(self, x: Any) -> Any:
            return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.input_layernorm = norm(width)
            self.self_attn = Attention()
            self.post_attention_layernorm = norm(width)
            self.mlp = experts.build_torch(config) if config["experts"] else Mlp()

        def forward(self, x: Any, cos: Any, sin: Any) -> Any:
            x = x + self.self_attn(self.input_layernorm(x), cos, sin)
            return x + self.mlp(self.post_attention_layernorm(x))

    class Llama(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed_tokens = nn.Embedding(config["vocab"], width)
            self.layers = nn.ModuleList(Block() for _ in range(config["layers"]))
            self.norm = norm(width)
            if not config["tied"]:
                self.lm_head = linear(width, config["vocab"])
            for name, table in zip(("cos", "sin"), rotations(config), strict=True):
                self.register_buffer(name, torch.tensor(table), persistent=False)

        def forward(self, ids: Any) -> Any:
            cos, sin = self.cos[: ids.shape[1]], self.sin[: ids.shape[1]]
            x = self.embed_tokens(ids)
            for block in self.layers:
                x = block(x, cos, sin)
            x = self.norm(x)
            return F.linear(x, self.embed_tokens.weight) if config["tied"] else self.lm_head(x)

    return Llama()


def build_flax(config: Config, dtype: str) -> Any:
    """Build the Flax module that computes in `dtype`; its logits are float32."""
    import jax
    import jax.numpy as jnp
    from flax import linen as nn

    width, head_dim = config["width"], config["head_dim"]

    def dense(features: int, name: str) -> Any:
        return nn.Dense(features, use_bias=False, dtype=dtype, name=name)

    def norm(name: str) -> Any:
        return nn.RMSNorm(epsilon=_epsilon(config), dtype=dtype, name=name)

    def turned(x: Any) -> Any:
        cos, sin = (t[: x.shape[1], None].astype(dtype) for t in rotations(config))
        first, second = jnp.split(x, 2, axis=-1)
        return x * cos + jnp.concatenate((-second, first), axis=-1) * sin

    class Attention(nn.Module):
        @nn.compact
        def __call__(self, x: Any) -> Any:
            batch, seq, _ = x.shape
            q, k, v = (
                dense(config[heads] * head_dim, name)(x).reshape(batch, seq, -1, head_dim)
                for name, heads in (
                    ("q_proj", "heads"),
                    ("k_proj", "kv_heads"),
                    ("v_proj", "kv_heads"),
                )
            )
            if config["qk_norm"]:
                q, k = norm("q_norm")(q), norm("k_norm")(k)
            y = jax.nn.dot_product_attention(turned(q), turned(k), v, is_causal=True)
            return dense(width, "o_proj")(y.reshape(batch, seq, -1))

    class Mlp(nn.Module):
        @nn.compact
        def __call__(self, x: Any) -> Any:
            gate = dense(config["mlp_width"], "gate_proj")(x)
            up = dense(config["mlp_width"], "up_proj")(x)
            return dense(width, "down_proj")(nn.silu(gate) * up)

    class Block(nn.Module):
        @nn.compact
        def __call__(self, x: Any) -> Any:
            mlp = experts.flax_module(config, dtype) if config["experts"] else Mlp
            x = x + Attention(name="self_attn")(norm("input_layernorm")(x))
            return x + mlp(name="mlp")(norm("post_attention_layernorm")(x))

    class Llama(nn.Module):
        @nn.compact
        def __call__(self, ids: Any, train: bool) -> Any:
            table = nn.Embed(config["vocab"], width, dtype=dtype, name="embed_tokens")
            x = table(ids)
            for i in range(config["layers"]):
                x = Block(name=f"layers.{i}")(x)
            x = norm("norm")(x)
            logits = table.attend(x) if config["tied"] else dense(config["vocab"], "lm_head")(x)
            return logits.astype(jnp.float32)

    return Llama()
