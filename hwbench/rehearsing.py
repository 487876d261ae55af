"""The short measurement of a training loop: visits spread over minutes, in two processes."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hwbench import coldness
from hwbench.loop import Evaluated, LoopCase, LoopPart, Saved, Stretch
from hwbench.loop_asking import LoopChild
from hwbench.probing import Spawn
from hwbench.progress import Progress
from hwbench.validation import LoopSetup, LoopVisit, Rehearsal

ROUNDS = 8
PROCESSES = 2  # what a process happens to get is part of the variance
BUDGET_S = 20.0  # in which the loop runs, of the whole measurement
SPREAD_S = 180.0
EVALUATION_FRAC = 0.14  # of a round's budget


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
    pause the caches are cold.
    """
    progress.begin(terms.rounds, terms.spread_s)
    cold_s, no_cold = _cold(case)
    children: list[LoopChild] = []
    setups: list[LoopSetup] = []
    visits: list[LoopVisit] = []
    evaluations: list[Evaluated] = []
    saves: list[Saved] = []
    try:
        for number in range(min(PROCESSES, terms.rounds)):
            child = LoopChild(case, number, threads, number, spawn, progress.tick)
            children.append(child)
            first = _stretch(child, 0.0)
            setups.append(
                LoopSetup(open_s=child.open_s, read_s=child.read_s, first_step_s=first.wall_s)
            )
        spent = sum(s.first_step_s for s in setups)
        began = clock()
        for n in range(terms.rounds):
            _rest(began + n * terms.spread_s / terms.rounds, clock, sleep, progress)
            left_s = terms.spread_s * (1 - n / terms.rounds)
            progress.visiting(f"visit of {case.workload}", n + 1, terms.rounds, left_s)
            child = children[n % len(children)]
            room = (terms.budget_s - spent) / (terms.rounds - n)
            at_s, entered = clock() - began, clock()
            stretch = _stretch(child, room * (1 - EVALUATION_FRAC))
            visits.append(LoopVisit(at_s=at_s, process=n % len(children), stretch=stretch))
            judged = child.part(LoopPart(what="evaluate", seconds=room * EVALUATION_FRAC / 2))
            if judged.evaluated is not None:
                evaluations.append(judged.evaluated)
            if n in (0, terms.rounds // 2):
                saves.append(save(child, scratch))
            spent += clock() - entered
        spread_s = clock() - began
    finally:
        for child in children:
            child.end()
    return Rehearsal(
        case=case,
        setups=tuple(setups),
        visits=tuple(visits),
        evaluations=tuple(evaluations),
        saves=tuple(saves),
        cold_s=cold_s,
        no_cold=no_cold,
        spread_s=spread_s,
        measured_s=spent,
    )


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
