"""From an unfinished record, or from its journal alone, back to the plan and the visits made."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import cast

from hwbench import energy_pass, journal, store, sustained
from hwbench.case import Case
from hwbench.device import Environment
from hwbench.energy import EnergyPass
from hwbench.errors import BadInput, BadRecord
from hwbench.ledger import LOADER, SUSTAINED
from hwbench.measurement import Measurement, Record, SteadyKind
from hwbench.planning import PlannedCase
from hwbench.protocol import VisitResult

Resumable = tuple[journal.Header, tuple[VisitResult, ...], Path]


def interrupted(path: Path) -> Resumable:
    """Return the header, the visits and the record's place of a run named by either file.

    The journal beside a record is taken where there is one: it is never the older of the two.
    Raises BadRecord for a file that is neither, BadInput where the two are of different runs.
    """
    if path.suffix == ".jsonl":
        header, visits = journal.read(path)
        return header, visits, path.with_name(path.name.removesuffix(".jsonl"))
    record = store.load(path)
    beside = _beside(path)
    if beside is None:
        return _header(record), _all_visits(record), path
    if beside[0].id != record.id:
        raise BadInput(
            f"--resume {path}: the journal {journal.path_of(path).name} beside it is of another"
            f" run ({beside[0].id}, the record is {record.id}): resume that one by its name,"
            " or move it away"
        )
    return *beside, path


def _beside(path: Path) -> tuple[journal.Header, tuple[VisitResult, ...]] | None:
    """Return the journal beside the record at `path`, None if it is absent or unreadable."""
    try:
        return journal.read(journal.path_of(path))
    except BadRecord:
        return None


def reopened(header: journal.Header, visits: tuple[VisitResult, ...], out: Path) -> journal.Journal:
    """Open the journal of the run to go on with; one that cannot be read is set aside."""
    place = journal.path_of(out)
    if _beside(out) is not None:
        return journal.Journal(place, None)
    store.set_aside((place,))
    return journal.Journal(place, header, visits)


def took(header: journal.Header, visits: tuple[VisitResult, ...], out: Path) -> float:
    """Return the seconds that the run has taken: its record's, or up to its last sample."""
    last = max((s.start_s + s.wall_s for v in visits for s in v.samples), default=0.0)
    try:
        record = store.load(out)
    except BadRecord:
        return last
    return max(last, record.duration_s) if record.id == header.id else last


def check_same(then: Environment, now: Environment, path: Path) -> None:
    """Raise BadInput unless the visits to come are of the machine and software of those made."""
    if then.machine_id != now.machine_id:
        raise BadInput(
            f"--resume {path}: was made on another machine ({then.machine_id}, this is"
            f" {now.machine_id}): visits of two machines make no record; start a new run"
        )
    names = sorted(n for n in then.packages | now.packages if _differ(n, then, now))
    if names:
        name = names[0]
        raise BadInput(
            f"--resume {path}: was made with {name} {then.packages.get(name, 'absent')}, here is"
            f" {now.packages.get(name, 'absent')}: start a new run, or mix them with --force"
        )


def _differ(name: str, then: Environment, now: Environment) -> bool:
    return then.packages.get(name) != now.packages.get(name)


def _header(record: Record) -> journal.Header:
    """Return the journal's first line as the record tells it."""
    return journal.Header(
        schema=journal.SCHEMA,
        id=record.id,
        status="started",
        created_utc=record.created_utc,
        hwbench_version=record.hwbench_version,
        profile=record.profile,
        argv=record.argv,
        protocol=record.protocol,
        environment=record.environment,
        devices=record.devices,
        meters=record.meters,
        cases=tuple(_planned(m) for m in record.measurements),
        models=record.models,
    )


def _planned(m: Measurement) -> PlannedCase:
    case = Case(
        kind=m.kind,
        name=m.name,
        version=m.version,
        phase=m.phase,
        scenario=m.scenario,
        runtime=m.runtime,
        device=m.device,
        dtype=m.dtype,
        batch_size=m.batch_size,
        shape=m.shape,
        options=m.runtime_options,
    )
    never = m.status == "skipped" and m.visits.planned == 0
    skip = m.reason if never else None
    return PlannedCase(case=case, work=m.work, skip=skip, batch=m.batch)


def _all_visits(record: Record) -> tuple[VisitResult, ...]:
    visits = [v for m in record.measurements for v in _visits(m)]
    drawn = [v for m in record.measurements for v in _energy(m)]
    idle = [
        VisitResult(id=energy_pass.IDLE, status="ok", round=0, process=0, energy=p)
        for p in record.idle
    ]
    loops = [v for m in record.measurements for v in _loader(m)]
    minutes = [v for m in record.measurements for v in _minutes(m)]
    return (*sorted(visits, key=lambda v: v.round), *idle, *drawn, *loops, *minutes)


def _energy(m: Measurement) -> Iterator[VisitResult]:
    """Yield the pass for energy over a case, where one was made."""
    if m.energy_pass is not None:
        yield VisitResult(id=m.id, status="ok", round=0, process=0, energy=m.energy_pass)


def _loader(m: Measurement) -> Iterator[VisitResult]:
    """Yield the loop on the user's data, where one was made."""
    if m.loader is not None or m.loader_reason is not None:
        visit = VisitResult(id=m.id, status="ok", round=0, process=0, code=LOADER)
        yield replace(visit, loader=m.loader, reason=m.loader_reason)


def _minutes(m: Measurement) -> Iterator[VisitResult]:
    """Yield the running for minutes, where it was made."""
    if m.sustained is not None or m.sustained_reason is not None:
        visit = VisitResult(id=m.id, status="ok", round=0, process=0, code=SUSTAINED)
        windows = sustained.windows_of(m.sustained) if m.sustained else ()
        yield replace(visit, energy=EnergyPass(windows=windows), reason=m.sustained_reason)


def _visits(m: Measurement) -> list[VisitResult]:
    """Cut a measurement into its visits; what it keeps once goes to the first of them."""
    rounds = sorted({s.round for s in m.samples})
    kinds = [cast(SteadyKind, kind) for kind, n in m.steady.items() for _ in range(n)]
    searches = {s.round: s for s in (m.serving.searches if m.serving else ())}
    visits = []
    for n, number in enumerate(rounds):
        samples = tuple(s for s in m.samples if s.round == number)
        first = n == 0
        visits.append(
            VisitResult(
                id=m.id,
                status="ok",
                round=number,
                process=samples[0].process,
                setup_s=m.setup_s if first else None,
                first_iteration_s=m.first_iteration_s if first else None,
                warmup_s=m.warmup_s if first else (),
                steady=kinds[n] if n < len(kinds) else None,
                samples=samples,
                conditions=m.conditions if first else None,
                checked=m.checked if first else None,
                memory=m.memory_peak_bytes if first else None,
                took_s=sum(s.wall_s for s in samples),
                search=searches.get(number),
                edge=m.edge.model if m.edge and first else None,
                kept_bytes=m.kept_bytes if first else None,
                model_bytes=m.edge.model_memory_bytes if m.edge and first else None,
                operators=m.edge.operators if m.edge and first else (),
            )
        )
    if m.status == "failed":
        last = rounds[-1] + 1 if rounds else 0
        visits.append(VisitResult(id=m.id, status="failed", round=last, process=0, reason=m.reason))
    return visits
