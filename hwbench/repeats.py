"""Where repeats belong: iterations in a visit or more visits (Kalibera and Jones, ISMM 2013).

A visit is a fresh process. What varies within one is worn down by iterations, what varies between
them by visits alone.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from hwbench import stats

MOST_VISITS = 100_000  # past it a target is out of reach


@dataclass(frozen=True, kw_only=True)
class Components:
    """The unbiased variances, in the samples' unit squared: T1^2 within visits, T2^2 between."""

    within: float
    between: float  # 0 where the estimate is negative: visits do not differ by themselves


def components(visits: Sequence[Sequence[float]]) -> Components | None:
    """Return T1^2 and T2^2 of samples within visits; None below two visits of two samples.

    T1^2 = S1^2, the variance within visits; T2^2 = S2^2 - S1^2 / r1, S2^2 that of their means.
    Visits of unequal length are weighted as in a one-way analysis of variance.
    """
    visits = [visit for visit in visits if visit]
    k, n = len(visits), sum(len(visit) for visit in visits)
    if k < 2 or n <= k:
        return None
    means = [sum(visit) / len(visit) for visit in visits]
    whole = sum(sum(visit) for visit in visits) / n
    pairs = list(zip(visits, means, strict=True))
    within = sum((x - m) ** 2 for visit, m in pairs for x in visit) / (n - k)
    among = sum(len(visit) * (m - whole) ** 2 for visit, m in pairs) / (k - 1)
    size = (n - sum(len(visit) ** 2 for visit in visits) / n) / (k - 1)
    return Components(within=within, between=max(0.0, (among - within) / size))


def visits_needed(
    medians: Sequence[float], precision_frac: float, level: float = 0.95
) -> int | None:
    """Return how many further visits bring the half-width of the interval to `precision_frac`.

    The least k with t sd / sqrt(k) <= ln(1 + precision), sd that of the logarithms so far. None
    below two visits, and where more than 100,000 would be needed.
    """
    if precision_frac <= 0:
        raise ValueError(f"a precision is above 0, not {precision_frac}")
    done = len(medians)
    if done < 2:
        return None
    sd = stats.standard_deviation(stats.logarithms(medians))
    target = math.log1p(precision_frac)

    def enough(k: int) -> bool:
        return stats.student_t(level, min(k, 1000) - 1) * sd <= target * math.sqrt(k)

    if not enough(MOST_VISITS):
        return None
    low, high = done - 1, MOST_VISITS  # bisection: `enough` stays true once it is
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high - done
