"""Asking a child for a visit: what it is told, how long it may take, and what becomes of its end.

A death, a hang or a failure is the visit's result, never an error here.
"""

from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass, replace

from hwbench import alternating, edge_limits, fitting, oom, planning, scenarios
from hwbench.case import Case
from hwbench.child import ChildFailed
from hwbench.crew import Crew
from hwbench.edge_facts import EDGE
from hwbench.measurement import Protocol
from hwbench.preparation import Preparation
from hwbench.profile import family
from hwbench.progress import Progress
from hwbench.protocol import DrawTerms, VisitRequest, VisitResult
from hwbench.served import Terms
from hwbench.timing import Pace

SINGLES = 60  # inferences of a visit that are timed one by one: five visits are enough for a p99
SAMPLES = 20  # of a visit, for the rest: together they fill its time, and rounds tell the more
SAMPLE_S = 0.010  # the least length of such a sample


@dataclass(frozen=True, kw_only=True)
class Asking:
    """What it takes to have cases visited: the children, what was prepared for them, the clock.

    `run_start` is when the run began on that clock, `left_s` what is left of it, None without end.
    """

    protocol: Protocol
    crew: Crew
    preparation: Preparation
    progress: Progress
    clock: Callable[[], float]
    run_start: float
    left_s: Callable[[], float | None]

    def visit(self, case: Case, number: int, check: bool) -> VisitResult:
        """Have the case visited in round `number`; `check`: its answer is held first."""
        try:
            result = self._asked(case, number, check=check)
        except ChildFailed as e:
            self.crew.lose(case)
            result = failure(case, number, e.code, str(e))
        return self._edged(case, result)

    def in_turn(
        self, cases: Sequence[Case], number: int, unchecked: Container[str]
    ) -> list[VisitResult]:
        """Have both sides of a case visited in round `number`, in blocks (`alternating`)."""

        def block(case: Case, first: bool, last: bool) -> VisitResult:
            try:
                return self._asked(
                    case,
                    number,
                    check=first and case.id in unchecked,
                    pace=alternating.paced(self._pace(case), first=first),
                    keep=not last,
                )
            except ChildFailed as e:
                self.crew.lose(case)
                return failure(case, number, e.code, str(e))

        found = alternating.in_turn(cases, block, self.clock)
        if any(v.status == "failed" for v in found):  # the other still keeps its program
            for case in cases:
                self.crew.lose(case)
        return found

    def draw(self, case: Case, terms: DrawTerms, keep: bool = False) -> VisitResult:
        """Have the case run in windows, untimed: its answer was checked before."""
        try:
            return self._asked(case, 0, check=False, draw=terms, keep=keep)
        except ChildFailed as e:
            self.crew.lose(case)
            return failure(case, 0, e.code, str(e))

    def trial(self, case: Case, limited: bool = True) -> fitting.Trial:
        """Run one iteration of the case in a fresh process, without its profile's limit if not."""
        try:
            result = self._asked(case, 0, check=False, trial=True, limited=limited)
        except ChildFailed as e:
            return fitting.Trial(fits=False, reason=str(e))
        finally:
            self.crew.lose(case)
        peak = result.memory and (result.memory.device or result.memory.host)
        return fitting.Trial(
            fits=result.status == "ok", peak_bytes=peak or None, reason=result.reason
        )

    def _asked(
        self,
        case: Case,
        number: int,
        *,
        check: bool,
        trial: bool = False,
        draw: DrawTerms | None = None,
        pace: Pace | None = None,
        keep: bool = False,
        limited: bool = True,
    ) -> VisitResult:
        blocked = self.preparation.blocked(case.plain)
        if blocked is not None:
            return failure(case, number, blocked.code, blocked.reason)
        if EDGE in case.options and (why := edge_limits.not_here(case)) is not None:
            return failure(case, number, "unavailable", why)
        child = self.crew.member(case)
        start = self.clock()
        request = VisitRequest(
            case=case.plain,
            threads=self.crew.threads(case),
            pace=pace or self._pace(case),
            round=number,
            process=child.number,
            run_start=self.run_start,
            seed=self.protocol.seed,
            check=check,
            keep=keep or (not self.protocol.fresh_processes and not trial),
            trial=trial,
            memory_limit_bytes=self.crew.memory_limit(case),
            model_limit_bytes=self.crew.model_limit(case) if limited else None,
            serving=self._terms(case),
            draw=draw,
            **self.preparation.paths(case.plain),
        )
        limit_s = self._limit_s(case) + (0.0 if draw is None else _drawing_s(draw))
        reply = child.ask("visit", request, limit_s, self.progress.tick)
        if reply.ok:
            result = self.crew.result(reply)
            return replace(result, id=case.id, took_s=self.clock() - start)
        reason = (reply.reason or "it failed") + (f": {reply.remedy}" if reply.remedy else "")
        return failure(case, number, reply.code or "error", reason)

    def _edged(self, case: Case, result: VisitResult) -> VisitResult:
        """Return what came of a visit under an edge profile: that it does not fit is an answer."""
        if EDGE not in case.options:
            return result
        told = replace(result, edge=self.preparation.edge_model(case))
        reason = edge_limits.too_large(case, self.protocol)
        if self._crashed_by_limit(case, result):
            reason += f": without that limit it runs, under it {result.reason}"
        elif result.code != "memory":
            return told
        return replace(told, code="unavailable", reason=reason)

    def _crashed_by_limit(self, case: Case, result: VisitResult) -> bool:
        """Return whether a case that crashed under its profile's limit runs without it.

        It is tried: much native code does not look at what it was given, and many crashes have
        other causes.
        """
        if result.code != "crashed" or not oom.ended_for_memory(result.reason or ""):
            return False
        return self.trial(case, limited=False).fits

    def _limit_s(self, case: Case) -> float:
        """Return how long a visit may take: the protocol's limit, more for a case of much work."""
        by_work = 10 * planning.visit_s(case, self.protocol)
        return max(self.protocol.visit_limit_s, by_work, 3 * (self.protocol.scenario_visit_s or 0))

    def _terms(self, case: Case) -> Terms | None:
        """Return what a visit in a scenario is given, no more than is left of the run."""
        budget_s = self.protocol.scenario_visit_s
        if budget_s is None:
            return None
        left_s = self.left_s()
        if left_s is not None:
            budget_s = min(budget_s, max(0.0, left_s))
        return scenarios.terms(case, self.protocol.rounds, budget_s)

    def _pace(self, case: Case) -> Pace:
        """Return how a visit is cut: the first inferences one by one where the clock allows it."""
        pace = Pace(
            visit_s=self.protocol.visit_s,
            min_samples=self.protocol.min_samples,
            limit_s=self._limit_s(case) / 2,
            sample_s=max(SAMPLE_S, self.protocol.visit_s / SAMPLES),
            max_samples=max(SAMPLES, self.protocol.min_samples),
            singles=SINGLES if case.phase == "inference" else 0,
            soak_s=self.protocol.soak_s.get(family(case.device), 0.0),
        )
        if self.protocol.scenario_visit_s is not None:
            rounds, budget_s = self.protocol.rounds, self.protocol.scenario_visit_s
            return scenarios.paced(pace, case, rounds, budget_s)
        return pace


def _drawing_s(terms: DrawTerms) -> float:
    return 2 * (terms.windows * (terms.window_s + terms.pause_s) + 2 * terms.rise_s)


def failure(case: Case, number: int, code: str, reason: str) -> VisitResult:
    """Return the result of a visit that failed."""
    return VisitResult(
        id=case.id, status="failed", round=number, process=0, code=code, reason=reason
    )
