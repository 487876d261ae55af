"""The verb `plot`: records and power files in, a figure or a table of numbers out."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from hwbench import power_figure, power_trace, store
from hwbench.errors import UnknownName

KINDS = ("power",)
_HEADER = ("time_s", "channel", "domain", "power_w", "measured", "phase")


def plot(
    kind: str, inputs: Sequence[Path], out: Path | None = None, table: Path | None = None
) -> tuple[Path, ...]:
    """Draw the inputs and return the files that were written.

    Without `out` the figure is named after the first input, unless only a `table` is wanted.
    Raises UnknownName for a kind that is none, and what reading and drawing raise.
    """
    if kind not in KINDS:
        raise UnknownName("plot", kind, KINDS)
    traced = [power_trace.load(path) for path in inputs]
    written = []
    if table is not None:
        store.write_whole(table, _csv(traced))
        written.append(table)
    if out is not None or table is None:
        figure = out or inputs[0].with_name(f"{inputs[0].stem}-{kind}.svg")
        power_figure.draw(traced, figure)
        written.append(figure)
    return tuple(written)


def _csv(traced: Sequence[power_trace.Traced]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_HEADER)
    for one in traced:
        for at_s, channel, domain, watts, measured, phase in one.rows():
            writer.writerow((f"{at_s:.3f}", channel, domain, watts, str(measured).lower(), phase))
    return text.getvalue()
