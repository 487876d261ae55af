"""The verb `validate`: predict a training run from a short measurement, then train for real.

The prediction is on the disk before the run begins, and every finished epoch after it.
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

import hwbench
from hwbench import (
    data_found,
    data_made,
    host,
    lock,
    loop_forecast,
    outcomes,
    registry,
    rehearsing,
    store,
    validation_file,
    validations,
)
from hwbench.child import Child, ChildFailed
from hwbench.dataset import Dataset, Loading, Residence
from hwbench.device import Environment
from hwbench.errors import BadInput
from hwbench.loop import LoopCase
from hwbench.loop_asking import LoopFailed
from hwbench.probing import Spawn
from hwbench.progress import Progress, Silent
from hwbench.real_run import RealRun
from hwbench.run import RESULTS
from hwbench.units import S_PER_MIN
from hwbench.validation import SCHEMA, Rehearsal, RunPlan, Validation

EVALUATION_FRAC = 0.08  # of a run's time, about what a tenth of the data held back takes
EPOCHS = 3  # at least, so that the first can differ from the later ones
MOST_EPOCHS = 100


@dataclass(frozen=True, kw_only=True)
class Options:
    """What the user asked of a validation."""

    workload: str
    minutes: float = 3.0
    batch_size: int | None = None
    runtime: str = "torch"
    device: str = "cpu"
    dtype: str = "float32"
    residence: Residence = "disk"
    workers: int = 0
    data: Path | None = None
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
    network = registry.networks()[options.workload]
    registry.runtimes()[options.runtime]  # an unknown one is named at once
    if not 0 < options.minutes < math.inf:
        raise BadInput(f"--minutes must be above 0, found {options.minutes:g}")
    environment = host.environment()
    threads = options.threads or environment.cpu.cores
    out = options.out or default_out(options.workload)
    store.check_writable(out)
    scratch = Path(tempfile.mkdtemp(prefix="hwbench-validate-"))
    try:
        with lock.held(str(out), options.force):
            progress.note("the data to train on: generated once, then kept in the cache")
            dataset = (
                data_found.dataset_at(options.data, network)
                if options.data
                else data_made.dataset_for(network)
            )
            case = _case(options, dataset, network.variant.batch_size)
            measured = _rehearsed(options, case, threads, scratch, progress, spawn, clock, sleep)
            started = _predicted(options, measured, threads, environment)
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


def _case(options: Options, dataset: Dataset, batch_size: int) -> LoopCase:
    batch = options.batch_size or batch_size
    if batch > dataset.items:
        raise BadInput(
            f"a batch of {batch} is larger than the dataset of {dataset.items} items: lower"
            " --batch-size"
        )
    return LoopCase(
        workload=options.workload,
        runtime=options.runtime,
        device=options.device,
        dtype=options.dtype,
        batch_size=batch,
        loading=Loading(dataset=dataset, residence=options.residence, workers=options.workers),
    )


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


def plan_of(measured: Rehearsal, minutes: float) -> RunPlan:
    """Return a run that should take so long: whole epochs, with evaluation and checkpoints.

    Epochs are as large as the dataset where three of them fit, and smaller where they do not.
    """
    dataset, batch = measured.case.loading.dataset, measured.case.batch_size
    step_s = loop_forecast.step_s(measured.visits)
    opening = sum(s.open_s for s in measured.setups) / len(measured.setups)
    saving = sum(s.wall_s for s in measured.saves) / max(1, len(measured.saves))
    room_s = max(step_s, minutes * S_PER_MIN - opening)
    judge_s = _evaluation_s(measured)
    share = 1 - (EVALUATION_FRAC if judge_s else 0.0)
    whole = max(1, dataset.items // batch)
    in_all = max(1, int(room_s * share / step_s))
    per_epoch = min(whole, max(1, in_all // EPOCHS))
    batches = round(EVALUATION_FRAC * per_epoch * step_s / judge_s) if judge_s else 0
    batches = max(1, batches) if judge_s else 0
    one = per_epoch * step_s + batches * judge_s + saving
    epochs = min(max(1, round(room_s / one)), max(MOST_EPOCHS, 1))
    return RunPlan(
        samples=per_epoch * batch,
        epochs=epochs,
        steps_per_epoch=per_epoch,
        evaluation_batches=batches,
        checkpoints=epochs if measured.saves else 0,
    )


def _evaluation_s(measured: Rehearsal) -> float:
    batches = sum(e.batches for e in measured.evaluations)
    return sum(e.wall_s for e in measured.evaluations) / batches if batches else 0.0


def _predicted(
    options: Options, measured: Rehearsal, threads: int, environment: Environment
) -> Validation:
    """Return the validation as it stands before the run."""
    now = datetime.datetime.now(datetime.UTC)
    plan = plan_of(measured, options.minutes)
    known = validations.read(outcomes.folder())
    floor = validations.floor(environment.machine_id, known)
    loading = replace(measured.case.loading, samples=plan.samples)
    measured = replace(measured, case=replace(measured.case, loading=loading))
    terms, total = loop_forecast.forecast(measured, plan, floor)
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
    )


def _finished(done: Validation, out: Path, progress: Progress) -> Validated:
    if done.status == "done":
        done = held(done)
        validation_file.save(done, out)
        try:
            validations.remember(done, outcomes.folder())
        except OSError as e:
            progress.note(f"the history of this machine could not be written: {e}")
    return Validated(validation=done, path=out, interrupted=done.status == "interrupted")


def held(done: Validation) -> Validation:
    """Return the validation with what happened beside each term, and whether it was inside."""
    assert done.outcome is not None
    actual = actual_terms(done)
    terms = tuple(replace(t, actual_s=actual.get(t.name)) for t in done.terms)
    wall_s, total = done.outcome.wall_s, done.total_s
    return replace(
        done,
        terms=terms,
        ratio=wall_s / total.point_s,
        inside=total.low_s <= wall_s <= total.high_s,
    )


def actual_terms(done: Validation) -> dict[str, float]:
    """Return what each term took: the parts as they were timed, in the prediction's words.

    The first epoch's extra time over the later ones, its first step's apart, is `cold`; it is
    known where there was a later epoch. `steps` holds what is left.
    """
    assert done.outcome is not None
    epochs, setup = done.outcome.epochs, done.outcome.setup
    first, later = epochs[0].stretch, [e.stretch for e in epochs[1:]]
    steps = sum(e.stretch.steps for e in epochs)
    trained = sum(e.stretch.wall_s for e in epochs)
    per_step = (trained - first.first_step_s) / max(1, steps - 1)
    compile_s = max(0.0, first.first_step_s - per_step)
    waited = sum(e.stretch.loader_wait_s for e in epochs)
    found = {"setup": setup.open_s, "compile": compile_s}
    cold = 0.0
    if later and any(t.name == "cold" for t in done.terms):
        waits = sum(s.loader_wait_s for s in later) / sum(s.steps for s in later)
        cold = first.loader_wait_s - waits * first.steps
        found["cold"] = cold
    found["loader"] = waited - cold
    found["steps"] = trained - compile_s - waited
    found["evaluation"] = sum(e.evaluated.wall_s for e in epochs if e.evaluated)
    found["checkpoint"] = sum(e.saved.wall_s for e in epochs if e.saved)
    return found
