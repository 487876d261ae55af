"""Figures as SVG, PNG or PDF: light or dark, told apart by all eyes, the same bytes each time."""

import io
import math
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from hwbench.chart import Axis, Chart, Format, Series
from hwbench.chart_theme import DARK, LIGHT, Theme
from hwbench.errors import BadInput, StorageFull, Unavailable, one_line

FORMATS = ("svg", "png", "pdf")
Say = Callable[[Format, float], str]  # a number of an axis in words
PERCENTILES = (50, 75, 90, 95, 99, 99.9, 99.99)
BANDED = 3  # lines with their bands: more of them hide each other
# Seconds that people think in; the finer ones where the coarse are fewer than three.
COARSE_S = (1, 10, 60, 600, 3600, 36_000, 86_400, 864_000, 8_640_000, 86_400_000)
FINE_S = (
    *COARSE_S, 2, 5, 20, 30, 120, 300, 1200, 1800, 7200, 18_000, 172_800, 432_000, 2_592_000,
    5_184_000,
)  # fmt: skip
_MARKS = "os^DvPX*"


def check_format(path: Path) -> None:
    """Raise BadInput for a name whose end is no format."""
    if path.suffix.removeprefix(".") not in FORMATS:
        raise BadInput(f"{path}: the end of the name is none of {', '.join(FORMATS)}")


def draw(charts: Sequence[Chart], path: Path, say: Say, *, dark: bool = False) -> None:
    """Draw the panels, one above the other, into `path`; its suffix is the format.

    Raises BadInput for another suffix, Unavailable without matplotlib, StorageFull where the file
    cannot be written.
    """
    check_format(path)
    kind = path.suffix.removeprefix(".")
    try:
        path.write_bytes(picture(charts, kind, say, dark=dark))
    except OSError as e:
        raise StorageFull(f"{path}: cannot be written: {e.strerror}") from None


def picture(charts: Sequence[Chart], kind: str, say: Say, *, dark: bool = False) -> bytes:
    """Return the panels as a file of one of FORMATS; raise Unavailable without matplotlib."""
    try:
        import matplotlib
        from matplotlib.figure import Figure
    except ImportError:
        raise Unavailable(
            "a figure needs matplotlib, which is not installed", "pip install 'hwbench-dl[plot]'"
        ) from None
    theme, out = DARK if dark else LIGHT, io.BytesIO()
    # No date, and no random names in it: the same input makes the same file.
    settings = {"svg.hashsalt": "hwbench", "svg.fonttype": "none", "axes.unicode_minus": False,
                "text.parse_math": False}  # fmt: skip
    no_date: dict[str, dict[str, Any]] = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}
    with matplotlib.rc_context(settings):
        figure = Figure(figsize=(9, 5 * len(charts)), dpi=120, layout="constrained")
        axes = figure.subplots(len(charts), 1, squeeze=False)[:, 0]
        for axis, chart in zip(axes, charts, strict=True):
            _panel(axis, chart, theme, say)
        figure.savefig(out, format=kind, facecolor=theme.paper, metadata=no_date.get(kind))
    return out.getvalue()


def _panel(axis: Any, chart: Chart, theme: Theme, say: Say) -> None:
    axis.set_facecolor(theme.paper)
    _scales(axis, chart)
    named = [s for s in chart.series if not s.faint and s.style != "roof"]
    names = list(dict.fromkeys(s.name for s in named))
    lines = {s.name for s in named if s.style != "points"}
    ends: dict[str, tuple[float, str, str]] = {}
    _spans(axis, chart, theme)
    for s in chart.series:
        n = names.index(s.name) if s in named else -1
        colour = theme.faint if n < 0 else theme.lines[n % len(theme.lines)]
        mark = _MARKS[(n + n // len(theme.lines)) % len(_MARKS)]  # no colour twice with one mark
        banded, lined = 0 <= n < BANDED, s.name in lines
        end = _one(axis, s, colour, mark, theme, banded=banded, lined=lined)
        if n >= 0 and end is not None:
            ends[s.name] = (end, s.name, colour)
    if chart.y.from_zero:
        axis.set_ylim(bottom=0, top=axis.get_ylim()[1] * 1.12)
    _marks(axis, chart, theme)
    _regions(axis, chart, theme)
    _ticks(axis, chart, theme, say)
    if any(name not in lines for name in names):
        _legend(axis, named, theme)
    else:
        _named(axis, list(ends.values()))
    axis.set_xlabel(chart.x.label, color=theme.ink)
    axis.set_ylabel(chart.y.label, color=theme.ink)
    axis.set_title(textwrap.fill(one_line(chart.title), 90), fontsize=10.5, loc="left",
                   color=theme.ink)  # fmt: skip
    if chart.notes:
        told = textwrap.fill("; ".join(one_line(n, 400) for n in chart.notes), 110)
        axis.annotate(told, (0, -0.13), xycoords="axes fraction", fontsize=8, color=theme.quiet,
                      va="top", annotation_clip=False)  # fmt: skip


def _scales(axis: Any, chart: Chart) -> None:
    if chart.x.log:
        axis.set_xscale("log")
    if chart.y.log:
        axis.set_yscale("log")


def _one(
    axis: Any, s: Series, colour: str, mark: str, theme: Theme, *, banded: bool, lined: bool
) -> float | None:
    """Draw a line or points with what is known of their intervals; return where a line ends."""
    if s.style == "roof":
        axis.plot(_real(s.x), _real(s.y), color=theme.quiet, linewidth=1.4, zorder=2)
        return None
    if s.style == "points":
        _points(axis, s, colour, mark, lined=lined)
        return None
    x, y = _real(s.x), _real(s.y)
    if s.style == "dashed":
        axis.plot(x, y, color=colour, linewidth=1.2, linestyle=(0, (2, 2)), zorder=3)
        return _last(s)
    if s.low and s.high and banded:
        axis.fill_between(x, _real(s.low), _real(s.high), color=colour, alpha=0.13, linewidth=0)
    width = 0.8 if s.faint else 1.7
    dots = {"marker": mark, "markersize": 3.5} if len(x) <= 8 and not s.faint else {}
    axis.plot(x, y, color=colour, linewidth=width, zorder=1 if s.faint else 3, **dots)
    return _last(s)


def _last(s: Series) -> float | None:
    known = [v for v in s.y if v is not None]
    return known[-1] if known else None


def _points(axis: Any, s: Series, colour: str, mark: str, *, lined: bool) -> None:
    """Draw points; those that a line of the same name goes through are less than it."""
    x, y = _real(s.x), _real(s.y)
    errors = () if s.faint else (((s.low, s.high), "yerr"), ((s.x_low, s.x_high), "xerr"))
    for ends, key in errors:
        if ends[0] and ends[1]:
            middle = y if key == "yerr" else x
            off = [
                [max(0.0, m - a) for m, a in zip(middle, _real(ends[0]), strict=True)],
                [max(0.0, b - m) for m, b in zip(middle, _real(ends[1]), strict=True)],
            ]
            axis.errorbar(x, y, **{key: off}, fmt="none", ecolor=colour, elinewidth=0.9,
                          alpha=0.55, zorder=1 if s.faint else 2)  # fmt: skip
    size = 18 if s.faint else 14 if lined else 34
    axis.scatter(x, y, color=colour, marker="." if s.faint else mark, s=size,
                 alpha=0.6 if lined else 1.0, zorder=1 if s.faint else 3,
                 label="_" if s.faint else s.name)  # fmt: skip


def _real(values: Sequence[float | None]) -> list[float]:
    return [math.nan if v is None else v for v in values]


def _marks(axis: Any, chart: Chart, theme: Theme) -> None:
    for mark in chart.marks:
        told = one_line(mark.text, 60)
        if mark.x is not None and mark.y is not None:
            axis.plot([mark.x], [mark.y], "o", color=theme.ink, markersize=5, zorder=5)
            axis.annotate(told, (mark.x, mark.y), xytext=(6, -11), textcoords="offset points",
                          fontsize=8, color=theme.ink, zorder=6)  # fmt: skip
        elif mark.x is not None:
            axis.axvline(mark.x, color=theme.quiet, linewidth=0.9, linestyle=(0, (4, 3)))
            axis.annotate(told, (mark.x, 0.99), xycoords=("data", "axes fraction"),
                          xytext=(4, -9), textcoords="offset points", fontsize=8,
                          color=theme.quiet)  # fmt: skip
        elif mark.y is not None:
            axis.axhline(mark.y, color=theme.quiet, linewidth=0.9, linestyle=(0, (4, 3)))
            axis.annotate(told, (0.01, mark.y), xycoords=("axes fraction", "data"),
                          xytext=(0, 3), textcoords="offset points", fontsize=8,
                          color=theme.quiet)  # fmt: skip


def _regions(axis: Any, chart: Chart, theme: Theme) -> None:
    for r in chart.regions:
        along, across = (axis.get_xlim(), axis.axvspan) if r.axis == "x" else (
            axis.get_ylim(), axis.axhspan)  # fmt: skip
        if r.beyond < along[1]:
            across(max(r.beyond, along[0]), along[1], color=theme.faint, alpha=0.25, linewidth=0,
                   zorder=0)  # fmt: skip
            place = (r.beyond, 0.02) if r.axis == "x" else (0.02, r.beyond)
            where = ("data", "axes fraction") if r.axis == "x" else ("axes fraction", "data")
            axis.annotate(one_line(r.text, 60), place, xycoords=where, xytext=(4, 4),
                          textcoords="offset points", fontsize=8, color=theme.quiet)  # fmt: skip
        (axis.set_xlim if r.axis == "x" else axis.set_ylim)(along)


def _spans(axis: Any, chart: Chart, theme: Theme) -> None:
    """Shade stretches behind the lines, each with its words at the top."""
    for span in chart.spans:
        axis.axvspan(span.begin, span.end, color=theme.grid if span.quiet else theme.faint,
                     alpha=0.6 if span.quiet else 0.3, linewidth=0, zorder=0)  # fmt: skip
        axis.annotate(one_line(span.text, 20), ((span.begin + span.end) / 2, 0.99),
                      xycoords=("data", "axes fraction"), ha="center", va="top", fontsize=7,
                      color=theme.quiet)  # fmt: skip


def _ticks(axis: Any, chart: Chart, theme: Theme, say: Say) -> None:
    from matplotlib.ticker import (
        FixedLocator,
        FuncFormatter,
        LogLocator,
        NullFormatter,
        NullLocator,
    )

    sides: tuple[tuple[Any, Axis], ...] = ((axis.xaxis, chart.x), (axis.yaxis, chart.y))
    for side, of in sides:
        if of.format == "share" and not of.log:
            places = [-math.log10(1 - p / 100) for p in PERCENTILES]
            side.set_major_locator(FixedLocator(places))
        elif of.log and of.format == "duration":
            low, high = side.get_view_interval()
            places = [t for t in COARSE_S if low <= t <= high]
            if len(places) < 3:
                places = sorted(t for t in FINE_S if low <= t <= high)
            side.set_major_locator(FixedLocator(places))
            side.set_minor_locator(NullLocator())
        elif of.log:
            low, high = side.get_view_interval()
            short = high / max(low, 1e-300) < 300
            side.set_major_locator(LogLocator(subs=(1, 2, 5) if short else (1,), numticks=9))
            side.set_minor_formatter(NullFormatter())
        side.set_major_formatter(FuncFormatter(lambda v, _, f=of.format: say(f, v)))
    axis.tick_params(colors=theme.ink, which="both", labelsize=9)
    axis.grid(True, color=theme.grid, linewidth=0.7)
    axis.set_axisbelow(True)
    axis.spines[["top", "right"]].set_visible(False)
    for name in ("left", "bottom"):
        axis.spines[name].set_color(theme.quiet)


def _legend(axis: Any, named: Sequence[Series], theme: Theme) -> None:
    shown = axis.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0), frameon=False, fontsize=8.5,
                        handletextpad=0.4)  # fmt: skip
    for text, s in zip(shown.get_texts(), [n for n in named if n.style == "points"], strict=False):
        text.set_text(textwrap.fill(one_line(s.name, 80), 30))
        text.set_color(theme.ink)


def _named(axis: Any, ends: Sequence[tuple[float, str, str]]) -> None:
    """Put each line's name at its end, pushed apart where two would overlap."""
    log = axis.get_yscale() == "log"
    low, high = axis.get_ylim()
    if log:
        low, high = math.log(low), math.log(high)
    ordered = sorted(ends)
    wanted = [math.log(value) if log else value for value, *_ in ordered]
    for at, (_, name, colour) in zip(apart(wanted, (high - low) / 20), ordered, strict=True):
        axis.annotate(
            one_line(name, 48), (1.01, math.exp(at) if log else at),
            xycoords=("axes fraction", "data"), fontsize=8.5, color=colour, va="center",
            annotation_clip=False,
        )  # fmt: skip


def apart(wanted: Sequence[float], least: float) -> list[float]:
    """Return places in the same order, `least` apart, as near to the wanted ones as can be.

    Least squares: pool adjacent violators of the places less what their order takes.
    """
    pools: list[list[float]] = []  # (sum, count)
    for n, value in enumerate(wanted):
        pools.append([value - n * least, 1.0])
        while len(pools) > 1 and pools[-2][0] / pools[-2][1] > pools[-1][0] / pools[-1][1]:
            total, count = pools.pop()
            pools[-1][0] += total
            pools[-1][1] += count
    flat = [total / count for total, count in pools for _ in range(int(count))]
    return [place + n * least for n, place in enumerate(flat)]
