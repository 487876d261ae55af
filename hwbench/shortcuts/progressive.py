"""A new column beside frozen ones, with lateral connections (Rusu et al. 2016).

Each block of the new column reads, beside the block before it, what the frozen columns' block
there gave, through a bottleneck of its own: the paper's adapters. Of K tasks, K - 1 columns are
frozen, and the step is that of the last.
"""

import copy
from collections.abc import Callable
from itertools import pairwise
from typing import Any

from hwbench.shortcut import Epochs, Ratio, Shortcut
from hwbench.stepping import Ground, Stepper

SHARE = 4  # of a block's width that a lateral bottleneck has


def build(ground: Ground) -> Stepper:
    """Freeze the network as K - 1 columns and train a new one from random weights beside them."""
    from torch import nn

    from hwbench.dialects import torch_frozen as frozen
    from hwbench.dialects.torch import network

    torch, found = ground.torch, frozen.anatomy_of(ground)
    frozen.head_of(ground, found)
    names = frozen.inner_blocks(found)
    seen, read = frozen.outputs_of(ground, names), frozen.outputs_of(ground, names, given=True)
    # A lateral connection leads to where the frozen block's output could have gone.
    pairs = [(a, b) for a, b in pairwise(names) if seen[a].shape == read[b].shape]
    new = frozen.seeded(ground, lambda: network(torch, ground.workload, ground.config, ground.seed))
    olds = [ground.model, *(copy.deepcopy(ground.model) for _ in range(ground.tasks - 2))]

    class Columns(nn.Module):
        """The frozen columns, the new one, and the lateral bottlenecks between them."""

        def __init__(self) -> None:
            super().__init__()
            self.frozen = torch.nn.ModuleList(olds)
            self.new = new
            self.laterals = torch.nn.ModuleList(
                torch.nn.ModuleList(frozen.bottleneck(torch, seen[a], SHARE) for a, _ in pairs)
                for _ in olds
            )
            self._told: dict[tuple[int, str], Any] = {}
            for n, column in enumerate(olds):
                for name, _ in pairs:
                    column.get_submodule(name).register_forward_hook(self._telling(n, name))
            for i, (before, name) in enumerate(pairs):
                new.get_submodule(name).register_forward_pre_hook(self._hearing(i, before))

        def _telling(self, n: int, name: str) -> Callable[..., None]:
            def tell(module: Any, inputs: Any, output: Any) -> None:
                self._told[n, name] = frozen.features(output).detach()

            return tell

        def _hearing(self, i: int, before: str) -> Callable[..., Any]:
            def hear(module: Any, inputs: Any) -> Any:
                x = inputs[0]
                for n, lateral in enumerate(self.laterals):
                    x = x + lateral[i](self._told[n, before])
                return x, *inputs[1:]

            return hear

        def forward(self, *inputs: Any) -> Any:
            with torch.no_grad():
                for column in self.frozen:
                    column(*inputs)
            return self.new(*inputs)

    columns = frozen.seeded(ground, Columns)
    frozen.freeze_but(columns, ["new", "laterals"])
    return frozen.stepper(ground, columns)


SHORTCUT = Shortcut(
    name="progressive",
    summary="a new column that reads the frozen ones' blocks (progressive networks)",
    step_ratio=Ratio(point=1.4, low=1.2, high=1.8),
    theory="3 F of the new column, F of each frozen one, and 3 f of the lateral connections",
    epochs=Epochs(
        usual=90,
        low=10,
        high=300,
        source="as from scratch; fewer where tasks are alike (Rusu et al. 2016: 8 of 12 gained)",
    ),
    frozen="the columns of earlier tasks, in evaluation mode",
    memory="the weights of all columns; gradients, moments and activations of the new one",
    one_off="the earlier tasks' columns, each a whole training",
    excludes=("cached_features", "multitask"),
    several=True,
    build=build,
)
