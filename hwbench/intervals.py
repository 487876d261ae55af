"""The interval of the median now: where the median of these minutes lies, correlation respected.

Samples that follow one another resemble one another, and those of one process share its luck. So
the unit is the visit where there are enough visits, and where there are not, the samples count as
fewer than they are (docs/methodology.md, with the coverage that simulations found).
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

from hwbench import stats

VISITS = 5  # from so many on the visit is the unit
BATCHES = 10  # of a long series: few, so that each is longer than the correlation
LONG = 100  # samples from which batches tell the correlation; fewer go by neighbours
SHORT = 12  # samples below which nothing is told of it
_LARGEST_CORRELATION = 0.95
_VARIANCE = 0.25  # of an indicator that is true half of the time


@dataclass(frozen=True, kw_only=True)
class MedianNow(stats.MedianInterval):
    """The median with its interval, how it was made, and how many independent draws it is worth."""

    method: str
    n_effective: float


def median_now(visits: Sequence[Sequence[float]], level: float = 0.95) -> MedianNow:
    """Return the pooled median and its interval, of the samples of each visit in time order.

    From 5 visits on the visit is the unit. Of one visit the interval is by order statistics for as
    many samples as the series is worth. With 2 to 4 it holds the range of the visits' medians too,
    and `level` is what that range supports, 1 - 2^(1-k).
    """
    visits = [visit for visit in visits if visit]
    if not visits:
        raise ValueError("the interval of no samples")
    if len(visits) >= VISITS:
        return _of_visits(visits, level)
    pooled = list(itertools.chain.from_iterable(visits))
    found = _of_series(pooled, level)
    return found if len(visits) == 1 else _widened(found, visits, level)


def _of_visits(visits: Sequence[Sequence[float]], level: float) -> MedianNow:
    """Return exp(m +- t sd / sqrt(k)) of the logarithms of the visits' medians."""
    k = len(visits)
    logs = stats.logarithms([stats.median(visit) for visit in visits])
    centre = sum(logs) / k
    half = stats.student_t(level, k - 1) * stats.standard_deviation(logs) / math.sqrt(k)
    point = stats.median(list(itertools.chain.from_iterable(visits)))
    return MedianNow(
        point=point,
        low=min(point, math.exp(centre - half)),
        high=max(point, math.exp(centre + half)),
        level=level,
        method=f"Student's t of the medians of {k} visits",
        n_effective=float(k),
    )


def _widened(found: MedianNow, visits: Sequence[Sequence[float]], level: float) -> MedianNow:
    """Return the interval widened to the visits' medians, at the level that their range has."""
    medians = [stats.median(visit) for visit in visits]
    return MedianNow(
        point=found.point,
        low=min(found.low, *medians),
        high=max(found.high, *medians),
        level=min(level, 1 - 2.0 ** (1 - len(visits))),
        method=f"{found.method}, widened to the medians of {len(visits)} visits",
        n_effective=found.n_effective,
    )


def _of_series(values: Sequence[float], level: float) -> MedianNow:
    """Return the interval by order statistics, for as many samples as the series is worth."""
    n = len(values)
    if n < SHORT:
        exact = stats.median_interval(values, level)
        method = "order statistics, samples taken as independent"
        return MedianNow(**vars(exact), method=method, n_effective=float(n))
    point = stats.median(values)
    signs = [(v > point) - (v < point) for v in values]
    if n >= LONG:
        variance, factor = _by_batches(signs), stats.student_t(level, BATCHES - 1)
        method = f"order statistics, correlation by {BATCHES} batches"
    else:
        variance, factor = _by_neighbours(signs), stats.normal_quantile(level)
        method = "order statistics, correlation by neighbours"
    return _by_ranks(sorted(values), point, math.sqrt(variance / n), factor, level, method)


def _by_ranks(
    ordered: Sequence[float], point: float, error: float, factor: float, level: float, method: str
) -> MedianNow:
    """Return the order statistics at 1/2 +- factor x error; the range where that is not in it."""
    n = len(ordered)
    rank = math.floor(n * (0.5 - factor * error))
    if rank < 1:  # the range is all there is, and has less than the level
        rank, level = 1, min(level, math.erf((0.5 - 1 / n) / error / math.sqrt(2)))
    return MedianNow(
        point=point,
        low=ordered[rank - 1],
        high=ordered[n - rank],
        level=level,
        method=method,
        n_effective=float(n) if error == 0 else min(n, _VARIANCE / error**2),
    )


def _by_batches(signs: Sequence[int]) -> float:
    """Return the long-run variance of (value below the median), from batches in a row."""
    n = len(signs)
    edges = [n * i // BATCHES for i in range(BATCHES + 1)]
    sums = [sum(signs[a:b]) / 2 for a, b in itertools.pairwise(edges)]
    sizes = [b - a for a, b in itertools.pairwise(edges)]
    centre = sum(sums) / n
    squares = sum((s - centre * size) ** 2 / size for s, size in zip(sums, sizes, strict=True))
    return squares / (BATCHES - 1)


def _by_neighbours(signs: Sequence[int]) -> float:
    """Return the same from neighbours: a first-order process, its correlation from that of signs.

    Two normal variables of correlation c have the same sign with a correlation of the signs of
    2 asin(c) / pi (Sheppard); the estimate's own bias, -(1 + 3 r) / n, is put back.
    """
    n = len(signs)
    squares = sum(s * s for s in signs)
    if squares == 0:  # all samples are equal
        return _VARIANCE
    r = sum(a * b for a, b in itertools.pairwise(signs)) / squares
    r = min(_LARGEST_CORRELATION, max(0.0, r + (1 + 3 * r) / n))
    c, power, total = math.sin(math.pi / 2 * r), 1.0, 0.0
    while power > 1e-3:
        power *= c
        total += 2 / math.pi * math.asin(power)
    return _VARIANCE * (1 + 2 * total)
