"""The time of each kind of operator in an inference under an edge profile, against its calls."""

from collections.abc import Sequence

from hwbench.chart import Axis, Chart, Mark, Series
from hwbench.chart_kind import ChartKind, Given
from hwbench.edge_facts import PRECISIONS, QUANTISED
from hwbench.errors import BadInput
from hwbench.measurement import Measurement, Record

NAMED = 3  # of each file, those that take the most


def make(given: Sequence[Given]) -> tuple[Chart, ...]:
    """Return a panel for each network and profile, a colour a precision."""
    charts = []
    for one in given:
        record: Record = one.value
        told = [m for m in record.measurements if m.edge is not None and m.edge.operators]
        if not told:
            raise BadInput(
                f"{one.path}: tells no operators: `hwbench run --edge-profile P` does, by"
                " onnxruntime"
            )
        for key in dict.fromkeys(_panel(m) for m in told):
            charts.append(_chart(key, [m for m in told if _panel(m) == key]))
    return tuple(charts)


def _panel(m: Measurement) -> tuple[str, str]:
    assert m.edge is not None
    return m.name, m.edge.profile


def _precision(m: Measurement) -> str:
    return str(m.runtime_options.get(QUANTISED, PRECISIONS[0]))


def _chart(key: tuple[str, str], rows: Sequence[Measurement]) -> Chart:
    name, profile = key
    series, marks = [], []
    for m in rows:
        assert m.edge is not None
        found = [o for o in m.edge.operators if o.seconds > 0]
        series.append(
            Series(
                name=_precision(m),
                x=tuple(float(o.calls) for o in found),
                y=tuple(o.seconds for o in found),
                style="points",
            )
        )
        marks += [
            Mark(text=f"{o.operator} {o.share_frac:.0%}", x=float(o.calls), y=o.seconds)
            for o in found[:NAMED]
        ]
    return Chart(
        title=f"operators of {name} as on {profile}",
        x=Axis(label="calls in an inference", format="count"),
        y=Axis(label="time in an inference, s", format="seconds"),
        series=tuple(series),
        marks=tuple(marks),
        notes=("by onnxruntime's own profile, of the graph as it optimised it",),
    )


CHART = ChartKind(
    name="operators",
    summary="the time of each kind of operator of an ONNX file",
    takes=("record",),
    make=make,
)
