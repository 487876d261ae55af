"""Power over time, a line for each channel, with the phases of the run behind them."""

import csv
import io
from collections.abc import Sequence

from hwbench.chart import Axis, Chart, Series, Span
from hwbench.chart_kind import ChartKind, Given
from hwbench.errors import BadInput
from hwbench.power_trace import IDLE, Traced, of

HEADER = ("time_s", "channel", "domain", "power_w", "measured", "phase")


def make(given: Sequence[Given]) -> tuple[Chart, ...]:
    """Return a panel for each file."""
    return tuple(_chart(_traced(g)) for g in given)


def numbers(given: Sequence[Given]) -> str:
    """Return a line for each step of each channel, with its phase."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(HEADER)
    for one in map(_traced, given):
        for at_s, channel, domain, watts, measured, phase in one.rows():
            writer.writerow((f"{at_s:.3f}", channel, domain, watts, str(measured).lower(), phase))
    return text.getvalue()


def _traced(given: Given) -> Traced:
    found = of(given.value)
    if not found.traces:
        raise BadInput(
            f"{given.path}: holds no power over time: no meter was read when it was made"
            " (`hwbench doctor` says which could be)"
        )
    return found


def _chart(traced: Traced) -> Chart:
    begin = min(t.start_s for t in traced.traces)
    names = list(dict.fromkeys(p.name for p in traced.phases if p.name != IDLE))
    return Chart(
        title=traced.title,
        x=Axis(label="time, s", format="plain", log=False),
        y=Axis(label="power, W", format="plain", log=False, from_zero=True),
        series=tuple(_series(traced, n, begin) for n in range(len(traced.channels))),
        spans=tuple(
            Span(
                text=IDLE if p.name == IDLE else str(names.index(p.name) + 1),
                begin=p.begin_s - begin,
                end=p.end_s - begin,
                quiet=p.name == IDLE,
            )
            for p in traced.phases
        ),
        notes=tuple(f"{n}: {name}" for n, name in enumerate(names, start=1)),
    )


def _series(traced: Traced, number: int, begin: float) -> Series:
    """Return a channel as steps, each as long as it is; nothing between what was read."""
    facts = traced.channels[number]
    x: list[float | None] = []
    y: list[float | None] = []
    for trace in traced.of(facts):
        start_s = trace.start_s - begin
        for n, watts in enumerate(trace.power_w):
            x += [start_s + n * trace.step_s, start_s + (n + 1) * trace.step_s]
            y += [watts, watts]
        x.append(start_s + len(trace.power_w) * trace.step_s)
        y.append(None)
    name = f"{facts.domain}: {facts.key}" + ("" if facts.measured else " (modelled)")
    return Series(name=name, x=tuple(x), y=tuple(y), style="line" if facts.measured else "dashed")


CHART = ChartKind(
    name="power",
    summary="power over time, with the phases of the run",
    takes=("record", "power"),
    make=make,
    numbers=numbers,
)
