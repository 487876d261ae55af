"""How many queries a percentile of latency needs: the arithmetic of MLPerf's LoadGen.

A fixed count (inference rules, section on query counts): the percentile p within a margin of
(1 - p) / 20 at 99 % confidence. Early stopping: with t of n queries over a latency, the p-quantile
is at most that latency at confidence c if I_p(h, t + 1) <= 1 - c, h = n - t, I the regularised
incomplete beta function. That is the probability that n queries have at most t over the quantile.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

CONFIDENCE = 0.99
MULTIPLE = 2**13  # MLPerf rounds its fixed counts up to multiples of this


@dataclass(frozen=True, kw_only=True)
class TailEstimate:
    """An upper bound of a percentile, or None where `queries` are fewer than `needed`."""

    value_s: float | None
    queries: int
    over: int | None  # the t of the formula: the value is the t-th largest
    needed: int


def fixed_queries(percentile: float) -> int:
    """Return N = z^2 p (1 - p) / m^2, m = (1 - p) / 20, z the 99.5 % quantile of the normal."""
    z = NormalDist().inv_cdf(1 - (1 - CONFIDENCE) / 2)
    margin = (1 - percentile) / 20
    return round(z * z * percentile * (1 - percentile) / margin**2)


def official_queries(percentile: float) -> int:
    """Return the fixed count rounded up to a multiple of 2^13, as MLPerf's rules have it."""
    return math.ceil(fixed_queries(percentile) / MULTIPLE) * MULTIPLE


def at_most(over: int, queries: int, chance: float) -> float:
    """Return P(X <= over), X binomial(queries, chance): a sum of positive terms.

    It starts at the largest term and ends where terms no longer count, so neither a far tail nor
    hundreds of thousands of queries lose digits.
    """
    if over >= queries:
        return 1.0
    start = min(over, int((queries + 1) * chance))
    odds = chance / (1 - chance)
    total = term = 1.0
    for k in range(start, 0, -1):
        term *= k / ((queries - k + 1) * odds)
        total += term
        if term < 1e-17 * total:
            break
    term = 1.0
    for k in range(start, over):
        term *= (queries - k) * odds / (k + 1)
        total += term
        if term < 1e-17 * total:
            break
    log_choose = (
        math.lgamma(queries + 1) - math.lgamma(start + 1) - math.lgamma(queries - start + 1)
    )
    log_first = log_choose + start * math.log(chance) + (queries - start) * math.log1p(-chance)
    return min(1.0, math.exp(log_first + math.log(total)))


def passes(queries: int, over: int, percentile: float, confidence: float = CONFIDENCE) -> bool:
    """Return whether the percentile is within a bound that `over` of `queries` went over."""
    return at_most(over, queries, 1 - percentile) <= 1 - confidence


def fails(queries: int, over: int, percentile: float, confidence: float = CONFIDENCE) -> bool:
    """Return whether so many over the bound show, as surely, that the percentile is above it."""
    return over > 0 and 1 - at_most(over - 1, queries, 1 - percentile) <= 1 - confidence


def queries_needed(percentile: float, over: int = 1, confidence: float = CONFIDENCE) -> int:
    """Return the least number of queries that pass with `over` of them over the bound."""
    low, high = over, over + 1  # `low` queries do not pass, `high` are tried
    while not passes(high, over, percentile, confidence):
        low, high = high, high * 2
    while high - low > 1:
        middle = (low + high) // 2
        if passes(middle, over, percentile, confidence):
            high = middle
        else:
            low = middle
    return high


def most_over(queries: int, percentile: float, confidence: float = CONFIDENCE) -> int | None:
    """Return how many of `queries` may be over the bound, None where not even none may."""
    if not passes(queries, 0, percentile, confidence):
        return None
    low, high = 0, queries
    while high - low > 1:
        middle = (low + high) // 2
        if passes(queries, middle, percentile, confidence):
            low = middle
        else:
            high = middle
    return low


def estimate(latencies_s: Sequence[float], percentile: float) -> TailEstimate:
    """Return LoadGen's estimate: the largest latency but for the t - 1 largest, t >= 1."""
    n, needed = len(latencies_s), queries_needed(percentile)
    over = most_over(n, percentile)
    if not over:
        return TailEstimate(value_s=None, queries=n, over=over, needed=needed)
    return TailEstimate(value_s=sorted(latencies_s)[n - over], queries=n, over=over, needed=needed)
