"""Throughput and time of an iteration against the batch."""

from collections.abc import Sequence

from hwbench.case import shown
from hwbench.chart import Axis, Chart, Series
from hwbench.chart_kind import ChartKind, Given
from hwbench.errors import BadInput


def make(given: Sequence[Given]) -> tuple[Chart, ...]:
    """Return two panels for each record, of the cases measured at two batches or more."""
    return tuple(chart for g in given for chart in _charts(g))


def _charts(given: Given) -> tuple[Chart, ...]:
    groups: dict[str, dict[int, object]] = {}
    for m in given.value.measurements:
        if (
            m.status == "ok"
            and m.kind == "workload"
            and m.batch_size
            and m.wall_s
            and m.items_per_s
        ):
            options = shown(m.runtime_options)
            name = f"{m.name} {m.phase} {m.runtime} {m.device} {m.dtype}{options}"
            if m.serving is None:
                groups.setdefault(name, {}).setdefault(m.batch_size, m)
    several = {name: dict(sorted(by.items())) for name, by in groups.items() if len(by) > 1}
    if not several:
        raise BadInput(
            f"{given.path}: no case was measured at two batches: `hwbench run --model W"
            " --batch-size 8,16,32`"
        )
    rate = [_series(name, by, "items_per_s") for name, by in several.items()]
    time = [_series(name, by, "wall_s") for name, by in several.items()]
    x = Axis(label="batch, items", format="count")
    return (
        Chart(
            title="throughput against the batch",
            x=x,
            y=Axis(label="items/s", format="rate"),
            series=tuple(rate),
            notes=("bands: intervals of the medians",),
        ),
        Chart(
            title="time of an iteration against the batch",
            x=x,
            y=Axis(label="time, s", format="seconds"),
            series=tuple(time),
        ),
    )


def _series(name: str, by: dict[int, object], figure: str) -> Series:
    found = [getattr(m, figure) for m in by.values()]
    return Series(
        name=name,
        x=tuple(float(b) for b in by),
        y=tuple(f.point for f in found),
        low=tuple(f.low for f in found),
        high=tuple(f.high for f in found),
    )


CHART = ChartKind(
    name="batch",
    summary="throughput and time of an iteration against the batch",
    takes=("record",),
    make=make,
)
