"""Percentiles of latency, as far as the samples support them."""

import math
from collections.abc import Sequence

from hwbench.case import shown
from hwbench.chart import Axis, Chart, Series
from hwbench.chart_kind import ChartKind, Given
from hwbench.errors import BadInput
from hwbench.measurement import Measurement

MOST = 8  # lines with a name


def make(given: Sequence[Given]) -> tuple[Chart, ...]:
    """Return a panel for each record: its single-stream cases, over percentiles."""
    return tuple(_chart(g) for g in given)


def _chart(given: Given) -> Chart:
    found = []
    for m in given.value.measurements:
        known = [(float(k[1:]), v) for k, v in m.latency_s.items() if v is not None]
        if m.status == "ok" and m.phase == "inference" and len(known) > 1:
            found.append((m, sorted(known)))
    if not found:
        raise BadInput(
            f"{given.path}: no case has percentiles of its latency: `hwbench run --scenario"
            " single_stream` takes as many samples as they need"
        )
    found.sort(key=lambda f: f[1][0][1])
    series = tuple(
        Series(
            name=f"{m.name} {m.runtime} {m.device} {m.dtype} batch {m.batch_size}{_options(m)}",
            x=tuple(_place(p) for p, _ in known),
            y=tuple(v for _, v in known),
            faint=n >= MOST,
        )
        for n, (m, known) in enumerate(found)
    )
    return Chart(
        title="latency by percentile",
        x=Axis(label="percentile", format="share", log=False),
        y=Axis(label="latency, s", format="seconds"),
        series=series,
        notes=("each line ends where its samples support no further percentile",),
    )


def _place(percentile: float) -> float:
    """Return where a percentile stands: each further nine as far from the one before."""
    return -math.log10(1 - percentile / 100)


def _options(m: Measurement) -> str:
    return shown(m.runtime_options)


CHART = ChartKind(
    name="latency",
    summary="percentiles of latency, as far as the samples support them",
    takes=("record",),
    make=make,
)
