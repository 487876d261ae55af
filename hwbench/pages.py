"""A report as data: what is said and drawn, before it is a page or Markdown."""

from dataclasses import dataclass

from hwbench.chart import Chart, Numbers


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A cell of a table: its words, and the number that it is sorted by, None where it has none.

    `why` says why a figure is not known; it is told once below the table.
    """

    text: str
    key: float | None = None
    figure: bool = False
    why: str | None = None


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table; `name` is unique in the page, `notes` stand below. A long one can be filtered."""

    name: str
    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """Panels of a figure, and what they show in words."""

    charts: tuple[Chart, ...]
    alt: str


@dataclass(frozen=True, kw_only=True)
class Section:
    """A part of the page."""

    title: str
    paragraphs: tuple[str, ...] = ()
    drawings: tuple[Drawing, ...] = ()
    tables: tuple[Table, ...] = ()
    points: tuple[str, ...] = ()
    code: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Way:
    """A line that the page recomputes at another size of the dataset, and at another price."""

    name: str
    time_s: Numbers
    cost_usd: Numbers


@dataclass(frozen=True, kw_only=True)
class Live:
    """What the sliders move over."""

    samples: tuple[int, ...]
    chosen: int  # the plan's own size
    ways: tuple[Way, ...]


@dataclass(frozen=True, kw_only=True)
class Page:
    """A report: a question, its answer in a sentence or two, and what it stands on."""

    title: str
    answer: tuple[str, ...]
    sections: tuple[Section, ...]
    live: Live | None = None
