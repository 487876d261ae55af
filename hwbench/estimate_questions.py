"""What is asked beside an estimate, as it is kept: solutions, targets, searches, several tasks."""

from dataclasses import dataclass
from typing import Literal

from hwbench.bounds import Fraction, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt
from hwbench.estimate_figures import Assumption, Figure
from hwbench.search_schedule import Bracket


@dataclass(frozen=True, kw_only=True)
class Solved:
    """The largest of what was solved for that keeps to the limits with the plan's level."""

    what: str  # samples | epochs | batch-size
    row: NonNegativeInt
    instance: str
    purchase: str
    shortcut: str
    value: PositiveFloat | None
    reason: str | None = None


@dataclass(frozen=True, kw_only=True)
class Confirm:
    """How one of the best rows is measured for ten minutes, and what that costs."""

    instance: str
    commands: tuple[str, ...]
    usd: NonNegativeFloat | None


@dataclass(frozen=True, kw_only=True)
class Target:
    """A learning curve's answer: how many samples the accuracy needs, and the odds of it."""

    accuracy: Fraction
    curve: str
    samples: Figure | None
    odds: Fraction
    reason: str | None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class SearchRuns:
    """What a search takes in full runs: all of its trials, and how long it is side by side."""

    total: PositiveFloat
    wall: PositiveFloat
    first_full: PositiveFloat | None  # until a first trial is trained to the end; asha alone


@dataclass(frozen=True, kw_only=True)
class SearchTotals:
    """What a whole search takes on a row, all of its machines together; `wall_s` is its length.

    The intervals are the row's own, carried over: what a run errs by all trials err by together.
    """

    time_s: Figure | None
    wall_s: Figure | None
    energy_j: Figure | None
    cost_usd: Figure | None


@dataclass(frozen=True, kw_only=True)
class SearchRow:
    """A row's share in a search: every rung from scratch, and resumed from checkpoints."""

    row: NonNegativeInt
    instance: str
    purchase: str
    shortcut: str
    scratch: SearchTotals
    resumed: SearchTotals | None  # None: there is nothing to resume
    reasons: dict[str, str]  # of each figure that is null


@dataclass(frozen=True, kw_only=True)
class Search:
    """A search over hyperparameters: its schedule, and what it takes on each row.

    `resource` is R, a full run by the shortest training. `top_chance` is the chance that the best
    of the trials is among the top `top_frac` of all; None, as `top_trials`, which 95 % takes, where
    the trials are not drawn at random.
    """

    algorithm: str
    trials: PositiveInt
    grid: tuple[PositiveInt, ...]
    eta: PositiveFloat | None
    resource: PositiveFloat | None
    brackets: tuple[Bracket, ...]
    passes: PositiveInt  # of all brackets
    parallel: PositiveInt
    scratch: SearchRuns
    resumed: SearchRuns | None
    top_frac: Fraction | None
    top_chance: Fraction | None
    top_trials: PositiveInt | None
    rows: tuple[SearchRow, ...]
    assumptions: tuple[Assumption, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Shared:
    """Several tasks by one way of sharing, on one machine: all of them together."""

    sharing: Literal["separate", "multitask", "progressive", "lora"]
    tasks: PositiveInt
    instance: str
    purchase: str
    time_s: Figure | None
    energy_j: Figure | None
    cost_usd: Figure | None
    parameters: PositiveInt | None  # that are kept, for all tasks
    serving: str  # what an answer for one task takes
    basis: str
    reason: str | None = None
