"""ViT-Ti/16 in transformers."""

from collections.abc import Iterator, Mapping
from typing import Any

from hwbench.architectures.vit import EPSILON
from hwbench.workload import Config
from tests.independent import Independent, Published

# Ours (timm's) -> transformers'.
OUTSIDE = {
    "cls_token": "vit.embeddings.cls_token",
    "pos_embed": "vit.embeddings.position_embeddings",
    "patch_embed.proj": "vit.embeddings.patch_embeddings.projection",
    "norm": "vit.layernorm",
    "head": "classifier",
}
IN_A_BLOCK = {
    "norm1": "layernorm_before",
    "attn.proj": "attention.o_proj",
    "norm2": "layernorm_after",
    "mlp.fc1": "mlp.fc1",
    "mlp.fc2": "mlp.fc2",
}


def logits(config: Config, state: Mapping[str, Any], inputs: tuple[Any, ...]) -> Any:
    import torch
    import transformers

    sizes = transformers.ViTConfig(
        image_size=config["image"],
        num_channels=config["channels"],
        patch_size=config["patch"],
        num_hidden_layers=config["layers"],
        num_attention_heads=config["heads"],
        hidden_size=config["width"],
        intermediate_size=config["mlp_width"],
        num_labels=config["classes"],
        layer_norm_eps=EPSILON,
    )
    model = transformers.ViTForImageClassification(sizes).eval()
    model.load_state_dict(dict(renamed(state)))  # strict: no parameter is left over
    with torch.no_grad():
        return model(torch.from_numpy(inputs[0])).logits.numpy()


def renamed(ours: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield our state by transformers' names, the fused projection as its three."""
    for name, tensor in ours.items():
        stem, _, leaf = name.rpartition(".")
        if name in OUTSIDE:
            yield OUTSIDE[name], tensor
        elif stem in OUTSIDE:
            yield f"{OUTSIDE[stem]}.{leaf}", tensor
        else:
            _, block, inner = stem.split(".", 2)
            yield from in_block(f"vit.layers.{block}", inner, leaf, tensor)


def in_block(block: str, inner: str, leaf: str, tensor: Any) -> Iterator[tuple[str, Any]]:
    if inner != "attn.qkv":
        yield f"{block}.{IN_A_BLOCK[inner]}.{leaf}", tensor
        return
    for part, rows in zip("qkv", tensor.chunk(3), strict=True):
        yield f"{block}.attention.{part}_proj.{leaf}", rows


def flops() -> float:
    """Return twice timm's MACs, less what its counter (fvcore) gives a norm: 5 a number.

    25 norms of 197 tokens of 192 numbers are 0.38 % of it, and no products.
    """
    return 2 * (1.26e9 - 5 * 25 * 197 * 192)


INDEPENDENT = Independent(
    library="transformers, ViTForImageClassification",
    logits=logits,
    published=Published(
        parameters=5_717_416,
        flops=flops(),
        source="timm, pt113 inference results of vit_tiny_patch16_224: 5.72 M (5,717,416 in its"
        " model), 1.26 GMAC with layer normalisations; 5 M in Touvron et al. 2020,"
        " arXiv:2012.12877, table 1",
    ),
)
