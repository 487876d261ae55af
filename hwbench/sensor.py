"""What a sensor tells and how: the facts of a channel, and the readings taken of it.

Times are seconds of the monotonic clock that every process of a run shares.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from hwbench.bounds import Fraction, NonNegativeFloat, PositiveFloat

Domain = Literal["gpu", "cpu", "dram", "wall"]


class Point(NamedTuple):
    """One reading: joules since some start (a counter) or watts (a power)."""

    at_s: float
    value: float


Trace = Sequence[Point]


@dataclass(frozen=True, kw_only=True)
class ChannelFacts:
    """A sensor's domain and manners; None is not known.

    A power tells the mean of the `window_s` before its last renewal, which comes every `update_s`;
    of each such interval it sees `seen_frac` (0.25: 25 ms of 100 ms). `gain_frac` is the error of
    its scale as documented. A counter begins again after `range_j`.
    """

    meter: str
    name: str  # of the meter's own: package-0, cuda:0
    domain: Domain
    kind: Literal["counter", "power"]
    measured: bool = True  # False: modelled
    device: str | None = None  # of hwbench's: cuda:0; None: not one device's alone
    update_s: PositiveFloat | None = None
    window_s: NonNegativeFloat | None = None
    seen_frac: Fraction = 1.0
    gain_frac: NonNegativeFloat | None = None
    range_j: PositiveFloat | None = None

    @property
    def key(self) -> str:
        """Return the name that is the channel's alone on this machine: `rapl/package-0`."""
        return f"{self.meter}/{self.name}"
