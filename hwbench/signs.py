"""What two readings of the counters tell of the stretch between them, in words.

The first words name the kind: `KINDS`. What could not be read is not told.
"""

import mmap
from collections import deque
from collections.abc import Callable, Iterator
from math import sqrt

from hwbench.counters import TICK_S, Reading, Slow

DISTURBING_CORES = 0.10  # of a core taken by others or stolen: above it samples are flagged
LOOK_BACK_S = 1.0  # a small load is told from the counters' rounding over so long
LOST_FRAC = 0.10  # of the CPU time that the best stretch had
SWITCHES_PER_S = 20.0  # involuntary ones; a program with cores of its own has a few
BASE_FRAC = 0.75  # of the base clock: below it the processor is held back

# The gravest first: what will be there again comes before what this machine's own programs do.
KINDS = ("throttled", "clock", "quota", "steal", "swap", "others", "descheduled", "stood still")


def kind(text: str) -> str:
    """Return the kind that a text begins with; one that no version wrote counts as others."""
    return next((k for k in KINDS if text.startswith(k)), "others")


def rate(before: Reading, after: Reading, asked: Callable[[Reading], float | None]) -> float | None:
    """Return what was counted in a second, or None where it is not."""
    was, now = asked(before), asked(after)
    if was is None or now is None:
        return None
    return (now - was) / (after.clock_s - before.clock_s)


def own_s(r: Reading) -> float | None:
    """Return the CPU seconds of this process and its children."""
    return None if r.own is None else r.own.cpu_s


def switches(r: Reading) -> float | None:
    """Return how often a CPU was taken from this process."""
    return None if r.own is None else r.own.involuntary


def foreign_s(r: Reading) -> float | None:
    """Return the CPU seconds of all other processes, interrupts included."""
    return None if r.busy_s is None or r.own is None else r.busy_s - r.own.cpu_s


def stolen_s(r: Reading) -> float | None:
    """Return the CPU seconds that the hypervisor took."""
    return r.steal_s


def swapped_bytes(before: Reading, after: Reading) -> int | None:
    """Return what the machine swapped, in and out."""
    if before.swapped_pages is None or after.swapped_pages is None:
        return None
    return max(0, after.swapped_pages - before.swapped_pages) * mmap.PAGESIZE


def throttle_events(before: Slow | None, after: Slow | None) -> int | None:
    """Return how often heat held the CPUs back."""
    if before is None or after is None:
        return None
    if before.throttle_events is None or after.throttle_events is None:
        return None
    return max(0, after.throttle_events - before.throttle_events)


def held_back(before: Slow | None, after: Slow, base_hz: float | None) -> Iterator[str]:
    """Yield what heat, power or the clock's policy did to the processor."""
    if events := throttle_events(before, after):
        yield f"throttled: {events} events"
    if after.clock_hz and base_hz and after.clock_hz < BASE_FRAC * base_hz:
        yield f"clock at {100 * after.clock_hz / base_hz:.0f} % of base"


def taken(before: Reading, after: Reading) -> Iterator[str]:
    """Yield what the control group, the hypervisor and swapping took."""
    if before.quota_stops is not None and after.quota_stops is not None:
        stops = after.quota_stops - before.quota_stops
        if stops > 0:
            yield f"quota: the control group stopped it {stops} times"
    cores = rate(before, after, stolen_s)
    one_tick = 1.5 * TICK_S / (after.clock_s - before.clock_s)  # may be the rounding alone
    if cores is not None and cores > max(DISTURBING_CORES, one_tick):
        yield f"steal: the hypervisor took {cores:.2f} cores"
    if swapped := swapped_bytes(before, after):
        yield f"swap: {swapped} bytes went in or out"


class Deprived:
    """Tells a stretch in which this process lost CPU time that it had in its best one.

    The best so far, not all of the threads: many programs use fewer, or wait for a device.
    """

    def __init__(self, threads: int) -> None:
        """Take how many threads may run."""
        self._threads, self._best_frac = threads, 0.0

    def told(self, before: Reading, after: Reading) -> Iterator[str]:
        """Yield the loss."""
        used, often = rate(before, after, own_s), rate(before, after, switches)
        if used is None or often is None:
            return
        frac, best = used / self._threads, self._best_frac
        self._best_frac = max(best, frac)
        if frac < (1 - LOST_FRAC) * best and often > SWITCHES_PER_S:
            share = f"{100 * frac / best:.0f} % of the CPU time of its best stretch"
            yield f"descheduled: {often:.0f} times a second, {share}"


class Foreign:
    """Tells the load of other processes where it is beyond the rounding of the counters.

    That of one stretch, or a smaller one that the last second shows as well.
    """

    def __init__(self, threads: int, cpus: int) -> None:
        """Take how many CPUs round: each is charged whole ticks, independently of the others."""
        self._rounding_s = TICK_S * (1 + sqrt(min(threads, cpus)))
        self._before: deque[Reading] = deque()

    def told(self, before: Reading, after: Reading) -> Iterator[str]:
        """Yield the load."""
        past = self._before
        past.append(before)
        while len(past) > 1 and past[1].clock_s <= after.clock_s - LOOK_BACK_S:
            past.popleft()
        cores = rate(before, after, foreign_s)
        if cores is None or cores <= DISTURBING_CORES:
            return
        if self._certain(before, after) or self._certain(past[0], after):
            yield f"others used {cores:.2f} cores"

    def _certain(self, before: Reading, after: Reading) -> bool:
        cores = rate(before, after, foreign_s)
        rounding = self._rounding_s / (after.clock_s - before.clock_s)
        return cores is not None and cores - rounding > DISTURBING_CORES
