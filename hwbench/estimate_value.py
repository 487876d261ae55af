"""A figure with its interval: point, low, high, and the level of confidence it claims."""

from dataclasses import dataclass

from hwbench.bounds import Fraction, PositiveFloat


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """`point` lies in `low`..`high`, which holds the truth with probability `level`."""

    point: PositiveFloat
    low: PositiveFloat
    high: PositiveFloat
    level: Fraction = 0.95


def reciprocal(numerator: float, value: Estimate) -> Estimate:
    """Return `numerator` / `value`: a rate from a time. The bounds change places."""
    return Estimate(
        point=numerator / value.point,
        low=numerator / value.high,
        high=numerator / value.low,
        level=value.level,
    )
