"""The interval of a run by what earlier runs of the machine missed theirs by (split conformal).

Vovk, Gammerman and Shafer 2005, Algorithmic learning in a random world: of n earlier errors the
ceil((n + 1) level)-th smallest bounds the next one with that probability, whatever their
distribution, if all are alike. The visits' own spread is a poor guess of it: eight stretches of two
seconds differ by more than runs of minutes do, and by how much they differ is itself uncertain.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from hwbench import stats
from hwbench.validation import Total
from hwbench.validations_floor import LEAST_SD_LOG

ALIKE = 4.0  # a run this many times as long, or as short, has errors of another kind
ODD = 1.5  # times the usual spread: that of eight alike visits is above it once in fifty
NEWEST = 200  # outcomes that count: a machine changes


@dataclass(frozen=True, kw_only=True)
class Past:
    """An earlier run: ln(actual / predicted), the error that its visits let expect, its length."""

    error_log: float
    expected_log: float
    predicted_s: float


def by_history(total: Total, past: Sequence[Past]) -> Total:
    """Return the total with the interval of earlier runs about as long, where there are enough.

    Enough are those whose rank exists: nine for 90 %. Visits that differ by far more than is usual
    here widen the interval in proportion; such as differ by less do not narrow it.
    """
    alike = [p for p in past if 1 / ALIKE <= p.predicted_s / total.point_s <= ALIKE][-NEWEST:]
    rank = math.ceil((len(alike) + 1) * total.level)
    if not alike or rank > len(alike):
        return total
    missed = sorted(abs(p.error_log) for p in alike)[rank - 1]
    least = stats.normal_quantile(total.level) * LEAST_SD_LOG
    usual = stats.median([p.expected_log for p in alike])
    odd = total.sampling_log / usual if usual > 0 else 1.0
    wider = odd if odd > ODD else 1.0
    half = wider * max(missed, least)
    more = f", times {wider:.2f} since the visits differ by more than is usual" if wider > 1 else ""
    return replace(
        total,
        low_s=total.point_s * math.exp(-half),
        high_s=total.point_s * math.exp(half),
        half_log=half,
        basis=f"what {total.level:.0%} of the {len(alike)} validated runs of this machine that were"
        f" about as long missed by at the most ({missed:.1%}){more}",
    )
