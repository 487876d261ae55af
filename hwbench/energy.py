"""Energy in a record: the windows that were metered, what each sensor told, the figures of a case.

Joules and watts; times count from the start of the run. What is null has its reason beside it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from hwbench.bounds import Fraction, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt
from hwbench.sensor import ChannelFacts, Domain

REST = "the rest of the machine"  # supplies, fans, disks: what only a wall meter sees


@dataclass(frozen=True, kw_only=True)
class Band:
    """A figure with its interval; a net figure may be below zero."""

    point: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class ChannelEnergy:
    """What one sensor told of a window: joules in `low`..`high`, or why it told nothing."""

    channel: str  # meter/name
    meter: str
    domain: Domain
    measured: bool
    device: str | None = None
    point: PositiveFloat | None = None
    low: NonNegativeFloat | None = None
    high: PositiveFloat | None = None
    updates: NonNegativeInt | None = None  # renewals of the sensor in the window
    resolution_frac: NonNegativeFloat | None = None  # half of the interval, by what it resolves
    blind_frac: NonNegativeFloat | None = None  # by what it does not see
    gain_frac: NonNegativeFloat | None = None  # by its scale; null: not documented, not included
    peak_w: NonNegativeFloat | None = None
    reason: str | None = None


@dataclass(frozen=True, kw_only=True)
class Window:
    """A stretch in which nothing but the case ran (none: `iterations` 0), and its readings."""

    begin_s: NonNegativeFloat
    end_s: NonNegativeFloat
    iterations: NonNegativeInt
    readings: tuple[ChannelEnergy, ...] = ()


@dataclass(frozen=True, kw_only=True)
class PowerTrace:
    """A sensor's power over a pass: means over `step_s` from `start_s` on."""

    channel: str
    start_s: NonNegativeFloat
    step_s: PositiveFloat
    power_w: tuple[NonNegativeFloat | None, ...]


@dataclass(frozen=True, kw_only=True)
class EnergyPass:
    """The pass over a case in which energy is measured and time is not, or an idle stretch."""

    windows: tuple[Window, ...]
    channels: tuple[ChannelFacts, ...] = ()
    traces: tuple[PowerTrace, ...] = ()


@dataclass(frozen=True, kw_only=True)
class EnergyTerms:
    """How energy is measured in a run."""

    meters: tuple[str, ...]
    windows: PositiveInt  # of each case
    window_s: PositiveFloat
    idle_s: PositiveFloat  # before and after all of them
    kinds: tuple[str, ...]  # of cases: workload, kernel
    max_s: PositiveFloat  # of the whole pass; cases still to come then are left out
    wall: str | None = None  # --wall-meter
    wall_offset_s: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Check:
    """A second meter of the same domain, in the same windows."""

    meter: str
    measured: bool  # a model that disagrees is no news
    energy_j: PositiveFloat  # per iteration
    ratio: PositiveFloat  # to the figure that is reported


@dataclass(frozen=True, kw_only=True)
class DomainEnergy:
    """What one domain took, per iteration, by which meter."""

    energy_j: NonNegativeFloat
    low_j: NonNegativeFloat
    high_j: NonNegativeFloat
    meter: str
    measured: bool
    idle_w: NonNegativeFloat | None = None
    net_j: Band | None = None  # above idle
    resolution_frac: NonNegativeFloat | None = None
    blind_frac: NonNegativeFloat | None = None
    gain_frac: NonNegativeFloat | None = None  # null: not documented, not in the interval
    peak_w: NonNegativeFloat | None = None
    spread_frac: NonNegativeFloat | None = None  # between windows; null for one window
    windows: NonNegativeInt = 0
    checks: tuple[Check, ...] = ()


@dataclass(frozen=True, kw_only=True)
class AssumedWall:
    """What the whole machine would take if the rest of it is as the user assumes."""

    factor: PositiveFloat
    energy_j: NonNegativeFloat
    source: str


@dataclass(frozen=True, kw_only=True)
class Energy:
    """Energy per iteration, idle power included; `basis` names the parts that are added up."""

    point: NonNegativeFloat
    low: NonNegativeFloat
    high: NonNegativeFloat
    level: Fraction | None = (
        None  # null where a part is modelled: then the range is no such interval
    )
    domains: dict[str, DomainEnergy]
    measured: bool  # all domains are
    idle_w: NonNegativeFloat | None
    basis: str
    parts: tuple[str, ...] = ()  # the domains that are added up; a wall meter's is never added to
    idle_j: NonNegativeFloat | None = None  # what idle power alone takes in an iteration's time
    net_j: Band | None = None  # above idle
    per_item_j: Band | None = None
    energy_delay_js: NonNegativeFloat | None = None  # joules times seconds, of an iteration
    not_included: tuple[str, ...] = ()  # domains that no meter here tells of
    lost: dict[str, str] = field(default_factory=dict)  # domains that a meter lost, and why
    assumed_wall: AssumedWall | None = None


@dataclass(frozen=True, kw_only=True)
class Power:
    """Mean power while the case ran, and its peak."""

    point: NonNegativeFloat
    low: NonNegativeFloat
    high: NonNegativeFloat
    peak: NonNegativeFloat | None


def summed(bands: Sequence[Band]) -> Band:
    """Add independent figures: their errors in quadrature."""
    point = sum(b.point for b in bands)
    below = math.hypot(*(b.point - b.low for b in bands))
    above = math.hypot(*(b.high - b.point for b in bands))
    return Band(point=point, low=point - below, high=point + above)


def scaled(band: Band, factor: float) -> Band:
    """Return a figure times a number above zero."""
    return Band(point=band.point * factor, low=band.low * factor, high=band.high * factor)


def assumed_wall(energy_j: float, parts: Sequence[str], factor: float | None) -> AssumedWall | None:
    """Return what the whole machine would take by the user's factor; None where it is measured."""
    if factor is None or "wall" in parts:
        return None
    return AssumedWall(factor=factor, energy_j=energy_j * factor, source="--wall-factor: assumed")
