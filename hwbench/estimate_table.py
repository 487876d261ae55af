"""The table of an estimate: a line a row, or two where the terminal is too narrow for one."""

from collections.abc import Callable, Iterable, Sequence

from hwbench import render
from hwbench.estimate_figures import Figure
from hwbench.estimate_units import duration, grams, kwh, usd
from hwbench.estimated import EstimateFile, Row
from hwbench.render import NOTHING, digits, half_width, printable

SHOWN = 30  # rows; all are in the JSON
MOST_HALF = 9.99  # half an interval by its point, above which it only says so
GAP = "  "
FIGURES = ("time", "±", "power", "peak", "energy", "cost", "±", "CO2")


def chosen(file: EstimateFile) -> list[Row]:
    """Return the rows to show: the cheapest first, those of which nothing is known last."""
    ordered = sorted(
        file.rows,
        key=lambda r: (
            r.fits_memory is False,
            r.time_s is None and r.cost_usd is None,
            r.cost_usd is None,
            r.cost_usd.point if r.cost_usd else (r.time_s.point if r.time_s else 0.0),
        ),
    )
    return ordered[:SHOWN]


def table(file: EstimateFile) -> str:
    """Return the rows as text, within the terminal's width."""
    rows = chosen(file)
    marks = _marks(rows)
    several = len({r.shortcut for r in file.rows}) > 1
    names = [_name(r, several) for r in rows]
    cells = [_cells(r, marks) for r in rows]
    one = [(*n, *c) for n, c in zip(names, cells, strict=True)]
    lines = _lines(("instance", "", *FIGURES, "basis", ""), one, left=(0, 1, 10, 11))
    if max(map(len, lines)) > render.width():
        lines = _two_lines(names, cells)
    left = len(file.rows) - len(rows)
    more = [f"{left} more rows are in the JSON (--json, --out)"] if left else []
    return "\n".join([*lines, *more])


def _two_lines(names: Sequence[Sequence[str]], cells: Sequence[Sequence[str]]) -> list[str]:
    """Return each name on a line of its own, with basis and signs, above its figures."""
    n = len(FIGURES)
    head, rule, *figures = _lines(("", *FIGURES), [("", *c[:n]) for c in cells], ())
    found = [head, rule]
    for name, cell, line in zip(names, cells, figures, strict=True):
        found += [printable(" ".join(part for part in (*name, *cell[n:]) if part)), line]
    return found


def _lines(head: Sequence[str], rows: Sequence[Sequence[str]], left: Iterable[int]) -> list[str]:
    """Return columns of text; those in `left` lean left, figures right."""
    plain = [[printable(c) for c in row] for row in rows]
    widths = [max(len(row[i]) for row in [head, *plain]) for i in range(len(head))]
    leaning: list[Callable[[str, int], str]] = [
        str.ljust if i in tuple(left) else str.rjust for i in range(len(head))
    ]

    def line(cells: Sequence[str]) -> str:
        parts = [f(c, w) for f, c, w in zip(leaning, cells, widths, strict=True)]
        return GAP.join(parts).rstrip()

    body = [line(row) for row in plain]
    rule = "─" * max(map(len, [line(head), *body]))
    return [line(head), rule, *body]


def _name(r: Row, several: bool) -> tuple[str, str]:
    return (f"{r.instance} {r.shortcut}" if several else r.instance), r.purchase


def _cells(r: Row, marks: dict[str, str]) -> tuple[str, ...]:
    def told(name: str, shown: str | None) -> str:
        return shown if shown is not None else NOTHING + marks.get(r.reasons.get(name, ""), "")

    return (
        told("time_s", duration(r.time_s.point) if r.time_s else None),
        _half(r.time_s),
        told("power_w", f"{digits(r.power_w.point)} W" if r.power_w else None),
        _peak(r),
        told("energy_j", kwh(r.energy_j.point) if r.energy_j else None),
        told("cost_usd", usd(r.cost_usd.point) if r.cost_usd else None),
        _half(r.cost_usd),
        told("co2_gco2e", grams(r.co2_gco2e.point) if r.co2_gco2e else None),
        r.basis or NOTHING,
        _signs(r),
    )


def _peak(r: Row) -> str:
    if r.power_w is None:
        return ""
    return NOTHING if r.power_w.peak is None else f"{digits(r.power_w.peak)} W"


def _half(figure: Figure | None) -> str:
    if figure is None or not figure.point:
        return ""
    if figure.high - figure.low > 2 * MOST_HALF * figure.point:
        return f">±{MOST_HALF:.0%}"
    return half_width(figure.low, figure.high, figure.point)


def _signs(r: Row) -> str:
    found = "*" if r.pareto else ""
    if r.fits_memory is False:
        found += " too large"
    if r.meets_deadline is False:
        found += " late"
    if r.meets_budget is False:
        found += " dear"
    return found.strip()


def _marks(rows: Sequence[Row]) -> dict[str, str]:
    """Return letters for each reason why a figure of the rows shown is missing: a, b, ... aa."""
    reasons = dict.fromkeys(w for r in rows for w in r.reasons.values())
    return {reason: _letters(n) for n, reason in enumerate(reasons)}


def _letters(n: int) -> str:
    last = chr(ord("a") + n % 26)
    return last if n < 26 else _letters(n // 26 - 1) + last


def footnotes(file: EstimateFile) -> list[str]:
    """Return what the marks of the table stand for."""
    rows = chosen(file)
    found = [f"{NOTHING}{mark}  {reason}" for reason, mark in _marks(rows).items()]
    signs = " ".join(_signs(r) for r in rows)
    words = (
        ("*", "none other is both faster and cheaper"),
        ("late", f"past the deadline with more than {1 - file.plan.level:.0%}"),
        ("dear", f"above the budget with more than {1 - file.plan.level:.0%}, or its cost unknown"),
        ("too large", "the batch does not fit into the device's memory"),
    )
    found += [f"{sign}  {meaning}" for sign, meaning in words if sign in signs]
    covers = dict.fromkeys(r.energy_covers for r in rows if r.energy_covers)
    return found + [f"energy: {c}" for c in covers]
