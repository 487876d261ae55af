"""What the sections of a report share: figures with intervals, drawings, warnings."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from hwbench import report
from hwbench.chart_kind import Given
from hwbench.estimate_figures import Figure
from hwbench.pages import Cell, Drawing, Section, Table
from hwbench.render import NOTHING, half_width

MOST_WARNINGS = 30
Say = Callable[[float], str]  # a figure in words


def between(figure: Figure, say: Say) -> str:
    """Return a figure with its interval in words."""
    return f"{say(figure.point)} ({say(figure.low)} to {say(figure.high)})"


def cell(figure: Figure | None, say: Say, why: str | None) -> Cell:
    """Return a figure with its interval; one that is not known with the reason."""
    if figure is None:
        return Cell(text=NOTHING, figure=True, why=why)
    half = half_width(figure.low, figure.high, figure.point)
    return Cell(text=f"{say(figure.point)} {half}", key=figure.point, figure=True)


def footnoted(table: Table) -> Table:
    """Return a table whose cells name their reasons by number, each reason once below it."""
    reasons = list(dict.fromkeys(c.why for row in table.rows for c in row if c.why))
    rows = tuple(
        tuple(
            replace(c, text=f"{c.text} [{reasons.index(c.why) + 1}]", why=None) if c.why else c
            for c in row
        )
        for row in table.rows
    )
    notes = tuple(f"[{n}] {reason}" for n, reason in enumerate(reasons, start=1))
    return replace(table, rows=rows, notes=(*table.notes, *notes))


def drawings(given: Given, kinds: Iterable[str]) -> list[Drawing]:
    """Return the figures that a file holds, with what they show in words."""
    found = []
    for kind in kinds:
        charts = report.charts(kind, given)
        if charts:
            alt = "; ".join(
                f"{c.title}: {len([s for s in c.series if not s.faint])} named of"
                f" {len(c.series)} series, {c.x.label} across, {c.y.label} up"
                for c in charts
            )
            found.append(Drawing(charts=charts, alt=alt))
    return found


def warned(warnings: Iterable[str], notes: Sequence[str]) -> list[Section]:
    """Return the section of what to know before relying on it; none where there is nothing."""
    said = list(dict.fromkeys((*warnings, *notes)))
    if not said:
        return []
    more = len(said) - MOST_WARNINGS
    points = (*said[:MOST_WARNINGS], *([f"and {more} more, in the file"] if more > 0 else []))
    return [Section(title="To know before relying on it", points=tuple(points))]
