"""Draws to the figures of a row: medians and intervals, over sizes too; a chance to keep a limit.

A figure whose interval is not finite (a run that is never done) is None: JSON has no infinity.
"""

import math

from hwbench import costing, montecarlo
from hwbench.estimate_figures import Figure, PowerFigure
from hwbench.estimated import CostParts, Numbers, TimeTerms
from hwbench.values import Values

Triple = tuple[Numbers, Numbers, Numbers]


def figure(values: Values | None, level: float) -> Figure | None:
    """Return the median and the interval of draws of one size; None where they are not finite."""
    if values is None:
        return None
    found = montecarlo.interval(values[:, 0], level)
    if not (math.isfinite(found.point) and math.isfinite(found.high)):
        return None
    return Figure(point=found.point, low=found.low, high=found.high, level=level)


def power_figure(
    plug_j: Values | None, time_s: Values, level: float, peak_w: float | None
) -> PowerFigure | None:
    """Return the mean power over the run, of the draws in which it is done."""
    import numpy as np

    if plug_j is None or figure(time_s, level) is None:
        return None
    energy_j, length_s = np.broadcast_arrays(plug_j[:, 0], time_s[:, 0])
    done = np.isfinite(length_s)
    found = montecarlo.interval(energy_j[done] / length_s[done], level)
    return PowerFigure(point=found.point, low=found.low, high=found.high, level=level, peak=peak_w)


def median(values: Values) -> float:
    """Return the median of draws of one size; infinite where half of them are."""
    import numpy as np

    ordered = np.sort(values, axis=None)
    last = len(ordered) - 1
    return float((ordered[last // 2] + ordered[(last + 1) // 2]) / 2)


def finite(value: float) -> float | None:
    """Return a number that JSON has, None for infinity and NaN."""
    return value if math.isfinite(value) else None


def time_terms(terms: dict[str, Values]) -> TimeTerms:
    """Return the median of each part of the time, draws of one size each."""
    import numpy as np

    columns = np.stack(np.broadcast_arrays(*(v[:, 0] for v in terms.values())))
    columns.sort(axis=1)
    last = columns.shape[1] - 1
    middles = ((columns[:, last // 2] + columns[:, (last + 1) // 2]) / 2).tolist()
    return TimeTerms(**{n: finite(m) for n, m in zip(terms, middles, strict=True)})


def cost_parts(cost: costing.CostTerms | None) -> CostParts | None:
    """Return the median of each part of the cost; None is not known."""
    if cost is None:
        return None
    values = (cost.compute_usd, cost.storage_usd, cost.electricity_usd, cost.amortisation_usd)
    compute, storage, electricity, amortisation = (
        v if v is None or isinstance(v, float) else finite(median(v)) for v in values
    )
    return CostParts(
        compute_usd=compute,
        storage_usd=storage,
        electricity_usd=electricity,
        amortisation_usd=amortisation,
    )


def medians(values: Values | None, count: int) -> Numbers:
    """Return the medians over `count` sizes, all None for nothing."""
    if values is None:
        return (None,) * count
    return _numbers(montecarlo.interval(values).point)


def triple(values: Values | None, own: Values | None, at: int, level: float, count: int) -> Triple:
    """Return the medians and the bounds over sizes; `own` are finer draws of the size at `at`.

    At that size the figures are those of the finer draws. All others are moved by the same ratio:
    what the few draws miss there they miss everywhere, and the curve stays smooth.
    """
    import numpy as np

    if values is None:
        return ((None,) * count,) * 3
    found = montecarlo.interval(values, level)
    rows = [found.point, found.low, found.high]
    if own is not None:
        exact = montecarlo.interval(own[:, 0], level)
        rows = [
            _moved(row, at, one)
            for row, one in zip(rows, (exact.point, exact.low, exact.high), strict=True)
        ]
    point, low, high = rows
    return (
        _numbers(point),
        _numbers(np.minimum(low, point)),
        _numbers(np.maximum(high, point)),
    )


def _moved(row: Values, at: int, one: float) -> Values:
    import numpy as np

    here = float(row[at])
    if math.isfinite(here) and math.isfinite(one) and here > 0:
        row = row * (one / here)
    row = np.array(row)
    row[at] = one
    return row


def _numbers(row: Values) -> Numbers:
    """Return an array's numbers, None for what is not finite."""
    import numpy as np

    found = row.tolist()
    if np.isfinite(row).all():
        return tuple(found)
    return tuple(v if math.isfinite(v) else None for v in found)


def chance(values: Values | None, limit: float | None) -> float | None:
    """Return in how many of the draws a limit is kept; None where there is none, or no figure."""
    if limit is None or values is None:
        return None
    return float((values <= limit).mean())


def meets(odds: float | None, limit: float | None, level: float) -> bool | None:
    """Return whether a limit is kept with the plan's level; None where there is no limit."""
    if limit is None:
        return None
    return odds is not None and odds >= level
