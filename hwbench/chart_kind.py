"""The contract of a figure: one file in `hwbench/charts/` that exports `CHART = ChartKind(...)`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from hwbench.chart import Chart


@dataclass(frozen=True, kw_only=True)
class Given:
    """An input file: where it is from, which of the files of hwbench it is, and what it holds."""

    path: str
    kind: str  # record, estimate, shortcuts, power, serving
    value: Any


@dataclass(frozen=True, kw_only=True)
class ChartKind:
    """A kind of figure.

    `make` returns the panels of the files; raises BadInput, with the command that makes what is
    lacking, where they hold nothing to draw. `numbers` returns their CSV, where it has columns of
    its own.
    """

    name: str
    summary: str
    takes: tuple[str, ...]  # kinds of files
    make: Callable[[Sequence[Given]], tuple[Chart, ...]]
    numbers: Callable[[Sequence[Given]], str] | None = None
