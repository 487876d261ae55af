"""Records for a comparison, out of the table of their cases."""

from collections.abc import Sequence
from typing import Any

from hwbench import comparable
from hwbench.case_facts import CaseFacts, Joules, RecordFacts
from hwbench.record_table import Table

_RECORD = (
    "path", "file", "record", "created_utc", "hwbench_version", "cpu", "instance", "against",
    "last_model",
)  # fmt: skip
_CASE = (
    "id", "version", "status", "reason", "verdict", "warning", "threads", "wall_s", "rounds_s",
    "wall_later_low_s", "wall_later_high_s", "hours_low_s", "hours_high_s", "hours_level", "items",
    "energy_j", "energy_low_j", "energy_high_j", "energy_level", "energy_parts", "energy_reason",
)  # fmt: skip


def of(table: Table) -> list[RecordFacts]:
    """Return the records in the order of their files, with the cases that are chosen.

    A record without one is there too, so that the base stays the base.
    """
    heads: dict[str, Sequence[Any]] = {}
    cases: dict[str, list[CaseFacts]] = {}
    for row in table.heads(_RECORD):
        heads[row[0]] = row
    known: dict[Any, Any] = {}  # texts that thousands of rows repeat are kept once
    for row in table.rows(("path", *_CASE)):
        cases.setdefault(row[0], []).append(_case(row[1:], known))
    return [_record(heads[p], cases.get(p, ())) for p in table.paths if p in heads]


def _record(head: Sequence[Any], cases: Sequence[CaseFacts]) -> RecordFacts:
    _, file, record, created_utc, version, cpu, instance, against, model = head
    return RecordFacts(
        id=record,
        name=file,
        created_utc=created_utc,
        hwbench_version=version,
        device=comparable.device_of(model, cpu),
        instance=instance,
        against=against is not None,
        cases=tuple(cases),
    )


def _case(row: Sequence[Any], known: dict[Any, Any]) -> CaseFacts:
    (
        id_, version, status, reason, verdict, warning, threads, time_s, rounds_s,
        low, high, hours_low, hours_high, hours_level, items,
        joules, joules_low, joules_high, joules_level, parts, energy_reason,
    ) = row  # fmt: skip
    drift = (low, high), (hours_low, hours_high), hours_level
    if drift not in known:
        known[drift] = comparable.drift_sd(*drift)
    energy = None
    if joules is not None:
        energy = Joules(
            point=joules,
            low=joules_low,
            high=joules_high,
            level=joules_level,
            parts=tuple((parts or "").split("+")) if parts else (),
        )
    return CaseFacts(
        id=known.setdefault(id_, id_),
        version=version,
        status=known.setdefault(status, status),
        reason=known.setdefault(reason, reason),
        verdict=known.setdefault(verdict, verdict),
        warning=known.setdefault(warning, warning),
        threads=threads,
        time_s=time_s,
        rounds_s=tuple(rounds_s or ()),
        drift_sd=known[drift],
        items=items,
        energy=energy,
        energy_reason=known.setdefault(energy_reason, energy_reason),
    )
