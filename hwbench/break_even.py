"""From where on owning is cheaper than renting: in utilisation, in hours, in samples.

Each answer is one number or an array of draws. In an array infinity says that renting is cheaper
however much the machine is used, 0 that owning always is; for one number that is None with the
reason.
"""

import math
from dataclasses import dataclass

from hwbench.costing import H_PER_YEAR, Owned
from hwbench.units import S_PER_H
from hwbench.values import Values, floats


@dataclass(frozen=True, kw_only=True)
class BreakEven:
    """Where the costs are equal, or None with the reason."""

    value: Values | None
    reason: str | None = None


@dataclass(frozen=True, kw_only=True)
class CostLine:
    """The cost of one training against its number of samples: `fixed_usd` + `usd_per_sample` N."""

    fixed_usd: Values
    usd_per_sample: Values


def break_even_utilisation(owned: Owned, rent_usd_per_h: Values, power_w: Values) -> BreakEven:
    """Return the share of the time u* from which owning costs less than renting by the hour.

    u* = fixed / (8760 (r - P PUE p)), `owned.utilisation_frac` playing no part; a machine that
    draws power while it waits adds P_idle PUE p to fixed / 8760 and to the difference alike.
    """
    idle = owned.electricity_usd_per_h(owned.idle_w)
    saved = rent_usd_per_h - owned.electricity_usd_per_h(power_w)
    return _crossing(owned.usd_per_year / H_PER_YEAR + idle, saved + idle, 1.0, "of all hours")


def break_even_hours(owned: Owned, rent_usd_per_h: Values, power_w: Values) -> BreakEven:
    """Return the hours of use h* = (purchase - residual) / (r - P PUE p) that pay a purchase back.

    Interest and opex are not in it. Beyond the machine's life renting is always cheaper.
    """
    saved = rent_usd_per_h - owned.electricity_usd_per_h(power_w)
    return _crossing(
        owned.purchase_usd - owned.residual_usd,
        saved,
        owned.years * H_PER_YEAR,
        "hours of use, beyond its life",
    )


def owned_line(owned: Owned, power_w: Values, fixed_s: Values, s_per_sample: Values) -> CostLine:
    """Return the cost of buying a machine for this one training, fixed_s + s_per_sample N long.

    The purchase less the residual value, and the electricity; no opex: it is the machine's for
    `years`, and what else it does then is not counted.
    """
    usd_per_s = owned.electricity_usd_per_h(power_w) / S_PER_H
    return CostLine(
        fixed_usd=owned.purchase_usd - owned.residual_usd + usd_per_s * fixed_s,
        usd_per_sample=usd_per_s * s_per_sample,
    )


def rented_line(usd_per_h: Values, fixed_s: Values, s_per_sample: Values) -> CostLine:
    """Return the cost of renting for a training fixed_s + s_per_sample N long."""
    usd_per_s = usd_per_h / S_PER_H
    return CostLine(fixed_usd=usd_per_s * fixed_s, usd_per_sample=usd_per_s * s_per_sample)


def break_even_samples(owned: CostLine, rented: CostLine) -> BreakEven:
    """Return the size of the data set at which the two lines meet: above it owning is cheaper."""
    return _crossing(
        owned.fixed_usd - rented.fixed_usd,
        rented.usd_per_sample - owned.usd_per_sample,
        math.inf,
        "samples",
    )


def _crossing(fixed: Values, saved: Values, most: Values, unit: str) -> BreakEven:
    """Return fixed / saved: 0 where nothing is fixed, infinity above `most` or with nothing saved.

    NaN where owning is the cheaper at the start and grows dearer: there is no "from here on".
    """
    import numpy as np

    f, s = np.broadcast_arrays(*floats(fixed, saved))
    ratio = np.where(s > 0, f / np.where(s > 0, s, 1.0), np.inf)
    found = np.where(f <= 0, np.where(s >= 0, 0.0, np.nan), np.where(ratio > most, np.inf, ratio))
    if found.ndim:
        return BreakEven(value=found, reason=_shares(found))
    return _one(float(found), float(f), float(s), unit)


def _one(found: float, fixed: float, saved: float, unit: str) -> BreakEven:
    """Return one number's answer, with the reason where there is none."""
    if math.isnan(found):
        turn = f"{fixed / saved:.4g} {unit}"
        return BreakEven(value=None, reason=f"owning is cheaper up to {turn} only, dearer beyond")
    if found == 0:
        return BreakEven(value=None, reason="owning is always cheaper")
    if found < math.inf:
        return BreakEven(value=found)
    why = (
        "owning saves nothing as it is used"
        if saved <= 0
        else f"it takes {fixed / saved:.4g} {unit}"
    )
    return BreakEven(value=None, reason=f"renting is always cheaper: {why}")


def _shares(found: Values) -> str | None:
    """Return in how many of the draws there is no break-even."""
    import numpy as np

    shares = (
        ("renting is always cheaper", float(np.isinf(found).mean())),
        ("owning is always cheaper", float((found == 0).mean())),
        ("owning is cheaper at the start only", float(np.isnan(found).mean())),
    )
    return "; ".join(f"{what} in {s:.0%} of the draws" for what, s in shares if s > 0) or None
