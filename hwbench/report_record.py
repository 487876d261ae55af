"""What a report says of a record: the machine, its cases, their verdicts and warnings."""

from hwbench import report_edge
from hwbench.chart_kind import Given
from hwbench.measurement import Record
from hwbench.pages import Cell, Section, Table
from hwbench.render import NOTHING, count, gib, half_width, seconds
from hwbench.report_parts import drawings, warned


def sections(given: Given) -> tuple[list[str], list[Section]]:
    """Return the answer in sentences, and the cases that it stands on."""
    value: Record = given.value
    done = [m for m in value.measurements if m.status == "ok" and m.wall_s is not None]
    trained = [m for m in done if m.phase == "training" and m.items_per_s and m.kind == "workload"]
    machine = _machine(value)
    answer = f"{machine} ran {len(done)} of {len(value.measurements)} cases."
    if trained:
        best = max(trained, key=lambda m: m.items_per_s.point if m.items_per_s else 0.0)
        rate = best.items_per_s
        assert rate is not None
        answer += (
            f" It trains {best.name} at {count(rate.point)} items a second"
            f" ({count(rate.low)} to {count(rate.high)}, {rate.level:.0%}) on {best.runtime}."
        )
    rows = tuple(
        (
            Cell(text=" ".join([m.name, *(f"{k}={v}" for k, v in m.runtime_options.items())])),
            Cell(text=m.phase),
            Cell(text=m.runtime),
            Cell(text=f"{m.device} {m.dtype}"),
            Cell(text=str(m.batch_size or NOTHING), key=m.batch_size, figure=True),
            Cell(text=seconds(m.wall_s.point), key=m.wall_s.point, figure=True),
            Cell(text=half_width(m.wall_s.low, m.wall_s.high, m.wall_s.point), figure=True),
            Cell(
                text=count(m.items_per_s.point) if m.items_per_s else NOTHING,
                key=m.items_per_s.point if m.items_per_s else None,
                figure=True,
            ),
            Cell(text=m.verdict or NOTHING),
        )
        for m in done
        if m.wall_s is not None
    )
    table = Table(
        name=f"cases-{_safe_name(value.id)}",
        caption=f"Cases of {value.id}: medians with half of their 95 % interval",
        columns=("case", "phase", "runtime", "device", "batch", "time", "±", "items/s", "verdict"),
        rows=rows,
    )
    failed = [f"{m.id}: {m.status}: {m.reason}" for m in value.measurements if m.status != "ok"]
    said = [f"{m.id}: {w.message}" for m in done for w in m.warnings]
    edge = report_edge.section(value.measurements, value.environment.cpu.isa)
    return [answer], [
        *([edge] if edge else []),
        Section(
            title=f"The machine: {machine}",
            paragraphs=(_software(value),),
            tables=(table,),
            drawings=tuple(drawings(given, ("roofline", "batch", "latency", "operators", "power"))),
        ),
        *warned([*failed, *said], ()),
    ]


def _safe_name(text: str) -> str:
    return "".join(c if c.isalnum() else "-" for c in text)


def _machine(value: Record) -> str:
    e = value.environment
    cards = [d.model for d in value.devices if d.kind != "cpu" and d.model]
    where = f"{e.cloud_instance}, " if e.cloud_instance else ""
    return f"{where}{', '.join(cards) or e.cpu.model}"


def _software(value: Record) -> str:
    e = value.environment
    packages = ", ".join(f"{k} {v}" for k, v in e.packages.items())
    return (
        f"{e.cpu.model}, {e.cpu.cores} cores, {gib(e.memory_bytes)}; {e.os}, Python {e.python};"
        f" {packages}. Measured {value.created_utc} by hwbench {value.hwbench_version}, profile"
        f" {value.profile}, {value.protocol.rounds} rounds."
    )
