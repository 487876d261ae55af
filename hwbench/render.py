"""Numbers to text, and tables: ms, GiB, GFLOP/s and % exist here and in `views` alone."""

import io
import math
import textwrap
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from hwbench import units

if TYPE_CHECKING:
    from hwbench.estimate_value import Estimate

NOTHING = "-"
_PREFIXES = ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""))


def digits(value: float, significant: int = 3) -> str:
    """Return a number with so many significant digits and no exponent."""
    if value == 0:
        return "0"
    decimals = max(0, significant - 1 - math.floor(math.log10(abs(value))))
    return f"{value:,.{decimals}f}"


def count(value: float) -> str:
    """Return a number of things a second: in full below 100,000, with a prefix above."""
    return digits(value) if value < 1e5 else prefixed(value, "").strip()


def prefixed(value: float | None, unit: str) -> str:
    """Return a rate with a decimal prefix: `183 GFLOP/s`."""
    if value is None:
        return NOTHING
    factor, prefix = next(((f, p) for f, p in _PREFIXES if abs(value) >= f), (1.0, ""))
    return f"{digits(value / factor)} {prefix}{unit}"


def seconds(value: float | None) -> str:
    """Return a time as people say it: `12.3 ms`, `4.56 s`, `12 min`."""
    if value is None:
        return NOTHING
    if value < 1e-3:
        return f"{digits(value * 1e6)} us"
    if value < 1:
        return f"{digits(value * 1e3)} ms"
    if value < 120:
        return f"{digits(value)} s"
    if value < 2 * units.S_PER_H:
        return f"{value / units.S_PER_MIN:.0f} min"
    return f"{value / units.S_PER_H:.1f} h"


def gib(value: int | None) -> str:
    """Return bytes in GiB."""
    return NOTHING if value is None else f"{value / units.BYTES_PER_GIB:.1f} GiB"


def size(value: int) -> str:
    """Return bytes as people read them."""
    if value < 1024**2:
        return f"{value / 1024:.3g} KiB"
    if value < 1024**3:
        return f"{value / 1024**2:.3g} MiB"
    return f"{value / 1024**3:.3g} GiB" if value < 1000 * 1024**3 else f"{value / 1024**4:.3g} TiB"


def spread(value: "Estimate") -> str:
    """Return the half-width of an interval in percent of its point."""
    return half_width(value.low, value.high, value.point)


def half_width(low: float, high: float, point: float) -> str:
    """Return +-x % of an interval, one decimal below 10 %."""
    half = (high - low) / 2 / point
    return f"±{half:.1%}" if half < 0.1 else f"±{half:.0%}"


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table as plain text; columns of figures lean right."""
    from rich import box
    from rich.table import Table

    rows = list(rows)
    shown = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for i, name in enumerate(columns):
        figures = all(r[i][:1].isdigit() or r[i][:1] in ("", "±", NOTHING) for r in rows)
        shown.add_column(name, justify="right" if figures and i else "left", overflow="fold")
    for row in rows:
        shown.add_row(*(_plain(cell) for cell in row))
    return text_of(shown)


def text_of(thing: object) -> str:
    """Return what rich prints of a thing, as wide as the terminal, with no colour codes."""
    from rich.console import Console

    console = Console(file=io.StringIO(), color_system=None, width=width(), highlight=False)
    console.print(thing)
    out = console.file
    assert isinstance(out, io.StringIO)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()).strip("\n")


def width() -> int:
    """Return the width to print at: the terminal's, 100 where there is none."""
    import shutil

    return max(60, shutil.get_terminal_size((100, 24)).columns)


def wrapped(text: str) -> str:
    """Return a sentence over lines of at most the width, later ones set in."""
    lines = textwrap.wrap(text, width(), subsequent_indent="  ", break_on_hyphens=False)
    return "\n".join(lines)


def printable(text: str) -> str:
    """Return a text without control characters: what stands in a record may be a stranger's."""
    return "".join(c for c in text if c.isprintable() or c == "\n")


def _plain(text: str) -> str:
    """Return a cell without markup and control characters."""
    from rich.markup import escape

    return escape(printable(text))
