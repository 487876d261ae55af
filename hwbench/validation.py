"""A prediction of a training run and what then happened, as `hwbench validate` keeps them."""

from dataclasses import dataclass
from typing import Literal

from hwbench.bounds import (
    Fraction,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
)
from hwbench.device import Environment
from hwbench.loop import Drained, Evaluated, LoopCase, Saved, Stretch

# hwbench.validation/1  2026-11: the first.
SCHEMA = "hwbench.validation/1"

TermName = Literal[
    "setup", "compile", "steps", "loader", "cold", "evaluation", "checkpoint", "one_off"
]


@dataclass(frozen=True, kw_only=True)
class LoopSetup:
    """How a process got ready: from its start to the loop being open, and the first step."""

    open_s: NonNegativeFloat  # reading into memory included
    read_s: NonNegativeFloat
    first_step_s: NonNegativeFloat


@dataclass(frozen=True, kw_only=True)
class LoopVisit:
    """A short stretch of the real loop, at a time, in one of the processes."""

    at_s: NonNegativeFloat  # since measuring began
    process: NonNegativeInt
    stretch: Stretch


@dataclass(frozen=True, kw_only=True)
class Rehearsal:
    """The short measurement of a loop, from which its run is predicted."""

    case: LoopCase
    setups: tuple[LoopSetup, ...]
    visits: tuple[LoopVisit, ...]
    evaluations: tuple[Evaluated, ...]
    saves: tuple[Saved, ...]
    cold_s: NonNegativeFloat | None  # extra seconds of the first reading of all the data
    no_cold: str | None  # why that is not known
    spread_s: NonNegativeFloat  # from the first visit to the end of the last
    measured_s: NonNegativeFloat  # in which something ran, warm-ups included
    once: tuple[Drained, ...] = ()  # of a shortcut's pass before the first epoch, a part of it


@dataclass(frozen=True, kw_only=True)
class RunPlan:
    """The training run that is predicted and then carried out."""

    samples: PositiveInt  # an epoch
    epochs: PositiveInt
    steps_per_epoch: PositiveInt
    evaluation_batches: NonNegativeInt  # after each epoch
    checkpoints: NonNegativeInt  # in all, evenly over the epochs


@dataclass(frozen=True, kw_only=True)
class Term:
    """A part of the time: as predicted with its interval, and as it was."""

    name: TermName
    point_s: NonNegativeFloat
    low_s: NonNegativeFloat
    high_s: NonNegativeFloat
    basis: str
    actual_s: float | None = None  # a difference of times may come out below 0


@dataclass(frozen=True, kw_only=True)
class Total:
    """The wall time of the whole run, from the start of its process to the last checkpoint."""

    point_s: PositiveFloat
    low_s: PositiveFloat
    high_s: PositiveFloat
    level: Fraction
    basis: str
    half_log: NonNegativeFloat  # half of the interval, in logarithms
    sampling_log: NonNegativeFloat  # the standard error of it that the visits' spread tells


@dataclass(frozen=True, kw_only=True)
class StepsOfRecord:
    """All steps of the run as a record alone predicted them, without the loader; at 90 %."""

    point: PositiveFloat
    low: PositiveFloat
    high: PositiveFloat
    level: Fraction


@dataclass(frozen=True, kw_only=True)
class ByRecord:
    """What a record, made before and without this loop, said of the steps."""

    record: str  # its id
    case: str  # the id of the case that it was taken from
    batch_size: PositiveInt
    steps_s: StepsOfRecord
    ratio: PositiveFloat | None = None  # actual / predicted


@dataclass(frozen=True, kw_only=True)
class Epoch:
    """One epoch of the real run."""

    stretch: Stretch
    evaluated: Evaluated | None
    saved: Saved | None


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What happened."""

    wall_s: PositiveFloat
    setup: LoopSetup
    epochs: tuple[Epoch, ...]
    once: Drained | None = None


@dataclass(frozen=True, kw_only=True)
class Validation:
    """A prediction held against a real training run."""

    schema: str
    id: str
    created_utc: str
    hwbench_version: str
    argv: tuple[str, ...]
    status: Literal["predicted", "training", "done", "interrupted", "failed"]
    reason: str | None
    environment: Environment
    threads: PositiveInt
    rehearsal: Rehearsal
    plan: RunPlan
    terms: tuple[Term, ...]
    total_s: Total
    outcome: Outcome | None = None
    ratio: PositiveFloat | None = None  # actual / predicted
    inside: bool | None = None
    by_record: ByRecord | None = None
