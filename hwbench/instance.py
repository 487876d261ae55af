"""The contract of the catalogue: a machine that can be rented, and who rents it."""

import math
from dataclasses import dataclass, field
from datetime import date

from hwbench.data_sheet import Confidence


@dataclass(frozen=True, kw_only=True)
class Instance:
    """One instance type at one price; None is what is not known.

    Raises ValueError with the field and the reason where the figures cannot be: no price, a spot
    price above the one on demand, an accelerator without a number.
    """

    provider: str
    sku: str
    region: str | None = None
    vcpus: int | None = None
    vcpus_per_core: int | None = None  # 2: hyper-threads; 1: whole cores
    memory_bytes: int | None = None  # of the host
    cpu: str | None = None
    accelerator: str | None = None  # a name of `data_sheets`, else as the source has it
    n_accelerators: int = 0
    accelerator_memory_bytes: int | None = None  # of one
    usd_per_h: float  # on demand
    spot_usd_per_h: float | None = None
    granularity_s: float | None = None  # what a time is rounded up to in the bill
    minimum_s: float | None = None  # the least that is billed
    pue: float | None = None  # of the provider's data centres
    source: str
    date: date  # of the price; the earliest that it can be, where the source has none
    confidence: Confidence
    notes: str = ""

    @property
    def name(self) -> str:
        """Return what it is called on the command line: `aws:p5.48xlarge`."""
        return f"{self.provider}:{self.sku}"

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        for text in ("provider", "sku", "source"):
            if not getattr(self, text):
                raise ValueError(f"{text} is empty")
        for number in _POSITIVE:
            value = getattr(self, number)
            if value is not None and not (math.isfinite(value) and value > 0):
                raise ValueError(f"{number} must be above 0, is {value:g}")
        if self.spot_usd_per_h is not None and self.spot_usd_per_h > self.usd_per_h:
            raise ValueError(
                f"spot_usd_per_h {self.spot_usd_per_h:g} is above usd_per_h {self.usd_per_h:g}"
            )
        if self.pue is not None and self.pue < 1:
            raise ValueError(f"pue must be at least 1, is {self.pue:g}")
        if (self.accelerator is None) != (self.n_accelerators == 0) or self.n_accelerators < 0:
            raise ValueError(
                f"accelerator {self.accelerator} and n_accelerators {self.n_accelerators}"
                " do not go together"
            )


_POSITIVE = (
    "usd_per_h",
    "spot_usd_per_h",
    "vcpus",
    "vcpus_per_core",
    "memory_bytes",
    "accelerator_memory_bytes",
    "granularity_s",
    "minimum_s",
)


@dataclass(frozen=True, kw_only=True)
class Fact:
    """A figure about a provider, with where it is from."""

    value: float
    source: str
    date: date
    confidence: Confidence


@dataclass(frozen=True, kw_only=True)
class Provider:
    """What holds for all instances of a provider; None is what is not known.

    `granularity_s` is what a time is rounded up to in the bill, `minimum_s` the least billed.
    """

    name: str
    full_name: str
    region: str | None = None  # that of its rows here, where they say no other
    granularity_s: Fact | None = None
    minimum_s: Fact | None = None
    pue: Fact | None = None


@dataclass(frozen=True, kw_only=True)
class Problem:
    """A row that was left out, or something wrong with one that was kept."""

    where: str  # file:line, or the name of what is wrong
    what: str


@dataclass(frozen=True, kw_only=True)
class Catalogue:
    """Instances by provider and name, and what of the files could not be used."""

    instances: tuple[Instance, ...]
    problems: tuple[Problem, ...] = field(default=())
