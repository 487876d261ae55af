"""The record: raw samples in SI units, and the figures derived from them.

The record is JSON with the fields below, by these names (docs/results-format.md). Times are
seconds of a monotonic clock; `start_s` counts from the start of the run.
"""

from dataclasses import dataclass, field
from typing import Literal

from hwbench.advised import LoaderAdvice
from hwbench.batch import BatchChoice, BatchFit
from hwbench.bounds import (
    Fraction,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
)
from hwbench.case import Kind, OptionValue
from hwbench.cpu_power import CpuPower
from hwbench.depth import DepthFit
from hwbench.device import Device, Environment
from hwbench.edge_facts import EdgeFacts
from hwbench.energy import Energy, EnergyPass, EnergyTerms, Power
from hwbench.estimate_value import Estimate
from hwbench.model_facts import ModelFacts
from hwbench.probed import MeterFacts
from hwbench.run_terms import DataTerms, EdgeTerms
from hwbench.served import Serving
from hwbench.sustained import Sustained, SustainedTerms
from hwbench.taught import Taught

# hwbench.record/1  2026-11: the first.
SCHEMA = "hwbench.record/1"


Status = Literal["ok", "skipped", "failed"]
Verdict = Literal["valid", "noisy", "throttled", "drifting", "implausible"]
StopReason = Literal["precision", "settled", "time", "rounds", "ratio"]
SteadyKind = Literal["flat", "warm-up", "slow-down", "no steady state"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """One timed group of `loops` iterations that together took `wall_s`."""

    loops: PositiveInt
    wall_s: PositiveFloat
    start_s: NonNegativeFloat
    round: NonNegativeInt
    process: NonNegativeInt  # which child process of the run, counted from 0
    disturbed: str | None = None  # what else used the machine meanwhile


@dataclass(frozen=True, kw_only=True)
class Warned:
    """Something the reader must know of a measurement, with what to do about it."""

    code: str
    message: str
    remedy: str | None = None


@dataclass(frozen=True, kw_only=True)
class Ahead:
    """Where the mean of a stretch some hours long, or some hours ahead, will lie."""

    low: PositiveFloat
    high: PositiveFloat
    level: Fraction
    basis: str


@dataclass(frozen=True, kw_only=True)
class Predictive:
    """Where the mean of a later stretch of minutes will lie, and in `hours` one of hours.

    Null bounds come with the reason in `basis`.
    """

    low: PositiveFloat | None
    high: PositiveFloat | None
    level: Fraction
    basis: str
    hours: Ahead | None = None


@dataclass(frozen=True, kw_only=True)
class Wall:
    """Time per iteration: the median now with its interval, the mean, and what is to come."""

    point: PositiveFloat
    low: PositiveFloat
    high: PositiveFloat
    level: Fraction
    n: PositiveInt
    method: str
    mean: PositiveFloat
    predictive: Predictive


@dataclass(frozen=True, kw_only=True)
class Work:
    """What one iteration does by formula; `bytes_per_iteration` is the least that must move."""

    items_per_iteration: PositiveInt | None
    flops_per_iteration: NonNegativeInt | None
    bytes_per_iteration: NonNegativeInt | None
    parameters: NonNegativeInt | None
    counted_by: str


@dataclass(frozen=True, kw_only=True)
class Checked:
    """How the answer compared with its reference before anything was timed."""

    reference: str | None
    max_relative_error: NonNegativeFloat | None
    tolerance: NonNegativeFloat | None
    reason: str | None = None  # why there was nothing to compare with


@dataclass(frozen=True, kw_only=True)
class Memory:
    """Peak memory of the process while the case ran, everything included."""

    host: NonNegativeInt | None
    device: NonNegativeInt | None


@dataclass(frozen=True, kw_only=True)
class Visits:
    """How many of the planned visits to a case were finished."""

    done: NonNegativeInt
    planned: NonNegativeInt


@dataclass(frozen=True, kw_only=True)
class Variance:
    """Where the samples vary: standard deviations of their logarithms, as fractions of the time."""

    within_frac: NonNegativeFloat  # a visit, from sample to sample
    between_frac: NonNegativeFloat  # visits, beyond what their samples explain


@dataclass(frozen=True, kw_only=True)
class Stopped:
    """Why no more samples were taken, and how near the interval came to what was wanted."""

    reason: StopReason
    half_width_frac: NonNegativeFloat  # of the interval of the median now
    precision_frac: PositiveFloat  # what was wanted
    message: str


@dataclass(frozen=True, kw_only=True)
class Trend:
    """What the visits say of a drift: the change over the run, and whether it is one."""

    drifting: bool
    change_frac: float  # over the run, by the Theil-Sen slope
    p_value: Fraction  # of the Mann-Kendall test
    method: str  # the tests, and of how many visits or batches


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """What a case was measured in; null is what this system does not tell, see `why_null`."""

    steal_cores: NonNegativeFloat | None = None  # taken by the hypervisor, in the mean
    other_cores: NonNegativeFloat | None = None  # used by other processes, in the mean
    involuntary_switches_per_s: NonNegativeFloat | None = None
    own_cpu_frac: NonNegativeFloat | None = None  # CPU time over wall time times threads
    clock_hz_min: PositiveFloat | None = None
    throttle_events: NonNegativeInt | None = None
    swap_bytes: NonNegativeInt | None = None
    sm_clock_frac_min: NonNegativeFloat | None = None  # of the most that the card allows
    temperature_c_max: float | None = None
    power_w_max: NonNegativeFloat | None = None
    throttle_reasons: tuple[str, ...] = ()  # as NVML names them
    other_processes: NonNegativeInt | None = None  # foreign ones on the GPU
    why_null: str | None = None


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """A case with its warm-ups, samples, derived figures, verdict and warnings."""

    id: str
    kind: Kind
    name: str
    version: PositiveInt
    phase: str
    scenario: str
    runtime: str
    runtime_options: dict[str, OptionValue]
    device: str
    dtype: str
    batch_size: PositiveInt | None
    shape: dict[str, int]
    status: Status
    reason: str | None
    work: Work
    visits: Visits
    checked: Checked | None = None
    setup_s: NonNegativeFloat | None = None
    first_iteration_s: NonNegativeFloat | None = None
    warmup_s: tuple[NonNegativeFloat, ...] = ()
    steady: dict[str, NonNegativeInt] = field(default_factory=dict)  # visits by SteadyKind
    rounds_s: tuple[PositiveFloat, ...] = ()  # the median by round; what disturbed is left out
    samples: tuple[Sample, ...] = ()
    wall_s: Wall | None = None
    latency_s: dict[str, PositiveFloat | None] = field(default_factory=dict)
    latency_reason: str | None = None
    items_per_s: Estimate | None = None
    flops_per_s: Estimate | None = None
    bytes_per_s: Estimate | None = None
    energy_j: Energy | None = None
    energy_reason: str | None = None
    power_w: Power | None = None
    energy_pass: EnergyPass | None = None  # the windows in which energy was measured, not time
    memory_peak_bytes: Memory | None = None
    conditions: Conditions | None = None
    variance: Variance | None = None
    trend: Trend | None = None
    stopped: Stopped | None = None
    serving: Serving | None = None  # of a scenario that was asked for
    batch: BatchChoice | None = None  # how its batch size was found, where it was looked for
    taught: Taught | None = None  # of a step by a shortcut or a hardening
    kept_bytes: NonNegativeInt | None = None  # of a cut's training: activations kept, counted
    edge: EdgeFacts | None = None  # under an edge profile: its limits, the file, the device itself
    loader: LoaderAdvice | None = None  # --data: the same training on the user's data
    loader_reason: str | None = None
    sustained: Sustained | None = None  # --sustained: it ran for minutes without a pause
    sustained_reason: str | None = None  # what ended it early
    verdict: Verdict | None = None
    warnings: tuple[Warned, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """How the cases were visited: what another run must repeat to be the same measurement."""

    rounds: PositiveInt
    visit_s: PositiveFloat  # sampling time of one visit
    visit_limit_s: PositiveFloat  # a visit that takes longer is given up as hung
    min_samples: PositiveInt  # a visit, unless its limit comes first
    fresh_processes: bool  # a new child for each group in each round
    threads: PositiveInt
    max_seconds: PositiveFloat | None  # of the whole run; later visits are left out after it
    seed: NonNegativeInt
    max_rounds: PositiveInt | None = None  # those not precise enough are visited up to so often
    precision_frac: PositiveFloat = 0.01  # half of the median's interval that is enough
    soak_s: dict[str, NonNegativeFloat] = field(default_factory=dict)  # by device family
    scenario_visit_s: PositiveFloat | None = None  # a visit's time in a scenario asked for
    energy: EnergyTerms | None = None  # null: no meter is read
    no_energy: str | None = None  # why none is
    cpu_power: CpuPower | None = None  # what a model of the processor's power goes by
    no_cpu_power: str | None = None  # why there is none
    against: str | None = None  # --against: what the other side of each case was
    edge: EdgeTerms | None = None  # --edge-profile
    data: DataTerms | None = None  # --data: the networks are trained on the user's own too
    sustained: SustainedTerms | None = None  # --sustained: the networks run for minutes after
    wall_factor: PositiveFloat | None = None  # --wall-factor: the machine over its known parts


@dataclass(frozen=True, kw_only=True)
class Record:
    """The measurements of one host at one time, with environment and schema version."""

    schema: str
    id: str
    created_utc: str
    hwbench_version: str
    profile: str
    argv: tuple[str, ...]
    duration_s: NonNegativeFloat
    protocol: Protocol
    environment: Environment
    devices: tuple[Device, ...]
    meters: tuple[MeterFacts, ...]
    measurements: tuple[Measurement, ...]
    batch_fits: tuple[BatchFit, ...] = ()  # of networks at three batch sizes or more
    depth_fits: tuple[DepthFit, ...] = ()  # of networks cut to two depths or more (--blocks)
    idle: tuple[EnergyPass, ...] = ()  # stretches in which nothing ran, before and after
    models: tuple[ModelFacts, ...] = ()  # of the user's own: told, never run from here
