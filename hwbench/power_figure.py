"""The figure of power over time. matplotlib is imported here and nowhere else."""

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hwbench.errors import BadInput, StorageFull, Unavailable, one_line
from hwbench.power_trace import IDLE, Traced

FORMATS = ("svg", "png", "pdf")
# Okabe and Ito's colours, told apart by all eyes: gpu, cpu, dram, wall.
_COLOURS = {"gpu": "#D55E00", "cpu": "#0072B2", "dram": "#009E73", "wall": "#000000"}
_SHADES = ("#EEEEEE", "#DDE7F0")


def draw(traced: Sequence[Traced], path: Path) -> None:
    """Draw the inputs, one above the other, into `path`, whose suffix says the format.

    Raises BadInput for another suffix, Unavailable without matplotlib, StorageFull where the file
    cannot be written.
    """
    if path.suffix.removeprefix(".") not in FORMATS:
        raise BadInput(f"{path}: the end of the name is none of {', '.join(FORMATS)}")
    figure = _figure(traced)
    try:
        # No date in it: the same input makes the same file.
        figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
    except OSError as e:
        raise StorageFull(f"{path}: cannot be written: {e.strerror}") from None


def _figure(traced: Sequence[Traced]) -> Any:
    try:
        import matplotlib
        from matplotlib.figure import Figure
    except ImportError:
        raise Unavailable(
            "a figure needs matplotlib, which is not installed", "pip install 'hwbench-dl[plot]'"
        ) from None
    matplotlib.rcParams.update({"svg.hashsalt": "hwbench", "svg.fonttype": "none"})
    lines = max(len(_names(t)) for t in traced)
    height = len(traced) * (3.6 + 0.19 * ((lines + 1) // 2))
    figure = Figure(figsize=(9, height), dpi=120, layout="constrained")
    axes = figure.subplots(len(traced), 1, squeeze=False)[:, 0]
    for axis, one in zip(axes, traced, strict=True):
        _panel(axis, one)
    return figure


def _names(traced: Traced) -> list[str]:
    """Return the names of the phases that are numbered, in order."""
    return list(dict.fromkeys(p.name for p in traced.phases if p.name != IDLE))


def _panel(axis: Any, traced: Traced) -> None:
    begin = min(t.start_s for t in traced.traces)
    _phases(axis, traced, begin)
    for facts in traced.channels:
        for n, trace in enumerate(traced.of(facts)):
            times = [trace.start_s - begin + k * trace.step_s for k in range(len(trace.power_w))]
            watts = [float("nan") if w is None else w for w in trace.power_w]
            label = f"{facts.domain}: {facts.key}" + ("" if facts.measured else " (modelled)")
            axis.plot(
                times,
                watts,
                color=_COLOURS[facts.domain],
                linestyle="-" if facts.measured else "--",
                linewidth=1.2,
                drawstyle="steps-post",
                label=label if n == 0 else None,
            )
    axis.set_ylim(bottom=0, top=axis.get_ylim()[1] * 1.12)
    axis.set_xlim(left=0)
    axis.set_xlabel("time, s")
    axis.set_ylabel("power, W")
    axis.set_title("\n".join(textwrap.wrap(one_line(traced.title), 90)), fontsize=9, loc="left")
    axis.spines[["top", "right"]].set_visible(False)
    handles, labels = axis.get_legend_handles_labels()
    axis.legend(handles, labels, loc="upper left", bbox_to_anchor=(1.01, 1.0), frameon=False,
                fontsize=8)  # fmt: skip
    _key(axis, traced)


def _phases(axis: Any, traced: Traced, begin: float) -> None:
    """Shade the phases; numbers stand above those that the key below names."""
    names = _names(traced)
    for phase in traced.phases:
        idle = phase.name == IDLE
        left, right = phase.begin_s - begin, phase.end_s - begin
        axis.axvspan(left, right, color=_SHADES[0 if idle else 1], linewidth=0, zorder=0)
        axis.text(
            (left + right) / 2,
            0.99,
            IDLE if idle else str(names.index(phase.name) + 1),
            transform=axis.get_xaxis_transform(),
            ha="center",
            va="top",
            fontsize=7,
        )


def _key(axis: Any, traced: Traced) -> None:
    """Write what the numbers mean below the axis, in two columns."""
    named = [f"{n}  {one_line(name, most=60)}" for n, name in enumerate(_names(traced), start=1)]
    half = (len(named) + 1) // 2
    for column, lines in enumerate((named[:half], named[half:])):
        axis.annotate(
            "\n".join(lines),
            (0.5 * column, 0),
            xycoords="axes fraction",
            xytext=(0, -34),
            textcoords="offset points",
            fontsize=7,
            va="top",
            annotation_clip=False,
        )
