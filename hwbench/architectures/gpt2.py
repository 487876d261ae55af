"""GPT-2 (Radford et al. 2019), named as in transformers' GPT2LMHeadModel.

Pre-norm blocks, tanh GELU, learned positions, head tied to the token embedding, dropout 0. The
projections are plain linear layers: transformers' Conv1D is the same with its weight transposed.
`seq` is the measured length, `context` the longest that the position table allows.
"""

# flax.linen.compact is untyped, as all of the frameworks:
# mypy: disallow-untyped-decorators=False

from typing import Any

from hwbench.workload import Config

EPSILON = 1e-5  # of the layer normalisations

# Looked up rather than multiplied: deviation 0.02, as GPT-2 draws them.
EMBEDDINGS = ("wte.weight", "wpe.weight")


def inputs(config: Config, batch_size: int, rng: Any) -> tuple[Any, ...]:
    """Return one int64 array of token ids, (batch, seq)."""
    return (rng.integers(config["vocab"], size=(batch_size, config["seq"]), dtype="int64"),)


def targets(config: Config, batch_size: int, rng: Any) -> Any:
    """Return int64 labels, one a token: (batch, seq)."""
    return rng.integers(config["vocab"], size=(batch_size, config["seq"]), dtype="int64")


def parameters(config: Config) -> int:
    """Count the parameters; the head is the token embedding and counts once."""
    d, hidden = config["width"], config["mlp_width"]
    attention = (d * 3 * d + 3 * d) + (d * d + d)
    mlp = (d * hidden + hidden) + (hidden * d + d)
    norm = 2 * d
    embeddings = (config["vocab"] + config["context"]) * d
    return embeddings + config["layers"] * (attention + mlp + 2 * norm) + norm


def flops(config: Config) -> int:
    """Return the forward FLOPs of one sequence: 2 per MAC, head and attention included.

    Attention counts the full seq x seq products, not the causal half: kernels differ in how much
    of the masked half they skip, and the same formula must hold for all.
    """
    d, hidden, seq = config["width"], config["mlp_width"], config["seq"]
    attention = d * 3 * d + d * d  # per token
    scores_and_values = 2 * seq * d
    mlp = 2 * d * hidden
    head = d * config["vocab"]
    return 2 * seq * (config["layers"] * (attention + scores_and_values + mlp) + head)


def build_torch(config: Config) -> Any:
    """Build the torch module: token ids (batch, seq) to logits (batch, seq, vocab)."""
    import torch
    import torch.nn.functional as F
    from torch import nn

    width, heads = config["width"], config["heads"]

    class Attention(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.c_attn = nn.Linear(width, 3 * width)
            self.c_proj = nn.Linear(width, width)

        def forward(self, x: Any) -> Any:
            batch, seq, _ = x.shape
            q, k, v = (
                part.view(batch, seq, heads, width // heads).transpose(1, 2)
                for part in self.c_attn(x).split(width, dim=2)
            )
            y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
            return self.c_proj(y.transpose(1, 2).reshape(batch, seq, width))

    class Mlp(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.c_fc = nn.Linear(width, config["mlp_width"])
            self.c_proj = nn.Linear(config["mlp_width"], width)

        def forward(self, x: Any) -> Any:
            return self.c_proj(F.gelu(self.c_fc(x), approximate="tanh"))

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.ln_1 = nn.LayerNorm(width, eps=EPSILON)
            self.attn = Attention()
            self.ln_2 = nn.LayerNorm(width, eps=EPSILON)
            self.mlp = Mlp()

        def forward(self, x: Any) -> Any:
            x = x + self.attn(self.ln_1(x))
            return x + self.mlp(self.ln_2(x))

    class Gpt2(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.wte = nn.Embedding(config["vocab"], width)
            self.wpe = nn.Embedding(config["context"], width)
            self.h = nn.ModuleList(Block() for _ in range(config["layers"]))
            self.ln_f = nn.LayerNorm(width, eps=EPSILON)

        def forward(self, ids: Any) -> Any:
            x = self.wte(ids) + self.wpe(torch.arange(ids.shape[1], device=ids.device))
            for block in self.h:
                x = block(x)
            return F.linear(self.ln_f(x), self.wte.weight)

    return Gpt2()


def build_flax(config: Config, dtype: str) -> Any:
    """Build the Flax module that computes in `dtype`; its logits are float32."""
    import jax
    import jax.numpy as jnp
    from flax import linen as nn

    width, heads = config["width"], config["heads"]

    def dense(features: int, name: str) -> Any:
        return nn.Dense(features, dtype=dtype, name=name)

    def norm(name: str) -> Any:
        return nn.LayerNorm(epsilon=EPSILON, dtype=dtype, name=name)

    class Attention(nn.Module):
        @nn.compact
        def __call__(self, x: Any) -> Any:
            batch, seq, _ = x.shape
            q, k, v = (
                part.reshape(batch, seq, heads, width // heads)
                for part in jnp.split(dense(3 * width, "c_attn")(x), 3, axis=-1)
            )
            y = jax.nn.dot_product_attention(q, k, v, is_causal=True)
            return dense(width, "c_proj")(y.reshape(batch, seq, width))

    class Mlp(nn.Module):
        @nn.compact
        def __call__(self, x: Any) -> Any:
            hidden = nn.gelu(dense(config["mlp_width"], "c_fc")(x), approximate=True)
            return dense(width, "c_proj")(hidden)

    class Block(nn.Module):
        @nn.compact
        def __call__(self, x: Any) -> Any:
            x = x + Attention(name="attn")(norm("ln_1")(x))
            return x + Mlp(name="mlp")(norm("ln_2")(x))

    class Gpt2(nn.Module):
        @nn.compact
        def __call__(self, ids: Any, train: bool) -> Any:
            wte = nn.Embed(config["vocab"], width, dtype=dtype, name="wte")
            wpe = nn.Embed(config["context"], width, dtype=dtype, name="wpe")
            x = wte(ids) + wpe(jnp.arange(ids.shape[1]))
            for i in range(config["layers"]):
                x = Block(name=f"h.{i}")(x)
            return wte.attend(norm("ln_f")(x)).astype(jnp.float32)

    return Gpt2()
