"""`--batch-size auto`: the batch of each case that asks for it, found before the run begins."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from hwbench import batch_search, planning, stats
from hwbench.asking import Asking
from hwbench.batch import BatchTry
from hwbench.case import Case
from hwbench.crew import Crew
from hwbench.device import Device
from hwbench.measurement import Protocol
from hwbench.planning import Plan, PlannedCase
from hwbench.preparation import Preparation
from hwbench.probing import Spawn
from hwbench.progress import Progress
from hwbench.protocol import VisitResult
from hwbench.selection import batch_scenario

VISIT_S, SAMPLES = 0.5, 3  # of a try, at least
BUDGET_S = {"smoke": 30.0, "quick": 60.0}  # of one search, by profile
OTHERWISE_S = 120.0
RUN_FRAC = 0.4  # of --max-seconds, for all searches together
LEAST_S = 10.0  # of one search: a shorter one tries nothing but the start of processes
DEVICE_FRAC = 0.92  # of a device's memory; a child on the CPU has such a limit already
IQR_TO_ERROR = 1.2533 / 1.349  # of a median of normal values, with sqrt(n)
INTERRUPTED = "its batch size was not found: interrupted"


@dataclass(frozen=True, kw_only=True)
class Resolved:
    """The plan with the batch sizes that were found, and what that took of the run's time."""

    plan: Plan
    took_s: float = 0.0
    interrupted: bool = False


def resolved(
    plan: Plan,
    devices: tuple[Device, ...],
    progress: Progress,
    spawn: Spawn,
    max_seconds: float | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> Resolved:
    """Return the plan with a batch for each case that has none yet.

    Of `max_seconds`, where the user named a time for the whole, the searches take no more than a
    part; without, each has the time of the profile, and none of it counts as the run's.
    A search that Ctrl-C ends loses nothing: the batches found before it are kept, and the cases
    that are without one are skipped with that reason.
    """
    open_cases = [p for p in plan.cases if planning.open_batch(p)]
    if not open_cases:
        return Resolved(plan=plan)
    began = clock()
    budget_s = _budget_s(plan.profile, max_seconds, len(open_cases))
    looking = _Looking(plan, devices, progress, spawn, clock, budget_s)
    cases: dict[str, PlannedCase] = {}
    interrupted = False
    try:
        for n, planned in enumerate(plan.cases):
            found = planned
            if planning.open_batch(planned):
                progress.note(f"looking for the batch size of {planned.case.id}")
                try:
                    found = looking.found(planned)
                except KeyboardInterrupt:
                    interrupted = True
                    _give_up(plan.cases[n:], cases)
                    break
                progress.note(f"{found.case.id}: {found.batch.message if found.batch else ''}")
            if found.batch is not None or found.case.id not in cases:  # asked for by number too
                cases[found.case.id] = found
    finally:
        looking.crew.end()
    return Resolved(
        plan=replace(plan, cases=tuple(cases.values())),
        took_s=0.0 if max_seconds is None else clock() - began,
        interrupted=interrupted,
    )


def _give_up(left: tuple[PlannedCase, ...], cases: dict[str, PlannedCase]) -> None:
    """Keep what is left: cases without a batch as skipped."""
    for planned in left:
        is_open = planning.open_batch(planned)
        cases[planned.case.id] = replace(planned, skip=INTERRUPTED) if is_open else planned


class _Looking:
    """The children of the tries, and how they are asked."""

    def __init__(
        self,
        plan: Plan,
        devices: tuple[Device, ...],
        progress: Progress,
        spawn: Spawn,
        clock: Callable[[], float],
        budget_s: float,
    ) -> None:
        protocol = _protocol(plan.protocol)
        self.clock, self.devices, self.budget_s = clock, devices, budget_s
        self.crew = Crew(protocol, spawn, 0)
        self.asking = Asking(
            protocol=protocol,
            crew=self.crew,
            preparation=Preparation(self.crew, progress, references=False),
            progress=progress,
            clock=clock,
            run_start=clock(),
            left_s=lambda: None,
        )

    def found(self, planned: PlannedCase) -> PlannedCase:
        """Return the case with its batch."""

        def attempt(batch_size: int) -> BatchTry:
            try:
                return _try(
                    batch_size, self.asking.visit(_sized(planned.case, batch_size), 0, False)
                )
            finally:
                self.crew.lose(planned.case)

        cap_bytes = self._cap_bytes(planned.case)
        choice = batch_search.search(attempt, self.clock, self.budget_s, cap_bytes)
        case = _sized(planned.case, choice.used)
        return replace(planned, case=case, work=planning.work(case), batch=choice)

    def _cap_bytes(self, case: Case) -> int | None:
        """Return the memory that a try may use: what a child on the CPU is given, or the card's."""
        if case.device == "cpu":
            return self.crew.room_bytes()
        found = [d.memory_bytes for d in self.devices if d.name == case.device and d.memory_bytes]
        return int(found[0] * DEVICE_FRAC) if found else None


def _protocol(of_run: Protocol) -> Protocol:
    return replace(
        of_run,
        rounds=1,
        visit_s=min(VISIT_S, of_run.visit_s),
        min_samples=SAMPLES,
        fresh_processes=True,
        max_seconds=None,
        max_rounds=1,
        soak_s={},
        scenario_visit_s=None,
    )


def _budget_s(profile: str, max_seconds: float | None, searches: int) -> float:
    """Return the time of one search."""
    own_s = BUDGET_S.get(profile, OTHERWISE_S)
    if max_seconds is None:
        return own_s
    return min(own_s, max(LEAST_S, RUN_FRAC * max_seconds / searches))


def _sized(case: Case, batch_size: int) -> Case:
    return replace(case, batch_size=batch_size, scenario=batch_scenario(case.phase, batch_size))


def _try(batch_size: int, result: VisitResult) -> BatchTry:
    times = [s.wall_s / s.loops for s in result.samples]
    if result.status != "ok" or not times:
        return BatchTry(batch_size=batch_size, fits=False, reason=result.reason or "no sample")
    peak = result.memory and (result.memory.device or result.memory.host)
    return BatchTry(
        batch_size=batch_size,
        fits=True,
        wall_s=stats.median(times),
        error_frac=IQR_TO_ERROR * stats.relative_iqr(times) / math.sqrt(len(times)),
        peak_bytes=peak or None,
    )
