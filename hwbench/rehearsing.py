"""The short measurement of a training loop: visits spread over minutes, in two processes."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hwbench import coldness
from hwbench.loop import Drained, Evaluated, LoopCase, LoopPart, Saved, Stretch
from hwbench.loop_asking import LoopChild
from hwbench.probing import Spawn
from hwbench.progress import Progress
from hwbench.validation import LoopSetup, LoopVisit, Rehearsal

ROUNDS = 8
LEAST_ROUNDS = 4  # however slow the steps are: t of 3 degrees of freedom, and both processes twice
LEAST_S = 1e-3  # that a visit counts as
PROCESSES = 2  # what a process happens to get is part of the variance
BUDGET_S = 20.0  # in which the loop runs, of the whole measurement
LEAST_FRAC = 0.5  # of the budget, for the visits, whatever the processes' first steps took
SPREAD_S = 180.0
ONCE_S = 2.0  # of a shortcut's pass before the first epoch, in each process
EVALUATION_FRAC = 0.07  # of a visit's time


@dataclass(frozen=True, kw_only=True)
class Terms:
    """How a loop is measured: `budget_s` of running, in `rounds` spread over `spread_s`."""

    rounds: int = ROUNDS
    budget_s: float = BUDGET_S
    spread_s: float = SPREAD_S


def rehearse(
    case: LoopCase,
    terms: Terms,
    threads: int,
    scratch: Path,
    progress: Progress,
    spawn: Spawn,
    clock: Callable[[], float] = time.perf_counter,
    sleep: Callable[[float], None] = time.sleep,
) -> Rehearsal:
    """Measure a loop; raise LoopFailed where it cannot be opened or a part fails.

    All of a visit counts in the budget, its first step too, which is not in its mean: after a
    pause the caches are cold. The processes' first steps count as well, but leave half of it: a
    compiler may take minutes, and is not what the visits are for. Steps so slow that the budget is
    not enough for all rounds make fewer of them, four at least, over the same time.
    """
    progress.begin(terms.rounds, terms.spread_s)
    cold_s, no_cold = _cold(case)
    found = _Visits(case, terms, scratch, progress, clock, sleep)
    try:
        for number in range(min(PROCESSES, terms.rounds)):
            found.open(
                LoopChild(case, number, threads, number, spawn, progress.tick, clock, scratch)
            )
        found.go()
    finally:
        for child in found.children:
            child.end()
    return Rehearsal(
        case=case,
        setups=tuple(found.setups),
        visits=tuple(found.visits),
        evaluations=tuple(found.evaluations),
        saves=tuple(found.saves),
        cold_s=cold_s,
        no_cold=no_cold,
        spread_s=found.spread_s,
        measured_s=found.spent_s,
        once=tuple(found.once),
    )


class _Visits:
    """The visits of a rehearsal, one process after the other, and what they have cost."""

    def __init__(
        self,
        case: LoopCase,
        terms: Terms,
        scratch: Path,
        progress: Progress,
        clock: Callable[[], float],
        sleep: Callable[[float], None],
    ) -> None:
        self._case, self._terms, self._scratch = case, terms, scratch
        self._progress, self._clock, self._sleep = progress, clock, sleep
        self.children: list[LoopChild] = []
        self.setups: list[LoopSetup] = []
        self.visits: list[LoopVisit] = []
        self.evaluations: list[Evaluated] = []
        self.saves: list[Saved] = []
        self.once: list[Drained] = []
        self.spent_s = self.spread_s = 0.0
        self._budget_s = terms.budget_s

    def open(self, child: LoopChild) -> None:
        """Take a child, which is ended whatever comes, and let it make its first step."""
        self.children.append(child)
        if self._case.caches:
            part = child.part(LoopPart(what="once", seconds=ONCE_S)).once
            assert part is not None
            self.once.append(part)
            self.spent_s += part.wall_s
        first = _stretch(child, 0.0)
        self.spent_s += first.wall_s
        self.setups.append(
            LoopSetup(open_s=child.open_s, read_s=child.read_s, first_step_s=first.wall_s)
        )

    def go(self) -> None:
        """Make the visits, spread over the time."""
        terms, began, done, rounds = self._terms, self._clock(), 0, self._terms.rounds
        self._budget_s = max(terms.budget_s, self.spent_s + terms.budget_s * LEAST_FRAC)
        while done < rounds:
            _rest(began + done * terms.spread_s / rounds, self._clock, self._sleep, self._progress)
            left_s = terms.spread_s * (1 - done / rounds)
            self._progress.visiting(f"visit of {self._case.workload}", done + 1, rounds, left_s)
            entered = self._clock()
            self._visit(done, entered - began, rounds)
            took_s = self._clock() - entered
            self.spent_s += took_s
            done += 1
            if done == len(self.children):
                rounds = min(rounds, max(LEAST_ROUNDS, self._affordable(done, took_s)))
        self.spread_s = self._clock() - began

    def _affordable(self, done: int, took_s: float) -> int:
        """Return how many visits there can be in all if each takes what the last one took."""
        left_s = max(0.0, self._budget_s - self.spent_s)
        return done + math.ceil(left_s / max(took_s, LEAST_S))

    def _visit(self, number: int, at_s: float, rounds: int) -> None:
        process = number % len(self.children)
        child = self.children[process]
        room_s = max(0.0, (self._budget_s - self.spent_s) / (rounds - number))
        stretch = _stretch(child, room_s * (1 - EVALUATION_FRAC))
        self.visits.append(LoopVisit(at_s=at_s, process=process, stretch=stretch))
        part = LoopPart(what="evaluate", seconds=room_s * EVALUATION_FRAC)
        judged = child.part(part).evaluated
        if judged is not None:
            self.evaluations.append(judged)
        if number in (0, rounds // 2):
            self.saves.append(save(child, self._scratch))


def _cold(case: LoopCase) -> tuple[float | None, str | None]:
    if case.loading.residence == "memory":
        return None, "the data are read before the first step: in setup"
    return coldness.extra_s(case.loading.dataset)


def _rest(
    until: float, clock: Callable[[], float], sleep: Callable[[float], None], progress: Progress
) -> None:
    """Wait in steps of a second at most, so that whoever watches sees time go by."""
    while (left := until - clock()) > 0:
        sleep(min(left, 1.0))
        progress.tick()


def _stretch(child: LoopChild, seconds: float) -> Stretch:
    done = child.part(LoopPart(what="steps", seconds=seconds)).stretch
    assert done is not None
    return done


def save(child: LoopChild, scratch: Path) -> Saved:
    """Write a checkpoint into a folder and remove it; return what it took."""
    path = scratch / "checkpoint.pt"
    done = child.part(LoopPart(what="checkpoint", path=str(path))).saved
    path.unlink(missing_ok=True)
    assert done is not None
    return done
