"""What was asked of a run beside its cases: data of the user's own, conditions of edge profiles."""

from dataclasses import dataclass

from hwbench.bounds import PositiveFloat, PositiveInt
from hwbench.edge_facts import DeviceSightings


@dataclass(frozen=True, kw_only=True)
class DataTerms:
    """The user's data that networks are trained on after the rounds, and the time for that."""

    path: str
    max_s: PositiveFloat


@dataclass(frozen=True, kw_only=True)
class EdgeTerms:
    """What was asked of edge profiles instead of their own; null: their own."""

    memory_bytes: PositiveInt | None = None
    latency_bound_s: PositiveFloat | None = None
    rate_per_s: PositiveFloat | None = None
    threads: PositiveInt | None = None
    data: str | None = None  # that int8 is calibrated and judged on
    device: DeviceSightings | None = None  # --device-record
