"""The verb `run`: plan, visit every case in rounds, keep what is finished, make the record."""

import datetime
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import hwbench
from hwbench import (
    afterwards,
    batch_auto,
    blocks,
    doctor,
    edge_cases,
    edge_sightings,
    energy_planning,
    holding,
    host,
    journal,
    lock,
    metering,
    model_naming,
    nvml,
    outcomes,
    own_models,
    planning,
    profile,
    registry,
    resuming,
    store,
    sustaining,
)
from hwbench.child import Child
from hwbench.energy_planning import EnergyWish
from hwbench.errors import BadInput
from hwbench.planning import Plan
from hwbench.probing import Spawn, probe
from hwbench.progress import Progress, Silent
from hwbench.rounds import Rounds
from hwbench.run_outcome import Outcome
from hwbench.selection import Selection, check_names, entries, usual_runtimes

RESULTS = Path("results")


@dataclass(frozen=True, kw_only=True)
class Options:
    """What the user asked of a run."""

    profile: str = "quick"
    selection: Selection = field(default_factory=Selection)
    energy: EnergyWish = field(default_factory=EnergyWish)
    data: Path | None = None  # the user's own, on which the networks are trained too
    device_record: Path | None = None  # made on an edge profile's device itself
    sustained_s: float | None = None  # that each network runs for after the rounds
    out: Path | None = None
    resume: Path | None = None
    force: bool = False
    hostname: bool = False
    argv: tuple[str, ...] = ()


def make_plan(
    options: Options, spawn: Spawn = Child, note: Callable[[str], None] = lambda text: None
) -> Plan:
    """Return what `run` would do (`--dry-run`): nothing is measured, libraries are only probed.

    A model of one's own is built, to find out what it is; `note` is told.
    """
    chosen = profile.named(options.profile)
    options = _with_models(options, spawn, note)
    check_names(options.selection)
    environment = host.environment()
    threads = options.selection.threads or environment.cpu.cores
    names = _runtimes(chosen, options.selection)
    facts = probe(names, threads, spawn)
    present = tuple(d.name for d in nvml.devices().devices)
    plan = planning.plan(chosen, options.selection, facts, threads, present, holding.here())
    max_seconds = options.selection.max_seconds
    plan = energy_planning.planned(plan, chosen, options.energy, environment, max_seconds)
    plan = sustaining.planned(plan, options.sustained_s, max_seconds)
    if options.device_record is not None and plan.protocol.edge is None:
        raise BadInput("--device-record is of an edge profile: give --edge-profile too")
    if plan.protocol.edge is not None:
        data = None if options.data is None else str(options.data)
        if options.data is not None:
            edge_cases.check_data(options.data, [c.name for c in plan.runnable])
        edge = replace(plan.protocol.edge, data=data)
        if options.device_record is not None:
            seen = edge_sightings.of_file(options.device_record, environment.machine_id)
            edge = replace(edge, device=seen)
        return replace(plan, protocol=replace(plan.protocol, edge=edge))
    return afterwards.planned(plan, options.data, max_seconds)


def _with_models(
    options: Options, spawn: Spawn, note: Callable[[str], None] = lambda text: None
) -> Options:
    """Return the options with a model of one's own by the name of its cases."""
    selection = options.selection
    models = model_naming.named(
        selection.models,
        spawn,
        pretrained=selection.pretrained,
        outlined=bool(selection.blocks),
        note=note,
    )
    models = blocks.cuts(models, selection.blocks, host.available_memory_bytes())
    return replace(options, selection=replace(selection, models=models))


def _runtimes(chosen: profile.Profile, selection: Selection) -> list[str]:
    """Return the runtimes that the plan may name."""
    if selection.runtimes:
        return list(dict.fromkeys(selection.runtimes))
    named = [r for e in chosen.entries for r in e.runtimes]
    default = [n for n, r in registry.runtimes().items.items() if r.default]
    more = [r for e in entries(chosen, selection) for r in usual_runtimes(e)]
    return list(dict.fromkeys([*default, *named, *more]))


def run(options: Options, progress: Progress | None = None, spawn: Spawn = Child) -> Outcome:
    """Run the cases and return the record, where it is, and how the run ended.

    Raises BadInput for a wrong request and Busy if another run holds the machine, both before
    anything is measured; StorageFull when the results cannot be written any more.
    """
    progress = progress or Silent()
    if options.resume is not None:
        return _resume(options, progress, spawn)
    out = options.out or default_out(options.profile)
    store.check_writable(out)
    with lock.held(str(out), options.force):
        found = batch_auto.resolved(
            make_plan(options, spawn, progress.note),
            nvml.devices().devices,
            progress,
            spawn,
            options.selection.max_seconds,
        )
        header = _header(options, found.plan)
        earlier = store.set_aside((out, journal.path_of(out)))
        if earlier is not None:
            progress.note(f"{out} was there already: that run is now {earlier}")
        with journal.Journal(journal.path_of(out), header) as kept:
            rounds = Rounds(
                header,
                (),
                kept,
                out,
                progress,
                spawn,
                spread=_spread(header),
                spent_s=found.took_s,
            )
            if found.interrupted:
                return rounds.abandoned()
            return _remembered(rounds.go(found.plan.expected_s), progress)


def default_out(profile_name: str) -> Path:
    """Return a new place for a record in `results/`, by time and profile."""
    stamp = datetime.datetime.now(datetime.UTC).strftime("%Y%m%dT%H%M%SZ")
    return RESULTS / f"{stamp}-{profile_name}.json"


def _header(options: Options, plan: Plan) -> journal.Header:
    """Return all that is known of the record before the first visit."""
    now = datetime.datetime.now(datetime.UTC)
    environment = host.environment(hostname_shown=options.hostname)
    return journal.Header(
        schema=journal.SCHEMA,
        id=f"{now:%Y%m%dT%H%M%S}-{secrets.token_hex(4)}",
        status="started",
        created_utc=now.isoformat(timespec="seconds"),
        hwbench_version=hwbench.__version__,
        profile=plan.profile,
        argv=options.argv,
        protocol=plan.protocol,
        environment=environment,
        devices=doctor.all_devices(environment, nvml.devices().devices, ()),
        meters=metering.probe(energy_planning.asked(options.energy, environment)),
        cases=plan.cases,
        models=own_models.known({p.case.name for p in plan.cases}),
    )


def _resume(options: Options, progress: Progress, spawn: Spawn) -> Outcome:
    """Finish a run from its record or its journal."""
    assert options.resume is not None
    header, visits, out = resuming.interrupted(options.resume)
    _with_models(options, spawn)
    model_naming.check_known([p.case for p in header.cases if p.case.kind == "workload"])
    if not options.force:
        resuming.check_same(header.environment, host.environment(), options.resume)
    with (
        lock.held(str(out), options.force),
        resuming.reopened(header, visits, out) as kept,
    ):
        before = resuming.took(header, visits, out)
        known = _spread(header)
        rounds = Rounds(
            header, visits, kept, out, progress, spawn, took_before=before, spread=known
        )
        return _remembered(rounds.go(0.0), progress)


def _spread(header: journal.Header) -> outcomes.Spread:
    """Return what earlier runs say of this machine's drift from hour to hour."""
    known = outcomes.read(outcomes.folder())
    return outcomes.spread(header.environment.machine_id, known)


def _remembered(outcome: Outcome, progress: Progress) -> Outcome:
    """Add a finished run to the machine's history; that it cannot be written harms no run."""
    if outcome.ended in ("complete", "out_of_time") and outcome.visits_made:
        try:
            outcomes.remember(outcome.record, outcomes.folder())
        except OSError as e:
            progress.note(f"this run is not added to the machine's history: {e.strerror}")
    return outcome
