"""One visit to a case: warm up, choose the loops of a sample, take samples until the time is up.

The clock is an argument, so that tests can run scripted time. Every time taken is kept: those
before the steady state as warm-up, all others as samples, the disturbed ones with the reason.
"""

import gc
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Protocol

from hwbench import stats
from hwbench.errors import HwbenchError
from hwbench.runtime import Program
from hwbench.steady import Kind, steady_state

if TYPE_CHECKING:
    from collections.abc import Iterator

Clock = Callable[[], float]

SETTLED_FRAC = 0.05  # two consecutive times this near each other end the first warm-up
GROUP_S = 0.1  # what disturbed is asked of groups of samples this long: counters tick in 10 ms
REPEATS = 1.0  # disturbed samples are taken again, at most this many times the visit's own
STILL_TIMES, STILL_S = 20.0, 1.0  # a sample that is both was no iteration: the machine stood still
STUCK = 10  # samples of no length in a row after which the clock is given up


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How long a visit takes and how it is cut into samples."""

    visit_s: float  # sampling time aimed at
    min_samples: int  # taken even if that takes longer than visit_s
    sample_s: float = 0.010  # least length of a sample: far above the clock's resolution
    max_samples: int = 100  # more would lengthen the record and tell nothing new
    limit_s: float = 1e9  # of sampling: past it the visit ends with what it has
    singles: int = 0  # iterations timed one by one first, where the clock allows it: latency
    single_s: float = 0.001  # what the clock allows
    soak_s: float = 0.0  # run this long before anything counts, so that the device is warm


class Taken(NamedTuple):
    """One sample as it was taken: `start` is on the clock."""

    loops: int
    wall_s: float
    start: float
    disturbed: str | None = None


@dataclass(kw_only=True)
class Visit:
    """The raw times of one visit."""

    warmup_s: list[float] = field(default_factory=list)  # seconds an iteration
    samples: list[Taken] = field(default_factory=list)
    steady: Kind | None = None  # None: too few times to tell
    failure: Exception | None = None  # what ended it early; what was taken before is kept


class Watcher(Protocol):
    """What looks at the machine while samples are taken."""

    def begin(self) -> None:
        """Mark the start of a stretch."""

    def end(self) -> str | None:
        """Say what disturbed the stretch, None if nothing did."""


class Unwatched:
    """Sees nothing: where there is nothing to look at, and for bare loops."""

    def begin(self) -> None:
        """Do nothing."""

    def end(self) -> str | None:
        """Return None."""
        return None


@contextmanager
def quiet_collector() -> "Iterator[None]":
    """Keep Python's garbage collector out of the timed region."""
    gc.collect()
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def take_sample(program: Program, loops: int, clock: Clock) -> tuple[float, float]:
    """Run `loops` iterations and return (seconds they took, when they began)."""
    if program.flush is not None:
        program.flush()
    start = clock()
    if program.timer is not None:
        return program.timer(loops), start
    step = program.step
    for _ in range(loops):
        result = step()
    program.wait(result)
    return clock() - start, start


def choose_loops(program: Program, iteration_s: float, sample_s: float) -> int:
    """Return how many iterations make a sample at least `sample_s` long; cold takes one."""
    if program.flush is not None or iteration_s >= sample_s:
        return 1
    return min(1_000_000, int(sample_s / max(iteration_s, 1e-9)) + 1)


def visit(program: Program, pace: Pace, clock: Clock, watch: Watcher | None = None) -> Visit:
    """Visit a case: warm-up, then samples for `pace.visit_s` and at least `pace.min_samples`.

    An error of the program ends the visit; it is in `failure`, with all that was taken before.
    """
    taking = _Taking(program, pace, clock, watch or Unwatched())
    with quiet_collector():
        try:
            taking.run()
        except Exception as e:  # whatever a program may raise: the times before it are kept
            taking.done.failure = e
    return taking.done


class _Taking:
    """A visit under way."""

    def __init__(self, program: Program, pace: Pace, clock: Clock, watch: Watcher) -> None:
        self.program, self.pace, self.clock, self.watch = program, pace, clock, watch
        self.done = Visit()
        self._stuck = 0

    def run(self) -> None:
        self._soak()
        self._warm_up()
        self._sample(self.pace.visit_s, self.pace.min_samples)
        if self._settle():  # what was no steady state yet is replaced
            kept_s = sum(t.wall_s for t in self.done.samples)
            self._sample(self.pace.visit_s - kept_s, self.pace.min_samples - len(self.done.samples))
        self._repeat()

    def _soak(self) -> None:
        began = self.clock()
        while self.clock() - began < self.pace.soak_s:
            self._warm(1)

    def _warm(self, loops: int) -> None:
        wall_s, _ = self._timed(loops)
        self.done.warmup_s.append(wall_s / loops)

    def _warm_up(self) -> None:
        """Run until two consecutive times agree or half a visit has gone by.

        It finds the end of compiling and tuning, so that a sample's loops can be chosen; whether
        the samples that follow are steady is asked of them, when they are there.
        """
        times, loops, began = self.done.warmup_s, 1, self.clock()
        before = len(times)
        while True:
            self._warm(loops)
            loops = choose_loops(self.program, times[-1], self.pace.sample_s)
            settled = (
                len(times) > before + 1 and abs(times[-1] - times[-2]) <= SETTLED_FRAC * times[-2]
            )
            if settled or self.clock() - began >= self.pace.visit_s / 2:
                return

    def _timed(self, loops: int) -> tuple[float, float]:
        """Take a sample that has a length; raise where the clock gives none again and again."""
        while True:
            wall_s, start = take_sample(self.program, loops, self.clock)
            if wall_s > 0:
                self._stuck = 0
                return wall_s, start
            self._stuck += 1
            if self._stuck >= STUCK:
                raise HwbenchError(
                    f"{STUCK} samples of {loops} iterations in a row took {wall_s:g} s: the clock"
                    " stands still or goes backwards, or nothing is run"
                )

    def _sample(self, visit_s: float, least: int) -> None:
        """Take samples until as much is there, in groups that are watched."""
        count = len(self.done.samples)
        iteration_s = min(self.done.warmup_s[-3:])
        began, before = self.clock(), count
        while count - before < self.pace.max_samples + self.pace.singles:
            gone = self.clock() - began
            enough = count - before >= least and gone >= visit_s
            if count and (enough or gone >= self.pace.limit_s):
                return
            count += self._group(iteration_s, began, visit_s)

    def _group(self, iteration_s: float, began: float, visit_s: float) -> int:
        """Take samples for `GROUP_S` and keep them with what disturbed them; return how many."""
        group: list[Taken] = []
        self.watch.begin()
        try:
            while True:
                loops = self._loops(iteration_s, len(self.done.samples) + len(group))
                wall_s, start = self._timed(loops)
                group.append(Taken(loops, wall_s, start))
                if start + wall_s - group[0].start >= min(GROUP_S, visit_s):
                    break
        finally:  # an error after some samples: these are kept
            reason = self.watch.end()
            self.done.samples += [t._replace(disturbed=reason) for t in group]
        return len(group)

    def _loops(self, iteration_s: float, taken: int) -> int:
        """Return the loops of the next sample: the first ones alone, where latency is asked."""
        if taken < self.pace.singles and iteration_s >= self.pace.single_s:
            return 1
        return choose_loops(self.program, iteration_s, self.pace.sample_s)

    def _settle(self) -> bool:
        """Find where the steady state begins; return whether samples before it were put away."""
        done = self.done
        _mark_stills(done.samples)
        calm = [i for i, t in enumerate(done.samples) if t.disturbed is None]
        found = steady_state([done.samples[i].wall_s / done.samples[i].loops for i in calm])
        done.steady = found.kind
        if found.begins == 0 or found.kind == "no steady state":
            return False
        first = calm[found.begins]
        done.warmup_s += [t.wall_s / t.loops for t in done.samples[:first]]
        del done.samples[:first]
        return True

    def _repeat(self) -> None:
        """Take disturbed samples again, within the cap; the disturbed ones stay."""
        samples = self.done.samples
        _mark_stills(samples)
        wanted, began = len(samples), self.clock()
        most = wanted + int(REPEATS * wanted)
        cap_s = min(REPEATS * self.pace.visit_s, self.pace.limit_s)
        iteration_s = min((t.wall_s / t.loops for t in samples), default=0.0)
        while (
            sum(t.disturbed is None for t in samples) < wanted
            and len(samples) < most
            and self.clock() - began < cap_s
        ):
            self._group(iteration_s, began, self.pace.visit_s)


def _mark_stills(samples: list[Taken]) -> None:
    """Flag samples in which the machine slept or its clock jumped: no iteration is so long."""
    if len(samples) < 3:
        return
    usual = stats.median([t.wall_s / t.loops for t in samples])
    for i, t in enumerate(samples):
        long = t.wall_s / t.loops > STILL_TIMES * usual and t.wall_s > STILL_S
        if long and t.disturbed is None:
            text = f"stood still: a sample took {t.wall_s / t.loops / usual:.0f} times the median"
            samples[i] = t._replace(disturbed=text)
