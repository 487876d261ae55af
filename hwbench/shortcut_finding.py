"""The record that a comparison of shortcuts starts from: one run that visited all of them.

Only then are the ratios of their steps pairs of the same minutes. Given, found in `results/`, or
measured now.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hwbench import host, record_finding, registry, run, step_source, store
from hwbench.errors import BadInput
from hwbench.estimate_plan import Request
from hwbench.measurement import Measurement, Record
from hwbench.probing import Spawn
from hwbench.progress import Progress
from hwbench.selection import Selection

PROFILE = "standard"  # its rounds are what the intervals of the ratios are from


@dataclass(frozen=True, kw_only=True)
class Steps:
    """A record of the steps, where it lies, and which shortcuts it could not measure and why."""

    record: Record
    path: Path
    refused: dict[str, str]


def find(
    request: Request,
    names: Sequence[str],
    max_seconds: float | None,
    progress: Progress,
    spawn: Spawn,
) -> Steps:
    """Return the record of the network's step and of the shortcuts `names`.

    Raises BadInput where a named record lacks them, or they may not be measured.
    """
    for path in request.records or _newest():
        record = store.load(path)
        lacking = missing(record, request, names)
        if not lacking:
            return Steps(record=record, path=path, refused=_refused(record, request, names))
    if request.records or not request.measure:
        asked = ", ".join(map(str, request.records)) or "no record of this machine"
        raise BadInput(
            f"{asked}: lacks the steps of {request.workload} by {', '.join(names)}: measure them"
            f" with `hwbench run --model {request.workload} --runtime torch"
            f" {' '.join(f'--shortcut {n}' for n in names)}`"
        )
    return _measured(request, names, max_seconds, progress, spawn)


def _newest() -> list[Path]:
    """Return the files of this machine's records in `results/` that still hold, newest first."""
    here, found = host.environment(), []
    for path in record_finding.files(run.RESULTS):
        try:
            record = store.load(path)
        except BadInput:
            continue
        if record_finding.mine(record, here) and record_finding.fresh(record, here) is None:
            found.append((record.created_utc, path))
    return [path for _, path in sorted(found, reverse=True)]


def missing(record: Record, request: Request, names: Sequence[str]) -> list[str]:
    """Return which of the steps a record does not have, tried or measured."""
    lacking = [n for n in names if _case(record, request, n) is None]
    return lacking if _case(record, request, None) is not None else ["from_scratch", *lacking]


def _refused(record: Record, request: Request, names: Sequence[str]) -> dict[str, str]:
    """Return the reasons of those that were tried and could not be measured."""
    tried = {n: _case(record, request, n) for n in names}
    return {n: m.reason or m.status for n, m in tried.items() if m is not None and m.status != "ok"}


def _case(record: Record, request: Request, name: str | None) -> Measurement | None:
    """Return the training case of a shortcut, or of the network's own step."""
    shelf = registry.shortcuts()
    options = {} if name is None else shelf[name].options(request.tasks)
    found = [
        m
        for m in record.measurements
        if (m.name, m.phase) == (request.workload, "training")
        and m.runtime_options == options
        and request.runtime in (None, m.runtime)
        and request.device in (None, m.device)
        and request.dtype in (None, m.dtype)
        and request.batch_size in (None, m.batch_size)
    ]
    measured = [m for m in found if m.status == "ok"]
    if name is None:
        return measured[0] if measured else None
    return (measured or found or [None])[0]


def _measured(
    request: Request,
    names: Sequence[str],
    max_seconds: float | None,
    progress: Progress,
    spawn: Spawn,
) -> Steps:
    """Run the steps here, each in every round, and keep the record in `results/`."""
    progress.note(
        f"measuring {len(names) + 1} training steps of {request.workload} side by side:"
        " some minutes"
    )
    options = run.Options(
        profile=PROFILE,
        selection=Selection(
            only=("workload/*",),
            models=(request.workload,),
            runtimes=(request.runtime or "torch",),
            devices=(request.device,) if request.device else (),
            dtypes=(request.dtype,) if request.dtype else (),
            batch_sizes=(request.batch_size,) if request.batch_size else (),
            shortcuts=tuple(names),
            tasks=request.tasks,
            max_seconds=max_seconds,
        ),
        argv=request.argv,
    )
    done = run.run(options, progress, spawn)
    if done.ended == "interrupted":
        raise KeyboardInterrupt
    if not step_source.candidates(done.record, step_source.Wanted(workload=request.workload)):
        failed = [m.reason for m in done.record.measurements if m.status != "ok"]
        raise BadInput(
            f"the training step of {request.workload} could not be measured here:"
            f" {failed[0] if failed else 'nothing ran'} (record {done.path})"
        )
    return Steps(record=done.record, path=done.path, refused=_refused(done.record, request, names))
