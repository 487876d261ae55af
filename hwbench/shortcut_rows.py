"""A comparison of shortcuts as it is kept: a row for each way to train, what it is made of."""

from dataclasses import dataclass, field
from typing import Literal

from hwbench.bounds import Fraction, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt
from hwbench.estimate_figures import Assumption, Figure
from hwbench.estimate_questions import Search, Shared
from hwbench.estimated import Numbers, Plan
from hwbench.learned import LearnedCurve
from hwbench.learning_rows import Learning

SCHEMA = "hwbench.shortcuts/1"
Basis = Literal["measured", "carried over", "theory"]


@dataclass(frozen=True, kw_only=True)
class Times:
    """A ratio with its interval."""

    point: PositiveFloat
    low: PositiveFloat
    high: PositiveFloat


@dataclass(frozen=True, kw_only=True)
class Part:
    """A factor of a ratio to training from scratch: `times` cheaper by this, and where it is from.

    Above 1 it saves, below 1 it costs.
    """

    name: Literal["step", "epochs", "rest"]
    times: PositiveFloat
    basis: str


@dataclass(frozen=True, kw_only=True)
class ShortcutRow:
    """One shortcut on one machine, for one task. A figure that is null has its reason."""

    shortcut: str
    instance: str
    purchase: str
    time_s: Figure | None
    energy_j: Figure | None
    cost_usd: Figure | None
    co2_gco2e: Figure | None
    one_off_s: NonNegativeFloat | None
    step_s: PositiveFloat | None
    step_ratio_to_scratch: Times | None
    step_basis: Basis | None
    step_rounds: PositiveInt | None  # of visits that the step's ratio is from; null: not measured
    theory_ratio: PositiveFloat | None  # of a step's operations, by the layers that ran
    measured_to_theory: PositiveFloat | None
    memory_peak_bytes: PositiveInt | None
    parameters: PositiveInt | None
    trainable_parameters: NonNegativeInt | None
    epochs: PositiveFloat | None
    epochs_basis: str | None
    ratio_to_scratch: Times | None  # of the time: its share of training from scratch
    factors: tuple[Part, ...]
    ties: tuple[str, ...]  # shortcuts on the same machine that it cannot be told from in time
    crossover_samples: dict[str, PositiveFloat | None]  # where it overtakes, or is overtaken
    fits_memory: bool | None
    needs_pretrained: bool
    assumptions: tuple[Assumption, ...]
    reasons: dict[str, str]
    curve_samples: tuple[PositiveInt, ...] = ()
    curve_time_s: Numbers = ()


@dataclass(frozen=True, kw_only=True)
class Opened:
    """A kind of device whose memory holds a shortcut's step and not the one from scratch."""

    device: str
    memory_bytes: PositiveInt
    shortcuts: tuple[str, ...]
    instances: tuple[str, ...] = ()  # of the catalogue with such a device, the cheapest first
    usd_per_h: PositiveFloat | None = None  # of the cheapest, on demand; null: nobody rents it out


@dataclass(frozen=True, kw_only=True)
class Refused:
    """A shortcut that was not compared, and why."""

    shortcut: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class ShortcutsFile:
    """The file of `hwbench shortcuts`."""

    schema: str
    id: str
    created_utc: str
    hwbench_version: str
    argv: tuple[str, ...]
    plan: Plan
    level: Fraction
    rows: tuple[ShortcutRow, ...]
    refused: tuple[Refused, ...]
    opens: tuple[Opened, ...]
    no_opens: str | None
    curves: tuple[LearnedCurve, ...] = ()  # of --learn
    learning: Learning | None = None  # of --learn: every training, and what they say together
    sharing: tuple[Shared, ...] = ()
    search: Search | None = None  # of --search: what all trials take, a row each of `rows`
    notes: tuple[str, ...] = ()
    cautions: tuple[str, ...] = field(default=())
