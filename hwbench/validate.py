"""The verb `validate`: predict a training run from a short measurement, then train for real.

The prediction is on the disk before the run begins, and the finished epochs after it, once a second
at most.
"""

import datetime
import math
import secrets
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import hwbench
from hwbench import (
    by_record,
    data_found,
    data_made,
    host,
    later_interval,
    lock,
    loop_actual,
    loop_forecast,
    loop_plan,
    outcomes,
    registry,
    rehearsing,
    store,
    training_choice,
    validation_file,
    validations,
)
from hwbench.child import Child, ChildFailed
from hwbench.dataset import Dataset, Loading, Residence
from hwbench.device import Environment
from hwbench.errors import BadInput, StorageFull
from hwbench.loop import LoopCase
from hwbench.loop_asking import LoopFailed
from hwbench.probing import Spawn
from hwbench.progress import Progress, Silent
from hwbench.real_run import RealRun
from hwbench.run import RESULTS
from hwbench.step_source import Step
from hwbench.training_choice import Training
from hwbench.validation import SCHEMA, Rehearsal, Validation


@dataclass(frozen=True, kw_only=True)
class Options:
    """What the user asked of a validation; None is left to the record, or to the defaults."""

    workload: str | None = None
    record: Path | None = None
    minutes: float = 3.0
    batch_size: int | None = None
    shortcut: str | None = None
    runtime: str | None = None
    device: str | None = None
    dtype: str | None = None
    residence: Residence = "disk"
    workers: int = 0
    data: Path | None = None
    image_px: tuple[int, int] | None = None  # of generated images
    items: int | None = None  # of the data that are generated
    threads: int | None = None
    terms: rehearsing.Terms = field(default_factory=rehearsing.Terms)
    out: Path | None = None
    force: bool = False
    argv: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Validated:
    """The validation, where it is kept, and whether it was cut short."""

    validation: Validation
    path: Path
    interrupted: bool = False


def validate(
    options: Options,
    progress: Progress | None = None,
    spawn: Spawn = Child,
    clock: Callable[[], float] = time.perf_counter,
    sleep: Callable[[float], None] = time.sleep,
) -> Validated:
    """Predict, train, compare; keep all of it in a file and the outcome in the history.

    Raises BadInput for a wrong request, Busy where another run holds the machine, LoopFailed where
    the loop cannot be measured at all.
    """
    progress = progress or Silent()
    if not 0 < options.minutes < math.inf:
        raise BadInput(f"--minutes must be above 0, found {options.minutes:g}")
    training = _training(options)
    if options.shortcut is not None:
        training_choice.check_shortcut(training, options.shortcut)
    environment = host.environment()
    threads = options.threads or environment.cpu.cores
    out = options.out or default_out(training.workload)
    store.check_writable(out)
    # Beside the file, so that a checkpoint goes to a disk of the user's, not to a folder in memory.
    scratch = Path(tempfile.mkdtemp(prefix=".hwbench-validate-", dir=out.parent))
    try:
        with lock.held(str(out), options.force):
            case = _case(options, training, _dataset(options, training.workload, progress))
            measured = _rehearsed(options, case, threads, scratch, progress, spawn, clock, sleep)
            started = _predicted(options, measured, threads, environment, training.step)
            store.set_aside((out,))
            validation_file.save(started, out)
            run = RealRun(started, out, scratch, progress, spawn, clock)
            return _finished(run.go(), out, progress)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def default_out(workload: str) -> Path:
    """Return a new place for a validation in `results/`."""
    stamp = datetime.datetime.now(datetime.UTC).strftime("%Y%m%dT%H%M%SZ")
    return RESULTS / f"{stamp}-validate-{workload}.json"


def _training(options: Options) -> Training:
    record = store.load(options.record) if options.record else None
    return training_choice.choose(
        record,
        options.workload,
        options.runtime,
        options.device,
        options.dtype,
        options.batch_size,
    )


def _dataset(options: Options, workload: str, progress: Progress) -> Dataset:
    """Return the user's data, or such as are generated once and then kept in the cache."""
    network = registry.networks()[workload]
    data_made.check_size(network, options.image_px, options.data)
    if options.data is not None:
        if options.items is not None:
            raise BadInput(f"--samples {options.items}: is of generated data: leave out --data")
        return data_found.dataset_at(options.data, network)
    progress.note("the data to train on: generated once, then kept in the cache")
    return data_made.dataset_for(network, options.items, options.image_px)


def _case(options: Options, training: Training, dataset: Dataset) -> LoopCase:
    """Return the case of the loop: an epoch is whole batches, since every step costs the same."""
    batch = training.batch_size
    if batch > dataset.items:
        raise BadInput(
            f"a batch of {batch} is larger than the dataset of {dataset.items} items: lower"
            " --batch-size, or give more data"
        )
    return LoopCase(
        workload=training.workload,
        runtime=training.runtime,
        device=training.device,
        dtype=training.dtype,
        batch_size=batch,
        **_by_shortcut(options),
        loading=Loading(
            dataset=dataset,
            residence=options.residence,
            workers=options.workers,
            samples=dataset.items // batch * batch,
        ),
    )


def _by_shortcut(options: Options) -> dict[str, Any]:
    """Return what a loop case says of its shortcut; nothing where the step is the network's own."""
    if options.shortcut is None:
        return {}
    shortcut = registry.shortcuts()[options.shortcut]
    if shortcut.build is None:
        return {}
    return {"shortcut": options.shortcut, "caches": not shortcut.loads_data}


def _rehearsed(
    options: Options,
    case: LoopCase,
    threads: int,
    scratch: Path,
    progress: Progress,
    spawn: Spawn,
    clock: Callable[[], float],
    sleep: Callable[[float], None],
) -> Rehearsal:
    """Measure the loop; whatever goes wrong in the child is one line for the user."""
    try:
        return rehearsing.rehearse(
            case, options.terms, threads, scratch, progress, spawn, clock, sleep
        )
    except ChildFailed as e:
        raise LoopFailed(f"the loop of {case.workload} could not be measured: {e}") from None


def _predicted(
    options: Options,
    measured: Rehearsal,
    threads: int,
    environment: Environment,
    step: Step | None,
) -> Validation:
    """Return the validation as it stands before the run."""
    now = datetime.datetime.now(datetime.UTC)
    plan = loop_plan.plan_of(measured, options.minutes)
    known = validations.read(outcomes.folder())
    device = measured.case.device
    floor = validations.floor(environment.machine_id, device, known)
    loading = replace(measured.case.loading, samples=plan.samples)
    measured = replace(measured, case=replace(measured.case, loading=loading))
    if measured.case.shortcut is not None:
        step = None  # a record's step is the network's own: it says nothing of this one
    terms, total = loop_forecast.forecast(measured, plan, floor)
    past = validations.past(environment.machine_id, device, known)
    total = later_interval.by_history(total, past)
    return Validation(
        schema=SCHEMA,
        id=f"{now:%Y%m%dT%H%M%S}-{secrets.token_hex(4)}",
        created_utc=now.isoformat(timespec="seconds"),
        hwbench_version=hwbench.__version__,
        argv=options.argv,
        status="predicted",
        reason=None,
        environment=environment,
        threads=threads,
        rehearsal=measured,
        plan=plan,
        terms=terms,
        total_s=total,
        by_record=by_record.steps_of(step, plan.steps_per_epoch * plan.epochs) if step else None,
    )


def _finished(done: Validation, out: Path, progress: Progress) -> Validated:
    if done.status == "done":
        done = by_record.held(loop_actual.held(done))
        try:
            validation_file.save(done, out)
        except StorageFull as e:
            progress.note(str(e))
        try:
            validations.remember(done, outcomes.folder())
        except OSError as e:
            progress.note(f"the history of this machine could not be written: {e}")
    return Validated(validation=done, path=out, interrupted=done.status == "interrupted")
