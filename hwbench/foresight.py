"""Where the mean of a later stretch will lie, from what the visits of this one say.

The variance between visits is the interval; the variance between steps says almost nothing about
the next minutes. For hours ahead the machine's drift from hour to hour is added, learned from its
own history or assumed (`hwbench.outcomes`). A mean, not a median: a total is a sum.
"""

import math
from collections.abc import Sequence

from hwbench import stats
from hwbench.measurement import Ahead, Predictive
from hwbench.outcomes import Spread

LEAST_VISITS = 5  # below that a later stretch is not predicted
VISIT_S = 2.5  # a visit that is shorter says too little of its moment
LEVEL = 0.90


def predictive(means: Sequence[float], visit_s: float, spread: Spread) -> Predictive:
    """Return the interval of the mean of the next minutes, and of hours, or why there is none.

    `means` are the mean seconds an iteration of each visit, `visit_s` how long a visit samples.
    Minutes: exp(m +- t sd sqrt(1 + 1/k)) in logarithms. Hours: the same with the variance of the
    drift from hour to hour added, as a normal deviation of the same level.
    """
    reason = _too_little(len(means), visit_s)
    if reason is not None:
        return Predictive(low=None, high=None, level=LEVEL, basis=reason)
    found = stats.prediction(means, LEVEL)
    basis = f"t sd sqrt(1 + 1/k) between the means of {len(means)} visits, for the next minutes"
    half = math.hypot(found.half, stats.normal_quantile(LEVEL) * spread.sd)
    hours = Ahead(
        low=math.exp(found.centre - half),
        high=math.exp(found.centre + half),
        level=LEVEL,
        basis=f"the same, and {spread.basis}",
    )
    return Predictive(
        low=math.exp(found.centre - found.half),
        high=math.exp(found.centre + found.half),
        level=LEVEL,
        basis=basis,
        hours=hours,
    )


def _too_little(visits: int, visit_s: float) -> str | None:
    if visit_s < VISIT_S:
        return (
            f"not stated: visits of {visit_s:g} s are too short to tell how the machine drifts:"
            " run --profile standard"
        )
    if visits < LEAST_VISITS:
        return (
            f"not stated: {visits} visit(s) say too little of how the machine drifts,"
            f" {LEAST_VISITS} are needed: run --profile standard"
        )
    return None
