"""The verb `shortcuts --learn`: real trainings on real data, for shortcuts at equal quality.

Pretraining, learning curves, what it takes to reach an accuracy; all within a time, each training
on the disk before the next, so that a study that was cut short goes on where it was.
"""

import datetime
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from hwbench import (
    host,
    journal,
    learning_asked,
    learning_curves,
    learning_journal,
    learning_opening,
    learning_result,
    lock,
    registry,
    shortcuts_file,
    store,
)
from hwbench.child import Child
from hwbench.device import Environment
from hwbench.errors import StorageFull
from hwbench.estimated import Plan
from hwbench.learning import Means, Trainings
from hwbench.learning_asking import StudyChild
from hwbench.learning_asks import StudyAsked
from hwbench.learning_energy import Energies
from hwbench.learning_journal import Header, Line
from hwbench.learning_rows import Learning, Status
from hwbench.probing import Spawn
from hwbench.progress import Progress, Silent
from hwbench.run import RESULTS
from hwbench.shortcut_rows import SCHEMA, Refused, ShortcutsFile

FINISH_S = 5.0  # of the time, for the curves' fits and the table
Meters = Callable[[Environment, str], Energies]


@dataclass(frozen=True, kw_only=True)
class Options:
    """What the user asked for. `steps` is a comparison of the steps, for the same file.

    With `resume` the plan is the file's; its target, price and time may be given anew. `spent_s` of
    the time went before.
    """

    asked: StudyAsked
    out: Path | None = None
    resume: Path | None = None
    force: bool = False
    argv: tuple[str, ...] = ()
    steps: ShortcutsFile | None = None
    spent_s: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Learnt:
    """The file, where it is kept, and how the study ended."""

    file: ShortcutsFile
    path: Path
    status: Status


def learn(
    options: Options,
    progress: Progress | None = None,
    spawn: Spawn = Child,
    clock: Callable[[], float] = time.perf_counter,
    meters: Meters = Energies,
) -> Learnt:
    """Train for real and return the curves and what follows from them, kept in a file.

    Raises BadInput for what cannot be learnt or asked, Busy where another run holds the machine,
    StorageFull where nothing can be kept any more.
    """
    study = _Study(options, progress or Silent(), spawn, clock, meters)
    return study.begun() if options.resume is None else study.resumed(options.resume)


def default_out(workload: str) -> Path:
    """Return a new place for a study in `results/`."""
    stamp = datetime.datetime.now(datetime.UTC).strftime("%Y%m%dT%H%M%SZ")
    return RESULTS / f"{stamp}-learn-{workload}.json"


def weights_path(out: Path) -> Path:
    """Return where the weights of the source task are kept while a study is not complete."""
    return out.with_name(out.name + ".weights.pt")


class _Study:
    """One call of the verb."""

    def __init__(
        self,
        options: Options,
        progress: Progress,
        spawn: Spawn,
        clock: Callable[[], float],
        meters: Meters,
    ) -> None:
        self._options, self._progress, self._spawn = options, progress, spawn
        self._clock, self._meters = clock, meters
        self._began = clock() - options.spent_s
        self._environment = host.environment()

    def begun(self) -> Learnt:
        """Plan the study, then carry it out."""
        asked = learning_asked.checked(self._options.asked)
        out = self._options.out or default_out(asked.workload)
        store.check_writable(out)
        with lock.held(str(out), self._options.force):
            child = self._child(asked)
            try:
                header = learning_opening.header_of(
                    asked,
                    child,
                    self._progress,
                    lambda: self._left_s(asked),
                    self._environment.machine_id,
                    self._options.argv,
                )
                place = journal.path_of(out)
                earlier = store.set_aside((out, place))
                if earlier is not None:
                    self._progress.note(f"{out} was there already: that study is now {earlier}")
                weights_path(out).unlink(missing_ok=True)
                with journal.Journal(place, header) as kept:
                    return self._carried_out(header, (), kept, child, out)
            finally:
                child.end()

    def resumed(self, path: Path) -> Learnt:
        """Go on with a study from its journal."""
        header, lines, out = learning_journal.read(path)
        new = self._options.asked
        asked = replace(
            header.asked,
            target_accuracy=new.target_accuracy or header.asked.target_accuracy,
            usd_per_h=new.usd_per_h or header.asked.usd_per_h,
            max_seconds=new.max_seconds,
        )
        header = replace(header, asked=asked)
        learning_asked.check_data(asked, header.data)
        with lock.held(str(out), self._options.force):
            child = self._child(asked)
            try:
                data = child.open()
                learning_journal.check_same(header, self._environment.machine_id, data, path)
                with journal.Journal(journal.path_of(out), None) as kept:
                    return self._carried_out(header, lines, kept, child, out)
            finally:
                child.end()

    def _child(self, asked: StudyAsked) -> StudyChild:
        request = learning_opening.study_of(asked)
        return StudyChild(request, self._spawn, self._progress.tick)

    def _left_s(self, asked: StudyAsked) -> float | None:
        if asked.max_seconds is None:
            return None
        return max(0.0, asked.max_seconds - FINISH_S - (self._clock() - self._began))

    def _carried_out(
        self,
        header: Header,
        lines: Sequence[Line],
        kept: journal.Journal,
        child: StudyChild,
        out: Path,
    ) -> Learnt:
        """Train, and keep what came of it whatever ended it."""
        asked = header.asked
        left_s = self._left_s(asked)
        weights = asked.pretrained or str(weights_path(out))
        with self._meters(self._environment, asked.device or "cpu") as energies:
            means = Means(
                child=child,
                kept=kept,
                energies=energies,
                progress=self._progress,
                weights=weights,
                end_s=None if left_s is None else self._clock() + left_s,
                clock=self._clock,
            )
            trainings = Trainings(header, lines, registry.shortcuts().items, means)
            status = trainings.go()
            no_energy = energies.no_energy
        took_s = self._clock() - self._began
        found = learning_result.learning(header, trainings, status, took_s, no_energy)
        file = self._file(header, found)
        try:
            shortcuts_file.save(file, out)
        except StorageFull as e:
            self._progress.note(str(e))
        if status == "complete":
            weights_path(out).unlink(missing_ok=True)
        return Learnt(file=file, path=out, status=status)

    def _file(self, header: Header, found: Learning) -> ShortcutsFile:
        """Return the file: the comparison of the steps where there is one, and the curves."""
        curves = learning_curves.curves(header, found)
        steps = self._options.steps
        if steps is not None:
            return replace(steps, curves=curves, learning=found)
        return ShortcutsFile(
            schema=SCHEMA,
            id=header.id,
            created_utc=header.created_utc,
            hwbench_version=header.hwbench_version,
            argv=header.argv,
            plan=_plan(header),
            level=header.asked.level,
            rows=(),
            refused=tuple(Refused(shortcut=n, reason=why) for n, why in header.refused.items()),
            opens=(),
            no_opens="the steps were not compared: give --samples N",
            curves=curves,
            learning=found,
        )


def _plan(header: Header) -> Plan:
    """Return the study as a plan: the largest training of it, on this machine, from memory."""
    asked = header.asked
    return Plan(
        workload=asked.workload,
        samples=header.sizes[-1],
        epochs=asked.epochs,
        steps=None,
        batch_size=asked.batch_size or 1,
        runtime="torch",
        device=asked.device or "cpu",
        dtype=asked.dtype or "float32",
        shortcut=header.shortcuts[0],
        shortcuts=header.shortcuts,
        purchases=(),
        evaluation_frac=0.0,
        item_bytes=None,
        item_bytes_source=None,
        data=header.data.name,
        residence="memory",
        region=None,
        electricity_usd_per_kwh=None,
        pue=None,
        deadline_s=None,
        budget_usd=None,
        level=asked.level,
        scratch_epochs=asked.scratch_epochs,
    )
