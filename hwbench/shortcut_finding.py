"""The record that a comparison of shortcuts starts from: one run that visited all of them.

Only then are the ratios of their steps pairs of the same minutes. Given, found in `results/`, or
measured now.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from hwbench import host, record_finding, registry, store
from hwbench.errors import BadInput
from hwbench.estimate_plan import Request
from hwbench.measurement import Measurement, Record

Measure = Callable[[], tuple[Record, Path]]  # runs the steps here, each in every round


@dataclass(frozen=True, kw_only=True)
class Steps:
    """A record of the steps, where it lies, and which shortcuts it could not measure and why."""

    record: Record
    path: Path
    refused: dict[str, str]


def find(request: Request, names: Sequence[str], results: Path, measure: Measure) -> Steps:
    """Return the record of the network's step and of the shortcuts `names`.

    This machine's records lie in `results`. Raises BadInput where a named record lacks them, or
    they may not be measured.
    """
    for path in request.records or _newest(results):
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
    record, path = measure()
    return Steps(record=record, path=path, refused=_refused(record, request, names))


def _newest(results: Path) -> list[Path]:
    """Return the files of this machine's records that still hold, the newest first."""
    here, found = host.environment(), []
    for path in record_finding.files(results):
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
    return next(iter(measured or found), None)
