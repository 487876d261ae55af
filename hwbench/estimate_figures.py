"""The figures that an estimate is made of: with their interval, and what was assumed for them."""

from dataclasses import dataclass

from hwbench.bounds import Fraction, NonNegativeFloat


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A figure with its interval: `point` is the median of the draws."""

    point: NonNegativeFloat
    low: NonNegativeFloat
    high: NonNegativeFloat
    level: Fraction


@dataclass(frozen=True, kw_only=True)
class PowerFigure:
    """Mean power over the whole run, the building's share apart, and the most at a moment."""

    point: NonNegativeFloat
    low: NonNegativeFloat
    high: NonNegativeFloat
    level: Fraction
    peak: NonNegativeFloat | None


@dataclass(frozen=True, kw_only=True)
class Assumption:
    """A number that was not measured here, with where it is from."""

    name: str
    value: float | str | None
    unit: str
    source: str
    date: str | None = None
