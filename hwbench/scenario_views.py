"""What the scenarios of a record look like as text."""

from collections.abc import Sequence

from hwbench.measurement import Measurement
from hwbench.render import NOTHING, count, half_width, seconds, table
from hwbench.served import Serving

_COLUMNS = ("workload", "runtime", "scenario", "latency", "rate/s", "±", "met", "")
_MET = {True: "yes", False: "no", None: "?"}
_LEGEND = (
    "latency: p90 of single_stream, p99 of multi_stream and server, as LoadGen's early\n"
    "stopping bounds it. Streams are closed loops: service times; server is an open one:\n"
    "from the intended start. rate: server's queries, offline's samples; ±: half the range\n"
    "of the rounds; met: is the latency within {within}. These are not MLPerf results."
)


def scenarios(measured: Sequence[tuple[Measurement, str]]) -> str:
    """Return the table of measurements in scenarios, each with its marks, and what is null why."""
    bounds = sorted({b for m, _ in measured if m.serving and (b := m.serving.latency_bound_s)})
    within = " or ".join(seconds(b) for b in bounds) or "its bound"
    rows, notes = [], []
    for m, marks in measured:
        if m.serving is None:
            continue
        rows.append(_row(m, m.serving, marks))
        if m.serving.reason:
            notes.append(f"{m.scenario} {m.name} b{m.batch_size} {m.runtime}: {m.serving.reason}")
    legend = _LEGEND.format(within=within)
    return "\n\n".join([table(_COLUMNS, rows), "\n".join([legend, *notes])])


def _row(m: Measurement, s: Serving, marks: str) -> tuple[str, ...]:
    rate = s.rate_per_s
    return (
        f"{m.name} b{m.batch_size}",
        m.runtime,
        m.scenario,
        seconds(s.latency_estimate_s),
        count(rate.point) if rate else NOTHING,
        half_width(rate.low, rate.high, rate.point) if rate else "",
        NOTHING if s.latency_bound_s is None else _MET[s.bound_met],
        marks,
    )
