"""The verb `plot`: records and power files in, a figure or a table of numbers out."""

import csv
import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from hwbench import (
    chart_figure,
    chart_numbers,
    codec,
    estimated,
    learning_figure,
    measurement,
    power_figure,
    power_trace,
    registry,
    shortcut_rows,
    shortcuts_file,
    store,
)
from hwbench.chart import Chart
from hwbench.chart_figure import Say
from hwbench.chart_kind import Given
from hwbench.errors import BadInput, UnknownName
from hwbench.shortcut_rows import ShortcutsFile

DRAWN = ("power", "learning")  # by figures of their own; the others are of `charts/`
_LEARNT = ("shortcut", "samples", "seed", "accuracy", "train_accuracy", "train_s", "kind")
_HEADER = ("time_s", "channel", "domain", "power_w", "measured", "phase")


def kinds() -> tuple[str, ...]:
    """Return the kinds of figures."""
    return (*registry.charts().items, *DRAWN)


def charts(kind: str, inputs: Sequence[Path]) -> tuple[Chart, ...]:
    """Return the panels of a kind of `charts/` for these files.

    Raises UnknownName for a kind that is none, BadInput for files that it is not made of, or that
    hold nothing of it.
    """
    if kind not in registry.charts().items:
        raise UnknownName("plot", kind, kinds())
    return made(kind, [given(path) for path in inputs])


def made(kind: str, files: Sequence[Given]) -> tuple[Chart, ...]:
    """Return the panels of a kind for files that were read; see `charts`."""
    of = registry.charts()[kind]
    for g in files:
        if g.kind not in of.takes:
            raise BadInput(f"{g.path}: is a file of {g.kind}; plot {kind} takes {_asked(of.takes)}")
    return of.make(files)


def keep(
    panels: Sequence[Chart],
    out: Path | None,
    table: Path | None,
    say: Say,
    *,
    dark: bool = False,
) -> tuple[Path, ...]:
    """Draw panels into `out`, their numbers into `table`; return what was written."""
    written = []
    if out is not None:
        chart_figure.check_format(out)
    if table is not None:
        store.write_whole(table, chart_numbers.text(panels))
        written.append(table)
    if out is not None:
        chart_figure.draw(panels, out, say, dark=dark)
        written.append(out)
    return tuple(written)


_TREES: dict[str, tuple[str, type]] = {
    measurement.SCHEMA: ("record", measurement.Record),
    estimated.SCHEMA: ("estimate", estimated.EstimateFile),
    shortcut_rows.SCHEMA: ("shortcuts", shortcut_rows.ShortcutsFile),
}
_MAKERS = {
    "record": "`hwbench run`",
    "estimate": "`hwbench estimate --out`",
    "shortcuts": "`hwbench shortcuts --out`",
}


def given(path: Path) -> Given:
    """Read a file, whichever of hwbench's it is; raise BadInput for one that is none."""
    value: Any = store.read_json(path)
    schema = value.get("schema") if isinstance(value, dict) else None
    name = str(schema).rpartition("/")[0]
    for known, (kind, cls) in _TREES.items():
        if known.rpartition("/")[0] == name:
            store.check_schema(value, known, path)
            return Given(path=str(path), kind=kind, value=codec.decode(cls, value, where=str(path)))
    raise BadInput(f"{path}: is no record, estimate or comparison of hwbench")


def _asked(takes: Sequence[str]) -> str:
    return " or ".join(f"one of {_MAKERS[t]}" for t in takes)


def plot(
    kind: str, inputs: Sequence[Path], out: Path | None = None, table: Path | None = None
) -> tuple[Path, ...]:
    """Draw the inputs and return the files that were written.

    Without `out` the figure is named after the first input, unless only a `table` is wanted.
    Raises UnknownName for a kind that is none, and what reading and drawing raise.
    """
    if kind not in DRAWN:
        raise UnknownName("plot", kind, kinds())
    written = []
    figure = out or inputs[0].with_name(f"{inputs[0].stem}-{kind}.svg")
    draw, numbers = (_power if kind == "power" else _learning)(inputs)
    if table is not None:
        store.write_whole(table, numbers())
        written.append(table)
    if out is not None or table is None:
        draw(figure)
        written.append(figure)
    return tuple(written)


Made = tuple[Callable[[Path], None], Callable[[], str]]  # what draws into a file, and the numbers


def _power(inputs: Sequence[Path]) -> Made:
    traced = [power_trace.load(path) for path in inputs]
    return lambda path: power_figure.draw(traced, path), lambda: _csv(traced)


def _learning(inputs: Sequence[Path]) -> Made:
    files = [shortcuts_file.load(path) for path in inputs]
    for path, file in zip(inputs, files, strict=True):
        if not file.curves:
            raise BadInput(
                f"{path}: holds no learning curve: make it with `hwbench shortcuts --learn --out`"
            )
    return lambda path: learning_figure.draw(files, path), lambda: _learnt(files)


def _learnt(files: Sequence[ShortcutsFile]) -> str:
    """Return the points of all curves, and the fitted ones with their bands, a line each."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_LEARNT)
    for curve in (c for file in files for c in file.curves):
        for p in curve.points:
            row = (p.samples, p.seed, p.accuracy, p.train_accuracy, f"{p.train_s:.4f}")
            writer.writerow((curve.shortcut, *row, "trained"))
        fit = curve.fit
        for n, *errors in (
            zip(fit.samples, fit.error, fit.low, fit.high, strict=True) if fit else ()
        ):
            for kind, error in zip(("fit", "high", "low"), errors, strict=True):
                writer.writerow((curve.shortcut, n, "", f"{1 - error:.6f}", "", "", kind))
    return text.getvalue()


def _csv(traced: Sequence[power_trace.Traced]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_HEADER)
    for one in traced:
        for at_s, channel, domain, watts, measured, phase in one.rows():
            writer.writerow((f"{at_s:.3f}", channel, domain, watts, str(measured).lower(), phase))
    return text.getvalue()
