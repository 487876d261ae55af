"""The verb `plot`: records and power files in, a figure or a table of numbers out."""

import csv
import io
from collections.abc import Callable, Sequence
from pathlib import Path

from hwbench import learning_figure, power_figure, power_trace, shortcuts_file, store
from hwbench.errors import BadInput, UnknownName
from hwbench.shortcut_rows import ShortcutsFile

KINDS = ("power", "learning")
_LEARNT = ("shortcut", "samples", "seed", "accuracy", "train_accuracy", "train_s", "kind")
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
