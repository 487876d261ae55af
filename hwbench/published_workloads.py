"""The published trainings, and which of them one's own network is like.

Kind and family say what a network has in common with others when it moves to another device. That
a network is of a family is an assumption, and is said with every figure that rests on it.
"""

import math
from dataclasses import dataclass
from datetime import date

COMPILED = date(2026, 11, 25)
BERT = "6 N s + 12 L d s^2 of one sequence of s = 384 tokens (PaLM, app. B), N without embeddings"


@dataclass(frozen=True, kw_only=True)
class PublishedWorkload:
    """One training of the published table; `flops_per_item` is forward and backward together."""

    name: str
    kind: str  # conv | transformer | rnn | embedding
    family: str
    item: str
    flops_per_item: float | None = None  # None: not worked out
    flops_source: str = ""
    mixed: bool = True  # False: its fp16 figures equal those of fp32, on every device


_ALL = (
    PublishedWorkload(
        name="resnet50",
        kind="conv",
        family="image",
        item="image",
        flops_per_item=3 * 8.2e9,
        flops_source="3 x 4.1 GMAC (He et al. 2016, 224 x 224)",
    ),
    PublishedWorkload(
        name="ssd",
        kind="conv",
        family="image",
        item="image",
        flops_per_item=6 * 20.15e9,
        flops_source="6 x 20.15 GMAC, counted from SSD300 on ResNet-50 up to conv4 (300 x 300)",
    ),
    PublishedWorkload(
        name="bert_base_squad",
        kind="transformer",
        family="bert",
        item="sequence",
        flops_per_item=6 * 85.05e6 * 384 + 12 * 12 * 768 * 384**2,
        flops_source=BERT,
    ),
    PublishedWorkload(
        name="bert_large_squad",
        kind="transformer",
        family="bert",
        item="sequence",
        flops_per_item=6 * 302.3e6 * 384 + 12 * 24 * 1024 * 384**2,
        flops_source=BERT,
    ),
    PublishedWorkload(
        name="transformerxlbase", kind="transformer", family="transformerxl", item="token"
    ),
    PublishedWorkload(
        name="transformerxllarge", kind="transformer", family="transformerxl", item="token"
    ),
    PublishedWorkload(
        name="gnmt",
        kind="rnn",
        family="gnmt",
        item="token",
        flops_per_item=6 * 129e6 / 2,
        flops_source="6 N by source and target tokens alike: GNMT v2, 4 + 4 layers of 1024, 129 M"
        " weights without embeddings",
    ),
    PublishedWorkload(
        name="tacotron2", kind="rnn", family="tacotron2", item="mel frame", mixed=False
    ),
    PublishedWorkload(
        name="waveglow", kind="conv", family="waveglow", item="audio sample", mixed=False
    ),
    PublishedWorkload(
        name="ncf",
        kind="embedding",
        family="ncf",
        item="sample",
        flops_per_item=6 * 107e3,
        flops_source="6 N of the layers 256, 256, 128, 64 (He et al. 2017), embeddings not counted",
    ),
)
PUBLISHED = {w.name: w for w in _ALL}


@dataclass(frozen=True)
class Likeness:
    """What a network is taken for: None where nothing is known of it."""

    kind: str | None
    family: str | None = None
    same: str | None = None  # the published training that is the same network


OWN = {
    "mlp": Likeness("embedding", "ncf"),
    "resnet18": Likeness("conv", "image"),
    "resnet50": Likeness("conv", "image", "resnet50"),
    "mobilenet_v3_large": Likeness("conv", "image"),
    "dcgan": Likeness("conv", "image"),
    "vit_tiny": Likeness("transformer", "bert"),
    "vit_base": Likeness("transformer", "bert"),
    "bert_base": Likeness("transformer", "bert", "bert_base_squad"),
    "gpt2_small": Likeness("transformer", "bert"),
    "gpt2_medium": Likeness("transformer", "bert"),
    "gpt2_large": Likeness("transformer", "bert"),
    "gpt2_xl": Likeness("transformer", "bert"),
    "llama_1b": Likeness("transformer", "bert"),
    "llama_8b": Likeness("transformer", "bert"),
    "llama_70b": Likeness("transformer", "bert"),
    "qwen_moe_30b_a3b": Likeness("transformer", "bert"),
    "lstm": Likeness("rnn", "gnmt"),
}


def likeness(workload: str, kind: str | None = None) -> Likeness:
    """Return what a network is like: by its name, else by the `kind` that is given."""
    name = workload.removesuffix("_small") if workload not in OWN else workload
    if name in PUBLISHED:
        return Likeness(PUBLISHED[name].kind, PUBLISHED[name].family, name)
    return OWN.get(name, Likeness(kind))


def nearest(like: Likeness, flops_per_item: float) -> PublishedWorkload | None:
    """Return the published training of that family, else kind, whose FLOPs per item come nearest.

    None where no training of that kind has known FLOPs.
    """
    if like.same is not None and PUBLISHED[like.same].flops_per_item is not None:
        return PUBLISHED[like.same]
    counted = [w for w in _ALL if w.flops_per_item is not None and w.kind == like.kind]
    family = [w for w in counted if w.family == like.family]
    return min(
        family or counted,
        key=lambda w: abs(math.log((w.flops_per_item or 1.0) / flops_per_item)),
        default=None,
    )
