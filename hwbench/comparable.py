"""From a record to what a comparison needs of it."""

import math

from hwbench import outcomes, round_medians, stats
from hwbench.case_facts import CaseFacts, Joules, RecordFacts
from hwbench.measurement import Measurement, Record


def of_record(record: Record, name: str) -> RecordFacts:
    """Return the facts of a record that was read whole from the file `name`."""
    models = [d.model for d in record.devices if d.model]
    return RecordFacts(
        id=record.id,
        name=name,
        created_utc=record.created_utc,
        hwbench_version=record.hwbench_version,
        device=device_of(models[-1] if models else None, record.environment.cpu.model),
        instance=record.environment.cloud_instance,
        against=record.protocol.against is not None,
        cases=tuple(_case(m, record.protocol.threads) for m in record.measurements),
    )


def device_of(model: str | None, processor: str | None) -> str:
    """Return what a reader knows a machine by."""
    return model or processor or "a machine"


def drift_sd(
    minutes: tuple[float | None, float | None],
    hours: tuple[float | None, float | None],
    level: float | None,
) -> float:
    """Return by how much a machine differs from hour to hour, in logarithms, or what is assumed.

    A record's interval for hours holds that for minutes and the drift: the rest is the drift.
    """
    if None in minutes or None in hours or level is None:
        return outcomes.ASSUMED_SD
    near, far = (math.log(b / a) / 2 for a, b in (minutes, hours) if a and b)
    return math.sqrt(max(0.0, far**2 - near**2)) / stats.normal_quantile(level)


def _case(m: Measurement, threads: int) -> CaseFacts:
    ahead = m.wall_s.predictive if m.wall_s else None
    hours = ahead.hours if ahead else None
    return CaseFacts(
        id=m.id,
        version=m.version,
        status=m.status,
        reason=m.reason,
        verdict=m.verdict,
        warning=m.warnings[0].message if m.warnings else None,
        threads=threads,
        time_s=m.wall_s.point if m.wall_s else None,
        rounds_s=m.rounds_s or tuple(round_medians.of(m.samples).values()),
        drift_sd=drift_sd(
            (ahead.low, ahead.high) if ahead else (None, None),
            (hours.low, hours.high) if hours else (None, None),
            hours.level if hours else None,
        ),
        items=m.work.items_per_iteration,
        energy=Joules(
            point=m.energy_j.point,
            low=m.energy_j.low,
            high=m.energy_j.high,
            level=m.energy_j.level,
            parts=m.energy_j.parts,
        )
        if m.energy_j
        else None,
        energy_reason=m.energy_reason,
        measurement=m,
    )
