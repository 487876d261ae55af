"""Serving a language model: how long requests take by their rate, and how decoding grows."""

from collections.abc import Sequence

from hwbench.chart import Axis, Chart, Mark, Series
from hwbench.chart_kind import ChartKind, Given
from hwbench.tokens import Load, Place, ServingFile

TIMES = (
    ("whole answer, p90", "latency_s", "p90"),
    ("whole answer, p50", "latency_s", "p50"),
    ("first token, p90", "first_token_s", "p90"),
)


def make(given: Sequence[Given]) -> tuple[Chart, ...]:
    """Return the panels of each file: latencies, decoding, and instances where there are some."""
    return tuple(chart for g in given for chart in _charts(g.value))


def _charts(file: ServingFile) -> list[Chart]:
    found = [_latency(file), _decoding(file)]
    told = [p for p in file.places if p.cost is not None and p.token_s is not None]
    return [*found, _places(file, told)] if told else found


def _latency(file: ServingFile) -> Chart:
    """Return times against the rate, of those rates that are kept up with."""
    loads = sorted((x for x in file.loads if x.keeps_up), key=lambda x: x.requests_per_s)
    best = file.best_within_bound
    marks = []
    if file.bound_s is not None:
        marks.append(Mark(text="bound of p90", y=file.bound_s))
    if best is not None:
        marks.append(Mark(text="the most within it", x=best.requests_per_s))
    return Chart(
        title=f"{file.workload} on {file.device}: latency by load, simulated",
        x=Axis(label="requests a second", format="rate", log=False, from_zero=True),
        y=Axis(label="from the arrival, s", format="seconds"),
        series=tuple(_line(name, loads, figure, at) for name, figure, at in TIMES),
        marks=tuple(marks),
        notes=(
            f"prompts of {file.prompt_tokens}, answers of {file.output_tokens} tokens on average,"
            f" {file.slots} at once; Poisson arrivals; bands are intervals of 90 %",
        ),
    )


def _line(name: str, loads: Sequence[Load], figure: str, at: str) -> Series:
    known = [(x.requests_per_s, getattr(x, figure)[at]) for x in loads if getattr(x, figure)]
    return Series(
        name=name,
        x=tuple(rate for rate, _ in known),
        y=tuple(e.point for _, e in known),
        low=tuple(e.low for _, e in known),
        high=tuple(e.high for _, e in known),
    )


def _decoding(file: ServingFile) -> Chart:
    rows = file.batches
    return Chart(
        title=f"{file.workload} on {file.device}: decoding, measured",
        x=Axis(label="requests at once", format="count", log=False, from_zero=True),
        y=Axis(label="output tokens a second", format="rate", log=False, from_zero=True),
        series=(
            Series(
                name="all requests together",
                x=tuple(float(b.batch_size) for b in rows),
                y=tuple(b.tokens_per_s.point for b in rows),
                low=tuple(b.tokens_per_s.low for b in rows),
                high=tuple(b.tokens_per_s.high for b in rows),
            ),
        ),
    )


def _places(file: ServingFile, told: Sequence[Place]) -> Chart:
    hosted = next(
        (p.cost.hosted_usd_per_m_tokens for p in told if p.cost and p.cost.hosted_usd_per_m_tokens),
        None,
    )
    return Chart(
        title=f"{file.workload} on rented instances that are always full, scaled",
        x=Axis(label="USD of a million tokens", format="usd"),
        y=Axis(label="time of an output token at the smallest batch, s", format="seconds"),
        series=tuple(_point(p) for p in told),
        marks=() if hosted is None else (Mark(text="hosted", x=hosted),),
        notes=("scaled from this machine's passes: no accuracy measured",),
    )


def _point(p: Place) -> Series:
    assert p.cost is not None and p.token_s is not None
    dollars = p.cost.usd_per_m_tokens
    return Series(
        name=p.instance,
        x=(dollars.point,),
        y=(p.token_s.point,),
        x_low=(dollars.low,),
        x_high=(dollars.high,),
        low=(p.token_s.low,),
        high=(p.token_s.high,),
        style="points",
    )


CHART = ChartKind(
    name="serving",
    summary="latency by load, tokens a second by batch, dollars of tokens on instances",
    takes=("serving",),
    make=make,
)
