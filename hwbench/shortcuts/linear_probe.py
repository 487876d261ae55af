"""A linear head on a frozen backbone that runs forward in each step: data can be augmented."""

from collections.abc import Sequence

from hwbench.shortcut import Epochs, Ratio, Shortcut
from hwbench.stepping import Ground, Stepper


def trained(blocks: Sequence[str], head: str) -> list[str]:
    """Return what trains: the head."""
    return [head]


def build(ground: Ground) -> Stepper:
    """Freeze all but the head; autograd then keeps nothing of the backbone."""
    from hwbench.dialects import torch_frozen as frozen

    frozen.freeze_but(ground.model, [frozen.head_of(ground, frozen.anatomy_of(ground))])
    return frozen.stepper(ground)


SHORTCUT = Shortcut(
    name="linear_probe",
    summary="a linear head; the frozen backbone runs in each step",
    step_ratio=Ratio(point=1 / 3, low=0.28, high=0.5),
    theory="F + 3 f of the head: 1/3",
    epochs=Epochs(
        usual=50,
        low=20,
        high=100,
        source="50 to 100 epochs of the head",
    ),
    frozen="all but the head; batch statistics too",
    memory="weights; gradients, moments and activations of the head alone",
    rate_factor=10.0,
    excludes=("full_finetune", "partial_finetune", "cached_features", "lora", "adapters"),
    build=build,
    build_jax=trained,
)
