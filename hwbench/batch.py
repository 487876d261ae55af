"""What a record says of batch sizes: what was looked for and tried, how time grows with them."""

from dataclasses import dataclass
from typing import Literal

from hwbench.bounds import NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

Ended = Literal["memory", "time", "most"]


@dataclass(frozen=True, kw_only=True)
class BatchTry:
    """A short visit at one batch size, in a process of its own."""

    batch_size: PositiveInt
    fits: bool
    wall_s: PositiveFloat | None = None  # seconds an iteration, the median
    error_frac: NonNegativeFloat | None = None  # its standard error
    peak_bytes: NonNegativeInt | None = None
    reason: str | None = None  # why it does not fit

    @property
    def items_per_s(self) -> float:
        """Return the throughput, 0 for one that did not run."""
        return self.batch_size / self.wall_s if self.fits and self.wall_s else 0.0


@dataclass(frozen=True, kw_only=True)
class BatchChoice:
    """What `--batch-size auto` found. `used` is the smallest near the best throughput."""

    requested: Literal["auto"]
    used: PositiveInt
    largest: PositiveInt | None  # that was tried and fits
    largest_predicted: PositiveInt | None  # by the line of memory, where it was not tried
    ended: Ended  # what kept it from going higher
    tolerance_frac: NonNegativeFloat  # how near to the best throughput counts as equal
    message: str
    tried: tuple[BatchTry, ...]


@dataclass(frozen=True, kw_only=True)
class BatchSegment:
    """A range of batch sizes in which an iteration takes `a_s + b_s` x batch seconds."""

    smallest: PositiveInt
    largest: PositiveInt
    a_s: float
    b_s: float


@dataclass(frozen=True, kw_only=True)
class BatchFit:
    """How the time of a network's iteration grows with its batch; for the estimator."""

    name: str
    phase: str
    runtime: str
    device: str
    dtype: str
    segments: tuple[BatchSegment, ...]
    n: PositiveInt  # batch sizes
    residual_frac: NonNegativeFloat  # root of the mean square of what the lines miss
    half_speed_batch: PositiveFloat | None  # a / b of the last: half the throughput in the limit
    basis: str
