"""ResNet-50 in transformers, whose ResNet is one class for all sizes."""

from tests.independent import Independent, Published
from tests.independent.resnet18 import logits

INDEPENDENT = Independent(
    library="transformers, ResNetForImageClassification",
    logits=logits,
    published=Published(
        parameters=25_557_032,
        flops=2 * 4.089e9,
        source="torchvision, ResNet50_Weights.IMAGENET1K_V1.meta: num_params, _ops (GMAC)",
    ),
)
