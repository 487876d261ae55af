"""The medians of a case by round: a process's each, the unit of every comparison."""

from collections.abc import Sequence
from typing import Protocol, TypeVar

from hwbench import stats


class Timed(Protocol):
    """A sample, of a record that was read whole or of one that was read by columns."""

    @property
    def loops(self) -> int:
        """Iterations that were timed together."""

    @property
    def wall_s(self) -> float:
        """Their seconds."""

    @property
    def round(self) -> int:
        """The visit's round."""

    @property
    def disturbed(self) -> str | None:
        """What else used the machine meanwhile."""


T = TypeVar("T", bound=Timed)


def of(samples: Sequence[Timed]) -> dict[int, float]:
    """Return the median seconds of an iteration by round; disturbed samples count in need only."""
    return {number: median_s(these) for number, these in by_round(samples).items()}


def by_round(samples: Sequence[T]) -> dict[int, list[T]]:
    """Return the samples of each round."""
    found: dict[int, list[T]] = {}
    for s in samples:
        found.setdefault(s.round, []).append(s)
    return found


def median_s(samples: Sequence[Timed]) -> float:
    """Return the median seconds of an iteration."""
    calm = [s for s in samples if s.disturbed is None]
    return stats.median([s.wall_s / s.loops for s in calm or samples])
