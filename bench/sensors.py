"""Scripted sensors over random work whose energy is known: is the truth in the stated interval?

The work: two powers that alternate at a random period and duty, with a slow swing and noise, in
windows of 10 to 30 s. The sensors: a counter renewed each 100 ms, one that begins again at a small
number, a power that sees 25 ms of each 100, one that is a mean over 1 s, all four with a scale
that is wrong by up to what is documented, one that dies half-way, one that tells 0.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from hwbench import window_joules
from hwbench.joules import Joules, NoEnergy
from hwbench.sensor import ChannelFacts, Point

POLL_S = 0.05
LEAD_S, TAIL_S = 3.0, 3.0  # of readings around a window


@dataclass(frozen=True)
class Work:
    """Power over time: constant between `times_s`, with the energy so far at each of them."""

    times_s: Any
    power_w: Any
    energy_j: Any

    def joules(self, at_s: Any) -> Any:
        """Return the energy from the beginning to a time."""
        return np.interp(at_s, self.times_s, self.energy_j)

    def mean_w(self, begin_s: Any, end_s: Any) -> Any:
        """Return the mean power between two times."""
        return (self.joules(end_s) - self.joules(begin_s)) / (end_s - begin_s)


def work(rng: Any, length_s: float) -> Work:
    """Return random work of that length."""
    period_s = float(np.exp(rng.uniform(np.log(0.002), np.log(3.0))))
    duty = rng.uniform(0.1, 0.9)
    low_w = rng.uniform(20, 200)
    high_w = low_w + rng.uniform(0, 500)
    n = int(length_s / period_s) + 2
    starts = rng.uniform(-period_s, 0) + period_s * np.arange(n)
    # No step takes quite as long as the one before it.
    starts = starts + rng.normal(0, 0.02 * period_s, n)
    starts.sort()
    edges = np.sort(np.concatenate([starts, starts + duty * period_s]))
    grid = np.unique(np.concatenate([edges, np.linspace(0, length_s, 400)]))
    grid = grid[(grid >= 0) & (grid <= length_s)]
    if grid[0] > 0:
        grid = np.concatenate([[0.0], grid])
    middle = (grid[1:] + grid[:-1]) / 2
    k = np.clip(np.searchsorted(starts, middle) - 1, 0, n - 1)
    busy = (middle - starts[k]) < duty * period_s
    swing = 1 + rng.uniform(0, 0.1) * np.sin(2 * np.pi * middle / rng.uniform(5, 60))
    power = np.where(busy, high_w, low_w) * swing * rng.normal(1, 0.01, len(middle)).clip(0.9)
    energy = np.concatenate([[0.0], np.cumsum(power * np.diff(grid))])
    return Work(grid, power, energy)


Read = Callable[[Any, Any, Any], Any]  # (rng, work, poll times) -> values


def counter(rng: Any, truth: Work, polls: Any) -> Any:
    """Tell the joules so far, renewed each 100 ms."""
    phase = rng.uniform(0, 0.1)
    renewed = np.floor((polls - phase) / 0.1) * 0.1 + phase
    return rng.uniform(0, 1e6) + np.floor(truth.joules(np.maximum(renewed, 0)) * 1e3) / 1e3


RANGE_J = 700.0


def wrapping(rng: Any, truth: Work, polls: Any) -> Any:
    """Tell the same, beginning again at RANGE_J."""
    return counter(rng, truth, polls) % RANGE_J


def blind(rng: Any, truth: Work, polls: Any) -> Any:
    """Tell the mean of the last 25 ms before its renewal each 100 ms."""
    return _means(rng, truth, polls, 0.025)


def averaged(rng: Any, truth: Work, polls: Any) -> Any:
    """Tell the mean of the last second, renewed each 100 ms."""
    return _means(rng, truth, polls, 1.0)


def _means(rng: Any, truth: Work, polls: Any, window_s: float) -> Any:
    phase = rng.uniform(0, 0.1)
    renewed = np.floor((polls - phase) / 0.1) * 0.1 + phase
    end = np.maximum(renewed, window_s)
    return truth.mean_w(end - window_s, end)


def dying(rng: Any, truth: Work, polls: Any) -> Any:
    """Tell the joules so far until half of the time, then the same for ever."""
    return counter(rng, truth, np.minimum(polls, polls[-1] / 2))


def nothing(rng: Any, truth: Work, polls: Any) -> Any:
    """Tell 0 W."""
    return np.zeros_like(polls)


_FACTS = ChannelFacts(meter="scripted", name="0", domain="gpu", kind="power", update_s=0.1)
_COUNTER = replace(_FACTS, kind="counter")
SENSORS: dict[str, tuple[ChannelFacts, Read]] = {
    "a counter, each 100 ms": (_COUNTER, counter),
    "a counter that begins again": (replace(_COUNTER, range_j=RANGE_J), wrapping),
    "25 ms of each 100 ms seen": (replace(_FACTS, window_s=0.025, seen_frac=0.25), blind),
    "a mean over 1 s": (replace(_FACTS, window_s=1.0), averaged),
}
BROKEN: dict[str, tuple[ChannelFacts, Read]] = {
    "a counter that dies half-way": (_COUNTER, dying),
    "a power of 0 W": (_FACTS, nothing),
}


@dataclass(frozen=True)
class Trial:
    """One window: the true joules, and what was found or why nothing."""

    truth_j: float
    found: Joules | None
    why: str | None


def trials(
    facts: ChannelFacts, read: Read, count: int, seed: int, gain_frac: float | None = None
) -> Iterator[Trial]:
    """Yield `count` windows of random work; `gain_frac`: the scale is wrong by up to that."""
    rng = np.random.default_rng(seed)
    facts = replace(facts, gain_frac=gain_frac)
    for _ in range(count):
        window_s = rng.uniform(10, 30)
        truth = work(rng, LEAD_S + window_s + TAIL_S)
        begin = LEAD_S + rng.uniform(0, 0.5)
        end = begin + window_s - 1.0
        polls = np.arange(0.0, LEAD_S + window_s + TAIL_S, POLL_S)
        polls = np.sort(np.clip(polls + rng.uniform(0, 0.01, len(polls)), 0, None))
        gain = 1.0 if gain_frac is None else rng.uniform(1 - gain_frac, 1 + gain_frac)
        values = read(rng, Work(truth.times_s, truth.power_w * gain, truth.energy_j * gain), polls)
        trace = [Point(float(t), float(v)) for t, v in zip(polls, values, strict=True)]
        told_j = float(truth.joules(end) - truth.joules(begin))
        try:
            yield Trial(told_j, window_joules.of_window(facts, trace, begin, end), None)
        except NoEnergy as e:
            yield Trial(told_j, None, str(e))


def held(found: list[Trial]) -> float:
    """Return the share of the windows whose true energy lies in the interval."""
    inside = [t.found is not None and t.found.low <= t.truth_j <= t.found.high for t in found]
    return sum(inside) / len(inside)
