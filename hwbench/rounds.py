"""The rounds of a run: every case is visited in turn, in child processes, until all is done.

Whatever happens to one case is recorded as its own; whatever happens to the run, each finished
visit is in the journal before the next begins.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from hwbench import (
    afterwards,
    alternating,
    fitting,
    planning,
    stats,
    stopping,
    store,
    summary,
    sustaining,
)
from hwbench.asking import Asking
from hwbench.case import Case
from hwbench.crew import Crew
from hwbench.energy_pass import StartSampler
from hwbench.errors import StorageFull
from hwbench.journal import Header, Journal
from hwbench.ledger import Ledger
from hwbench.measurement import Record
from hwbench.outcomes import ASSUMED, Spread
from hwbench.preparation import Preparation
from hwbench.probing import Spawn
from hwbench.progress import Progress
from hwbench.protocol import VisitResult
from hwbench.run_outcome import Ended, Outcome
from hwbench.sampler import Sampler


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
        spread: Spread = ASSUMED,
        spent_s: float = 0.0,
        start_meters: StartSampler = Sampler,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Take up a run whose journal already holds `visits`, made in `took_before` seconds.

        `spent_s` of this run's time are gone already, in the search for batch sizes.
        `spread` is what is known of this machine's drift from hour to hour.
        """
        self.header, self.protocol = header, header.protocol
        self.journal, self.out, self.progress, self.clock = journal, out, progress, clock
        self.ledger = Ledger(header, visits, spread)
        self.start_meters, self.sleep = start_meters, sleep
        self.took_before, self._spawn = took_before, spawn
        self.began = clock() - spent_s
        self.crew = Crew(header.protocol, spawn, 1 + max((v.process for v in visits), default=-1))
        edge = header.protocol.edge
        self.preparation = Preparation(self.crew, progress, data=edge.data if edge else None)
        self.asking = Asking(
            protocol=header.protocol,
            crew=self.crew,
            preparation=self.preparation,
            progress=progress,
            clock=clock,
            run_start=self.began - took_before,
            left_s=self.remaining_s,
        )

    def go(self, expected_s: float) -> Outcome:
        """Make the visits that are left and return how it ended; the record is on disk then."""
        left = list(self._left())
        self.progress.begin(len(left), expected_s or self._left_s(left))
        ended: Ended = "complete"
        message = None
        try:
            self._save()
            first = [case for case, number in left if not self._checked(case)]
            self.preparation.prepare(list({c.plain.id: c.plain for c in first}.items()))
            if self._make(left):
                ended = "out_of_time"
                message = f"the {self.protocol.max_seconds:.0f} s of this run are up"
            elif left:  # a run that was finished before is not taken up again
                self._refine()
            if afterwards.energy(self):
                ended = "out_of_time"
                message = message or "the time for measuring energy is up"
            if sustaining.go(self):
                ended = "out_of_time"
                message = message or "the time was up before all had run for minutes"
            if afterwards.loaders(self, self._spawn):
                ended = "out_of_time"
                message = message or "the time was up before all loops on --data were run"
        except KeyboardInterrupt:
            ended = "interrupted"
        except StorageFull as e:
            ended, message = "storage_full", str(e)
        finally:
            self.crew.end()
        return self._kept(ended, message)

    def abandoned(self) -> Outcome:
        """End before the first visit, with what the plan says on disk."""
        self.crew.end()
        return self._kept("interrupted")

    def _kept(self, ended: Ended, message: str | None = None) -> Outcome:
        """Put the record on disk and return how the run ended."""
        record = self._record()
        try:
            store.save(record, self.out)
        except StorageFull as e:
            ended, message = "storage_full", str(e)
        return Outcome(
            record=record,
            path=self.out,
            ended=ended,
            message=message,
            visits_made=self.ledger.made,
        )

    def _left(self) -> Iterator[tuple[Case, int]]:
        """Yield the (case, round) pairs that are still to be visited, in order."""
        for number in range(self.protocol.rounds):
            for planned in alternating.ordered(self.header.cases, number):
                seen = self.ledger.visits[planned.case.id]
                over = any(v.status == "failed" or v.round == number for v in seen)
                if planned.skip is None and not over:
                    yield planned.case, number

    def _make(self, left: list[tuple[Case, int]]) -> bool:
        """Visit; return whether time ran out before all were made."""
        cut, made = False, 0
        turns = list(alternating.turns(left, together=self.protocol.scenario_visit_s is None))
        for n, turn in enumerate(turns):
            open_ = [(case, number) for case, number in turn if not self._over(case)]
            cut = cut or any(self._over(c) and not self._failed(c) for c, _ in turn)
            if open_:
                left_s = self._left_s(left[made:])
                self.progress.visiting(open_[0][0].id, made + 1, len(left), left_s)
                for visit in self._visited(open_):
                    self.keep(visit)
                coming = self._coming(turns[n + 1 :], turn[0][1])
                for case, _ in open_:
                    self.crew.done_with(case, coming)
            made += len(turn)
        return cut

    def _coming(self, turns: Sequence[alternating.Turn], number: int) -> list[Case]:
        """Return what is visited next in this round: the next round has new processes."""
        for turn in turns:
            cases = [case for case, n in turn if n == number and not self._over(case)]
            if cases or turn[0][1] != number:
                return cases
        return []

    def _visited(self, turn: alternating.Turn) -> Iterator[VisitResult]:
        """Make the visits of a turn: both sides of a case in blocks, if there is room for both."""
        cases, number = [case for case, _ in turn], turn[0][1]
        if len(turn) == 2 and not any(self.crew.is_apart(c) for c in cases):
            unchecked = {c.id for c in cases if not self._checked(c)}
            found = self.asking.in_turn(cases, number, unchecked)
            if not any(v.code in alternating.ALONE for v in found):
                yield from found
                return
            self.progress.note(f"{cases[0].id}: not with its other side beside it: one by one")
            self.crew.apart(cases)
        for case in cases:
            yield self._visit(case, number)
            if len(turn) == 2:
                self.crew.lose(case)

    def _refine(self) -> None:
        """Visit on what is not precise yet, while there is time."""
        for number in range(self.protocol.rounds, stopping.most(self.protocol)):
            left = [(case, number) for case in self._wanting(number)]
            if not left:
                return
            self.progress.begin(len(left), self._left_s(left))
            self._make(left)

    def _wanting(self, number: int) -> Iterator[Case]:
        """Yield the cases that visit `number` may bring to the precision that is wanted."""
        measured = self.ledger.measured
        if self.protocol.against is not None:
            for own, other in alternating.pairs(self.header.cases):
                if stopping.wanting_pair(measured[own.id], measured[other.id], self.protocol):
                    yield from (other, own) if number % 2 else (own, other)
            return
        for planned in self.header.cases:
            m = measured[planned.case.id]
            if m.status == "ok" and m.wall_s is not None:
                medians = [stats.median(r) for r in summary.calm_rounds(m.samples)]
                if stopping.wanting(m.wall_s, medians, self.protocol):
                    yield planned.case

    def _failed(self, case: Case) -> bool:
        return any(v.status == "failed" for v in self.ledger.visits[case.id])

    def _over(self, case: Case) -> bool:
        """Return whether the visits of a case that are left are left out."""
        return self._failed(case) or self._too_late(case)

    def _too_late(self, case: Case) -> bool:
        """Return whether a visit would end after the run's time, by what it took before."""
        remaining_s = self.remaining_s()
        if remaining_s is None:
            return False
        took = max((v.took_s for v in self.ledger.visits.get(case.id, ())), default=0.0)
        return took > remaining_s

    def remaining_s(self) -> float | None:
        """Return what is left of the run's time, None without an end."""
        if self.protocol.max_seconds is None:
            return None
        return self.protocol.max_seconds - (self.clock() - self.began)

    def _visit(self, case: Case, number: int) -> VisitResult:
        """Have the case visited; one that does not fit says what would."""
        result = self.asking.visit(case, number, check=not self._checked(case))
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
            return self.asking.trial(smaller)

        self.progress.note(f"{case.id} does not fit: looking for the largest batch that does")
        limit = self.crew.memory_limit(case) or self._device_bytes(case)
        return fitting.explained(case.batch_size or 1, reason, attempt, limit)

    def _device_bytes(self, case: Case) -> int | None:
        found = [d.memory_bytes for d in self.header.devices if d.name == case.device]
        return found[0] if found else None

    def _checked(self, case: Case) -> bool:
        return any(v.checked is not None for v in self.ledger.visits.get(case.id, ()))

    def keep(self, visit: VisitResult) -> None:
        """Put a visit on disk: the journal first, then the record."""
        self.journal.append(visit)
        self.ledger.enter(visit)
        self._save()
        if visit.status == "failed":
            self.progress.note(f"failed: {visit.id}: {visit.reason}")

    def _left_s(self, left: list[tuple[Case, int]]) -> float:
        """Return about how long the visits left take: as before, or else by assumed speeds."""
        took = {i: max(v.took_s for v in seen) for i, seen in self.ledger.visits.items() if seen}
        total = sum(took.get(case.id) or planning.visit_s(case, self.protocol) for case, _ in left)
        remaining_s = self.remaining_s()
        return total if remaining_s is None else max(0.0, min(total, remaining_s))

    def _record(self) -> Record:
        return self.ledger.record(self.took_before + self.clock() - self.began)

    def _save(self) -> None:
        store.save(self._record(), self.out)
