"""A comparison of records as it is kept: a ratio of times with its interval for each case."""

from dataclasses import dataclass
from typing import Literal

from hwbench.bounds import Fraction, NonNegativeFloat, NonNegativeInt, PositiveFloat

SCHEMA = "hwbench.compare/1"
Faster = Literal["faster", "slower", "same", "ambiguous"]


@dataclass(frozen=True, kw_only=True)
class Side:
    """One record of a comparison."""

    record: str  # its id
    path: str
    created_utc: str
    hwbench_version: str
    device: str  # the model of what it measured on, or its processor
    instance: str | None  # of a cloud, where it knows
    usd_per_h: PositiveFloat | None
    no_price: str | None  # why there is none


@dataclass(frozen=True, kw_only=True)
class RatioOf:
    """Other over base, with its interval: of times, above 1 is slower."""

    point: PositiveFloat
    low: PositiveFloat
    high: PositiveFloat
    level: Fraction


@dataclass(frozen=True, kw_only=True)
class Pair:
    """One case on both sides; `p_value` is by Holm of all pairs. What is null has its reason."""

    id: str
    base: str  # the case on either side: they differ in what --across leaves open
    other: str
    record: str  # the id of the record that is compared with the base
    base_s: PositiveFloat  # an iteration, the median
    other_s: PositiveFloat
    ratio: RatioOf
    p_value: Fraction
    verdict: Faster
    basis: str
    energy_ratio: RatioOf | None  # joules an item
    cost_ratio: RatioOf | None  # dollars an item
    reasons: dict[str, str]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class NotComparable:
    """A case that is not held against another, and why."""

    id: str
    record: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """A file that a glob matched and that is no whole record, and why."""

    path: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Overall:
    """What the pairs with one record come to: the geometric mean of their ratios."""

    record: str
    geometric_mean: RatioOf
    verdict: Faster
    counts: dict[str, NonNegativeInt]  # pairs by verdict


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """The file of `hwbench compare`. `summary` has a row for each record beside the base."""

    schema: str
    id: str
    created_utc: str
    hwbench_version: str
    argv: tuple[str, ...]
    threshold: NonNegativeFloat  # a change that matters, as a share of the time
    level: Fraction
    across: tuple[str, ...]
    base: Side
    others: tuple[Side, ...]
    pairs: tuple[Pair, ...]
    not_comparable: tuple[NotComparable, ...]
    summary: tuple[Overall, ...]
    left_out: tuple[LeftOut, ...] = ()
