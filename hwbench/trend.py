"""Drift: does a case get slower or faster while it is measured?

Theil-Sen's slope says by how much, Mann-Kendall's test whether chance does as much. Neighbouring
samples resemble one another, so neither takes samples: of many visits the visits' medians, of one
series the medians of batches (docs/methodology.md).
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

from hwbench import stats

VISITS = 5  # fewer have no order that chance does not make too often: 5 in order, p = 1/60
BATCHES = 20  # of a long series, at most
BATCH = 10  # samples, at least
ALPHA = 0.02  # just above 1/60
LEAST_FRAC = 0.03  # between the first and the last third: less is no matter
_EXACT = 30  # values up to which the distribution of S is counted


@dataclass(frozen=True, kw_only=True)
class Drift:
    """Whether the level moves, by how much from the first to the last sample, and how surely.

    Both figures are None where there is too little to tell, with the reason in `method`.
    """

    drifting: bool
    change_frac: float | None
    p_value: float | None
    method: str


def drift(visits: Sequence[Sequence[float]], alpha: float = ALPHA) -> Drift:
    """Return the drift over the visits' samples, each visit in time order.

    A drift is one that chance makes with less than `alpha`, and more than 3 % between the medians
    of the first and the last third.
    """
    visits = [visit for visit in visits if visit]
    if len(visits) >= VISITS:
        found, method = [stats.median(v) for v in visits], f"medians of {len(visits)} visits"
    elif len(visits) == 1:
        found = batch_medians(visits[0])
        method = f"medians of {len(found)} batches"
    else:
        return _untold(f"{len(visits)} visits tell no drift: 1 long one or {VISITS} are needed")
    if len(found) < VISITS:
        return _untold(f"{len(visits[0])} samples tell no drift: {VISITS * BATCH} are needed")
    p_value = mann_kendall(found)
    logs = stats.logarithms(found)
    moved = abs(math.expm1(_between_thirds(logs))) > LEAST_FRAC
    return Drift(
        drifting=moved and p_value < alpha,
        change_frac=math.expm1(theil_sen(logs) * len(logs)),
        p_value=p_value,
        method=f"Mann-Kendall and Theil-Sen of the {method}",
    )


def _untold(why: str) -> Drift:
    return Drift(drifting=False, change_frac=None, p_value=None, method=why)


def batch_medians(values: Sequence[float]) -> list[float]:
    """Return the medians of at most 20 batches in a row, of 10 samples or more each."""
    n = len(values)
    count = min(BATCHES, n // BATCH)
    edges = [n * i // count for i in range(count + 1)] if count else []
    return [stats.median(values[a:b]) for a, b in itertools.pairwise(edges)]


def _between_thirds(logs: Sequence[float]) -> float:
    """Return the median of the last third less that of the first."""
    third = max(1, len(logs) // 3)
    return stats.median(logs[-third:]) - stats.median(logs[:third])


def theil_sen(values: Sequence[float]) -> float:
    """Return the median slope between all pairs, per step (Theil 1950, Sen 1968)."""
    pairs = itertools.combinations(enumerate(values), 2)
    return stats.median([(b - a) / (j - i) for (i, a), (j, b) in pairs])


def mann_kendall(values: Sequence[float]) -> float:
    """Return the two-sided p of Mann and Kendall: that chance orders values this much.

    Exact up to 30 values. Ties make S smaller and its true distribution narrower, so up to 10
    values the exact one for none is kept, which errs to the safe side; above, the normal
    approximation takes their variance (Kendall 1975).
    """
    n = len(values)
    if len(set(values)) < 2:
        return 1.0
    s = abs(sum((b > a) - (b < a) for a, b in itertools.combinations(values, 2)))
    ties = [sum(1 for _ in group) for _, group in itertools.groupby(sorted(values))]
    if n <= 10 or (n <= _EXACT and max(ties) == 1):
        return _exact(n, s)
    variance = (_cubic(n) - sum(_cubic(t) for t in ties)) / 18
    if s == 0:
        return 1.0
    return math.erfc((s - 1) / math.sqrt(2 * variance))


def _cubic(t: int) -> int:
    return t * (t - 1) * (2 * t + 5)


def _exact(n: int, s: int) -> float:
    """Return P(|S| >= s) over all orders: S is pairs less twice the inversions, which are counted.

    Adding the m-th value adds 0 to m - 1 inversions, all equally likely.
    """
    pairs = n * (n - 1) // 2
    chances = [1.0]
    for m in range(2, n + 1):
        wider = [0.0] * (len(chances) + m - 1)
        for inversions, chance in enumerate(chances):
            for added in range(m):
                wider[inversions + added] += chance / m
        chances = wider
    return min(1.0, sum(c for i, c in enumerate(chances) if abs(pairs - 2 * i) >= s))
