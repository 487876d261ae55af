"""A figure as data: what is drawn as SVG, PNG or PDF, in a terminal, and kept as CSV."""

from dataclasses import dataclass
from typing import Literal

Numbers = tuple[float | None, ...]
# How the numbers of an axis are said: 12 min, $3.40, 1.2 kWh, 95 %, 183 GFLOP/s, 1,280 / 1.28M.
Format = Literal["count", "duration", "usd", "joules", "share", "flops", "rate", "seconds", "plain"]


@dataclass(frozen=True, kw_only=True)
class Axis:
    """An axis; `label` holds the unit of the numbers as they are kept."""

    label: str
    format: Format
    log: bool = True
    from_zero: bool = False  # of one that is not logarithmic


@dataclass(frozen=True, kw_only=True)
class Series:
    """A line or points with their intervals; None is not known. A faint one is not named.

    Series of one name share a colour and are named once; a dashed line is modelled, or foretold.
    """

    name: str
    x: Numbers
    y: Numbers
    low: Numbers = ()
    high: Numbers = ()
    x_low: Numbers = ()
    x_high: Numbers = ()
    style: Literal["line", "dashed", "points", "roof"] = "line"
    faint: bool = False


@dataclass(frozen=True, kw_only=True)
class Mark:
    """A point, or where one of the two is None a line across the figure, with its words."""

    text: str
    x: float | None = None
    y: float | None = None


@dataclass(frozen=True, kw_only=True)
class Region:
    """What lies beyond a limit on an axis."""

    text: str
    axis: Literal["x", "y"]
    beyond: float


@dataclass(frozen=True, kw_only=True)
class Span:
    """A stretch of the axis across, with the short words that stand in it."""

    text: str
    begin: float
    end: float
    quiet: bool = False  # nothing is going on in it


@dataclass(frozen=True, kw_only=True)
class Chart:
    """One panel. `notes` are said below it."""

    title: str
    x: Axis
    y: Axis
    series: tuple[Series, ...]
    marks: tuple[Mark, ...] = ()
    regions: tuple[Region, ...] = ()
    spans: tuple[Span, ...] = ()
    notes: tuple[str, ...] = ()
