"""Fine-tuning of the later half of a pretrained network; the earlier half is a frozen prefix."""

from collections.abc import Sequence

from hwbench.shortcut import Epochs, Ratio, Shortcut
from hwbench.stepping import Ground, Stepper

LATER = 0.5  # of the blocks, rounded up


def trained(blocks: Sequence[str], head: str) -> list[str]:
    """Return what trains: the later half of the blocks, in the order in which they run."""
    return list(blocks[int(len(blocks) * (1 - LATER)) :])


def build(ground: Ground) -> Stepper:
    """Freeze the earlier half of the blocks."""
    from hwbench.dialects import torch_frozen as frozen

    found = frozen.anatomy_of(ground)
    head = frozen.head_of(ground, found)
    frozen.freeze_but(ground.model, trained([b.name for b in found.blocks], head))
    return frozen.stepper(ground)


SHORTCUT = Shortcut(
    name="partial_finetune",
    summary="the later half of the layers, from pretrained ones",
    step_ratio=Ratio(point=2 / 3, low=0.6, high=0.9),
    theory="a frozen prefix of half of the layers: (3 - 2 phi) F = 2 F of 3 F",
    epochs=Epochs(
        usual=10,
        low=5,
        high=30,
        source="as full fine-tuning: 5 to 30 epochs",
    ),
    frozen="the earlier half of the blocks; their batch statistics too",
    memory="weights; gradients, moments and activations of the later half",
    rate_factor=0.3,
    excludes=("full_finetune", "linear_probe", "cached_features", "lora", "adapters"),
    build=build,
    build_jax=trained,
)
