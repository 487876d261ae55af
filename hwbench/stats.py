"""Medians, percentiles and intervals, without assuming a distribution.

Order statistics (Le Boudec 2010, ch. 2): of n independent samples, the interval from the l-th to
the u-th smallest holds the q-quantile with probability B(u-1; n, q) - B(l-1; n, q), B the binomial
distribution function.
"""

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_LEAST_S = 1e-12  # what a time of 0 counts as in logarithms: its clock saw nothing
PERCENTILES = {"p50": 0.50, "p90": 0.90, "p95": 0.95, "p97": 0.97, "p99": 0.99, "p99.9": 0.999}


@dataclass(frozen=True, kw_only=True)
class MedianInterval:
    """The median with the order statistics round it; `level` is what n allows, no more."""

    point: float
    low: float
    high: float
    level: float


def median(values: Sequence[float]) -> float:
    """Return the median; raise ValueError for none."""
    if not values:
        raise ValueError("the median of no values")
    ordered = sorted(values)
    middle = len(ordered) // 2
    if len(ordered) % 2:
        return ordered[middle]
    return (ordered[middle - 1] + ordered[middle]) / 2


def median_interval(values: Sequence[float], level: float = 0.95) -> MedianInterval:
    """Return the median and the narrowest symmetric order-statistic interval of at least `level`.

    Below 6 samples no interval reaches 95 %: the range is returned with the level that it has,
    1 - 2^(1-n), which is 0 for a single sample.
    """
    ordered, n = sorted(values), len(values)
    tail = 0.5**n  # P(fewer than `rank` samples below the median), as `rank` grows from 1
    rank, covered = 1, 1 - 2 * tail
    while rank < n // 2:
        tail += math.exp(_log_choose(n, rank) - n * math.log(2))
        if 1 - 2 * tail < level:
            break
        rank, covered = rank + 1, 1 - 2 * tail
    return MedianInterval(
        point=median(ordered),
        low=ordered[rank - 1],
        high=ordered[n - rank],
        level=max(0.0, covered),
    )


def _log_choose(n: int, k: int) -> float:
    """Return ln C(n, k)."""
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


def samples_needed(q: float, level: float = 0.95) -> int:
    """Return the least n whose largest sample bounds the q-quantile from above at `level`.

    The largest of n samples is below the quantile with probability q^n, so n = ln(1 - level)
    / ln q: 5 for the median, 29 for p90, 59 for p95, 299 for p99.
    """
    return math.ceil(math.log(1 - level) / math.log(q))


def quantile_interval(
    values: Sequence[float], q: float, level: float = 0.95
) -> tuple[float, float] | None:
    """Return the order statistics that hold the q-quantile with at least `level`, equal tails.

    None where n is too small for both ends: 6 samples for the median, 36 for p90, 72 for p95, 368
    for p99 and 3,688 for p99.9 at 95 %.
    """
    if not 0 < q < 1:
        raise ValueError(f"a quantile lies between 0 and 1, not at {q}")
    ordered, tail = sorted(values), (1 - level) / 2
    below = _rank_below(len(ordered), q, tail)
    above = _rank_below(len(ordered), 1 - q, tail)  # the same from the other end
    if below is None or above is None:
        return None
    return ordered[below - 1], ordered[-above]


def _rank_below(n: int, q: float, tail: float) -> int | None:
    """Return the largest rank l with P(B < l) <= tail, B binomial(n, q); None if l would be 0."""
    spread = 12 * math.sqrt(n * q * (1 - q)) + 20  # further out no float sees the rest
    rank, total = max(0, int(n * q - spread)), 0.0
    while rank < n:
        logarithm = _log_choose(n, rank) + rank * math.log(q) + (n - rank) * math.log1p(-q)
        total += math.exp(logarithm)
        if total > tail:
            break
        rank += 1
    return rank or None


def percentiles(values: Sequence[float]) -> Mapping[str, float | None]:
    """Return each percentile that n supports (nearest rank), None for the others."""
    ordered, n = sorted(values), len(values)
    return {
        name: ordered[math.ceil(q * n) - 1] if n >= samples_needed(q) else None
        for name, q in PERCENTILES.items()
    }


def logarithms(values: Sequence[float]) -> list[float]:
    """Return the logarithms of times; one of 0, which no clock could see, counts as 1 ps."""
    return [math.log(max(v, _LEAST_S)) for v in values]


def relative_iqr(values: Sequence[float]) -> float:
    """Return (Q3 - Q1) / median, a spread that outliers do not move; 0 below 4 samples."""
    ordered, n = sorted(values), len(values)
    if n < 4:
        return 0.0
    return (ordered[(3 * n) // 4] - ordered[n // 4]) / median(ordered)


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """In logarithms: the centre, and half of the interval of one more draw."""

    centre: float
    half: float


def prediction(means: Sequence[float], level: float = 0.90) -> Prediction:
    """Return where the mean of a later stretch lies, from the means of k >= 2 earlier visits.

    m +- t sd sqrt(1 + 1/k) of their logarithms (docs/methodology.md): the variance between visits,
    not between steps, says what the next minutes will bring. Raises ValueError where k < 2.
    """
    k = len(means)
    if k < 2:
        raise ValueError(f"a later mean cannot be predicted from {k} visits, 2 are needed")
    logs = [math.log(m) for m in means]
    half = student_t(level, k - 1) * standard_deviation(logs) * math.sqrt(1 + 1 / k)
    return Prediction(centre=sum(logs) / k, half=half)


def standard_deviation(values: Sequence[float]) -> float:
    """Return the standard deviation of a sample of at least 2."""
    centre = sum(values) / len(values)
    return math.sqrt(sum((x - centre) ** 2 for x in values) / (len(values) - 1))


def normal_quantile(level: float) -> float:
    """Return the two-sided standard normal quantile: 1.645 for 0.90."""
    from statistics import NormalDist  # it takes as long to import as the rest of a list command

    return NormalDist().inv_cdf((1 + level) / 2)


@functools.lru_cache(maxsize=256)
def student_t(level: float, freedom: int) -> float:
    """Return the two-sided Student quantile by bisection of its distribution function."""
    low, high = 0.0, 1000.0
    target = (1 + level) / 2
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if _student_cdf(middle, freedom) < target else (low, middle)
    return (low + high) / 2


def student_tail(t: float, freedom: int) -> float:
    """Return P(T > t) of Student's distribution, t >= 0."""
    return max(0.0, 1 - _student_cdf(t, freedom))


def _student_cdf(t: float, freedom: int) -> float:
    """Return P(T <= t), t >= 0, by the finite sums of Abramowitz and Stegun 26.7.3 and 26.7.4."""
    angle = math.atan(t / math.sqrt(freedom))
    cos2 = math.cos(angle) ** 2
    if freedom % 2 == 0:
        term, total = 1.0, 1.0
        for i in range(1, freedom // 2):
            term *= cos2 * (2 * i - 1) / (2 * i)
            total += term
        return 0.5 + math.sin(angle) * total / 2
    total = 0.0
    if freedom > 1:
        term = total = math.cos(angle)
        for i in range(1, (freedom - 1) // 2):
            term *= cos2 * (2 * i) / (2 * i + 1)
            total += term
        total *= math.sin(angle)
    return 0.5 + (angle + total) / math.pi
