"""The figure of learning curves: error against samples, a line a shortcut with its band."""

import math
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hwbench.errors import BadInput, StorageFull, Unavailable
from hwbench.learned import LearnedCurve
from hwbench.power_figure import FORMATS
from hwbench.shortcut_rows import ShortcutsFile

# Okabe and Ito's colours, told apart by all eyes, each with a mark of its own for print.
_STYLES = (
    ("#000000", "o"),
    ("#D55E00", "s"),
    ("#0072B2", "^"),
    ("#009E73", "D"),
    ("#CC79A7", "v"),
    ("#E69F00", "P"),
    ("#56B4E9", "X"),
    ("#999999", "*"),
)
LEAST_ERROR = 5e-4  # where an error of none is drawn: a logarithm has no zero


def draw(files: Sequence[ShortcutsFile], path: Path) -> None:
    """Draw the curves of the files, one above the other, into `path`; its suffix is the format.

    Raises BadInput for another suffix, Unavailable without matplotlib, StorageFull where the file
    cannot be written.
    """
    if path.suffix.removeprefix(".") not in FORMATS:
        raise BadInput(f"{path}: the end of the name is none of {', '.join(FORMATS)}")
    figure = _figure(files)
    try:
        figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
    except OSError as e:
        raise StorageFull(f"{path}: cannot be written: {e.strerror}") from None


def _figure(files: Sequence[ShortcutsFile]) -> Any:
    try:
        import matplotlib
        from matplotlib.figure import Figure
    except ImportError:
        raise Unavailable(
            "a figure needs matplotlib, which is not installed", "pip install 'hwbench-dl[plot]'"
        ) from None
    matplotlib.rcParams.update({"svg.hashsalt": "hwbench", "svg.fonttype": "none"})
    figure = Figure(figsize=(9, 5.2 * len(files)), dpi=120, layout="constrained")
    axes = figure.subplots(len(files), 1, squeeze=False)[:, 0]
    for axis, file in zip(axes, files, strict=True):
        _panel(axis, file)
    return figure


def _panel(axis: Any, file: ShortcutsFile) -> None:
    largest = max(p.samples for c in file.curves for p in c.points)
    ends = []
    for curve, (colour, mark) in zip(file.curves, _endless(), strict=False):
        ends.append((_curve(axis, curve, colour, mark, largest), curve.shortcut, colour))
    target = next((c.to_target.accuracy for c in file.curves if c.to_target), None)
    axis.set_xscale("log")
    axis.set_yscale("log")
    if target is not None:
        axis.axhline(1 - target, color="#666666", linewidth=0.9, linestyle=(0, (4, 3)))
        axis.annotate(
            f"target: {target:.4g} right", (0.01, 1 - target), xycoords=("axes fraction", "data"),
            xytext=(0, 3), textcoords="offset points", fontsize=8, color="#444444",
        )  # fmt: skip
    axis.axvline(largest, color="#BBBBBB", linewidth=0.8)
    axis.annotate(
        "beyond the data", (largest, 0.99), xycoords=("data", "axes fraction"), fontsize=8,
        xytext=(4, -9), textcoords="offset points", color="#777777",
    )  # fmt: skip
    _named(axis, ends)
    axis.set_xlabel("training samples")
    axis.set_ylabel("error on the test set")
    axis.grid(True, which="both", color="#EEEEEE", linewidth=0.6)
    axis.spines[["top", "right"]].set_visible(False)
    axis.set_title(_title(file), fontsize=10, loc="left")


def _endless() -> Sequence[tuple[str, str]]:
    return _STYLES * 4


def _curve(axis: Any, curve: LearnedCurve, colour: str, mark: str, largest: int) -> float:
    """Draw a curve, and return the error at which its line ends."""
    x = [p.samples for p in curve.points]
    y = [max(LEAST_ERROR, 1 - p.accuracy) for p in curve.points]
    axis.plot(x, y, mark, color=colour, markersize=4, alpha=0.55, markeredgewidth=0, zorder=3)
    fit = curve.fit
    if fit is None:
        means = {n: [e for m, e in zip(x, y, strict=True) if m == n] for n in sorted(set(x))}
        line = [sum(v) / len(v) for v in means.values()]
        axis.plot(list(means), line, color=colour, linewidth=0.9, linestyle=":", zorder=2)
        return line[-1]
    low = [max(LEAST_ERROR, v) for v in fit.low]
    line = [max(LEAST_ERROR, v) for v in fit.error]
    axis.fill_between(fit.samples, low, fit.high, color=colour, alpha=0.10, linewidth=0)
    inside = [n <= largest for n in fit.samples]
    known = sum(inside)
    axis.plot(fit.samples[:known], line[:known], color=colour, linewidth=1.6, zorder=4)
    axis.plot(
        fit.samples[max(0, known - 1) :], line[max(0, known - 1) :], color=colour, linewidth=1.2,
        linestyle=(0, (2, 2)), zorder=4,
    )  # fmt: skip
    return line[-1]


def _named(axis: Any, ends: Sequence[tuple[float, str, str]]) -> None:
    """Put each line's name at its end, pushed apart where two would overlap."""
    low, high = (math.log(v) for v in axis.get_ylim())
    apart = (high - low) / 22
    placed: list[float] = []
    for error, name, colour in sorted(ends):
        at = math.log(error)
        if placed and at < placed[-1] + apart:
            at = placed[-1] + apart
        placed.append(at)
        axis.annotate(
            name, (1.01, math.exp(at)), xycoords=("axes fraction", "data"), fontsize=8.5,
            color=colour, va="center", annotation_clip=False,
        )  # fmt: skip


def _title(file: ShortcutsFile) -> str:
    first = file.curves[0]
    data = file.learning.data.name if file.learning else "data"
    seeds = len({p.seed for p in first.points})
    told = (
        f"{file.plan.workload} on {data}: error against training samples; {seeds} seeds,"
        f" {first.n_test} test examples of {first.classes} classes; bands: 90 %"
    )
    return textwrap.fill(told, 100)
