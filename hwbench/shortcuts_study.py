"""The verb `shortcuts`: is there a cheaper way than training from scratch, and by how much?

The steps are measured side by side; the totals are the estimator's, by each shortcut's epochs.
"""

import datetime
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import hwbench
from hwbench import (
    estimate,
    estimate_plan,
    instances,
    openings,
    own_models,
    parameter_bytes,
    registry,
    run,
    sharing,
    shortcut_finding,
    shortcut_making,
    step_source,
    training_choice,
)
from hwbench.child import Child
from hwbench.errors import BadInput
from hwbench.estimate_request import Request, SearchAsked
from hwbench.measurement import Record
from hwbench.probing import Spawn
from hwbench.progress import Progress, Silent
from hwbench.row_making import Made
from hwbench.selection import Selection
from hwbench.shortcut_making import SCRATCH
from hwbench.shortcut_rows import SCHEMA, Refused, ShortcutRow, ShortcutsFile
from hwbench.step_source import Wanted

PROFILE = "standard"  # its rounds are what the intervals of the ratios are from
SCRATCH_EPOCHS = 90.0
CAUTIONS = (
    "most of a shortcut's saving is in its epochs, which are assumed from the literature unless"
    " --epochs or --learn says them",
    "equal time is not equal accuracy: --learn trains for real",
    "a shortcut from pretrained weights needs such weights: what making them cost is not in",
)


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A comparison as it was asked for: `estimate` is what each shortcut is estimated by."""

    estimate: Request
    shortcuts: tuple[str, ...] = ()  # none: all that the network can take
    max_seconds: float | None = None  # of measuring


def study(asked: Asked, progress: Progress | None = None, spawn: Spawn = Child) -> ShortcutsFile:
    """Return the comparison; what this machine's records lack is measured first.

    Raises BadInput for what cannot be asked, UnknownName with the near ones.
    """
    request = _checked(asked)
    progress = progress or Silent()
    able, refused = _able(asked, request)
    hard = (request.hardening,) if request.hardening else ()
    timed = (*(n for n in able if _measures(n)), *hard)

    def measure() -> tuple[Record, Path]:
        return _measured(request, timed, asked.max_seconds, progress, spawn)

    steps = shortcut_finding.find(request, timed, run.RESULTS, measure)
    refused |= steps.refused
    names = tuple(n for n in able if n not in refused)
    others = tuple(p for p in request.records if p != steps.path)  # of the instances of --on
    whole = replace(steps.at(request), records=(steps.path, *others), shortcuts=names)
    plain = replace(whole, hardening=None, epsilon=None, delta=None)
    drawn = estimate.drawn(plain, progress, spawn)
    made = [*drawn.made, *_hardened(whole, progress, spawn, refused)]
    rows = shortcut_making.rows(made, request.level)
    peak = openings.peak_bytes(drawn.found.step.case)
    opens, no_opens = openings.opened(peak, rows, instances.catalogue(request.catalog).instances)
    now = datetime.datetime.now(datetime.UTC)
    return ShortcutsFile(
        schema=SCHEMA,
        id=f"{now:%Y%m%dT%H%M%S}-{secrets.token_hex(4)}",
        created_utc=now.isoformat(timespec="seconds"),
        hwbench_version=hwbench.__version__,
        argv=request.argv,
        plan=drawn.file.plan,
        level=request.level,
        rows=_with_scratch_memory(rows, peak, request),
        refused=tuple(Refused(shortcut=n, reason=why) for n, why in refused.items()),
        opens=opens,
        no_opens=no_opens,
        sharing=drawn.file.sharing,
        search=drawn.file.search,
        notes=(*drawn.file.notes, *_said_of(request)),
        cautions=CAUTIONS,
    )


def _hardened(
    whole: Request, progress: Progress, spawn: Spawn, refused: Mapping[str, str]
) -> list[Made]:
    """Return the rows of training from scratch as it is hardened, under the hardening's name.

    They are drawn by the same factors as the others, so that ratios are taken draw by draw.
    """
    spec = whole.hardening
    if spec is None or spec in refused:
        return []
    own = replace(whole, shortcuts=(SCRATCH,), tasks=None, sharing=(), search=SearchAsked())
    made = estimate.drawn(own, progress, spawn).made
    return [replace(m, row=replace(m.row, shortcut=spec)) for m in made]


def _measured(
    request: Request,
    names: tuple[str, ...],
    max_seconds: float | None,
    progress: Progress,
    spawn: Spawn,
) -> tuple[Record, Path]:
    """Run the steps here, each in every round, and return the record, kept in `results/`."""
    progress.note(
        f"measuring {len(names) + 1} training steps of {request.workload} side by side:"
        " some minutes"
    )
    options = run.Options(
        profile=PROFILE,
        selection=Selection(
            only=("workload/*",),
            models=(own_models.spec_of(request.workload),),
            runtimes=(request.runtime or training_choice.default_runtime(request.workload),),
            devices=(request.device,) if request.device else (),
            dtypes=(request.dtype,) if request.dtype else (),
            batch_sizes=(request.batch_size,) if request.batch_size else (),
            shortcuts=tuple(n for n in names if n != request.hardening),
            hardenings=(request.hardening,) if request.hardening else (),
            tasks=request.tasks,
            max_seconds=max_seconds,
        ),
        argv=request.argv,
    )
    done = run.run(options, progress, spawn)
    if done.ended == "interrupted":
        raise KeyboardInterrupt
    if not step_source.candidates(done.record, Wanted(workload=request.workload)):
        failed = [m.reason for m in done.record.measurements if m.status != "ok"]
        raise BadInput(
            f"the training step of {request.workload} could not be measured here:"
            f" {failed[0] if failed else 'nothing ran'} (record {done.path})"
        )
    return done.record, done.path


def _checked(asked: Asked) -> Request:
    """Return the request with what it leaves open; raise before anything is measured."""
    request = asked.estimate
    for name in asked.shortcuts:
        registry.shortcuts()[name]
    scratch = request.scratch_epochs or SCRATCH_EPOCHS
    request = replace(request, scratch_epochs=scratch, shortcuts=(SCRATCH,))
    estimate_plan.check(request)
    estimate_plan.check_size(request, estimate_plan.samples_of(request), None)
    return request


def _able(asked: Asked, request: Request) -> tuple[tuple[str, ...], dict[str, str]]:
    """Return the shortcuts to compare, from scratch first, and why the others are not."""
    network = registry.networks()[request.workload]
    shelf = registry.shortcuts().items
    needed = sharing.needed(request.tasks, request.sharing)
    wanted = dict.fromkeys([SCRATCH, *(asked.shortcuts or shelf), *needed])
    refused = {
        name: why
        for name in wanted
        if (why := shelf[name].supports(network.workload, network.variant.config)) is not None
    }
    return tuple(n for n in wanted if n not in refused), refused


def _measures(name: str) -> bool:
    return registry.shortcuts()[name].build is not None


def _said_of(request: Request) -> tuple[str, ...]:
    """Return what is to be said of a hardened training beside the shortcuts."""
    if request.hardening is None:
        return ()
    hardening, _ = registry.hardening(request.hardening)
    return (f"{request.hardening}, of training from scratch: {hardening.caution}",)


def _with_scratch_memory(
    rows: Sequence[ShortcutRow], peak: int | None, request: Request
) -> tuple[ShortcutRow, ...]:
    """Return the rows; what has the network's own step has its memory and its parameters."""
    own = parameter_bytes.parameters_of(request.workload)
    return tuple(
        r
        if r.shortcut not in registry.shortcuts().items or _measures(r.shortcut)
        else replace(r, memory_peak_bytes=peak, parameters=own, trainable_parameters=own)
        for r in rows
    )
