"""How a run ended, and what it leaves."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from hwbench.measurement import Measurement, Record

Ended = Literal["complete", "out_of_time", "interrupted", "storage_full"]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a run ended, and the record with all that was finished."""

    record: Record
    path: Path
    ended: Ended
    message: str | None = None
    visits_made: int = 0  # by this call; none of a run that was finished before

    @property
    def failed(self) -> tuple[Measurement, ...]:
        """Return the measurements that failed."""
        return tuple(m for m in self.record.measurements if m.status == "failed")
