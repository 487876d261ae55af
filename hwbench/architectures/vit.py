"""Vision transformers (Dosovitskiy et al. 2020, arXiv:2010.11929), named as in timm.

A class token and learned positions, pre-norm blocks, exact (erf) GELU, dropout 0. A patch has a
token: the projection of patches is a convolution whose stride is its kernel.
"""

# flax.linen.compact is untyped, as all of the frameworks:
# mypy: disallow-untyped-decorators=False

from typing import Any

from hwbench.workload import Config

EPSILON = 1e-6  # of the layer normalisations

# Looked up rather than multiplied: deviation 0.02, as timm draws them too.
EMBEDDINGS = ("cls_token", "pos_embed")


def inputs(config: Config, batch_size: int, rng: Any) -> tuple[Any, ...]:
    """Return one float32 array of images, NCHW."""
    side = config["image"]
    return (rng.standard_normal((batch_size, config["channels"], side, side), dtype="float32"),)


def targets(config: Config, batch_size: int, rng: Any) -> Any:
    """Return int64 labels of shape (batch,)."""
    return rng.integers(config["classes"], size=batch_size, dtype="int64")


def _patches(config: Config) -> int:
    """Return into how many patches an image is cut; the class token comes on top."""
    along = config["image"] // config["patch"]
    return along * along


def _numbers_per_patch(config: Config) -> int:
    return config["channels"] * config["patch"] ** 2


def parameters(config: Config) -> int:
    """Count the matrices with their biases, two numbers a feature of a norm, and the tables."""
    d, hidden = config["width"], config["mlp_width"]
    projection = _numbers_per_patch(config) * d + d
    tables = d + (_patches(config) + 1) * d  # the class token, the positions
    attention = (d * 3 * d + 3 * d) + (d * d + d)
    mlp = (d * hidden + hidden) + (hidden * d + d)
    norm = 2 * d
    head = d * config["classes"] + config["classes"]
    return projection + tables + config["layers"] * (attention + mlp + 2 * norm) + norm + head


def flops(config: Config) -> int:
    """Return the forward FLOPs of one image: 2 per MAC, the products of attention included."""
    d, hidden, patches = config["width"], config["mlp_width"], _patches(config)
    tokens = patches + 1
    projection = patches * _numbers_per_patch(config) * d
    attention = d * 3 * d + d * d  # per token
    scores_and_values = 2 * tokens * d
    mlp = 2 * d * hidden
    head = d * config["classes"]  # of the class token alone
    blocks = config["layers"] * tokens * (attention + scores_and_values + mlp)
    return 2 * (projection + blocks + head)


def build_torch(config: Config) -> Any:
    """Build the torch module: images NCHW to logits (batch, classes)."""
    import torch
    import torch.nn.functional as F
    from torch import nn

    width, heads, patch = config["width"], config["heads"], config["patch"]

    class PatchEmbed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.proj = nn.Conv2d(config["channels"], width, patch, stride=patch)

        def forward(self, x: Any) -> Any:
            return self.proj(x).flatten(2).transpose(1, 2)  # (batch, patches, width)

    class Attention(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.qkv = nn.Linear(width, 3 * width)
            self.proj = nn.Linear(width, width)

        def forward(self, x: Any) -> Any:
            batch, tokens, _ = x.shape
            q, k, v = (
                part.view(batch, tokens, heads, width // heads).transpose(1, 2)
                for part in self.qkv(x).split(width, dim=2)
            )
            y = F.scaled_dot_product_attention(q, k, v)
            return self.proj(y.transpose(1, 2).reshape(batch, tokens, width))

    class Mlp(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc1 = nn.Linear(width, config["mlp_width"])
            self.fc2 = nn.Linear(config["mlp_width"], width)

        def forward(self, x: Any) -> Any:
            return self.fc2(F.gelu(self.fc1(x)))

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm1 = nn.LayerNorm(width, eps=EPSILON)
            self.attn = Attention()
            self.norm2 = nn.LayerNorm(width, eps=EPSILON)
            self.mlp = Mlp()

        def forward(self, x: Any) -> Any:
            x = x + self.attn(self.norm1(x))
            return x + self.mlp(self.norm2(x))

    class Vit(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
            self.pos_embed = nn.Parameter(torch.zeros(1, _patches(config) + 1, width))
            self.patch_embed = PatchEmbed()
            self.blocks = nn.Sequential(*(Block() for _ in range(config["layers"])))
            self.norm = nn.LayerNorm(width, eps=EPSILON)
            self.head = nn.Linear(width, config["classes"])

        def forward(self, x: Any) -> Any:
            x = self.patch_embed(x)
            first = self.cls_token.expand(x.shape[0], -1, -1)
            x = self.blocks(torch.cat((first, x), dim=1) + self.pos_embed)
            return self.head(self.norm(x)[:, 0])

    return Vit()


def build_flax(config: Config, dtype: str) -> Any:
    """Build the Flax module that computes in `dtype`, NHWC inside; its logits are float32."""
    import jax
    import jax.numpy as jnp
    from flax import linen as nn

    width, heads = config["width"], config["heads"]

    def dense(features: int, name: str) -> Any:
        return nn.Dense(features, dtype=dtype, name=name)

    def norm(name: str) -> Any:
        return nn.LayerNorm(epsilon=EPSILON, dtype=dtype, name=name)

    def patch_projection(name: str) -> Any:
        sides = (config["patch"], config["patch"])
        return nn.Conv(width, sides, strides=sides, padding=0, dtype=dtype, name=name)

    class Attention(nn.Module):
        @nn.compact
        def __call__(self, x: Any) -> Any:
            batch, tokens, _ = x.shape
            q, k, v = (
                part.reshape(batch, tokens, heads, width // heads)
                for part in jnp.split(dense(3 * width, "qkv")(x), 3, axis=-1)
            )
            y = jax.nn.dot_product_attention(q, k, v)
            return dense(width, "proj")(y.reshape(batch, tokens, width))

    class Mlp(nn.Module):
        @nn.compact
        def __call__(self, x: Any) -> Any:
            hidden = nn.gelu(dense(config["mlp_width"], "fc1")(x), approximate=False)
            return dense(width, "fc2")(hidden)

    class Block(nn.Module):
        @nn.compact
        def __call__(self, x: Any) -> Any:
            x = x + Attention(name="attn")(norm("norm1")(x))
            return x + Mlp(name="mlp")(norm("norm2")(x))

    class Vit(nn.Module):
        def table(self, name: str, rows: int) -> Any:
            return self.param(name, nn.initializers.zeros, (1, rows, width)).astype(dtype)

        @nn.compact
        def __call__(self, x: Any, train: bool) -> Any:
            batch = x.shape[0]
            x = patch_projection("patch_embed.proj")(x.transpose(0, 2, 3, 1))  # NCHW -> NHWC
            x = x.reshape(batch, -1, width)
            first = jnp.broadcast_to(self.table("cls_token", 1), (batch, 1, width))
            positions = self.table("pos_embed", _patches(config) + 1)
            x = jnp.concatenate((first, x), axis=1) + positions
            for i in range(config["layers"]):
                x = Block(name=f"blocks.{i}")(x)
            logits = dense(config["classes"], "head")(norm("norm")(x)[:, 0])
            return logits.astype(jnp.float32)

    return Vit()
