"""The verb `report`: files of hwbench in, what they hold and how they compare out."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hwbench import compare, plot
from hwbench.chart import Chart
from hwbench.chart_kind import Given
from hwbench.compared import Comparison
from hwbench.errors import BadInput

SUFFIXES = (".html", ".md")
KINDS = ("record", "estimate", "shortcuts", "serving")


@dataclass(frozen=True, kw_only=True)
class Reported:
    """The files as given; of two records or more their comparison, or why there is none."""

    given: tuple[Given, ...]
    comparison: Comparison | None
    no_comparison: str | None


def report(inputs: Sequence[Path]) -> Reported:
    """Read the files; raise BadInput for one that is none of a kind that a report tells of."""
    given = tuple(plot.given(path) for path in inputs)
    for g in given:
        if g.kind not in KINDS:
            raise BadInput(
                f"{g.path}: is a file of {g.kind}; a report is of {', '.join(KINDS)}:"
                f" `hwbench plot {g.kind}` draws it"
            )
    records = [g.path for g in given if g.kind == "record"]
    if len(records) < 2:
        return Reported(given=given, comparison=None, no_comparison=None)
    try:
        done = compare.compare(compare.Options(records=tuple(records)))
    except BadInput as e:
        return Reported(given=given, comparison=None, no_comparison=str(e))
    return Reported(given=given, comparison=done, no_comparison=None)


def charts(kind: str, given: Given) -> tuple[Chart, ...]:
    """Return the panels of a kind for a file; none where it holds nothing of it."""
    try:
        return plot.made(kind, [given])
    except BadInput:
        return ()
