"""What `hwbench power` shows: the meters live, and what came of it."""

import sys
from collections.abc import Mapping, Sequence
from types import TracebackType

from hwbench import metering
from hwbench.power_record import DomainPower, PowerRecord
from hwbench.render import NOTHING, digits, half_width, prefixed, seconds, table, width
from hwbench.sensor import ChannelFacts, Trace
from hwbench.units import J_PER_KWH

BARS = " ▁▂▃▄▅▆▇█"
HISTORY_S = 60.0  # of the chart
_RECENT = 4000  # readings that are looked at: a minute of the densest
_AXIS = 9  # columns beside the chart for its scale


def powers(
    channels: Sequence[ChannelFacts], traces: Mapping[str, Trace], now_s: float, columns: int
) -> dict[str, list[float | None]]:
    """Return the last minute's power of each channel in so many steps, the newest last."""
    step_s = HISTORY_S / columns
    found: dict[str, list[float | None]] = {}
    for facts in channels:
        recent = traces[facts.key][-_RECENT:]
        begin = now_s - HISTORY_S
        drawn = metering.power_trace(facts, recent, begin, now_s, begin, step_s)
        found[facts.key] = list(drawn.power_w) if drawn else [None] * columns
    return found


def chart(values: Sequence[float | None], rows: int = 4) -> list[str]:
    """Return a chart of blocks, `rows` lines high, with the scale at its left."""
    top = max((v for v in values if v is not None), default=0.0) or 1.0
    lines = []
    for row in range(rows, 0, -1):
        cells = [_cell(v, top, row, rows) for v in values]
        scale = f"{digits(top)} W" if row == rows else ("0 W" if row == 1 else "")
        lines.append(f"{scale:>{_AXIS - 1}} " + "".join(cells))
    return lines


def _cell(value: float | None, top: float, row: int, rows: int) -> str:
    if value is None:
        return " "
    filled = value / top * rows - (row - 1)
    least = 1 if row == 1 else 0  # what was read is seen, however small
    return BARS[max(least, min(8, round(8 * filled)))] if filled > 0 or row == 1 else " "


def now(facts: ChannelFacts, values: Sequence[float | None]) -> str:
    """Return a channel's newest power."""
    newest = next((v for v in reversed(values) if v is not None), None)
    text = NOTHING if newest is None else f"{digits(newest)} W"
    return f"{facts.domain} by {facts.key}: {text}" + ("" if facts.measured else " (modelled)")


class Lines:
    """The live view for a pipe or a log: one line a second."""

    def __init__(self) -> None:
        """Start with nothing said."""
        self._said = -1

    def look(
        self,
        gone_s: float,
        channels: Sequence[ChannelFacts],
        traces: Mapping[str, Trace],
        now_s: float,
    ) -> None:
        """Say the newest powers, once a second."""
        if int(gone_s) > self._said:
            self._said = int(gone_s)
            found = powers(channels, traces, now_s, 60)
            said = "; ".join(now(f, found[f.key]) for f in channels)
            print(f"{gone_s:.0f} s  {said}", file=sys.stderr, flush=True)

    def __enter__(self) -> "Lines":
        """Return the view."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End."""


class Live:
    """The live view of a terminal: a chart of the last minute for each channel."""

    def __init__(self) -> None:
        """Prepare a part of the screen that is drawn again and again."""
        from rich.console import Console
        from rich.live import Live as Screen

        self._screen = Screen(console=Console(stderr=True), auto_refresh=False, transient=True)

    def look(
        self,
        gone_s: float,
        channels: Sequence[ChannelFacts],
        traces: Mapping[str, Trace],
        now_s: float,
    ) -> None:
        """Draw the charts anew."""
        from rich.text import Text

        columns = max(20, min(HISTORY_S * 2, width() - _AXIS - 1))
        found = powers(channels, traces, now_s, int(columns))
        lines = [f"{seconds(gone_s)}, the last minute; Ctrl-C ends"]
        for facts in channels:
            lines += ["", now(facts, found[facts.key]), *chart(found[facts.key])]
        self._screen.update(Text("\n".join(lines)), refresh=True)

    def __enter__(self) -> "Live":
        """Begin to draw."""
        self._screen.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Take the charts away."""
        self._screen.stop()


def viewer(quiet: bool) -> Lines | Live | None:
    """Return the live view that fits where standard error goes; None for none."""
    if quiet:
        return None
    return Live() if sys.stderr.isatty() else Lines()


def summary(value: PowerRecord) -> str:
    """Return what came of it as text."""
    parts = [_head(value)]
    if value.domains:
        rows = [_row(name, d) for name, d in value.domains.items()]
        columns = ("domain", "energy", "±", "mean W", "peak W", "by", "what the ± is of")
        parts.append(table(columns, rows))
    parts.append("\n".join(_total(value)))
    if not any(m.why_not is None for m in value.meters):
        rows = [(m.name, m.why_not or "", m.remedy or "") for m in value.meters]
        parts.append(table(("meter", "why not", "what helps"), rows))
    parts += [f"{w.code}: {w.message} -> {w.remedy}" for w in value.warnings]
    return "\n\n".join(filter(None, parts))


def _head(value: PowerRecord) -> str:
    if not value.command and not value.channels:
        return "nothing could be watched"
    what = " ".join(value.command) or "watched"
    status = "" if value.exit_status is None else f", exit status {value.exit_status}"
    ended = ", interrupted" if value.interrupted else ""
    return f"{what}: {seconds(value.duration_s)}{status}{ended}"


def _row(name: str, d: DomainPower) -> tuple[str, ...]:
    return (
        name if d.measured else f"{name} (modelled)",
        energy(d.energy_j),
        half_width(d.low_j, d.high_j, d.energy_j),
        digits(d.mean_w),
        digits(d.peak_w),
        d.meter,
        _parts(d),
    )


def _parts(d: DomainPower) -> str:
    """Say what an interval is made of."""
    if not d.measured:
        return "a model's range on five machines"
    said = [f"resolution {d.resolution_frac:.1%}"]
    said += [f"unseen {d.blind_frac:.1%}"] if d.blind_frac else []
    gain = d.gain_frac
    said.append("scale not documented" if gain is None else f"scale {gain:.0%}")
    return ", ".join(said)


def energy(joules: float) -> str:
    """Return joules and, from a watt-hour on, kWh beside them."""
    text = prefixed(joules, "J")
    return f"{text} ({joules / J_PER_KWH:.3g} kWh)" if joules >= J_PER_KWH / 1000 else text


def _total(value: PowerRecord) -> list[str]:
    total = value.total
    if total is None:
        return [f"energy: null: {value.total_reason}"]
    half = half_width(total.low_j, total.high_j, total.energy_j)
    mean = digits(total.mean_w)
    lines = [f"total: {energy(total.energy_j)} {half}, {mean} W: {total.basis}"]
    if value.not_included:
        lines.append(f"not in it: {', '.join(value.not_included)}")
    lines += [f"{name}: null: {why}" for name, why in value.lost.items()]
    if value.assumed_wall:
        wall = value.assumed_wall
        lines.append(f"the whole machine: {energy(wall.energy_j)} if it takes {wall.factor:g} times"
                     f" that ({wall.source})")  # fmt: skip
    if value.cost:
        usd = value.cost.usd
        spread = half_width(usd.low, usd.high, usd.point)
        lines.append(f"cost: {usd.point:.3g} USD {spread} at {value.cost.usd_per_kwh:g} USD/kWh,"
                     f" of {value.cost.of}")  # fmt: skip
    return lines
