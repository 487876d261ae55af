"""The numbers behind a figure as CSV: no cell of it is a formula, wherever its text is from."""

import csv
import io
from collections.abc import Sequence

from hwbench.chart import Chart, Numbers

HEADER = ("panel", "series", "x", "y", "low", "high", "x_low", "x_high")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def text(charts: Sequence[Chart]) -> str:
    """Return a line for each point of each series; empty is not known."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    first = charts[0]
    writer.writerow((*HEADER[:2], safe(first.x.label), safe(first.y.label), *HEADER[4:]))
    for chart in charts:
        for s in chart.series:
            for i in range(len(s.x)):
                ends = (s.x, s.y, s.low, s.high, s.x_low, s.x_high)
                writer.writerow((safe(chart.title), safe(s.name), *(_at(v, i) for v in ends)))
    return out.getvalue()


def safe(cell: str) -> str:
    """Return a cell that a spreadsheet takes for text: OWASP, CSV injection."""
    plain = "".join(c for c in cell if c.isprintable())
    return f"'{plain}" if plain.startswith(_FORMULA) else plain


def _at(values: Numbers, i: int) -> str:
    value = values[i] if i < len(values) else None
    return "" if value is None else f"{value:.9g}"
