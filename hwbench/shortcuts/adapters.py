"""Bottleneck adapters after every block (Houlsby et al. 2019; one a block as Pfeiffer et al. 2021).

Down to a twelfth of the width, ReLU, up again, added to the block's output. The up-projection
starts at zero, so training starts from the pretrained network exactly.
"""

from collections.abc import Callable
from typing import Any

from hwbench.shortcut import Epochs, Ratio, Shortcut
from hwbench.stepping import Ground, Stepper

SHARE = 12  # of a block's width that the bottleneck has: 64 of BERT's 768


def build(ground: Ground) -> Stepper:
    """Freeze the network and put an adapter after each of its blocks; the head trains too."""
    from hwbench.dialects import torch_frozen as frozen

    found = frozen.anatomy_of(ground)
    head, names = frozen.head_of(ground, found), frozen.inner_blocks(found)
    seen, torch = frozen.outputs_of(ground, names), ground.torch

    def make() -> Any:
        parts = [frozen.bottleneck(torch, seen[name], SHARE) for name in names]
        return torch.nn.ModuleList(parts)

    ground.model.add_module("adapters", frozen.seeded(ground, make))
    for name, adapter in zip(names, ground.model.adapters, strict=True):
        ground.model.get_submodule(name).register_forward_hook(_adding(adapter))
    frozen.freeze_but(ground.model, [head, "adapters"])
    return frozen.stepper(ground)


def _adding(adapter: Any) -> Callable[..., Any]:
    def add(module: Any, inputs: Any, output: Any) -> Any:
        if isinstance(output, tuple):
            return output[0] + adapter(output[0]), *output[1:]
        return output + adapter(output)

    return add


SHORTCUT = Shortcut(
    name="adapters",
    summary="a small bottleneck after each frozen block (adapters)",
    step_ratio=Ratio(point=0.72, low=0.62, high=1.05),
    theory="2 F + 3 f of the adapters; up to 60 % faster was measured (AdapterDrop, 2021)",
    epochs=Epochs(
        usual=10,
        low=3,
        high=20,
        source="3 to 20 epochs on GLUE (Houlsby et al. 2019, arXiv:1902.00751)",
    ),
    frozen="all weights but the adapters' and the head's; batch statistics too",
    memory="weights, activations from the first adapter on; gradients and moments of adapters and"
    " head alone",
    rate_factor=3.0,
    excludes=("full_finetune", "partial_finetune", "linear_probe", "cached_features", "lora"),
    build=build,
)
