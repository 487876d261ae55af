"""Low-rank adapters in layers whose frozen weights are held in 4 bits (Dettmers et al. 2023)."""

from hwbench.shortcut import Epochs, Ratio, Shortcut
from hwbench.stepping import Ground, Stepper


def build(ground: Ground) -> Stepper:
    """Put adapters beside each linear layer, whose weights are quantised by bitsandbytes."""
    from hwbench.dialects import torch_adapters

    return torch_adapters.build(ground, quantised=True)


SHORTCUT = Shortcut(
    name="qlora",
    summary="low-rank adapters in frozen pretrained layers of 4 bits (QLoRA)",
    step_ratio=Ratio(point=1.0, low=0.75, high=1.8),
    theory="the step of lora, and weights unpacked in both passes: 39 % more time for 33 % less"
    " memory in one published comparison (Raschka 2023); it saves memory, not time",
    epochs=Epochs(
        usual=3,
        low=2,
        high=10,
        source="as of lora: 2 to 4 epochs for language models, up to 10 for vision",
    ),
    frozen="all weights but the adapters' and the head's; batch statistics too",
    memory="weights of linear layers in 4 bits (bitsandbytes, NF4), activations of all layers;"
    " gradients and moments of adapters and head alone",
    rate_factor=3.0,
    excludes=(
        "full_finetune",
        "partial_finetune",
        "linear_probe",
        "cached_features",
        "adapters",
        "lora",
    ),
    build=build,
)
