"""What a case does when it runs for minutes without a pause: does the device hold its speed?"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from hwbench import intervals, trend
from hwbench.bounds import Fraction, NonNegativeFloat, PositiveFloat, PositiveInt
from hwbench.energy import Window
from hwbench.estimate_value import Estimate

BLOCKS = 12  # in a row, whose medians are tested: neighbouring windows resemble one another
LEAST_WINDOWS = 3 * BLOCKS


@dataclass(frozen=True, kw_only=True)
class SustainedTerms:
    """How long each network runs without a pause after the rounds, and the time for all of them."""

    seconds: PositiveFloat
    max_s: PositiveFloat


@dataclass(frozen=True, kw_only=True, slots=True)
class Stretch:
    """A second or so of the running: when it began since the first, and the time per iteration."""

    start_s: NonNegativeFloat
    wall_s: PositiveFloat
    iterations: PositiveInt


@dataclass(frozen=True, kw_only=True)
class Sustained:
    """A case that ran for minutes.

    `first_s` and `last_s` are medians of the time per iteration in the first and in the last third,
    `change_frac` the one over the other less 1, `p_value` Mann and Kendall's that chance orders
    the blocks of the running so. `slows`: both say so (methods of `trend`). Null where the running
    was too short to tell.
    """

    asked_s: PositiveFloat
    ran_s: NonNegativeFloat
    iterations: PositiveInt
    first_s: Estimate
    last_s: Estimate
    change_frac: float | None
    p_value: Fraction | None
    slows: bool | None
    method: str
    stretches: tuple[Stretch, ...]


def summarised(windows: Sequence[Window], asked_s: float) -> Sustained | None:
    """Return what the windows of one process say, in the order of time; None without any."""
    ran = [w for w in windows if w.iterations > 0 and w.end_s > w.begin_s]
    if not ran:
        return None
    origin = ran[0].begin_s
    stretches = tuple(
        Stretch(
            start_s=w.begin_s - origin,
            wall_s=(w.end_s - w.begin_s) / w.iterations,
            iterations=w.iterations,
        )
        for w in ran
    )
    times = [s.wall_s for s in stretches]
    third = max(1, len(times) // 3)
    first, last = _level(times[:third]), _level(times[-third:])
    if len(times) < LEAST_WINDOWS:
        change = p_value = slows = None
        method = f"{len(times)} windows tell no change: {LEAST_WINDOWS} are needed"
    else:
        edges = [len(times) * i // BLOCKS for i in range(BLOCKS + 1)]
        blocks = [times[a:b] for a, b in itertools.pairwise(edges)]
        found = trend.drift(blocks)
        change, p_value = last.point / first.point - 1, found.p_value
        slows = found.drifting and change > 0
        method = f"Mann-Kendall of {BLOCKS} blocks of {len(times)} windows; medians of thirds"
    return Sustained(
        asked_s=asked_s,
        ran_s=ran[-1].end_s - origin,
        iterations=sum(w.iterations for w in ran),
        first_s=first,
        last_s=last,
        change_frac=change,
        p_value=p_value,
        slows=slows,
        method=method,
        stretches=stretches,
    )


def _level(times: Sequence[float]) -> Estimate:
    found = intervals.median_now([list(times)])
    return Estimate(point=found.point, low=found.low, high=found.high, level=round(found.level, 4))


def windows_of(found: Sustained) -> tuple[Window, ...]:
    """Return the windows that it was summarised from."""
    return tuple(
        Window(
            begin_s=s.start_s, end_s=s.start_s + s.wall_s * s.iterations, iterations=s.iterations
        )
        for s in found.stretches
    )


def longest(processes: Sequence[Sequence[Window]]) -> Sequence[Window]:
    """Return the windows of the process that ran longest: an interrupted one cooled down since."""
    return max(processes, key=lambda ws: sum(w.end_s - w.begin_s for w in ws), default=())
