"""How far real runs fell from their predictions beyond what the visits' spread told: the floor."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

ENOUGH = 9  # outcomes from which the floor is learned: the least that bound a 90 % error
ASSUMED_SD_LOG = 0.03  # until then: docs/methodology.md, where it comes from
LEAST_SD_LOG = 0.01  # no machine repeats itself better


@dataclass(frozen=True, kw_only=True)
class Floor:
    """The systematic error of extrapolating itself: `sd_log` of ln(actual / predicted)."""

    sd_log: float
    basis: str
    outcomes: int = 0


ASSUMED = Floor(
    sd_log=ASSUMED_SD_LOG,
    basis=f"{ASSUMED_SD_LOG:.0%} for the extrapolation itself, assumed: fewer than {ENOUGH}"
    " runs of this machine were validated",
)


def floor_of(errors: Sequence[tuple[float, float]]) -> Floor:
    """Return the floor from (ln(actual / predicted), the standard error that was expected).

    The mean square of the errors is the expected variance and the floor's; what is left of it,
    at least 1 % squared, is the floor's.
    """
    if len(errors) < ENOUGH:
        return ASSUMED
    left = sum(e * e - s * s for e, s in errors) / len(errors)
    sd = max(LEAST_SD_LOG, math.sqrt(max(0.0, left)))
    return Floor(
        sd_log=sd,
        basis=f"{sd:.1%} for the extrapolation itself, from {len(errors)} validated runs of this"
        " machine",
        outcomes=len(errors),
    )
