"""Low-rank adapters in every layer (Hu et al. 2021): the weights' gradients are not computed."""

from hwbench.shortcut import Epochs, Ratio, Shortcut
from hwbench.stepping import Ground, Stepper


def build(ground: Ground) -> Stepper:
    """Put adapters beside each linear layer and each whole convolution."""
    from hwbench.dialects import torch_adapters

    return torch_adapters.build(ground)


SHORTCUT = Shortcut(
    name="lora",
    summary="low-rank adapters in frozen pretrained layers (LoRA)",
    step_ratio=Ratio(point=0.72, low=0.62, high=1.05),
    theory="2 F + 3 f of the adapters: 2/3 and what they add; measured savings are less, at times"
    " none (arXiv:2507.08833)",
    epochs=Epochs(
        usual=3,
        low=2,
        high=10,
        source="2 to 4 epochs for language models, up to 10 for vision",
    ),
    frozen="all weights but the adapters' and the head's; batch statistics too",
    memory="weights, activations of all layers; gradients and moments of adapters and head alone",
    rate_factor=3.0,
    excludes=(
        "full_finetune",
        "partial_finetune",
        "linear_probe",
        "cached_features",
        "adapters",
        "qlora",
    ),
    build=build,
)
