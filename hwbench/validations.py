"""The history of validated runs on this machine, a line each, beside that of its stretches."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from hwbench import history_file
from hwbench.later_interval import Past
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
    device: str = "cpu"

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
        device=case.device,
    )
    history_file.append(place / FILE, [held])


def read(place: Path) -> list[Held]:
    """Return what is on file; a line that is torn or of another form is passed over."""
    return history_file.read(place / FILE, Held, _sound)


def _sound(held: Held) -> bool:
    return math.isfinite(held.error_log + held.expected_log + held.half_log)


def _of(machine: str, device: str, known: Iterable[Held]) -> list[Held]:
    """Return the runs on one kind of device of a machine: its processor says nothing of a GPU."""
    return [h for h in known if h.machine == machine and (h.device == "cpu") == (device == "cpu")]


def past(machine: str, device: str, known: Iterable[Held]) -> list[Past]:
    """Return what the runs of a device missed their predictions by, the oldest first."""
    return [
        Past(error_log=h.error_log, expected_log=h.expected_log, predicted_s=h.predicted_s)
        for h in _of(machine, device, known)
    ]


def floor(machine: str, device: str, known: Iterable[Held]) -> Floor:
    """Return the floor of a machine's device, learned where enough of its runs were validated."""
    return floor_of([(h.error_log, h.expected_log) for h in _of(machine, device, known)])
