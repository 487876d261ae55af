"""The rounds of a run: every case is visited in turn, in child processes, until all is done.

Whatever happens to one case is recorded as its own; whatever happens to the run, each finished
visit is in the journal before the next begins.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from hwbench import fitting, measurement, planning, store, summary
from hwbench.case import Case
from hwbench.child import ChildFailed
from hwbench.crew import Crew
from hwbench.errors import StorageFull
from hwbench.journal import Header, Journal
from hwbench.measurement import Measurement, Record
from hwbench.preparation import Preparation
from hwbench.probing import Spawn
from hwbench.progress import Progress
from hwbench.protocol import VisitRequest, VisitResult
from hwbench.timing import Pace

LATENCY_SAMPLES = 60  # of a visit, for single inferences: five visits are enough for a p99
SAMPLES = 20  # of a visit, for the rest: together they fill its time, and rounds tell the more
SAMPLE_S = 0.010  # the least length of such a sample
LATENCY_SAMPLE_S = 0.001  # an iteration at least this long is timed by itself


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a run ended, and the record with all that was finished."""

    record: Record
    path: Path
    ended: Literal["complete", "out_of_time", "interrupted", "storage_full"]
    message: str | None = None
    visits_made: int = 0  # by this call; none of a run that was finished before

    @property
    def failed(self) -> tuple[Measurement, ...]:
        """Return the measurements that failed."""
        return tuple(m for m in self.record.measurements if m.status == "failed")


class Rounds:
    """One run in progress: the plan, the visits so far, and where they are kept."""

    def __init__(
        self,
        header: Header,
        visits: tuple[VisitResult, ...],
        journal: Journal,
        out: Path,
        progress: Progress,
        spawn: Spawn,
        clock: Callable[[], float] = time.perf_counter,
        took_before: float = 0.0,
    ) -> None:
        """Take up a run whose journal already holds `visits`, made in `took_before` seconds."""
        self.header, self.protocol = header, header.protocol
        self.journal, self.out, self.progress, self.clock = journal, out, progress, clock
        self.visits: dict[str, list[VisitResult]] = {p.case.id: [] for p in header.cases}
        for visit in visits:
            self.visits.setdefault(visit.id, []).append(visit)
        self.took_before = took_before
        self._made_before = len(visits)
        self.began = clock()
        self.crew = Crew(header.protocol, spawn, 1 + max((v.process for v in visits), default=-1))
        self.preparation = Preparation(self.crew, progress)
        self.measured = {p.case.id: self._summarised(p.case.id) for p in header.cases}

    def go(self, expected_s: float) -> Outcome:
        """Make the visits that are left and return how it ended; the record is on disk then."""
        left = list(self._left())
        self.progress.begin(len(left), expected_s or self._left_s(left))
        ended: Literal["complete", "out_of_time", "interrupted", "storage_full"] = "complete"
        message = None
        try:
            self._save()
            first = [case for case, number in left if not self._checked(case)]
            self.preparation.prepare(list({c.id: c for c in first}.items()))
            if self._make(left):
                ended = "out_of_time"
                message = f"the {self.protocol.max_seconds:.0f} s of this run are up"
        except KeyboardInterrupt:
            ended = "interrupted"
        except StorageFull as e:
            ended, message = "storage_full", str(e)
        finally:
            self.crew.end()
        record = self.record()
        try:
            store.save(record, self.out)
        except StorageFull as e:
            ended, message = "storage_full", str(e)
        return Outcome(
            record=record,
            path=self.out,
            ended=ended,
            message=message,
            visits_made=sum(map(len, self.visits.values())) - self._made_before,
        )

    def _left(self) -> Iterator[tuple[Case, int]]:
        """Yield the (case, round) pairs that are still to be visited, in order."""
        for number in range(self.protocol.rounds):
            for planned in self.header.cases:
                seen = self.visits[planned.case.id]
                over = any(v.status == "failed" or v.round == number for v in seen)
                if planned.skip is None and not over:
                    yield planned.case, number

    def _make(self, left: list[tuple[Case, int]]) -> bool:
        """Visit; return whether time ran out before all were made."""
        cut = False
        for n, (case, number) in enumerate(left):
            if self._over(case):
                cut = cut or not self._failed(case)
                continue
            self.progress.visiting(case.id, n + 1, len(left), self._left_s(left[n:]))
            self._keep(self._visit(case, number))
            coming = (c for c, _ in left[n + 1 :] if not self._over(c))
            self.crew.done_with(case, next(coming, None))
        return cut

    def _failed(self, case: Case) -> bool:
        return any(v.status == "failed" for v in self.visits[case.id])

    def _over(self, case: Case) -> bool:
        """Return whether the visits of a case that are left are left out."""
        return self._failed(case) or self._too_late(case)

    def _too_late(self, case: Case) -> bool:
        """Return whether a visit would end after the run's time, by what it took before."""
        if self.protocol.max_seconds is None:
            return False
        took = max((v.took_s for v in self.visits.get(case.id, ())), default=0.0)
        return self.clock() - self.began + took > self.protocol.max_seconds

    def _visit(self, case: Case, number: int) -> VisitResult:
        """Have a child visit the case; a death, a hang or a failure is the visit's result."""
        try:
            result = self._asked(case, number)
        except ChildFailed as e:
            self.crew.lose(case)
            result = self._failure(case, number, e.code, str(e))
        if result.code == "memory" and case.batch_size is not None:
            self.crew.lose(case)
            result = replace(result, reason=self._largest(case, result.reason or ""))
        return result

    def _largest(self, case: Case, reason: str) -> str:
        """Return the reason why a batch does not fit with the largest one that did."""

        def attempt(batch_size: int) -> fitting.Trial:
            smaller = replace(case, batch_size=batch_size)
            if self._too_late(smaller):
                return fitting.Trial(fits=False, reason="the run's time was up")
            return self._tried(smaller)

        self.progress.note(f"{case.id} does not fit: looking for the largest batch that does")
        limit = self.crew.memory_limit(case) or self._device_bytes(case)
        return fitting.explained(case.batch_size or 1, reason, attempt, limit)

    def _tried(self, case: Case) -> fitting.Trial:
        """Run one iteration of the case in a fresh process."""
        try:
            result = self._asked(case, 0, trial=True)
        except ChildFailed as e:
            return fitting.Trial(fits=False, reason=str(e))
        finally:
            self.crew.lose(case)
        peak = result.memory and (result.memory.device or result.memory.host)
        return fitting.Trial(
            fits=result.status == "ok", peak_bytes=peak or None, reason=result.reason
        )

    def _device_bytes(self, case: Case) -> int | None:
        found = [d.memory_bytes for d in self.header.devices if d.name == case.device]
        return found[0] if found else None

    def _asked(self, case: Case, number: int, trial: bool = False) -> VisitResult:
        blocked = self.preparation.blocked(case)
        if blocked is not None:
            return self._failure(case, number, blocked.code, blocked.reason)
        child = self.crew.member(case)
        start = self.clock()
        request = replace(self._request(case, number, child.number), trial=trial)
        if trial:
            request = replace(request, check=False, keep=False)
        reply = child.ask("visit", request, self._limit_s(case), self.progress.tick)
        if reply.ok:
            result = self.crew.result(reply)
            return replace(result, took_s=self.clock() - start)
        reason = (reply.reason or "it failed") + (f": {reply.remedy}" if reply.remedy else "")
        return self._failure(case, number, reply.code or "error", reason)

    def _request(self, case: Case, number: int, process: int) -> VisitRequest:
        check = not self._checked(case)
        paths = self.preparation.paths(case)
        return VisitRequest(
            case=case,
            threads=self.protocol.threads,
            pace=self._pace(case),
            round=number,
            process=process,
            run_start=self.began - self.took_before,
            seed=self.protocol.seed,
            check=check,
            keep=not self.protocol.fresh_processes,
            memory_limit_bytes=self.crew.memory_limit(case),
            **paths,
        )

    def _limit_s(self, case: Case) -> float:
        """Return how long a visit may take: the protocol's limit, more for a case of much work."""
        return max(self.protocol.visit_limit_s, 10 * planning.visit_s(case, self.protocol))

    def _pace(self, case: Case) -> Pace:
        """Return how a visit is cut: inferences one by one where the clock allows it."""
        pace = Pace(
            visit_s=self.protocol.visit_s,
            min_samples=self.protocol.min_samples,
            limit_s=self._limit_s(case) / 2,
            sample_s=max(SAMPLE_S, self.protocol.visit_s / SAMPLES),
            max_samples=max(SAMPLES, self.protocol.min_samples),
        )
        if case.phase == "inference":
            return replace(pace, sample_s=LATENCY_SAMPLE_S, max_samples=LATENCY_SAMPLES)
        return pace

    def _failure(self, case: Case, number: int, code: str, reason: str) -> VisitResult:
        return VisitResult(
            id=case.id, status="failed", round=number, process=0, code=code, reason=reason
        )

    def _checked(self, case: Case) -> bool:
        return any(v.checked is not None for v in self.visits.get(case.id, ()))

    def _keep(self, visit: VisitResult) -> None:
        """Put the visit on disk: the journal first, then the record."""
        self.visits[visit.id].append(visit)
        self.journal.append(visit)
        self.measured[visit.id] = self._summarised(visit.id)
        self._save()
        if visit.status == "failed":
            self.progress.note(f"failed: {visit.id}: {visit.reason}")

    def _summarised(self, case_id: str) -> Measurement:
        planned = next(p for p in self.header.cases if p.case.id == case_id)
        return summary.measurement(planned, self.visits[case_id], self.protocol)

    def _left_s(self, left: list[tuple[Case, int]]) -> float:
        """Return about how long the visits left take: as before, or else by assumed speeds."""
        took = {i: max(v.took_s for v in seen) for i, seen in self.visits.items() if seen}
        total = sum(took.get(case.id) or planning.visit_s(case, self.protocol) for case, _ in left)
        if self.protocol.max_seconds is None:
            return total
        return max(0.0, min(total, self.protocol.max_seconds - (self.clock() - self.began)))

    def record(self) -> Record:
        """Return the record of all that is finished."""
        head = self.header
        return Record(
            schema=measurement.SCHEMA,
            id=head.id,
            created_utc=head.created_utc,
            hwbench_version=head.hwbench_version,
            profile=head.profile,
            argv=head.argv,
            duration_s=self.took_before + self.clock() - self.began,
            protocol=head.protocol,
            environment=head.environment,
            devices=head.devices,
            meters=head.meters,
            measurements=summary.judged([self.measured[p.case.id] for p in head.cases]),
        )

    def _save(self) -> None:
        store.save(self.record(), self.out)
