"""Energy by a power: the integral of its readings, their lag taken out."""

import math
from bisect import bisect_left
from collections.abc import Sequence
from itertools import pairwise

from hwbench.joules import Joules, NoEnergy, covers, put_together
from hwbench.sensor import ChannelFacts, Point, Trace

BLOCKS = 10  # that a window is cut into to see how its power varies
_GAP_UPDATES, _GAP_S = 5, 2.0  # missing readings that are too many
_HIDDEN_FRAC = 1 / 16  # of a mean's window, by which its edge may be off for such swings
_Z, _T_BLOCKS = 1.960, 2.262  # two-sided 95 %: normal, and Student's t with BLOCKS - 1


def of_power(facts: ChannelFacts, trace: Trace, begin_s: float, end_s: float) -> Joules:
    """Return the energy of a window; raise NoEnergy where the readings cannot tell it."""
    covers(facts, trace, begin_s, end_s)
    update_s = facts.update_s or renewal_s(trace)
    window_s = facts.window_s if facts.window_s is not None else update_s * facts.seen_frac
    lag_s = (update_s + max(window_s, update_s * facts.seen_frac)) / 2
    centred = [Point(p.at_s - lag_s, p.value) for p in trace]
    covers(facts, centred, begin_s, end_s, more_s=lag_s)
    inside = [p.value for p in centred if begin_s <= p.at_s <= end_s]
    if len(inside) < 2:
        raise NoEnergy(
            f"{facts.key} told its power {len(inside)} times in {end_s - begin_s:.3g} s: too few"
        )
    _no_gap(facts, centred, begin_s, end_s, update_s)
    if min(inside) < 0:
        raise NoEnergy(f"{facts.key} told {min(inside):g} W")
    _never_nothing(facts, inside)
    point = _integral(centred, begin_s, end_s)
    if point <= 0:
        raise NoEnergy(f"{facts.key} told no power in the {end_s - begin_s:.3g} s")
    reach_s = update_s + window_s
    # A mean hides what varies within it: swings as large as the mean itself are allowed for.
    hidden_w = point / (end_s - begin_s) if window_s > update_s else 0.0
    edges = [
        lag_s / 2 * _range(centred, x - reach_s, x + reach_s) + window_s * _HIDDEN_FRAC * hidden_w
        for x in (begin_s, end_s)
    ]
    updates = max(2, int((end_s - begin_s) / update_s))
    resolution = math.hypot(*edges) + _holding(centred, begin_s, end_s, update_s)
    blind = _blindness(facts, centred, begin_s, end_s, updates)
    return put_together(facts, point, resolution, blind, end_s - begin_s, updates, max(inside))


def _no_gap(
    facts: ChannelFacts, trace: Trace, begin_s: float, end_s: float, update_s: float
) -> None:
    """Raise NoEnergy where readings are missing for so long that anything may have happened.

    Five renewals are few enough to be interpolated, and what they may hide is in the interval.
    """
    most_s = max(_GAP_UPDATES * update_s, _GAP_S)
    for n, (a, b) in enumerate(pairwise(trace), start=1):
        if b.at_s - a.at_s > most_s and a.at_s < end_s and b.at_s > begin_s:
            raise NoEnergy(
                f"{facts.key}: no reading for {b.at_s - a.at_s:.3g} s, from second"
                f" {max(0.0, a.at_s - begin_s):.3g} of the window on, after its reading {n}"
            )


def _never_nothing(facts: ChannelFacts, watts: Sequence[float]) -> None:
    """Raise NoEnergy if the sensor tells 0 W of something that is on."""
    zeros = sum(1 for w in watts if w == 0)
    if zeros == len(watts):
        raise NoEnergy(f"{facts.key} told 0 W all the time: it does not measure")
    if facts.measured and zeros > len(watts) // 10:
        raise NoEnergy(f"{facts.key} told 0 W in {zeros} of {len(watts)} readings: it died")


def _holding(trace: Trace, begin_s: float, end_s: float, update_s: float) -> float:
    """Return how far the sum may be off because readings come no denser than they do."""
    inside = [p for p in trace if begin_s <= p.at_s <= end_s]
    gaps = [b.at_s - a.at_s for a, b in pairwise(inside)]
    if not gaps:
        return 0.0
    # Each gap longer than a renewal holds what was not read: its share of the power's spread.
    spread = _range(trace, begin_s, end_s)
    missed = [g - update_s for g in gaps if g > 1.5 * update_s]
    return spread / 2 * math.sqrt(sum(m * m for m in missed))


def _blindness(
    facts: ChannelFacts, trace: Trace, begin_s: float, end_s: float, updates: int
) -> float:
    """Return half of the 95 % interval of the energy by what was not seen of each interval.

    Neighbouring renewals tell how much the power varies within about one of them; blocks tell
    whether the seen parts keep time with the work, in which case they stay off for long.
    """
    unseen = 1.0 - facts.seen_frac
    if unseen <= 0:
        return 0.0
    window_s = end_s - begin_s
    values = renewed(trace, begin_s, end_s, window_s / updates)
    steps = [b - a for a, b in pairwise(values)]
    near_w = math.sqrt(sum(s * s for s in steps) / (2 * len(steps))) if steps else 0.0
    by_neighbours = _Z * near_w * math.sqrt(unseen / max(1, len(values)))
    edges = [begin_s + window_s * k / BLOCKS for k in range(BLOCKS + 1)]
    means = [_mean(trace, a, b) for a, b in pairwise(edges)]
    centre = sum(means) / BLOCKS
    sd = math.sqrt(sum((m - centre) ** 2 for m in means) / (BLOCKS - 1))
    by_blocks = _T_BLOCKS * sd * math.sqrt(unseen / BLOCKS)
    return max(by_neighbours, by_blocks) * window_s


def renewed(trace: Trace, begin_s: float, end_s: float, update_s: float) -> list[float]:
    """Return one value of each renewal in the window."""
    count = max(2, round((end_s - begin_s) / update_s))
    times = [p.at_s for p in trace]
    out = []
    for k in range(count):
        at_s = begin_s + (k + 0.5) * (end_s - begin_s) / count
        out.append(trace[min(bisect_left(times, at_s), len(trace) - 1)].value)
    return out


def renewal_s(trace: Trace) -> float:
    """Return how often the readings seem to be renewed: the median time between two changes.

    Where a power hardly ever changes, each reading counts as renewed.
    """
    changes = [b.at_s for a, b in pairwise(trace) if b.value != a.value]
    times = changes if len(changes) > 2 else [p.at_s for p in trace]
    gaps = sorted(b - a for a, b in pairwise(times))
    return gaps[len(gaps) // 2] if gaps else 0.1


def _integral(trace: Trace, begin_s: float, end_s: float) -> float:
    """Return the integral of the readings, each held for half of the way to its neighbours."""
    total = 0.0
    for k, p in enumerate(trace):
        left = (trace[k - 1].at_s + p.at_s) / 2 if k else p.at_s
        right = (p.at_s + trace[k + 1].at_s) / 2 if k + 1 < len(trace) else p.at_s
        total += p.value * max(0.0, min(right, end_s) - max(left, begin_s))
    return total


def _mean(trace: Trace, begin_s: float, end_s: float) -> float:
    return _integral(trace, begin_s, end_s) / (end_s - begin_s)


def _range(trace: Trace, begin_s: float, end_s: float) -> float:
    values = [p.value for p in trace if begin_s <= p.at_s <= end_s]
    return max(values) - min(values) if values else 0.0
