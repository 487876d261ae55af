"""The training run itself: epochs, evaluation, checkpoints, kept as they are done."""

import math
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from hwbench import coldness, rehearsing, validation_file
from hwbench.errors import HwbenchError, StorageFull
from hwbench.loop import Drained, LoopPart
from hwbench.loop_asking import LoopChild
from hwbench.probing import Spawn
from hwbench.progress import Progress
from hwbench.validation import Epoch, LoopSetup, Outcome, Validation

SEED = 1000  # unlike those of the rehearsal's processes
NUMBER = 99
KEEP_S = 1.0  # epochs over cached features take milliseconds: the file is not written for each


class RealRun:
    """Carries out the plan of a validation in a process of its own."""

    def __init__(
        self,
        started: Validation,
        out: Path,
        scratch: Path,
        progress: Progress,
        spawn: Spawn,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """Take what was predicted, and where it is kept."""
        self._now, self._out, self._scratch = started, out, scratch
        self._progress, self._spawn, self._clock = progress, spawn, clock
        self._epochs: list[Epoch] = []
        self._once: Drained | None = None
        self._lost_disk = False
        self._keeping_s = 0.0  # of writing the file: no part of a training
        self._kept_at_s = -math.inf

    def go(self) -> Validation:
        """Train; return the validation as `done`, `failed` or `interrupted`, with what there is."""
        loading = self._now.rehearsal.case.loading
        if loading.residence == "disk":
            coldness.evict(coldness.files_of(loading.dataset))
        began, setup, child = self._clock(), None, None
        self._progress.begin(self._now.plan.epochs, self._now.total_s.point_s)
        status, reason = "done", None
        try:
            child = LoopChild(
                self._now.rehearsal.case,
                NUMBER,
                self._now.threads,
                SEED,
                self._spawn,
                self._progress.tick,
                self._clock,
                self._scratch,
            )
            setup = LoopSetup(open_s=child.open_s, read_s=child.read_s, first_step_s=0.0)
            if self._now.rehearsal.case.caches:
                expected_s = self._now.total_s.high_s
                self._once = child.part(LoopPart(what="once"), expected_s).once
            for number in range(self._now.plan.epochs):
                left_s = self._now.total_s.point_s - (self._clock() - began)
                what = f"epoch of {self._now.rehearsal.case.workload}"
                plan = self._now.plan
                self._progress.visiting(what, number + 1, plan.epochs, max(0.0, left_s))
                self._epochs.append(self._epoch(child, number))
                if self._clock() - self._kept_at_s >= KEEP_S:
                    self._keep("training", None, began, setup)
        except KeyboardInterrupt:
            status, reason = "interrupted", "interrupted before its last epoch was done"
        except HwbenchError as e:  # of the child, dead or alive, or an answer that makes no sense
            status, reason = "failed", str(e)
        finally:
            if child is not None:
                child.end()
        ended = self._keep(status, reason, began, setup)
        if self._lost_disk:
            self._progress.note(f"{self._out}: could not be written on; what was there is kept")
        return ended

    def _epoch(self, child: LoopChild, number: int) -> Epoch:
        plan = self._now.plan
        expected_s = self._now.total_s.high_s / plan.epochs
        stretch = child.part(LoopPart(what="epoch"), expected_s).stretch
        assert stretch is not None
        evaluated = saved = None
        if plan.evaluation_batches:
            part = LoopPart(what="evaluate", batches=plan.evaluation_batches)
            evaluated = child.part(part, expected_s).evaluated
        saves = [n * plan.checkpoints // plan.epochs for n in (number, number + 1)]
        if saves[0] < saves[1]:
            saved = rehearsing.save(child, self._scratch)
        return Epoch(stretch=stretch, evaluated=evaluated, saved=saved)

    def _keep(
        self, status: str, reason: str | None, began: float, setup: LoopSetup | None
    ) -> Validation:
        """Write what is done so far; a full disk does not end the run."""
        outcome = None
        if setup is not None and self._epochs:
            first = self._epochs[0].stretch.first_step_s
            outcome = Outcome(
                wall_s=self._clock() - began - self._keeping_s,
                setup=replace(setup, first_step_s=first),
                epochs=tuple(self._epochs),
                once=self._once,
            )
        self._now = replace(
            self._now,
            status=status,  # type: ignore[arg-type]
            reason=reason,
            outcome=outcome,
        )
        entered = self._clock()
        try:
            validation_file.save(self._now, self._out)
        except StorageFull:
            self._lost_disk = True
        self._kept_at_s = self._clock()
        self._keeping_s += self._kept_at_s - entered
        return self._now
