"""The contract of a setting: another way to compute the same training step.

A plug-in is one file in `hwbench/settings/` that exports `SETTING = Setting(...)`. It changes how a
step is computed - layout, precision, kernels, what is kept - never what is trained on. A case with
settings has them in its options, `setting=channels_last+fused`.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from hwbench.workload import Config, Workload

OPTION = "setting"  # of a case: the names, joined by JOIN
JOIN = "+"


@dataclass(kw_only=True)
class Recipe:
    """A training step before it is made; settings change it in turn.

    `autocast()` is the context of the forward pass; `transform(callable, phase)` compiles, or gives
    back what it got; `layout(tensor)` puts an input as the model wants it; a batch is taken in
    `parts`, whose gradients are summed before the update. `fused`: the optimiser's kernels are one.
    """

    torch: Any
    model: Any
    device: Any
    autocast: Callable[[], AbstractContextManager[Any]]
    transform: Callable[[Any, str], Any]
    layout: Callable[[Any], Any] = lambda tensor: tensor
    parts: int = 1
    fused: bool = False


def anywhere(workload: Workload, config: Config, device: str) -> str | None:
    """Return None: nothing speaks against it."""
    return None


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One setting: `apply(recipe)` changes a step; `supports(workload, config, device)` is why not.

    `saves` says what it is for: `time`, or `memory` at the cost of time. `changes_numbers`: the
    losses differ by more than the order of sums. `typed` is how a user writes it in torch.
    """

    name: str
    summary: str
    saves: str  # time | memory
    typed: str
    apply: Callable[[Recipe], None]
    supports: Callable[[Workload, Config, str], str | None] = anywhere
    changes_numbers: bool = False
