"""Whether one side is slower: the ratio of two medians, its interval, its p-value; Holm.

Processes are the unit, not samples: what a process happens to get (layout, placement, clock) is in
all of its samples. Of one run the rounds are pairs, and what the machine did is in both. Records
made one after the other differ by the machine's drift too, which each of them states for the hours
ahead; without that difference two records of the same code would seem to differ (methodology,
comparisons).

Intervals are Student's of the logarithms of the processes' medians. Resampling so few processes
(a bootstrap) gives intervals that are a fifth too narrow with five, by simulation.
"""

import functools
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

from hwbench import round_medians, stats
from hwbench.case_facts import CaseFacts
from hwbench.compared import Faster, RatioOf
from hwbench.measurement import Measurement, Sample

ALPHA = 0.05  # of the verdicts together: Holm 1979, Scand. J. Statist. 6, 65
ONE_ROUND_LOG = 0.1  # of a median of a single process [assumed], as for the ratio of a step
MOST_FREEDOM = 200
TRIMMED_FRAC, LEAST_TRIMMED = 0.2, 8  # of rounds, at either end; of how many


@dataclass(frozen=True, kw_only=True)
class Ln:
    """ln(other / base): its point, its standard error, and how well that is known."""

    point: float
    error: float
    freedom: int
    sampling: float  # the part of the error that is of each case by itself
    drift: float  # the part that all cases of two records share
    basis: str


def of_pair(base: Measurement, other: Measurement) -> Ln | None:
    """Return the ratio of two cases of one run by its rounds; None of fewer than two of both."""
    mine, theirs = round_medians.by_round(base.samples), round_medians.by_round(other.samples)
    found = [_of_round(mine[n], theirs[n]) for n in mine if n in theirs]
    if len(found) < 2:
        return None
    mean, error, freedom = trimmed([log for log, _ in found])
    blocks = stats.median([float(n) for _, n in found])
    cut = f", each in {blocks:.0f} blocks in turn" if blocks > 2 else ""
    return Ln(
        point=mean,
        error=error,
        freedom=freedom,
        sampling=error,
        drift=0.0,
        basis=f"{len(found)} rounds that visited both{cut}",
    )


def trimmed(logs: Sequence[float]) -> tuple[float, float, int]:
    """Return the mean of rounds, its standard error and degrees of freedom.

    Of enough rounds a fifth is trimmed at either end: one in which something else ran does not move
    the rest. The error is by the winsorized variance: Yuen 1974, Biometrika 61, 165; Tukey and
    McLaughlin 1963, Sankhya A 25, 331. Of few it is the plain mean and Student's error.
    """
    n = len(logs)
    cut = int(TRIMMED_FRAC * n) if n >= LEAST_TRIMMED else 0
    ordered = sorted(logs)
    inner = ordered[cut : n - cut]
    low, high = inner[0], inner[-1]
    spread = stats.standard_deviation([min(max(x, low), high) for x in ordered])
    h = len(inner)
    error = spread * math.sqrt((n - 1) / (h * (h - 1)))
    return sum(inner) / h, error, h - 1


def apart(base: CaseFacts, other: CaseFacts) -> Ln:
    """Return the ratio of two cases that were measured one after the other."""
    assert base.time_s is not None and other.time_s is not None
    sides = [_sampling(c.rounds_s) for c in (base, other)]
    drift = math.sqrt((base.drift_sd**2 + other.drift_sd**2) / 2)
    parts = [*sides, (drift, MOST_FREEDOM)]
    variance = sum(error**2 for error, _ in parts)
    spread = sum(error**4 / freedom for error, freedom in parts)
    freedom = int(variance**2 / spread) if spread else MOST_FREEDOM
    counts = [len(c.rounds_s) for c in (base, other)]
    return Ln(
        point=math.log(other.time_s / base.time_s),
        error=math.sqrt(variance),
        freedom=max(1, min(MOST_FREEDOM, freedom)),
        sampling=math.hypot(*(error for error, _ in sides)),
        drift=drift,
        basis=f"{counts[0]} and {counts[1]} visits, and {drift:.1%} of drift from hour to hour",
    )


def of_itself() -> Ln:
    """Return the ratio of a measurement to itself: 1, without error."""
    basis = "the same measurement"
    return Ln(point=0.0, error=0.0, freedom=1, sampling=0.0, drift=0.0, basis=basis)


def _of_round(base: Sequence[Sample], other: Sequence[Sample]) -> tuple[float, int]:
    """Return ln(other / base) of a round, and in how many blocks the two were visited.

    Of blocks in turn it is the median over neighbours in time: a change of the machine's speed is
    in those alone between which it falls. One block each is a ratio of medians.
    """
    marked = [(s.start_s, side, s) for side, of in ((-1, base), (1, other)) for s in of]
    marked.sort(key=lambda m: m[:2])
    blocks = [
        (side, math.log(round_medians.median_s([s for _, _, s in run])))
        for side, run in ((k, list(g)) for k, g in itertools.groupby(marked, key=lambda m: m[1]))
    ]
    steps = [(log - before) * side for (_, before), (side, log) in itertools.pairwise(blocks)]
    return stats.median(steps), len(blocks)


@functools.lru_cache(maxsize=1024)  # of a base that is held against thousands
def _sampling(rounds_s: tuple[float, ...]) -> tuple[float, int]:
    """Return (standard error, degrees of freedom) of the logarithm of a case's median."""
    logs = stats.logarithms(rounds_s)
    if len(logs) < 2:
        return ONE_ROUND_LOG, MOST_FREEDOM
    return stats.standard_deviation(logs) / math.sqrt(len(logs)), len(logs) - 1


def together(of: Sequence[Ln]) -> Ln:
    """Return the mean of several: what each case errs by averages out, what all share does not."""
    n = len(of)
    sampling = math.sqrt(sum(x.sampling**2 for x in of)) / n
    drift = max(x.drift for x in of)
    freedom = min(MOST_FREEDOM, sum(x.freedom for x in of))
    return Ln(
        point=sum(x.point for x in of) / n,
        error=math.hypot(sampling, drift),
        freedom=freedom,
        sampling=sampling,
        drift=drift,
        basis=f"geometric mean of {n} ratios",
    )


def interval(of: Ln, level: float) -> RatioOf:
    """Return the ratio with its interval."""
    half = stats.student_t(level, of.freedom) * of.error
    return RatioOf(
        point=math.exp(of.point),
        low=math.exp(of.point - half),
        high=math.exp(of.point + half),
        level=level,
    )


def p_value(of: Ln) -> float:
    """Return the chance of a ratio as far from 1 where there is no difference."""
    if of.error == 0:
        return 1.0 if of.point == 0 else 0.0
    return min(1.0, 2 * stats.student_tail(abs(of.point) / of.error, of.freedom))


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values adjusted for their number, in the order given: Holm's step-down method."""
    n, adjusted, least = len(p_values), [0.0] * len(p_values), 0.0
    for rank, i in enumerate(sorted(range(n), key=p_values.__getitem__)):
        least = max(least, min(1.0, (n - rank) * p_values[i]))
        adjusted[i] = least
    return adjusted


def verdict(ratio: RatioOf, adjusted_p: float, threshold: float) -> Faster:
    """Return what a ratio says: a difference that matters, none that would, or neither.

    Faster or slower: its p-value, adjusted, is below 5 % and the change is above the threshold.
    Same: the whole interval is within the threshold, either way. Else ambiguous.
    """
    if adjusted_p < ALPHA and ratio.point > 1 + threshold:
        return "slower"
    if adjusted_p < ALPHA and ratio.point < 1 / (1 + threshold):
        return "faster"
    within = 1 / (1 + threshold) <= ratio.low and ratio.high <= 1 + threshold
    return "same" if within else "ambiguous"
