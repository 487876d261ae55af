"""A training speed carried over to another device: what it starts from, and what it came to."""

import math
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

from hwbench.bounds import NonNegativeFloat, PositiveFloat
from hwbench.data_sheet import DataSheet
from hwbench.estimate_value import Estimate

Z_80 = 1.2816  # two-sided 80 % of the normal distribution


class Assumption(NamedTuple):
    """A number or a choice that was not measured here."""

    name: str
    value: str
    unit: str
    source: str
    date: date | None


@dataclass(frozen=True, kw_only=True)
class Sighting:
    """A training that was measured: `items_per_s` in `dtype` on the device of `sheet`.

    `sigma_log` is the standard deviation of its logarithm; `share_frac` the part of the sheet's
    device that it had (cores of a processor).
    """

    workload: str
    dtype: str  # float32 | tf32 | bfloat16 | float16
    sheet: DataSheet
    items_per_s: PositiveFloat
    sigma_log: NonNegativeFloat
    share_frac: PositiveFloat = 1.0


@dataclass(frozen=True, kw_only=True)
class Scaled:
    """The same training on another device; `ratio` is its throughput by the source's.

    `items_per_s` holds the truth in its interval with probability 80 % if the logarithm errs
    normally by `sigma_log`. All three are None where a fact is missing: `reason` says which.
    """

    ratio: float | None
    sigma_log: float | None
    items_per_s: Estimate | None
    reason: str | None
    basis: str
    assumptions: tuple[Assumption, ...] = ()


def unknown(reason: str, basis: str) -> Scaled:
    """Return that nothing can be said, and why."""
    return Scaled(ratio=None, sigma_log=None, items_per_s=None, reason=reason, basis=basis)


def scaled(
    source: Sighting,
    log_ratio: float,
    sigma_log: float,
    basis: str,
    assumptions: tuple[Assumption, ...] = (),
) -> Scaled:
    """Return the source's throughput times exp(`log_ratio`), with its 80 % interval."""
    point, factor = source.items_per_s * math.exp(log_ratio), math.exp(Z_80 * sigma_log)
    return Scaled(
        ratio=math.exp(log_ratio),
        sigma_log=sigma_log,
        items_per_s=Estimate(point=point, low=point / factor, high=point * factor, level=0.8),
        reason=None,
        basis=basis,
        assumptions=assumptions,
    )
