"""What a comparison needs of a case and of its record, of a whole record or of a row of a table."""

from dataclasses import dataclass

from hwbench.measurement import Measurement


@dataclass(frozen=True, kw_only=True, slots=True)
class Joules:
    """Energy of an iteration and the domains it is of; `level` is null where it is no interval."""

    point: float
    low: float
    high: float
    level: float | None
    parts: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class CaseFacts:
    """One case. `rounds_s` are medians of an iteration by round; `time_s` is null with a reason."""

    id: str
    version: int
    status: str
    reason: str | None
    verdict: str | None
    warning: str | None  # the first
    threads: int
    time_s: float | None
    rounds_s: tuple[float, ...]
    drift_sd: float  # of a logarithm, from hour to hour
    items: int | None  # of an iteration
    energy: Joules | None
    energy_reason: str | None
    measurement: Measurement | None = None  # with its samples, where the record was read whole


@dataclass(frozen=True, kw_only=True, slots=True)
class RecordFacts:
    """One record with its cases. `against` says that it holds two sides of each."""

    id: str
    name: str  # of its file
    created_utc: str
    hwbench_version: str
    device: str  # the model of what it measured on, or its processor
    instance: str | None
    against: bool
    cases: tuple[CaseFacts, ...]
