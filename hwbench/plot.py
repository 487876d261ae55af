"""The verb `plot`: records and power files in, a figure or a table of numbers out."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hwbench import (
    chart_figure,
    chart_numbers,
    codec,
    estimated,
    inspected,
    measurement,
    power_record,
    registry,
    shortcut_rows,
    store,
    tokens,
)
from hwbench.chart import Chart
from hwbench.chart_figure import Say
from hwbench.chart_kind import Given
from hwbench.errors import BadInput, UnknownName


def kinds() -> tuple[str, ...]:
    """Return the kinds of figures."""
    return tuple(registry.charts().items)


def charts(kind: str, inputs: Sequence[Path]) -> tuple[Chart, ...]:
    """Return the panels of a kind of `charts/` for these files.

    Raises UnknownName for a kind that is none, BadInput for files that it is not made of, or that
    hold nothing of it.
    """
    return made(kind, _read(kind, inputs))


def _read(kind: str, inputs: Sequence[Path]) -> list[Given]:
    if kind not in registry.charts().items:
        raise UnknownName("plot", kind, kinds())
    return [given(path) for path in inputs]


def numbers(kind: str, files: Sequence[Given]) -> str:
    """Return the numbers behind a kind of figure as CSV: its own columns, or those of any."""
    own = registry.charts()[kind].numbers
    return own(files) if own else chart_numbers.text(made(kind, files))


def made(kind: str, files: Sequence[Given]) -> tuple[Chart, ...]:
    """Return the panels of a kind for files that were read; see `charts`."""
    of = registry.charts()[kind]
    for g in files:
        if g.kind not in of.takes:
            raise BadInput(f"{g.path}: is a file of {g.kind}; plot {kind} takes {_asked(of.takes)}")
    return of.make(files)


def keep(
    kind: str,
    inputs: Sequence[Path],
    out: Path | None,
    table: Path | None,
    say: Say,
    *,
    dark: bool = False,
) -> tuple[Path, ...]:
    """Draw inputs into `out`, their numbers into `table`; return what was written."""
    files = _read(kind, inputs)
    panels = made(kind, files)
    written = []
    if out is not None:
        chart_figure.check_format(out)
    if table is not None:
        store.write_whole(table, numbers(kind, files))
        written.append(table)
    if out is not None:
        chart_figure.draw(panels, out, say, dark=dark)
        written.append(out)
    return tuple(written)


_TREES: dict[str, tuple[str, type]] = {
    measurement.SCHEMA: ("record", measurement.Record),
    estimated.SCHEMA: ("estimate", estimated.EstimateFile),
    shortcut_rows.SCHEMA: ("shortcuts", shortcut_rows.ShortcutsFile),
    power_record.SCHEMA: ("power", power_record.PowerRecord),
    inspected.SCHEMA: ("inspection", inspected.Inspection),
    tokens.SCHEMA: ("serving", tokens.ServingFile),
}
_MAKERS = {
    "record": "`hwbench run`",
    "estimate": "`hwbench estimate --out`",
    "shortcuts": "`hwbench shortcuts --out`",
    "power": "`hwbench power --out`",
    "inspection": "`hwbench inspect --out`",
    "serving": "`hwbench serving --out`",
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
