"""The verb `estimate`: time, power, energy, cost and CO2 of a plan, from a record, in seconds."""

import datetime
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace

import hwbench
from hwbench import (
    answering,
    blocks,
    comparing,
    data_found,
    data_made,
    estimate_plan,
    hardened,
    host,
    own_models,
    plan_rows,
    record_finding,
    registry,
    run,
    sharing,
    spending,
    targets,
    training_choice,
)
from hwbench.child import Child
from hwbench.estimate_plan import Request
from hwbench.estimated import SCHEMA, EstimateFile
from hwbench.loaders import Loaded
from hwbench.measurement import Record
from hwbench.probing import Spawn
from hwbench.progress import Progress, Silent
from hwbench.record_finding import Found
from hwbench.row_making import Made, Maker
from hwbench.selection import Selection
from hwbench.step_source import Wanted

__all__ = ["Request", "estimate"]

MEASURE_PROFILE = "standard"


def estimate(
    request: Request, progress: Progress | None = None, spawn: Spawn = Child
) -> EstimateFile:
    """Return the estimate; what this machine's records lack is measured first, and said.

    Raises BadInput for what cannot be asked, and where the step was not measured and cannot be
    measured here.
    """
    ways = sharing.needed(request.tasks, request.sharing)
    named = dict.fromkeys((*(request.shortcuts or ways[:1]), *_able(request.workload, ways)))
    return drawn(replace(request, shortcuts=tuple(named)), progress, spawn).file


def _able(workload: str, names: Sequence[str]) -> list[str]:
    """Return the shortcuts that a network can take."""
    network, shelf = registry.networks()[workload], registry.shortcuts()
    config = network.variant.config
    return [n for n in names if shelf[n].supports(network.workload, config) is None]


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """An estimate with the draws of its rows, by which they are held against each other."""

    file: EstimateFile
    made: tuple[Made, ...]
    found: Found


def drawn(request: Request, progress: Progress | None = None, spawn: Spawn = Child) -> Drawn:
    """Return the estimate with its draws; see `estimate`."""
    progress = progress or Silent()
    estimate_plan.check(request)
    asked, aim = plan_rows.wanted(request), targets.aim_of(request)
    samples = aim.samples if aim else estimate_plan.samples_of(request)
    epochs = aim.epochs if aim else None
    estimate_plan.check_size(request, samples, epochs)

    def measure(wanted: Wanted) -> Record:
        return _measured(request, wanted, progress, spawn)

    found = record_finding.find(request, run.RESULTS, measure, progress, spawn)
    plan = estimate_plan.plan_of(
        request, found.step, samples, epochs, _item_bytes(request, found.loader)
    )
    plan = replace(plan, records=tuple(r.id for r in found.records))
    plan = hardened.private(plan, request)
    maker = Maker(plan, request.money, request.curve_sizes, aim.draws if aim else None)
    made, notes = plan_rows.all_rows(request, plan, found, maker, asked)
    rows, best = comparing.compared(made, plan)
    now = datetime.datetime.now(datetime.UTC)
    file = EstimateFile(
        schema=SCHEMA,
        id=f"{now:%Y%m%dT%H%M%S}-{secrets.token_hex(4)}",
        created_utc=now.isoformat(timespec="seconds"),
        hwbench_version=hwbench.__version__,
        argv=request.argv,
        plan=plan,
        rows=rows,
        best=best,
        answer=(),
        target=aim.target if aim else None,
        sharing=sharing.shared(made, plan, request.sharing),
        notes=(*estimate_plan.stand_ins(request), *hardened.notes(plan), *found.notes, *notes),
    )
    file = answering.answered(file, request, made, maker, found.step)
    return Drawn(file=file, made=tuple(made), found=found)


def _measured(request: Request, wanted: Wanted, progress: Progress, spawn: Spawn) -> Record:
    """Run the network's cases here and return the record, which is kept in `results/`."""
    options = run.Options(
        profile=MEASURE_PROFILE,
        selection=Selection(
            only=("workload/*",),
            models=(own_models.spec_of(request.workload),),
            blocks=_blocks(request.workload),
            runtimes=(wanted.runtime or training_choice.default_runtime(request.workload),),
            devices=(wanted.device,) if wanted.device else (),
            dtypes=(wanted.dtype,) if wanted.dtype else (),
            batch_sizes=(wanted.batch_size,) if wanted.batch_size else (),
            max_seconds=spending.capped_s(
                request.max_usd, request.money.usd_per_h, request.catalog
            ),
        ),
        argv=request.argv,
    )
    done = run.run(options, progress, spawn)
    if done.ended == "interrupted":
        raise KeyboardInterrupt
    return done.record


def _blocks(workload: str) -> tuple[int, ...]:
    """Return that a network is measured by its blocks where its training does not fit here."""
    whole = registry.networks()[workload].variant.config.get("layers", 0)
    if whole < blocks.LEAST:
        return ()
    free = host.available_memory_bytes()
    return () if blocks.fits(workload, whole, free) else (blocks.AUTO,)


def _item_bytes(request: Request, loader: Loaded | None) -> tuple[float | None, str | None]:
    """Return the bytes of an item on the disk, and where they are from unless they are counted."""
    if request.item_bytes is not None:
        return request.item_bytes, "--item-bytes"
    network = registry.networks()[request.workload]
    if request.data is not None:
        return data_found.dataset_at(request.data, network).item_bytes, None
    if loader is not None:
        return loader.item_bytes, f"of generated data: {loader.description}"
    kind, config = data_made.kind_of(network), network.variant.config
    if kind == "tokens":
        return 4.0 * config["seq"], f"{config['seq']} tokens of 4 bytes"
    if kind == "rows":
        return 4.0 * config["features"], f"{config['features']} numbers of 4 bytes"
    return None, None
