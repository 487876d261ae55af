"""The energy of a window, what is in its interval, and why there is none. See window_joules.py."""

import math
from dataclasses import dataclass

from hwbench.sensor import ChannelFacts, Trace

LEVEL = 0.95


class NoEnergy(Exception):
    """There is no energy to tell of, for the reason in the text."""


@dataclass(frozen=True, kw_only=True)
class Joules:
    """The energy of a window. `low`..`high` holds the truth at LEVEL, as far as is documented."""

    point: float
    low: float
    high: float
    window_s: float
    updates: int  # renewals of the sensor in the window
    resolution_frac: float  # half of the interval by what the sensor resolves
    blind_frac: float  # by what it does not see
    gain_frac: float | None  # by its scale; None: not documented, and not in the interval
    peak_w: float

    @property
    def mean_w(self) -> float:
        """Return the mean power."""
        return self.point / self.window_s


def covers(
    facts: ChannelFacts, trace: Trace, begin_s: float, end_s: float, more_s: float = 0.0
) -> None:
    """Raise NoEnergy if readings do not reach from before the window to after it, without gaps."""
    if not trace:
        raise NoEnergy(f"{facts.key} gave no reading")
    if trace[0].at_s > begin_s:
        raise NoEnergy(f"{facts.key}: its first reading is {trace[0].at_s - begin_s:.3g} s late")
    if trace[-1].at_s < end_s:
        raise NoEnergy(
            f"{facts.key}: its last reading is {end_s - trace[-1].at_s + more_s:.3g} s before the"
            " end of what it should tell of: it is gone"
        )


def put_together(
    facts: ChannelFacts,
    point: float,
    resolution: float,
    blind: float,
    window_s: float,
    updates: int,
    peak_w: float,
) -> Joules:
    """Put the parts together: what is random in quadrature, the scale beside it."""
    random = math.hypot(resolution, blind)
    gain = facts.gain_frac or 0.0
    return Joules(
        point=point,
        low=max(0.0, (point - random) / (1 + gain)),
        high=(point + random) / (1 - gain),
        window_s=window_s,
        updates=updates,
        resolution_frac=resolution / point,
        blind_frac=blind / point,
        gain_frac=facts.gain_frac,
        peak_w=peak_w,
    )
