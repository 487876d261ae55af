"""The history of validated runs on this machine, a line each, beside that of its stretches."""

import json
import math
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from hwbench.later_interval import Past
from hwbench.outcomes import NEWEST_BYTES
from hwbench.validation import Validation
from hwbench.validations_floor import Floor, floor_of

FILE = "validations.jsonl"


@dataclass(frozen=True, kw_only=True)
class Held:
    """One prediction that was held against its run."""

    machine: str
    workload: str
    runtime: str
    residence: str
    batch_size: int
    at_s: float  # of the run, since the epoch
    predicted_s: float
    actual_s: float
    expected_log: float  # the standard error that the visits' spread told
    half_log: float
    inside: bool

    @property
    def error_log(self) -> float:
        """Return ln(actual / predicted)."""
        return math.log(self.actual_s / self.predicted_s)


def remember(done: Validation, place: Path) -> None:
    """Add a finished validation to the history; raise OSError if it cannot be written."""
    if done.outcome is None:
        return
    case = done.rehearsal.case
    held = Held(
        machine=done.environment.machine_id,
        workload=case.workload,
        runtime=case.runtime,
        residence=case.loading.residence,
        batch_size=case.batch_size,
        at_s=datetime.fromisoformat(done.created_utc).timestamp(),
        predicted_s=done.total_s.point_s,
        actual_s=done.outcome.wall_s,
        expected_log=done.total_s.sampling_log,
        half_log=done.total_s.half_log,
        inside=bool(done.inside),
    )
    place.mkdir(parents=True, exist_ok=True)
    with (place / FILE).open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(held)) + "\n")  # one write: lines of two runs never mix


def read(place: Path) -> list[Held]:
    """Return what is on file; a line that is torn or of another form is passed over."""
    try:
        with (place / FILE).open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - NEWEST_BYTES))
            lines = file.read().split(b"\n")
    except OSError:
        return []
    return [held for line in lines if (held := _parsed(line)) is not None]


def _parsed(line: bytes) -> Held | None:
    try:
        held = Held(**json.loads(line))
        sound = math.isfinite(held.error_log + held.expected_log + held.half_log)
    except (ValueError, TypeError, ZeroDivisionError):
        return None
    return held if sound else None


def past(machine: str, known: Iterable[Held]) -> list[Past]:
    """Return what the runs of a machine missed their predictions by, the oldest first."""
    return [
        Past(error_log=h.error_log, expected_log=h.expected_log, predicted_s=h.predicted_s)
        for h in known
        if h.machine == machine
    ]


def floor(machine: str, known: Iterable[Held]) -> Floor:
    """Return the floor of a machine, learned where enough of its runs were validated."""
    return floor_of([(h.error_log, h.expected_log) for h in known if h.machine == machine])
