"""How a run is followed: a bar on a terminal, a few lines in a log."""

import contextlib
import sys
from collections.abc import Iterator

from hwbench.progress import Progress
from hwbench.render import seconds


@contextlib.contextmanager
def progress() -> Iterator[Progress]:
    """Show a bar on a terminal; elsewhere print one line for what cannot wait."""
    if not sys.stderr.isatty():
        yield Lines()
        return
    from hwbench.bar import Bar

    with Bar() as bar:
        yield bar


class Lines:
    """Progress for a pipe or a log: a line a round at most, and what goes wrong."""

    def __init__(self) -> None:
        """Start with nothing said."""
        self._tenth = -1

    def begin(self, visits: int, left_s: float) -> None:
        """Say how much there is to do."""
        self._tenth = -1
        _err(f"{visits} visits, about {seconds(left_s)}")

    def visiting(self, what: str, number: int, visits: int, left_s: float) -> None:
        """Say each tenth of the way where the run is."""
        tenth = 10 * number // max(visits, 1)
        if tenth > self._tenth:
            self._tenth = tenth
            _err(f"[{number}/{visits}] {what}  about {seconds(left_s)} left")

    def note(self, text: str) -> None:
        """Say it."""
        _err(text)

    def tick(self) -> None:
        """Say nothing."""


def _err(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
