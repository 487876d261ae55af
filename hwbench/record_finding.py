"""The record that an estimate starts from: given, found in `results/`, or measured now.

A record of this machine holds as long as the machine is the same - its id, processor, cores,
memory, the versions of what ran - and it is not older than asked. One of another machine that is
named on the command line is taken as it is; it is never measured anew here.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from hwbench import (
    host,
    loader_measuring,
    loaders,
    outcomes,
    step_source,
    store,
    training_choice,
)
from hwbench.child import ChildFailed
from hwbench.device import Environment
from hwbench.errors import BadInput, BadRecord, Unavailable
from hwbench.estimate_plan import Request
from hwbench.loaders import Loaded
from hwbench.loop_asking import LoopFailed
from hwbench.measurement import Record
from hwbench.probing import Spawn
from hwbench.progress import Progress
from hwbench.step_source import Step, Wanted
from hwbench.units import S_PER_H

MACHINE = "this machine"
MAX_AGE_S = 7 * 86400.0
LIBRARIES = ("torch", "jax", "onnxruntime")
Measure = Callable[[Wanted], Record]  # runs the cases that are wanted here


@dataclass(frozen=True, kw_only=True)
class Found:
    """The step to start from, all records at hand, and the loader, or why there is none."""

    step: Step
    records: tuple[Record, ...]
    name: str  # of the machine: its cloud's name for it, else "this machine"
    loader: Loaded | None
    no_loader: str | None
    notes: tuple[str, ...]


def find(
    request: Request, results: Path, measure: Measure, progress: Progress, spawn: Spawn
) -> Found:
    """Return what the estimate starts from; measure what this machine's records lack.

    Its records lie in `results`.

    Raises BadInput where the step is missing and cannot be measured here.
    """
    here = host.environment()
    wanted = Wanted(
        workload=request.workload,
        runtime=request.runtime,
        device=request.device,
        dtype=request.dtype,
        batch_size=request.batch_size,
    )
    records, notes = at_hand(request, results, here)
    own = records if request.records else [r for r in records if mine(r, here)]
    if not any(step_source.step_of(r, wanted) for r in own):
        if _measurable(request, records, here):
            progress.note(_why_measuring(request, wanted))
            records = [measure(wanted), *records]
        elif not request.records and records:
            notes.append(
                f"no record of this machine has {request.workload}: another machine's is taken"
            )
    step = step_source.chosen(records, wanted)
    own_step = mine(step.record, here)
    loader, no_loader = _loader(request, step, own_step, progress, spawn)
    cloud = step.record.environment.cloud_instance
    name = (
        cloud
        if cloud and ":" in cloud
        else (MACHINE if own_step else f"machine of {step.record.id}")
    )
    return Found(
        step=step,
        records=tuple(records),
        name=name,
        loader=loader,
        no_loader=no_loader,
        notes=tuple(notes),
    )


def at_hand(request: Request, results: Path, here: Environment) -> tuple[list[Record], list[str]]:
    """Return the records, those to be taken first in front, and what is to be said of them.

    They are those that were named, else this machine's in `results` that still hold.
    """
    if request.records:
        named = [store.load(p) for p in request.records]
        stale = [(r, fresh(r, here, request.max_age_s)) for r in named if mine(r, here)]
        return named, [f"{r.id} is taken as it was named, but {why}" for r, why in stale if why]
    found, notes = [], []
    for path in files(results) + (files(request.records_dir) if request.records_dir else []):
        try:
            record = store.load(path)
        except BadRecord as e:
            if request.records_dir and path.parent == request.records_dir:
                notes.append(str(e))
            continue
        if mine(record, here):
            if fresh(record, here, request.max_age_s) is None:
                found.append(record)
        elif request.records_dir:
            found.append(record)
    newest = sorted({r.id: r for r in found}.values(), key=lambda r: r.created_utc, reverse=True)
    return sorted(newest, key=lambda r: not mine(r, here)), notes


def mine(record: Record, here: Environment) -> bool:
    """Return whether a record was made on the machine `here`."""
    return record.environment.machine_id == here.machine_id


def files(folder: Path) -> list[Path]:
    """Return the files that may be records; estimates and validations lie beside them."""
    if not folder.is_dir():
        return []
    return [
        p
        for p in sorted(folder.glob("*.json"), reverse=True)
        if "-estimate-" not in p.name and "-validate-" not in p.name
    ]


def fresh(record: Record, here: Environment, max_age_s: float = MAX_AGE_S) -> str | None:
    """Return why a record of this machine no longer says what it does now, or None."""
    then = record.environment
    if (then.cpu.model, then.cpu.cores) != (here.cpu.model, here.cpu.cores):
        return f"it had {then.cpu.cores} cores of {then.cpu.model}"
    if then.memory_bytes != here.memory_bytes:
        return "its memory was another"
    changed = [n for n in LIBRARIES if then.packages.get(n) != here.packages.get(n)]
    if changed:
        return f"{changed[0]} was {then.packages.get(changed[0], 'absent')}"
    age_s = time.time() - datetime.fromisoformat(record.created_utc).timestamp()
    if age_s > max_age_s:
        return f"it is {age_s / S_PER_H / 24:.0f} days old"
    return None


def _measurable(request: Request, records: Sequence[Record], here: Environment) -> bool:
    """Return whether what is missing may be measured here: not for another machine's record."""
    if not request.measure:
        return False
    return not request.records or all(
        mine(r, here) and fresh(r, here, request.max_age_s) is None for r in records
    )


def _why_measuring(request: Request, wanted: Wanted) -> str:
    at = f" at batch {wanted.batch_size}" if wanted.batch_size else ""
    return (
        f"no record of this machine younger than {request.max_age_s / S_PER_H / 24:g} days has"
        f" the training step of {request.workload}{at}: measuring it now, two minutes or so"
    )


def _loader(
    request: Request, step: Step, mine: bool, progress: Progress, spawn: Spawn
) -> tuple[Loaded | None, str | None]:
    """Return the loader's speed: measured before, or now where this is the machine."""
    if not mine:
        return None, "the record is of another machine, and its loader was not measured"
    place = outcomes.folder()
    machine = step.record.environment.machine_id
    path = loaders.source_of(request.data, request.image_px)
    since_s = time.time() - request.max_age_s
    known = loaders.newest(
        loaders.read(place), machine, request.workload, path, request.residence, since_s
    )
    if known is not None or not request.measure:
        return known, None if known else "it was not measured, and --no-measure forbids it"
    own = step.case.runtime
    runtime = own if own.startswith("torch") else training_choice.default_runtime(request.workload)
    try:
        found = loader_measuring.measure(
            request.workload,
            request.data,
            request.image_px,
            "memory" if request.residence == "memory" else "disk",
            runtime,
            step.batch_size,
            progress,
            spawn,
        )
    except BadInput:
        raise
    except (Unavailable, LoopFailed, ChildFailed) as e:
        return None, f"it could not be measured: {e}"
    try:
        loaders.remember(found, place)
    except OSError as e:
        progress.note(f"the history of this machine could not be written: {e}")
    return found, None


def all_steps(found: Found, request: Request) -> list[Step]:
    """Return the step to start from, and after it those of the other records at hand."""
    wanted = Wanted(
        workload=request.workload,
        runtime=request.runtime,
        dtype=found.step.case.dtype,  # the plan's
        batch_size=request.batch_size,
    )
    others = [r for r in found.records if r.id != found.step.record.id]
    told = (step_source.step_of(r, wanted) for r in others)
    return [found.step, *(s for s in told if s is not None)]


def by_instance(records: Sequence[Record], request: Request) -> dict[str, Step]:
    """Return the measured steps of records that were made on cloud instances, by their names."""
    found: dict[str, Step] = {}
    for record in records:
        name = record.environment.cloud_instance
        if not name or ":" not in name or name in found:
            continue
        wanted = Wanted(
            workload=request.workload,
            runtime=request.runtime,
            dtype=request.dtype,
            batch_size=request.batch_size,
        )
        step = step_source.step_of(record, wanted)
        if step is not None:
            found[name] = step
    return found
