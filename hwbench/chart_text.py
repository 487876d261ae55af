"""Figures in a terminal: what a line does at a glance, with its values to read."""

import math
import textwrap
from collections.abc import Sequence

from hwbench import render
from hwbench.chart import Axis, Chart, Format, Series
from hwbench.estimate_units import duration, usd
from hwbench.render import digits, prefixed, seconds
from hwbench.units import J_PER_KWH

ROWS = 16
LETTERS = "abcdefghijklmnopqrstuvwxyz"
NAMED = 12  # series with a letter


def say(told: Format, value: float) -> str:
    """Return a number of an axis as people say it."""
    if not math.isfinite(value):
        return ""
    if told == "duration":
        return duration(value)
    if told == "usd":
        return usd(value)
    if told == "joules":
        return (
            f"{digits(value / J_PER_KWH)} kWh" if value >= 0.1 * J_PER_KWH else f"{digits(value)} J"
        )
    if told == "share":
        return f"{100 * (1 - 10**-value):.6g}%"
    if told == "seconds":
        return seconds(value)
    if told == "flops":
        return prefixed(value, "FLOP/s")
    if told in ("rate", "count"):
        return _short(value)
    return f"{value:,.0f}" if 1000 <= value < 1e6 else f"{value:.3g}"


def _short(value: float) -> str:
    """Return a count as users type it: 50k, 1.28M."""
    for factor, sign in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= factor:
            return f"{value / factor:.3g}{sign}"
    return f"{value:.3g}"


def text(charts: Sequence[Chart]) -> str:
    """Return the panels, one below the other, no wider than the terminal."""
    return "\n\n".join(_panel(c) for c in charts)


def _panel(chart: Chart) -> str:
    lettered = [s for s in chart.series if not s.faint and s.style != "roof"]
    names = list(dict.fromkeys(s.name for s in lettered))[:NAMED]
    named = [s for s in lettered if s.name in names]
    columns = render.width() - 13
    grid = [[" "] * columns for _ in range(ROWS)]
    spans = _span(chart, chart.x, "x"), _span(chart, chart.y, "y")
    if spans[0] is None or spans[1] is None:
        return f"{chart.title}: nothing to draw"
    for s in [*(s for s in chart.series if s not in named), *reversed(named)]:
        sign = LETTERS[names.index(s.name)] if s in named else ("-" if s.style == "roof" else ".")
        _plot(grid, s, sign, chart, spans[0], spans[1])
    lines = _folded(chart.title)
    for number, row in enumerate(grid):
        share = 1 - number / (ROWS - 1)
        label = say(chart.y.format, _value(share, spans[1], chart.y)) if number % 5 == 0 else ""
        lines.append(f"{label:>11} |{''.join(row).rstrip()}")
    lines.append(" " * 12 + "+" + "-" * columns)
    lines += _below(chart, spans[0], columns)
    lines += _bottom(chart, spans[0], columns)
    told = {s.name: s for s in named if s.style != "points" or s.name not in _lines(named)}
    lines += [
        line for n, name in enumerate(names) for line in _folded(_legend(n, told[name], chart))
    ]
    lines += [
        line
        for m in chart.marks
        if m.x is not None and m.y is not None
        for line in _folded(f"{m.text} ({say(chart.y.format, m.y)})")
    ]
    return "\n".join([*lines, *(line for note in chart.notes for line in _folded(note))])


def _folded(line: str) -> list[str]:
    return textwrap.wrap(line, render.width(), subsequent_indent="   ") or [""]


def _span(chart: Chart, axis: Axis, which: str) -> tuple[float, float] | None:
    values = [
        v
        for s in chart.series
        for v in getattr(s, which)
        if v is not None and (v > 0 or not axis.log)
    ]
    if not values:
        return None
    low, high = min(values), max(values)
    if axis.from_zero:
        low = 0.0
    if low == high:
        low, high = (low / 2, high * 2) if axis.log else (low - 1, high + 1)
    return low, high


def _share(value: float, span: tuple[float, float], axis: Axis) -> float:
    low, high = span
    if axis.log:
        return math.log(value / low) / math.log(high / low)
    return (value - low) / (high - low)


def _value(share: float, span: tuple[float, float], axis: Axis) -> float:
    low, high = span
    return low * (high / low) ** share if axis.log else low + share * (high - low)


def _plot(
    grid: list[list[str]],
    s: Series,
    sign: str,
    chart: Chart,
    across: tuple[float, float],
    up: tuple[float, float],
) -> None:
    """Put a series' sign where it is; between two points of a line along the line."""
    columns, last = len(grid[0]), None
    for x, y in zip(s.x, s.y, strict=True):
        if x is None or y is None or (chart.x.log and x <= 0) or (chart.y.log and y <= 0):
            last = None
            continue
        here = (
            _share(x, across, chart.x) * (columns - 1),
            (1 - _share(y, up, chart.y)) * (len(grid) - 1),
        )
        points = [here]
        if last is not None and s.style != "points":
            steps = max(1, round(abs(here[0] - last[0])))
            points = [
                (
                    last[0] + (here[0] - last[0]) * i / steps,
                    last[1] + (here[1] - last[1]) * i / steps,
                )
                for i in range(1, steps + 1)
            ]
        for column, row in points:
            grid[round(row)][round(column)] = sign
        last = here


def _lines(named: Sequence[Series]) -> set[str]:
    return {s.name for s in named if s.style != "points"}


def _below(chart: Chart, span: tuple[float, float], columns: int) -> list[str]:
    """Return the words of stretches, where they are on the axis and as far as there is room."""
    if not chart.spans:
        return []
    line = [" "] * columns
    free = 0
    for s in chart.spans:
        middle = _share((s.begin + s.end) / 2, span, chart.x) * (columns - 1)
        at = min(max(free, round(middle - len(s.text) / 2)), columns - len(s.text))
        if at >= free:
            line[at : at + len(s.text)] = s.text
            free = at + len(s.text) + 1
    return [" " * 13 + "".join(line).rstrip()]


def _bottom(chart: Chart, span: tuple[float, float], columns: int) -> list[str]:
    """Return the numbers below the axis, and what they are of."""
    line = [" "] * (columns + 14)
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        told = say(chart.x.format, _value(share, span, chart.x))
        at = 13 + round(share * (columns - 1)) - (0 if share == 0 else len(told) // 2)
        at = min(at, 13 + columns - len(told))
        line[at : at + len(told)] = told
    told = f"{chart.x.label} across, {chart.y.label} up"
    return ["".join(line).rstrip(), " " * 13 + told]


def _legend(number: int, s: Series, chart: Chart) -> str:
    known = [(x, y) for x, y in zip(s.x, s.y, strict=True) if x is not None and y is not None]
    if not known:
        return f"{LETTERS[number]}  {s.name}"
    x, y = known[-1]
    where = f" at {say(chart.x.format, x)}" if len(known) > 1 or s.style == "points" else ""
    return f"{LETTERS[number]}  {s.name}: {say(chart.y.format, y)}{where}"
