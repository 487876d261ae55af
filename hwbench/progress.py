"""Whom a run tells how far it is: a bar, a log, a test, or nobody."""

from typing import Protocol


class Progress(Protocol):
    """Whom a run tells how far it is. The verb prints nothing itself."""

    def begin(self, visits: int, left_s: float) -> None:
        """Hear how many visits there are and how long they may take."""

    def visiting(self, what: str, number: int, visits: int, left_s: float) -> None:
        """Hear which visit begins and how much time is left."""

    def note(self, text: str) -> None:
        """Hear of something that the user should know at once."""

    def tick(self) -> None:
        """Hear that a second has gone by."""


class Silent:
    """Progress that nobody watches."""

    def begin(self, visits: int, left_s: float) -> None:
        """Say nothing."""

    def visiting(self, what: str, number: int, visits: int, left_s: float) -> None:
        """Say nothing."""

    def note(self, text: str) -> None:
        """Say nothing."""

    def tick(self) -> None:
        """Say nothing."""
