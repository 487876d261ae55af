"""The progress bar of a terminal: the case, the count, the time left.

It is redrawn when a visit begins and once a second while the parent waits, never by a thread of
its own, which would take time from what is measured.
"""

from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Column

from hwbench import render


class Bar:
    """A bar on standard error."""

    def __init__(self) -> None:
        """Lay out the columns."""
        self._progress = Progress(
            MofNCompleteColumn(table_column=Column(no_wrap=True, min_width=7)),
            BarColumn(bar_width=12, table_column=Column(min_width=12)),
            TextColumn("{task.fields[left]}", table_column=Column(no_wrap=True, min_width=11)),
            # The case gives way, not the count and the time: its id may be longer than the line.
            TextColumn(
                "{task.description}",
                markup=False,
                table_column=Column(no_wrap=True, overflow="ellipsis", ratio=1),
            ),
            console=Console(stderr=True),
            auto_refresh=False,
            transient=True,
            expand=True,
        )
        self._task = self._progress.add_task("preparing", total=None, left="")

    def __enter__(self) -> "Bar":
        """Show the bar."""
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Take the bar away."""
        self._progress.stop()

    def begin(self, visits: int, left_s: float) -> None:
        """Set the number of visits."""
        self._progress.update(self._task, total=visits, left=_left(left_s))
        self._progress.refresh()

    def visiting(self, what: str, number: int, visits: int, left_s: float) -> None:
        """Show the visit that begins."""
        self._progress.update(
            self._task, completed=number - 1, description=what, left=_left(left_s)
        )
        self._progress.refresh()

    def note(self, text: str) -> None:
        """Print a line above the bar."""
        self._progress.console.print(text, markup=False, highlight=False)

    def tick(self) -> None:
        """Draw the bar again."""
        self._progress.refresh()


def _left(left_s: float) -> str:
    return f"{render.seconds(left_s)} left"
