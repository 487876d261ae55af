"""The time of an iteration over minutes without a pause: a device that throttles shows it."""

from collections.abc import Sequence

from hwbench.case import shown
from hwbench.chart import Axis, Chart, Series
from hwbench.chart_kind import ChartKind, Given
from hwbench.errors import BadInput
from hwbench.measurement import Measurement, Record


def make(given: Sequence[Given]) -> tuple[Chart, ...]:
    """Return a panel for each network and phase, a line a case."""
    charts = []
    for one in given:
        record: Record = one.value
        ran = [m for m in record.measurements if m.sustained is not None]
        if not ran:
            raise BadInput(
                f"{one.path}: nothing ran for minutes in it: `hwbench run --sustained 3min` does"
            )
        for key in dict.fromkeys((m.name, m.phase) for m in ran):
            charts.append(_chart(key, [m for m in ran if (m.name, m.phase) == key]))
    return tuple(charts)


def _chart(key: tuple[str, str], rows: Sequence[Measurement]) -> Chart:
    name, phase = key
    series = []
    for m in rows:
        assert m.sustained is not None
        series.append(
            Series(
                name=f"{m.runtime} {m.dtype} b{m.batch_size}{shown(m.runtime_options)}",
                x=tuple(s.start_s for s in m.sustained.stretches),
                y=tuple(s.wall_s for s in m.sustained.stretches),
            )
        )
    return Chart(
        title=f"{name}, {phase}, without a pause",
        x=Axis(label="since it began, s", format="seconds", log=False),
        y=Axis(label="time of an iteration, s", format="seconds"),
        series=tuple(series),
        notes=("means of a second or more each",),
    )


CHART = ChartKind(
    name="sustained",
    summary="the time of an iteration over minutes without a pause",
    takes=("record",),
    make=make,
)
