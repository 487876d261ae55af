"""What `hwbench power` found: the energy of a stretch of time, by domain, in total, and its trace.

Times count from the begin of the stretch. What is null has its reason beside it.
"""

from dataclasses import dataclass, field

from hwbench.bounds import Fraction, NonNegativeFloat, PositiveFloat
from hwbench.energy import AssumedWall, Band, PowerTrace
from hwbench.measurement import Warned
from hwbench.probed import MeterFacts
from hwbench.sensor import ChannelFacts

# hwbench.power/1  2026-11: the first.
SCHEMA = "hwbench.power/1"


@dataclass(frozen=True, kw_only=True)
class DomainPower:
    """What one domain took, by the meter that is believed."""

    energy_j: NonNegativeFloat
    low_j: NonNegativeFloat
    high_j: NonNegativeFloat
    mean_w: NonNegativeFloat
    peak_w: NonNegativeFloat
    meter: str
    measured: bool
    resolution_frac: NonNegativeFloat
    blind_frac: NonNegativeFloat
    gain_frac: NonNegativeFloat | None  # null: not documented, and not in the interval


@dataclass(frozen=True, kw_only=True)
class PowerTotal:
    """The domains that are added up. A wall meter's is the total alone."""

    energy_j: NonNegativeFloat
    low_j: NonNegativeFloat
    high_j: NonNegativeFloat
    level: Fraction | None  # null where a part is modelled
    mean_w: NonNegativeFloat
    parts: tuple[str, ...]
    measured: bool
    basis: str


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Money for the energy: `of` says which energy, with which factors."""

    usd: Band
    usd_per_kwh: PositiveFloat
    of: str


@dataclass(frozen=True, kw_only=True)
class Phase:
    """A named part of the trace."""

    name: str
    begin_s: NonNegativeFloat
    end_s: NonNegativeFloat


@dataclass(frozen=True, kw_only=True)
class PowerRecord:
    """The energy of a command, or of a time in which the meters were watched."""

    schema: str
    created_utc: str
    hwbench_version: str
    machine: str
    command: tuple[str, ...]
    duration_s: NonNegativeFloat
    exit_status: int | None  # of the command; null: there was none
    interrupted: bool
    meters: tuple[MeterFacts, ...]
    domains: dict[str, DomainPower] = field(default_factory=dict)
    lost: dict[str, str] = field(default_factory=dict)  # domains without a figure, and why
    not_included: tuple[str, ...] = ()
    total: PowerTotal | None = None
    total_reason: str | None = None
    assumed_wall: AssumedWall | None = None
    pue: PositiveFloat | None = None
    cost: Cost | None = None
    cost_reason: str | None = None
    warnings: tuple[Warned, ...] = ()
    channels: tuple[ChannelFacts, ...] = ()
    traces: tuple[PowerTrace, ...] = ()
    phases: tuple[Phase, ...] = ()
