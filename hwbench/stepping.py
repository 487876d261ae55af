"""The contract of a way to train: from a network and its optimiser to a step and an evaluation.

A shortcut (`shortcut.py`) and a hardening (`hardening.py`) make their step of a `Ground`. What is
of a framework is Any here: nothing of it is imported.
"""

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from hwbench.workload import Config, Workload

Inputs = tuple[Any, ...]


@dataclass(frozen=True, kw_only=True)
class Ground:
    """What a way of training makes its step of.

    `model` is the workload's module on `device`, in train mode, with weights that stand for
    pretrained ones. `optimizer(parameters)` makes the frozen definition's optimiser over them;
    `autocast()` is the context of a forward pass; `transform(callable, phase)` compiles, or gives
    back what it got. `tasks` counts the tasks of a way that has several.
    """

    torch: Any
    workload: Workload
    config: Config
    model: Any
    device: Any
    dtype: str
    optimizer: Callable[[Iterable[Any]], Any]
    autocast: Callable[[], AbstractContextManager[Any]]
    transform: Callable[[Any, str], Any]
    seed: int = 0
    tasks: int = 2


@dataclass(frozen=True, kw_only=True)
class Stepper:
    """One way to train a network, ready to run.

    `step(inputs, targets)` is a whole training step; it returns the loss before its update,
    detached. `logits(inputs)` evaluates without learning, in evaluation mode, and leaves all
    modules in the mode in which steps run. `model` holds every parameter that is in memory, frozen
    ones too. `once(inputs, targets)`, where there is one, is the pass over the data that comes
    before the first epoch: it returns what `step` and `logits` take in place of its arguments.
    `extra_flops_per_item` are those of a step, by theory, that the layers of `model` and their
    flags do not tell: a teacher's forward pass.
    """

    step: Callable[[Inputs, Any], Any]
    logits: Callable[[Inputs], Any]
    model: Any
    optimizers: tuple[Any, ...]
    once: Callable[[Inputs, Any], tuple[Inputs, Any]] | None = None
    extra_flops_per_item: float = 0.0
    theory_flops_per_item: float | None = None  # of a step whose layers do not run in `model` alone
    once_flops_per_item: float = 0.0  # of `once`


Build = Callable[[Ground], Stepper]
