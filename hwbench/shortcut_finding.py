"""The record that a comparison of shortcuts starts from: one run that visited all of them.

Only then are the ratios of their steps pairs of the same minutes. All are of one setting: runtime,
device, dtype and batch. Given, found in `results/`, or measured now.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from hwbench import (
    host,
    own_models,
    record_finding,
    registry,
    step_source,
    store,
    training_choice,
)
from hwbench.case import HARDENING, SHORTCUT, OptionValue
from hwbench.errors import BadInput
from hwbench.estimate_plan import Request
from hwbench.measurement import Measurement, Record
from hwbench.step_source import Wanted

Measure = Callable[[], tuple[Record, Path]]  # runs the steps here, each in every round


@dataclass(frozen=True, kw_only=True)
class Steps:
    """A record of the steps, where it lies, and which shortcuts it could not measure and why.

    `setting` is what all of them were measured at; None where the network's own step was not.
    """

    record: Record
    path: Path
    setting: Wanted | None
    refused: dict[str, str]

    def at(self, request: Request) -> Request:
        """Return the request for the setting of the steps."""
        s = self.setting
        if s is None:
            return request
        return replace(
            request, runtime=s.runtime, device=s.device, dtype=s.dtype, batch_size=s.batch_size
        )


def find(request: Request, names: Sequence[str], results: Path, measure: Measure) -> Steps:
    """Return the record of the network's step and of the shortcuts `names`.

    This machine's records lie in `results`. Raises BadInput where a named record lacks them, or
    they may not be measured.
    """
    for path in request.records or _newest(results, request.max_age_s):
        record = store.load(path)
        if not missing(record, request, names):
            return _steps(record, path, request, names)
    if request.records or not request.measure:
        asked = ", ".join(map(str, request.records)) or "no record of this machine"
        model = own_models.spec_of(request.workload)
        runtime = training_choice.default_runtime(request.workload)
        raise BadInput(
            f"{asked}: lacks the steps of {request.workload} by {', '.join(names)}: measure them"
            f" with `hwbench run --model {model} --runtime {runtime}"
            f" {' '.join(f'--{_kind(n)} {n}' for n in names)}`"
        )
    record, path = measure()
    return _steps(record, path, request, names)


def _steps(record: Record, path: Path, request: Request, names: Sequence[str]) -> Steps:
    at = setting(record, request, names)
    tried = {n: _case(record, request, n, at) for n in names} if at is not None else {}
    refused = {
        n: m.reason or m.status for n, m in tried.items() if m is not None and m.status != "ok"
    }
    return Steps(record=record, path=path, setting=at, refused=refused)


def _newest(results: Path, max_age_s: float) -> list[Path]:
    """Return the files of this machine's records that still hold, the newest first."""
    here, found = host.environment(), []
    for path in record_finding.files(results):
        try:
            record = store.load(path)
        except BadInput:
            continue
        held = record_finding.mine(record, here)
        if held and record_finding.fresh(record, here, max_age_s) is None:
            found.append((record.created_utc, path))
    return [path for _, path in sorted(found, reverse=True)]


def missing(record: Record, request: Request, names: Sequence[str]) -> list[str]:
    """Return which of the steps a record does not have, tried or measured, at one setting."""
    at = setting(record, request, names)
    if at is None:
        return ["from_scratch", *names]
    return [n for n in names if _case(record, request, n, at) is None]


def setting(record: Record, request: Request, names: Sequence[str]) -> Wanted | None:
    """Return where most of the steps were measured beside the network's own; None without that.

    Of settings with as many, the one whose own step has the most items a second. A record that
    nobody named is asked for the runtime that would be measured in its place.
    """
    open_to = Wanted(
        workload=request.workload,
        runtime=request.runtime
        or (None if request.records else training_choice.default_runtime(request.workload)),
        device=request.device,
        dtype=request.dtype,
    )
    found = [
        Wanted(
            workload=m.name,
            runtime=m.runtime,
            device=m.device,
            dtype=m.dtype,
            batch_size=m.batch_size,
        )
        for m in step_source.candidates(record, open_to)  # the fastest first
        if not m.runtime_options and request.batch_size in (None, m.batch_size)
    ]

    def measured(at: Wanted) -> int:
        cases = (_case(record, request, n, at) for n in names)
        return sum(m is not None and m.status == "ok" for m in cases)

    return max(found, key=measured, default=None)


def _case(record: Record, request: Request, name: str, at: Wanted) -> Measurement | None:
    """Return the training case of a shortcut at a setting; a measured one where there is one."""
    options = options_of(name, request.tasks)
    key = (at.workload, "training", at.runtime, at.device, at.dtype, at.batch_size)
    found = [
        m
        for m in record.measurements
        if (m.name, m.phase, m.runtime, m.device, m.dtype, m.batch_size) == key
        and m.runtime_options == options
    ]
    return next((m for m in found if m.status == "ok"), next(iter(found), None))


def options_of(name: str, tasks: int | None) -> Mapping[str, OptionValue]:
    """Return the options of the case whose step a shortcut, or a hardening's spec, is."""
    if _kind(name) == HARDENING:
        return {HARDENING: name}
    return registry.shortcuts()[name].options(tasks)


def _kind(name: str) -> str:
    return SHORTCUT if name in registry.shortcuts().items else HARDENING
