"""What interruptions add to the time of a run: draws for a row, the mean where that will do."""

from dataclasses import dataclass

from hwbench import checkpointing
from hwbench.montecarlo import Factor
from hwbench.units import S_PER_H
from hwbench.values import Values
from hwbench.way_times import Drawn, Parts

RATE_LOG = 0.7  # interruptions an hour: fleets' averages say little of one region and week
RATE = Factor.of_sigma("interruptions", RATE_LOG)
KNOTS = 13  # sizes of a curve at which interruptions are drawn


@dataclass(frozen=True, kw_only=True)
class Whole:
    """Draws of a run's whole time, and of its parts that interruptions change.

    `resting_s` is the share of `lost_s` in which a new machine comes up and computes nothing.
    """

    time_s: Values
    checkpoint_s: Values
    lost_s: Values
    resting_s: Values


def whole(p: Parts, per_h: float, restart_s: float, drawn: Drawn, mean: bool) -> Whole:
    """Return the time with what interruptions at `per_h` add: their mean, or draws of it.

    A run that can be interrupted saves at Daly's interval instead of after each epoch.
    """
    import numpy as np

    nothing = np.zeros((1, 1))
    if not per_h:
        return Whole(time_s=p.total, checkpoint_s=p.checkpoint, lost_s=nothing, resting_s=nothing)
    rates = per_h * drawn.product((RATE,))
    useful = p.total - p.checkpoint
    if mean or useful.shape[1] == 1:
        told = checkpointing.expected(useful, p.checkpoint_s, restart_s, rates)
        saving = np.asarray(told.checkpoints_s)
    else:
        saving = p.checkpoint  # of a curve only the whole is asked
    total = (
        np.asarray(told.total_s)
        if mean
        else _interrupted(useful, p.checkpoint_s, restart_s, rates, drawn)
    )
    lost = np.maximum(0.0, total - useful - saving)
    # They come at this rate all the time, and each is waited out.
    resting = np.minimum(lost, total * rates / S_PER_H * restart_s)
    return Whole(time_s=total, checkpoint_s=saving, lost_s=lost, resting_s=resting)


def _interrupted(
    useful: Values, checkpoint_s: Values, restart_s: float, per_h: Values, drawn: Drawn
) -> Values:
    """Return draws of the whole time; of a long curve at some sizes, the others between them.

    The ratio to the useful time moves slowly with the size: it is taken as linear in between.
    """
    import numpy as np

    width = useful.shape[1]
    chosen = np.unique(np.linspace(0, width - 1, min(width, KNOTS)).round().astype(int))
    some = useful[:, chosen]
    total = checkpointing.preemption_draws(
        some, checkpoint_s, restart_s, per_h, None, luck=drawn.luck()
    )
    if len(chosen) == width:
        return total
    ratio = np.where(np.isfinite(total), total / some, 1e300)
    between = [np.interp(np.arange(width), chosen, row) for row in np.eye(len(chosen))]
    weighed = ratio @ np.array(between)
    return useful * np.where(weighed < 1e200, weighed, np.inf)
