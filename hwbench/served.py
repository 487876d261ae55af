"""What serving queries came to: the trials of a search, what it found, the figures of a scenario.

None of it is an MLPerf result: the arrivals and the arithmetic are MLPerf's, the rules of a
submission are not kept.
"""

from dataclasses import dataclass
from typing import Literal

from hwbench.bounds import (
    Fraction,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
)

Loop = Literal["open", "closed"]
# found: the bracket is narrow; time: it is not, the time was up; bound: the service time alone is
# above the bound; none: no rate passed; not_monotone: a rate failed, and passed when tried again.
Ended = Literal["found", "time", "bound", "none", "not_monotone"]


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What a visit in a scenario is given: seconds, and for offline the iterations it aims at."""

    budget_s: NonNegativeFloat
    iterations: PositiveInt | None = None


@dataclass(frozen=True, kw_only=True)
class Trial:
    """Poisson arrivals at one rate; it ends at once when too many are late for it to pass."""

    rate_per_s: PositiveFloat
    queries: PositiveInt  # served
    planned: PositiveInt
    over_latency: NonNegativeInt  # queries whose latency was above the bound
    passed: bool  # by early stopping, all of them served, and faster than they came
    service_s: PositiveFloat  # mean
    latency_estimate_s: PositiveFloat | None  # of the percentile, by early stopping
    late_s: NonNegativeFloat  # the most that a query was begun late with nothing before it
    took_s: PositiveFloat


@dataclass(frozen=True, kw_only=True)
class Search:
    """One round's search for the highest rate that meets the bound."""

    round: NonNegativeInt
    ended: Ended
    reason: str | None  # null when found
    rate_per_s: PositiveFloat | None  # the highest that passed
    high_per_s: PositiveFloat | None  # the lowest above it that failed
    high_basis: Literal["failed", "capacity"] | None  # capacity: 1 / mean service time
    budget_s: NonNegativeFloat
    trials: tuple[Trial, ...]


@dataclass(frozen=True, kw_only=True)
class EarlyStopping:
    """The t of LoadGen's rule and the queries that it needs."""

    confidence: Fraction
    over_latency: NonNegativeInt | None
    queries_needed: PositiveInt


@dataclass(frozen=True, kw_only=True)
class Rate:
    """Queries per second (offline: samples per second) with the range that `basis` explains."""

    point: PositiveFloat
    low: PositiveFloat
    high: PositiveFloat
    basis: str


@dataclass(frozen=True, kw_only=True)
class Serving:
    """The figures of a scenario; those that are null have their reason in `reason`."""

    scenario: str
    loop: Loop
    label: str  # what the latencies are of
    queries: NonNegativeInt
    samples_per_query: PositiveInt
    percentile: Fraction | None  # of latency; offline has none
    latency_estimate_s: PositiveFloat | None
    early_stopping: EarlyStopping | None
    rate_per_s: Rate | None
    latency_bound_s: PositiveFloat | None
    bound_met: bool | None
    official_queries: PositiveInt  # what MLPerf's fixed rule asks for (offline: samples)
    reason: str | None = None
    searches: tuple[Search, ...] = ()
