"""Where warm-up ends, by the data: change points of the level of a series of times.

Times are taken as logarithms, cut at a few spreads round their level at the end, and split where
that lowers the squares by more than a penalty does; the penalty grows with the correlation of the
series (docs/methodology.md says why this and not MSER-5). No sample is removed: the index is the
answer.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from hwbench import stats

Kind = Literal["flat", "warm-up", "slow-down", "no steady state"]

LEAST = 6  # samples below which nothing is said
SHORTEST = 5  # samples of a level, but for the first, which may be a single compilation
PENALTY = 4.0  # times ln n, for each change, in units of the long-run variance
CUT = 3.0  # spreads: what is further out counts as this far
TOLERANCE_FRAC = 0.02  # levels this near each other are one
CELLS = 250  # a longer series is first split in averages of neighbours: the cost is quadratic
WARM_FRAC = 0.25  # of the series must be steady after a warm-up (Barrett et al.: 500 of 2,000)
OTHER_FRAC = 0.50  # ... after anything else: a level that rises has no reason to stop
ON_LEVEL_FRAC = 0.75  # of the steady part lies on its level: a passing stall ends no state
FIRST_SPREADS = 5.0  # a first sample so far above the steady level was warm-up
SMOOTH = 3.0  # ratio of the differences from which a series is a slope and not correlated noise
DOUBT = 1.0  # standard errors by which the correlation is raised
_LARGEST_CORRELATION = 0.9
_SMALLEST_SPREAD = 0.001


@dataclass(frozen=True, kw_only=True)
class Steady:
    """The class of a series, the index of its first steady sample, and where its level changes.

    `kind` is None below 6 samples, where nothing can be said; `begins` is then 0, and where there
    is no steady state it is the start of the last level.
    """

    kind: Kind | None
    begins: int
    changes: tuple[int, ...] = ()
    correlation: float = 0.0


def steady_state(values: Sequence[float]) -> Steady:
    """Return the class of a series of times per iteration, and where its steady part begins."""
    n = len(values)
    if n < LEAST:
        return Steady(kind=None, begins=0)
    logs = stats.logarithms(values)
    spread, correlation = _noise(logs)
    changes = _changes(_cut(logs, spread), spread, correlation)
    starts = [0, *changes]
    levels = [stats.median(logs[a:b]) for a, b in zip(starts, [*changes, n], strict=True)]
    near = [abs(level - levels[-1]) <= math.log1p(TOLERANCE_FRAC) for level in levels]
    first = _first_steady(starts, near, n)
    begins, early = starts[first], [levels[i] for i in range(first) if not near[i]]
    if begins == 0:
        begins = _after_slow_samples(logs)
        early = [logs[0]] if begins else []
    kind = _kind(early, levels[-1], (n - begins) / n)
    return Steady(kind=kind, begins=begins, changes=tuple(changes), correlation=correlation)


def steady_from(values: Sequence[float], least: int = SHORTEST) -> int | None:
    """Return where the steady part of a visit in progress begins, None while it is not steady.

    At least `least` samples must be steady, and the series must not be `no steady state`.
    """
    found = steady_state(values)
    if found.kind in (None, "no steady state") or len(values) - found.begins < least:
        return None
    return found.begins


def _kind(early: Sequence[float], level: float, steady_frac: float) -> Kind:
    """Return the class by the levels before the steady one and the share that is steady."""
    if not early:
        return "flat"
    slower = all(e > level for e in early)
    if steady_frac < (WARM_FRAC if slower else OTHER_FRAC):
        return "no steady state"
    return "warm-up" if slower else "slow-down"


def _first_steady(starts: Sequence[int], near: Sequence[bool], n: int) -> int:
    """Return the earliest segment on the last level from which on most samples are on it."""
    ends = [*starts[1:], n]
    on, first = 0, len(starts) - 1
    for i in reversed(range(len(starts))):
        if near[i]:
            on += ends[i] - starts[i]
            if on >= ON_LEVEL_FRAC * (n - starts[i]):
                first = i
    return first


def _after_slow_samples(logs: Sequence[float]) -> int:
    """Return how many first samples, too few for a level of their own, are far above the rest.

    Each one found narrows the spread of the rest, so it is looked again.
    """
    count, most = 0, min(SHORTEST, len(logs) // 2)
    while count < most:
        rest = logs[count:]
        above = max(FIRST_SPREADS * _deviation(rest), math.log1p(TOLERANCE_FRAC))
        if logs[count] <= stats.median(rest) + above:
            break
        count += 1
    return count


def _noise(logs: Sequence[float]) -> tuple[float, float]:
    """Return (spread, correlation of neighbours) from differences, which are blind to changes.

    Differences of lag 1 and 2 of a first-order process have variances 2 s^2 (1 - r) and
    2 s^2 (1 - r^2), so their ratio is 1 + r (Chakar et al. 2017). Of a short series r is raised by
    its standard error: a false change costs samples, a missed one is small. No such process has a
    ratio above 2: a smooth slope has, up to 4, and its noise is what its steps differ by.
    """
    one, two = _difference(logs, 1), _difference(logs, 2)
    if two > SMOOTH * one:
        return max(math.sqrt(_difference(_steps(logs), 1) / 6), _SMALLEST_SPREAD), 0.0
    ratio = two / one - 1 + DOUBT / math.sqrt(len(logs)) if one > 0 else 0.0
    correlation = min(_LARGEST_CORRELATION, max(0.0, ratio))
    spread = min(math.sqrt(one / 2 / (1 - correlation)), _deviation(logs))
    return max(spread, _SMALLEST_SPREAD), correlation


def _steps(logs: Sequence[float]) -> list[float]:
    return [b - a for a, b in itertools.pairwise(logs)]


def _deviation(logs: Sequence[float]) -> float:
    """Return the spread by the median absolute deviation, which changes of level only widen."""
    middle = stats.median(logs)
    return stats.median([abs(x - middle) for x in logs]) / 0.6745


def _difference(logs: Sequence[float], lag: int) -> float:
    """Return the mean square of differences, each cut at CUT spreads against outliers."""
    sizes = [abs(b - a) for a, b in zip(logs, logs[lag:], strict=False)]
    limit = CUT * stats.median(sizes) / 0.6745
    return sum(min(size, limit) ** 2 for size in sizes) / len(sizes)


def _cut(logs: Sequence[float], spread: float) -> list[float]:
    """Return the logs in spreads from the median of the last quarter, cut at +-CUT.

    It is the level at the end that counts: how far above it a warm-up lies does not.
    """
    middle = stats.median(logs[-max(SHORTEST, len(logs) // 4) :])
    return [min(CUT, max(-CUT, (x - middle) / spread)) for x in logs]


def _changes(scaled: Sequence[float], spread: float, correlation: float) -> list[int]:
    """Return the change points: split in cells first, then placed to the sample."""
    n = len(scaled)
    long_run = (1 + correlation) / (1 - correlation)
    penalty = PENALTY * math.log(n) * long_run
    size = -(-n // CELLS)
    sums, squares = [0.0], [0.0]
    for x in scaled:
        sums.append(sums[-1] + x)
        squares.append(squares[-1] + x * x)
    edges = [*range(0, n, size), n]
    rough = _split(sums, edges, penalty, -(-SHORTEST // size))
    return _placed(sums, rough, n, size)


def _split(sums: Sequence[float], edges: Sequence[int], penalty: float, shortest: int) -> list[int]:
    """Return the split of least cost at the edges (optimal partitioning, Jackson et al. 2005).

    The cost of a segment is -(sum)^2 / length, the squares less a constant.
    """
    last = len(edges) - 1
    best, back = [0.0] * (last + 1), [0] * (last + 1)
    for end in range(1, last + 1):
        total, stop = sums[edges[end]], edges[end]
        least, chosen = -(total * total) / stop, 0
        for start in range(1, end - shortest + 1):
            gone = total - sums[edges[start]]
            cost = best[start] + penalty - gone * gone / (stop - edges[start])
            if cost < least:
                least, chosen = cost, start
        best[end], back[end] = least, chosen
    found, at = [], last
    while back[at]:
        at = back[at]
        found.append(edges[at])
    return found[::-1]


def _placed(sums: Sequence[float], rough: Sequence[int], n: int, size: int) -> list[int]:
    """Return each change moved, within a cell or two, to where the squares are least."""
    ends, placed = [0, *rough, n], list(rough)
    for i, at in enumerate(rough):
        a, b = (placed[i - 1] if i else 0), ends[i + 2]
        near = range(max(a + 1, at - size), min(b, at + size + 1))
        placed[i] = min(
            near,
            key=lambda c: (
                -((sums[c] - sums[a]) ** 2) / (c - a) - (sums[b] - sums[c]) ** 2 / (b - c)
            ),
        )
    return placed
