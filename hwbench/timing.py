"""One visit to a case: warm up, choose the loops of a sample, take samples until the time is up.

The clock is an argument, so that tests can run scripted time. Every warm-up time is kept.
"""

import gc
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hwbench.runtime import Program

if TYPE_CHECKING:
    from collections.abc import Iterator

Clock = Callable[[], float]

SETTLED_FRAC = 0.05  # two consecutive warm-ups this near each other end the warm-up


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How long a visit takes and how it is cut into samples."""

    visit_s: float  # sampling time aimed at
    min_samples: int  # taken even if that takes longer than visit_s
    sample_s: float = 0.010  # least length of a sample: far above the clock's resolution
    max_samples: int = 100  # more would lengthen the record and tell nothing new
    limit_s: float = 1e9  # of sampling: past it the visit ends with what it has


@dataclass(kw_only=True)
class Visit:
    """The raw times of one visit; `samples` are (loops, wall_s, start on the clock)."""

    warmup_s: list[float] = field(default_factory=list)
    samples: list[tuple[int, float, float]] = field(default_factory=list)


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


def warm_up(program: Program, pace: Pace, clock: Clock) -> list[float]:
    """Run until two consecutive samples agree or half a visit has gone by; return s/iteration."""
    times: list[float] = []
    loops, began = 1, clock()
    while True:
        wall_s, _ = take_sample(program, loops, clock)
        times.append(wall_s / loops)
        loops = choose_loops(program, times[-1], pace)
        settled = len(times) > 1 and abs(times[-1] - times[-2]) <= SETTLED_FRAC * times[-2]
        if settled or clock() - began >= pace.visit_s / 2:
            return times


def choose_loops(program: Program, iteration_s: float, pace: Pace) -> int:
    """Return how many iterations make a sample at least `pace.sample_s` long; cold takes one."""
    if program.flush is not None or iteration_s >= pace.sample_s:
        return 1
    return min(1_000_000, int(pace.sample_s / max(iteration_s, 1e-9)) + 1)


def visit(program: Program, pace: Pace, clock: Clock) -> Visit:
    """Visit a case: warm-up, then samples for `pace.visit_s` and at least `pace.min_samples`."""
    done = Visit()
    with quiet_collector():
        done.warmup_s = warm_up(program, pace, clock)
        loops = choose_loops(program, min(done.warmup_s), pace)
        began = clock()
        while len(done.samples) < pace.max_samples:
            gone = clock() - began
            enough = len(done.samples) >= pace.min_samples and gone >= pace.visit_s
            if done.samples and (enough or gone >= pace.limit_s):
                break
            wall_s, start = take_sample(program, loops, clock)
            done.samples.append((loops, wall_s, start))
    return done
