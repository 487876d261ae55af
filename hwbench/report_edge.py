"""Measurements under edge profiles as a part of a page."""

from collections.abc import Sequence

from hwbench import edge_view
from hwbench.measurement import Measurement
from hwbench.pages import Cell, Section, Table
from hwbench.render import NOTHING, seconds, size

COLUMNS = (
    "network", "as on", "precision", "runtime", "p50", "p90", "memory", "file", "with float32",
    "fits", "the device itself, scaled",
)  # fmt: skip


def section(done: Sequence[Measurement], isa: Sequence[str]) -> Section | None:
    """Return the part with a row for each case under a profile; None where there is none."""
    edges = [m for m in done if m.edge is not None]
    if not edges:
        return None
    table = Table(
        name="edge",
        caption="Single inferences on this machine under each profile's threads and memory",
        columns=COLUMNS,
        rows=tuple(_row(m) for m in edges),
    )
    bases = {m.edge.on_device.basis for m in edges if m.edge and m.edge.on_device}
    said = [f"The device itself: {basis}." for basis in sorted(bases)]
    return Section(
        title="On a small device",
        paragraphs=(*said, *edge_view.legend(edges, isa)),
        tables=(table,),
    )


def _row(m: Measurement) -> tuple[Cell, ...]:
    edge = m.edge
    assert edge is not None
    p50, p90 = m.latency_s.get("p50"), m.latency_s.get("p90")
    device = edge.on_device
    scaled = NOTHING
    if device is not None:
        scaled = f"{seconds(device.latency_s.low)} to {seconds(device.latency_s.high)}"
    memory, model = edge.model_memory_bytes, edge.model
    return (
        Cell(text=m.name),
        Cell(text=edge.profile),
        Cell(text=edge_view.precision(m)),
        Cell(text=m.runtime),
        Cell(text=NOTHING if p50 is None else seconds(p50), key=p50, figure=True),
        Cell(text=NOTHING if p90 is None else seconds(p90), key=p90, figure=True),
        Cell(text=NOTHING if memory is None else size(memory), key=memory, figure=True),
        Cell(
            text=NOTHING if model is None else size(model.model_bytes),
            key=None if model is None else model.model_bytes,
            figure=True,
        ),
        Cell(text=edge_view.agrees(m)),
        Cell(text=edge_view.able(m)),
        Cell(text=scaled, key=None if device is None else device.latency_s.point, figure=True),
    )
