"""An estimate as it is kept: the plan, a row for each way to carry it out, and which is best."""

from dataclasses import dataclass, field
from typing import Literal

from hwbench.bounds import Fraction, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt
from hwbench.estimate_figures import Assumption, Figure, PowerFigure
from hwbench.estimate_questions import Confirm, Search, Shared, Solved, Target
from hwbench.ownership import Ownership

# hwbench.estimate/1  2026-11: the first.
SCHEMA = "hwbench.estimate/1"

Basis = Literal["measured", "blocks", "scaled", "modelled"]
Numbers = tuple[NonNegativeFloat | None, ...]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What an estimate is of. Of `epochs` and `steps` one is given; the other follows."""

    workload: str
    samples: PositiveInt
    epochs: PositiveFloat | None
    steps: PositiveInt | None
    batch_size: PositiveInt
    runtime: str
    device: str
    dtype: str
    shortcut: str  # the first of `shortcuts`
    shortcuts: tuple[str, ...]
    purchases: tuple[str, ...]
    evaluation_frac: NonNegativeFloat
    item_bytes: PositiveFloat | None
    item_bytes_source: str | None  # None: of the user's data, counted
    data: str | None
    residence: str
    region: str | None
    electricity_usd_per_kwh: NonNegativeFloat | None
    pue: PositiveFloat | None
    deadline_s: PositiveFloat | None
    budget_usd: PositiveFloat | None
    level: Fraction
    records: tuple[str, ...] = ()
    hardening: str | None = None  # pgd-7, private: what the training withstands
    epsilon: PositiveFloat | None = None  # of a private one
    delta: PositiveFloat | None = None
    noise: PositiveFloat | None = None  # by the clipping norm, that keeps within epsilon
    tasks: PositiveInt | None = None  # of shortcuts that have several; None: two
    tokens_per_sample: PositiveInt | None = None  # of samples that are sequences of tokens
    scratch_epochs: PositiveFloat | None = None  # of what has no usual epochs, for want of `epochs`


@dataclass(frozen=True, kw_only=True)
class Curve:
    """The figures over dataset sizes; `steps_held_*` with the steps of the plan's own size held."""

    samples: tuple[PositiveInt, ...]
    time_s: Numbers
    time_s_low: Numbers
    time_s_high: Numbers
    energy_j: Numbers
    energy_j_low: Numbers
    energy_j_high: Numbers
    cost_usd: Numbers
    cost_usd_low: Numbers
    cost_usd_high: Numbers
    steps_held_time_s: Numbers
    steps_held_cost_usd: Numbers


@dataclass(frozen=True, kw_only=True)
class StepTerms:
    """Seconds of one step: the computation, and what its batch takes the loader."""

    step_s: PositiveFloat
    loader_s: NonNegativeFloat | None


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How fast a training goes while it steps, of all devices together.

    `mfu_frac` is the FLOPs that the network needs by the devices' dense peak, `hfu_frac` all that
    are computed; null with the `reason`.
    """

    items_per_s: PositiveFloat
    tokens_per_s: PositiveFloat | None  # null: its items are no sequences of tokens
    mfu_frac: NonNegativeFloat | None
    hfu_frac: NonNegativeFloat | None
    peak_flops_per_s: PositiveFloat | None  # of one device
    peak: str  # what that is, or why it is not known
    reason: str | None


@dataclass(frozen=True, kw_only=True)
class TimeTerms:
    """What the time is made of, each the median of its draws: they need not add up exactly.

    None is a part of a run that is never done.
    """

    setup: NonNegativeFloat | None
    compile: NonNegativeFloat | None
    steps: NonNegativeFloat | None
    loader: NonNegativeFloat | None  # beyond the steps, whose time hides the rest of it
    cold: NonNegativeFloat | None  # reading from the disk for the first time, beyond the steps
    evaluation: NonNegativeFloat | None
    checkpoint: NonNegativeFloat | None
    preemption: NonNegativeFloat | None
    one_off: NonNegativeFloat | None = 0.0  # of a shortcut: features computed once


@dataclass(frozen=True, kw_only=True)
class CostParts:
    """What the cost is made of; None is not known."""

    compute_usd: NonNegativeFloat | None
    storage_usd: NonNegativeFloat | None
    electricity_usd: NonNegativeFloat | None
    amortisation_usd: NonNegativeFloat | None


@dataclass(frozen=True, kw_only=True)
class Price:
    """The price that was used, frozen with the estimate."""

    usd_per_h: PositiveFloat
    as_of: str
    source: str
    region: str | None
    age_days: int


@dataclass(frozen=True, kw_only=True)
class Share:
    """A cause of uncertainty and its share of the variance of ln(time), or of ln(cost)."""

    name: str
    share_frac: Fraction


@dataclass(frozen=True, kw_only=True)
class Row:
    """The plan carried out in one way: on an instance, bought in a way, by a shortcut."""

    instance: str
    purchase: str
    shortcut: str
    devices: tuple[str, ...]
    basis: Basis | None
    batch_size: PositiveInt | None  # of all devices together
    epochs: PositiveFloat | None
    n_steps: PositiveInt | None
    time_s: Figure | None
    power_w: PowerFigure | None
    energy_j: Figure | None
    cost_usd: Figure | None
    co2_gco2e: Figure | None
    reasons: dict[str, str]  # of each figure that is null
    curve: Curve | None
    terms: StepTerms | None
    terms_total_s: TimeTerms | None
    cost_terms: CostParts | None
    assumptions: tuple[Assumption, ...]
    price: Price | None
    fits_memory: bool | None
    energy_covers: str | None  # GPU + CPU + DRAM, not the wall
    uncertain_by: tuple[Share, ...] = ()
    cost_uncertain_by: tuple[Share, ...] = ()
    deadline_chance: Fraction | None = None
    budget_chance: Fraction | None = None
    meets_deadline: bool | None = None
    meets_budget: bool | None = None
    pareto: bool = False
    warnings: tuple[str, ...] = ()
    pace: Pace | None = None


@dataclass(frozen=True, kw_only=True)
class Winner:
    """The best row of a kind, the rows it cannot be told from, and its chance to be the best."""

    row: NonNegativeInt
    instance: str
    purchase: str
    shortcut: str
    indistinguishable: tuple[NonNegativeInt, ...]
    probability: Fraction


@dataclass(frozen=True, kw_only=True)
class Best:
    """The fastest, the cheapest and the most frugal of the rows that can be carried out."""

    by_time: Winner | None
    by_cost: Winner | None
    by_energy: Winner | None


@dataclass(frozen=True, kw_only=True)
class EstimateFile:
    """An estimate: the plan, its rows, and what they come to."""

    schema: str
    id: str
    created_utc: str
    hwbench_version: str
    argv: tuple[str, ...]
    plan: Plan
    rows: tuple[Row, ...]
    best: Best
    answer: tuple[str, ...]  # the deadline's and the budget's, in words
    target: Target | None = None
    solved: tuple[Solved, ...] = ()
    confirm: tuple[Confirm, ...] = ()
    break_even: tuple[str, ...] = ()
    ownership: Ownership | None = None  # what `break_even` says, as curves
    search: Search | None = None
    sharing: tuple[Shared, ...] = ()  # of --tasks
    notes: tuple[str, ...] = field(default=())
