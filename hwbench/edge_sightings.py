"""What a record made on a small device itself says of a network: its time there, or the ratio.

A case that both have is the device's own measurement. Another is this machine's time, times what
the cases in common took there over what they took here.
"""

import math
from collections.abc import Iterable, Sequence
from pathlib import Path

from hwbench import stats, store
from hwbench.edge_facts import EDGE, QUANTISED, Band, DeviceSightings, EdgeSighting
from hwbench.errors import BadInput
from hwbench.measurement import Measurement, Record

LEVEL = 0.90
LEAST_SIGMA = 0.10  # of a ratio's logarithm, however alike those in common are [assumed]
FEW_SIGMA = 0.30  # where fewer than three are in common [assumed: processors of two makers]
FEW = 3


def of_file(path: Path, machine_id: str) -> DeviceSightings:
    """Return the single inferences of a record; raise BadInput for one that cannot stand for it.

    Raises BadRecord for what is no record.
    """
    record = store.load(path)
    if record.environment.machine_id == machine_id:
        raise BadInput(
            f"--device-record {path}: was made on this machine: name one that was made on the"
            " device"
        )
    found = tuple(_sightings(record))
    if not found:
        raise BadInput(
            f"--device-record {path}: holds no single inference: make it there by"
            " `hwbench run --edge-profile P`"
        )
    return DeviceSightings(
        record=record.id, device=record.environment.cpu.model or "the device", cases=found
    )


def _sightings(record: Record) -> Iterable[EdgeSighting]:
    for m in record.measurements:
        single = m.phase == "inference" and m.batch_size == 1 and m.device == "cpu"
        plain = set(m.runtime_options) <= {EDGE, QUANTISED}
        if m.status == "ok" and single and plain and m.wall_s is not None:
            yield EdgeSighting(
                name=m.name,
                version=m.version,
                shape=dict(m.shape),
                precision=precision(m),
                runtime=m.runtime,
                latency_s=Band(point=m.wall_s.point, low=m.wall_s.low, high=m.wall_s.high),
            )


def precision(m: Measurement) -> str:
    """Return float32, float16, dynamic or static."""
    return str(m.runtime_options.get(QUANTISED, m.dtype))


def key(m: Measurement | EdgeSighting) -> tuple[object, ...]:
    """Return what makes two single inferences the same work."""
    kind = m.precision if isinstance(m, EdgeSighting) else precision(m)
    return m.name, m.version, tuple(sorted(m.shape.items())), kind, m.runtime


def latency(
    m: Measurement, found: DeviceSightings, others: Iterable[Measurement]
) -> tuple[Band, str] | None:
    """Return a case's time on the device with its basis; None where nothing leads there.

    `others` are all cases of this run, from which those in common are taken: of the same runtime,
    and of the same precision where there are enough.
    """
    there = {key(s): s for s in found.cases}
    own = there.get(key(m))
    if own is not None:
        return own.latency_s, f"measured on {found.device}, record {found.record}"
    if m.wall_s is None:
        return None
    pairs = [
        (precision(o), math.log(there[key(o)].latency_s.point / o.wall_s.point))
        for o in others
        if o.runtime == m.runtime and o.wall_s is not None and key(o) in there
    ]
    alike = [log for kind, log in pairs if kind == precision(m)]
    logs = alike if len(alike) >= FEW else [log for _, log in pairs]
    if not logs:
        return None
    said = f"scaled: this machine's time times what {len(logs)} cases in common took on"
    centre, half = _ahead(logs)
    return (
        Band(
            point=m.wall_s.point * math.exp(centre),
            low=m.wall_s.low * math.exp(centre - half),
            high=m.wall_s.high * math.exp(centre + half),
        ),
        f"{said} {found.device}, record {found.record}",
    )


def _ahead(logs: Sequence[float]) -> tuple[float, float]:
    """Return the mean of logarithms, and half of where another one lies with LEVEL (Student)."""
    n, centre = len(logs), sum(logs) / len(logs)
    if n < FEW:
        return centre, stats.normal_quantile(LEVEL) * FEW_SIGMA
    sigma = max(LEAST_SIGMA, stats.standard_deviation(logs))
    return centre, stats.student_t(LEVEL, n - 1) * sigma * math.sqrt(1 + 1 / n)


def no_case(found: DeviceSightings) -> str:
    """Return that a device's record leads nowhere for a case."""
    return f"record {found.record} of {found.device} has no case in common with this run"
