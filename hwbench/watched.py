"""Loops that were watched: what was foretold of each and how right it was, a line each."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from hwbench import history_file
from hwbench.validations_floor import Floor, floor_of

FILE = "watched.jsonl"


@dataclass(frozen=True, kw_only=True)
class Held:
    """A prediction that was held against the rest of its run."""

    machine: str
    at_s: float  # since the epoch
    predicted_s: float  # of the rest
    actual_s: float
    expected_log: float  # the standard error that the blocks told
    half_log: float
    inside: bool


def remember(held: Held, place: Path) -> None:
    """Add an outcome to the history; raise OSError if it cannot be written."""
    history_file.append(place / FILE, [held])


def read(place: Path) -> list[Held]:
    """Return what is on file; a line that is torn or of another form is passed over."""
    return history_file.read(place / FILE, Held, _sound)


def _sound(held: Held) -> bool:
    return held.predicted_s > 0 and held.actual_s > 0 and math.isfinite(held.half_log)


def floor(machine: str, known: Iterable[Held]) -> Floor:
    """Return what a machine's earlier predictions missed by beyond their blocks' spread."""
    return floor_of(
        [
            (math.log(h.actual_s / h.predicted_s), h.expected_log)
            for h in known
            if h.machine == machine
        ]
    )
