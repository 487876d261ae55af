"""ViT-B/16 in transformers: the family's smaller size, at other numbers."""

from tests.independent import Independent, Published
from tests.independent.vit_tiny import logits

INDEPENDENT = Independent(
    library="transformers, ViTForImageClassification",
    logits=logits,
    published=Published(
        parameters=86_567_656,
        flops=2 * 17.564e9,
        source="torchvision's ViT_B_16_Weights: num_params 86567656, 17.564 GMAC (its GFLOPS);"
        " 86 M in Dosovitskiy et al. 2020, arXiv:2010.11929, table 1",
    ),
)
