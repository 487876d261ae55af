"""From a sensor's readings to the energy of a window, with its interval.

What a sensor does to the truth, and what is made of it here:
- A counter is renewed every so often. Between two renewals the truth lies between their values, so
  the energy of a window is bounded by the readings around its begin and end.
- A power is a mean over some window before its last renewal, so it lags; the lag is taken out, and
  what the power varied near the begin and the end bounds the rest.
- Some powers see only a part of each interval (Yang et al. 2024, arXiv:2312.02741: 25 ms of 100 ms
  on A100 and H100). The unseen part makes the mean uncertain as any sample does.
- The scale may be wrong by as much as the maker says; nothing here can tell.
A window in which a sensor stood still, vanished or told nothing has no energy: NoEnergy says why.
"""

import math

from hwbench.counter_joules import of_counter
from hwbench.joules import Joules, NoEnergy
from hwbench.power_joules import of_power
from hwbench.sensor import ChannelFacts, Trace


def of_window(facts: ChannelFacts, trace: Trace, begin_s: float, end_s: float) -> Joules:
    """Return the energy between two times of the readings' clock; raise NoEnergy."""
    if not end_s > begin_s:
        raise NoEnergy(f"{facts.key}: a window of {end_s - begin_s:g} s")
    bad = next((p for p in trace if not math.isfinite(p.value)), None)
    if bad is not None:
        raise NoEnergy(f"{facts.key} told {bad.value}, which is no number")
    if facts.kind == "counter":
        return of_counter(facts, trace, begin_s, end_s)
    return of_power(facts, trace, begin_s, end_s)
