"""The contract of a shortcut: a cheaper way to the same goal than training from scratch.

A plug-in is one file in `hwbench/shortcuts/` that exports `SHORTCUT = Shortcut(...)`. It states
what it saves by theory: the floating-point operations of its step against those of a whole one,
1 : 2 for the forward and the backward pass; and it makes the step itself, which `hwbench shortcuts`
and `hwbench run --shortcut` time: what it saves in truth is less.
"""

from __future__ import annotations  # the contract's types are only read, so lists start at once

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hwbench.case import SHORTCUT, TASKS
from hwbench.montecarlo import Factor

if TYPE_CHECKING:
    from hwbench.stepping import Ground, Stepper
    from hwbench.workload import Config, Workload

NO_CLASSES = "has no classifier: its losses are its own"


def any_classifier(workload: Workload, config: Config) -> str | None:
    """Return why a network has no head that could be trained apart, or None."""
    return f"{workload.name} {NO_CLASSES}" if workload.objectives else None


@dataclass(frozen=True, kw_only=True)
class Ratio:
    """A step's time by that of training from scratch: a point, and a range that holds it."""

    point: float
    low: float
    high: float

    def __post_init__(self) -> None:
        """Refuse what holds no point."""
        if not 0 < self.low <= self.point <= self.high:
            raise ValueError(
                f"a step's ratio of {self.point:g} is not in {self.low:g}..{self.high:g}"
            )


@dataclass(frozen=True, kw_only=True)
class StepRatio:
    """What a record says of a shortcut's step against the network's own (`step_ratio.py`)."""

    ratio: Ratio
    rounds: int  # in which both were visited
    batch_size: int
    theory: float | None  # of the step's FLOPs, by the layers that ran
    carried: bool  # to another machine than the record's
    record: str
    once_item_s: float | None = None  # of the pass before the first epoch
    memory_peak_bytes: int | None = None  # of the device that trains
    parameters: int | None = None
    trainable_parameters: int | None = None


@dataclass(frozen=True, kw_only=True)
class Epochs:
    """The epochs that are usual, and where that is from."""

    usual: float
    low: float
    high: float
    source: str


@dataclass(frozen=True, kw_only=True)
class Shortcut:
    """A way to train. `forward_passes_once` over the data come before the first epoch.

    They are by theory, in forward passes of the network; where the step's `once` was timed, its
    seconds an item times `once_epochs` take their place.

    `frozen`, `memory` and `one_off` say in words what does not move, what is kept in memory beside
    the forward pass, and what is paid once. `supports(workload, config)` is why a network cannot be
    trained so, or None; no framework is imported for it. `build(ground)` makes the step in torch;
    in jax, where that is natural, `build_jax(blocks, head)` names what trains of them. Libraries
    are imported inside. None for `build` stands for the network's own step. `excludes` names what
    it must not be combined with: the savings of two that leave out the same work do not multiply.
    """

    name: str
    summary: str
    step_ratio: Ratio
    theory: str  # where the ratio is from
    epochs: Epochs | None  # None: what the user plans
    forward_passes_once: float = 0.0
    once_epochs: float = 1.0  # how often what comes before the first epoch goes over the data
    loads_data: bool = True  # False: the epochs read what those passes have made
    frozen: str = "nothing"
    memory: str = "weights, gradients, the optimiser's moments, activations of all layers"
    one_off: str = ""
    excludes: tuple[str, ...] = ()
    pretrained: bool = True  # starts from pretrained weights; False: from random ones
    several: bool = False  # its step depends on how many tasks there are
    needs_teacher: bool = False  # its frozen network has to have learned the task first
    rate_factor: float = 1.0  # of the learning rate of training from scratch (learning_rate.py)
    measured: StepRatio | None = None  # of a record, in the place of theory
    supports: Callable[[Workload, Config], str | None] = any_classifier
    build: Callable[[Ground], Stepper] | None = None
    build_jax: Callable[[Sequence[str], str], Sequence[str]] | None = None

    def options(self, tasks: int | None) -> dict[str, str | int | float | bool]:
        """Return the options of its training case; two tasks are what is meant by none."""
        several = self.several and tasks is not None and tasks != 2
        return {SHORTCUT: self.name, **({TASKS: tasks} if several and tasks else {})}

    @property
    def known(self) -> bool:
        """Return whether the ratio is no theory: the network's own step, or measured here."""
        if self.measured is not None:
            return not self.measured.carried
        return self.step_ratio.low == self.step_ratio.high

    @property
    def factors(self) -> tuple[Factor, ...]:
        """Return the spread of the step's ratio; none for what is measured."""
        r = self.step_ratio
        if r.low == r.high:
            return ()
        how = "by theory" if self.measured is None else "as measured"
        name = f"what {self.name} saves, {how}"
        return (Factor.of_interval(name, r.point, r.low, r.high, 0.9),)
