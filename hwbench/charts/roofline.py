"""The roofline: kernels by their intensity, under the roofs that the record measured.

Williams, Waterman and Patterson 2009, Communications of the ACM 52(4), 65: attainable FLOP/s are
the least of the peak and of intensity x bandwidth. The roofs are the best that was measured, not a
data sheet's.
"""

from collections.abc import Sequence
from typing import Any

from hwbench.chart import Axis, Chart, Series
from hwbench.chart_kind import ChartKind, Given
from hwbench.errors import BadInput


def make(given: Sequence[Given]) -> tuple[Chart, ...]:
    """Return a panel for each device and dtype of each record."""
    return tuple(chart for g in given for chart in _charts(g))


def _charts(given: Given) -> list[Chart]:
    done = [
        m
        for m in given.value.measurements
        if m.status == "ok" and m.flops_per_s and m.work.bytes_per_iteration
        and m.work.flops_per_iteration and m.scenario != "cold" and m.verdict != "implausible"
    ]  # fmt: skip
    found = []
    for device, dtype in dict.fromkeys((m.device, m.dtype) for m in done):
        here = [m for m in done if (m.device, m.dtype) == (device, dtype)]
        moving = [
            m
            for m in given.value.measurements
            if m.status == "ok" and m.device == device and m.bytes_per_s and m.scenario == "hot"
        ]
        if len(here) > 1 and moving:
            found.append(_panel(device, dtype, here, moving))
    if not found:
        raise BadInput(
            f"{given.path}: no kernels with operations and bytes: `hwbench run --only 'kernel/*'`"
        )
    return found


def _panel(device: str, dtype: str, here: Sequence[Any], moving: Sequence[Any]) -> Chart:
    peak = max(here, key=lambda m: m.flops_per_s.point)
    # Work that no cache holds: the most bytes an iteration of what streams.
    streams = [m for m in moving if m.name == "triad"] or list(moving)
    wide = max(streams, key=lambda m: m.work.bytes_per_iteration or 0)
    top, beta = peak.flops_per_s.point, wide.bytes_per_s.point
    series = [
        Series(
            name=f"{name}, {runtime}",
            x=tuple(m.work.flops_per_iteration / m.work.bytes_per_iteration for m in of),
            y=tuple(m.flops_per_s.point for m in of),
            low=tuple(m.flops_per_s.low for m in of),
            high=tuple(m.flops_per_s.high for m in of),
            style="points",
        )
        for name, runtime in dict.fromkeys((m.name, m.runtime) for m in here)
        for of in [[m for m in here if (m.name, m.runtime) == (name, runtime)]]
    ]
    xs = [x for s in series for x in s.x if x]
    ends = (min(*xs, top / beta) / 2, top / beta, max(*xs, top / beta) * 2)
    roof = Series(
        name="measured roofs",
        x=ends,
        y=tuple(min(top, x * beta) for x in ends),
        style="roof",
    )
    return Chart(
        title=f"roofline of {device} in {dtype}",
        x=Axis(label="intensity, FLOP/byte", format="plain"),
        y=Axis(label="FLOP/s", format="flops"),
        series=(roof, *series),
        notes=(
            f"roofs: {peak.name} by {peak.runtime}, and the bandwidth of {wide.name} by"
            f" {wide.runtime}; bytes are the least that must move: caches may lift a point above",
        ),
    )


CHART = ChartKind(
    name="roofline",
    summary="kernels by intensity, under the roofs that were measured",
    takes=("record",),
    make=make,
)
