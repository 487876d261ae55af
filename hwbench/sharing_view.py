"""Several tasks as text: what all of them take by each way of sharing."""

from collections.abc import Iterable

from hwbench.estimate_questions import Shared
from hwbench.estimate_units import duration, kwh, usd
from hwbench.render import NOTHING, half_width


def lines(shared: Iterable[Shared]) -> list[str]:
    """Return a line for each way; the machine is named where there are several."""
    rows = list(shared)
    several = len({(s.instance, s.purchase) for s in rows}) > 1
    return [_line(s, f" on {s.instance} {s.purchase}" if several else "") for s in rows]


def _line(s: Shared, where: str) -> str:
    told = NOTHING
    if s.time_s:
        half = half_width(s.time_s.low, s.time_s.high, s.time_s.point)
        told = f"{duration(s.time_s.point)} {half}"
    if s.energy_j:
        told += f", {kwh(s.energy_j.point)}"
    if s.cost_usd:
        told += f", {usd(s.cost_usd.point)}"
    kept = f", {s.parameters:,} parameters kept" if s.parameters else ""
    why = f" ({s.reason})" if s.reason else f" ({s.basis})"
    return f"{s.tasks} tasks, {s.sharing}{where}: {told}{kept}; an answer: {s.serving}{why}"
