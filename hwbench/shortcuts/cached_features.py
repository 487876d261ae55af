"""A linear head on features that the frozen backbone computes once."""

from typing import Any

from hwbench.shortcut import Epochs, Ratio, Shortcut
from hwbench.stepping import Ground, Inputs, Stepper


def build(ground: Ground) -> Stepper:
    """Make the head's own step, and the pass that gives it its features."""
    from hwbench.dialects import torch_frozen as frozen

    torch, found = ground.torch, frozen.anatomy_of(ground)
    name = frozen.head_of(ground, found)
    head_flops = sum(layer.flops for layer in found.layers if layer.module == name)
    frozen.freeze_but(ground.model, [name])
    ground.model.eval()
    head = ground.model.get_submodule(name)
    made = frozen.stepper(ground, head)

    def once(inputs: Inputs, targets: Any) -> tuple[Inputs, Any]:
        seen = frozen.Captured(ground.model, name)
        try:
            with torch.no_grad(), ground.autocast():
                ground.model(*inputs)
        finally:
            seen.remove()
        return (seen.value.float(),), targets

    return Stepper(
        step=made.step,
        logits=made.logits,
        model=ground.model,
        optimizers=made.optimizers,
        once=once,
        theory_flops_per_item=2 * head_flops,  # forward and the gradient of its weights
        once_flops_per_item=found.forward_flops - head_flops,
    )


SHORTCUT = Shortcut(
    name="cached_features",
    summary="a linear head; the frozen backbone runs once over the data",
    step_ratio=Ratio(point=0.003, low=0.0003, high=0.02),
    theory="F once, then 4 d C of the head an item and epoch: 1 / (3 E) and next to nothing",
    epochs=Epochs(
        usual=50,
        low=20,
        high=100,
        source="50 to 100 epochs of the head, or L-BFGS",
    ),
    forward_passes_once=1.0,
    loads_data=False,
    frozen="all but the head; the backbone runs once, in evaluation mode",
    memory="weights, the features of all items, and the head's gradients and moments",
    one_off="one forward pass over the data",
    rate_factor=10.0,
    excludes=("full_finetune", "partial_finetune", "linear_probe", "lora", "adapters"),
    build=build,
)
