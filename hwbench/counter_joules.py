"""Energy by a counter: between two renewals the truth lies between their values."""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from hwbench.joules import Joules, NoEnergy, covers, put_together
from hwbench.sensor import ChannelFacts, Point, Trace

_STILL_UPDATES = 10  # a counter of a machine that is on and has not moved so long is broken
_STILL_S = 5.0  # where it is not known how often it is renewed


class _Step(NamedTuple):
    """A renewal of a counter: it was renewed after `after_s`, and seen so at `at_s`."""

    after_s: float
    at_s: float
    joules: float


def unwrapped(facts: ChannelFacts, trace: Trace) -> list[Point]:
    """Return a counter's readings without the jumps where it began again; raise NoEnergy."""
    out: list[Point] = []
    total = 0.0
    for p, before in zip(trace, [None, *trace[:-1]], strict=True):
        moved = 0.0 if before is None else p.value - before.value
        if moved < 0:
            if facts.range_j is None:
                raise NoEnergy(f"{facts.key} went backwards: its driver was loaded anew, perhaps")
            moved += facts.range_j
            if moved < 0:
                raise NoEnergy(f"{facts.key} went back by more than it holds")
        total += moved
        out.append(Point(p.at_s, total))
    return out


def of_counter(facts: ChannelFacts, trace: Trace, begin_s: float, end_s: float) -> Joules:
    """Return the energy of a window; raise NoEnergy where the counter cannot tell it."""
    points = unwrapped(facts, trace)
    covers(facts, points, begin_s, end_s)
    steps = [_Step(points[0].at_s, points[0].at_s, points[0].value)]
    for before, p in pairwise(points):
        if p.value > before.value:
            steps.append(_Step(before.at_s, p.at_s, p.value))
    inside = [s for s in steps[1:] if begin_s <= s.at_s <= end_s]
    if not inside:
        raise NoEnergy(f"{facts.key} did not move in the {end_s - begin_s:.3g} s: no reading")
    _moved_on(facts, steps, points[-1].at_s, begin_s, end_s)
    first, last = _bounds(steps, begin_s), _bounds(steps, end_s)
    low, high = max(0.0, last.low - first.high), last.high - first.low
    point = min(max(last.point - first.point, low), high)
    if point <= 0:
        raise NoEnergy(f"{facts.key} tells no energy in the {end_s - begin_s:.3g} s")
    half = max(high - point, point - low)
    return put_together(
        facts, point, half, 0.0, end_s - begin_s, len(inside), _peak_of_counter(steps, inside)
    )


class _Between(NamedTuple):
    low: float
    point: float
    high: float


def _bounds(steps: Sequence[_Step], at_s: float) -> _Between:
    """Return what the true energy at a time lies between: the renewals before and after it."""
    k = max(0, bisect_right(steps, at_s, key=lambda s: s.at_s) - 1)
    later = next((s for s in steps[k + 1 :] if s.after_s >= at_s), None)
    following = steps[k + 1] if k + 1 < len(steps) else None
    if following is None or later is None:
        raise NoEnergy("the counter was not read long enough after the window")
    share = (at_s - steps[k].at_s) / (following.at_s - steps[k].at_s)
    point = steps[k].joules + min(1.0, max(0.0, share)) * (following.joules - steps[k].joules)
    return _Between(steps[k].joules, point, later.joules)


def _moved_on(
    facts: ChannelFacts, steps: Sequence[_Step], last_s: float, begin_s: float, end_s: float
) -> None:
    """Raise NoEnergy if the counter stood still for long in the window: it died."""
    most_s = _STILL_UPDATES * facts.update_s if facts.update_s else _STILL_S
    most_s = max(most_s, 1.0)
    # From a renewal to the last reading before the next: where nothing was read, nothing is known.
    stills = [(a.at_s, b.after_s) for a, b in pairwise(steps)] + [(steps[-1].at_s, last_s)]
    for a, b in stills:
        if a < end_s and b > begin_s and b - a > most_s:
            raise NoEnergy(
                f"{facts.key} stood still for {b - a:.3g} s in the window: it died, or is asleep"
            )


def _peak_of_counter(steps: Sequence[_Step], inside: Sequence[_Step]) -> float:
    """Return the highest power over 5 renewals or more: of one alone the times are too rough."""
    first = steps.index(inside[0])
    span = min(5, len(inside))
    rates = [
        (steps[k + span].joules - steps[k].joules) / (steps[k + span].at_s - steps[k].at_s)
        for k in range(max(0, first - 1), first - 1 + len(inside) - span + 1)
        if k + span < len(steps) and steps[k + span].at_s > steps[k].at_s
    ]
    return max(rates, default=0.0)
