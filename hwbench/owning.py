"""From where on the user's own machine is cheaper than the cheapest that can be rented."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from hwbench import break_even
from hwbench.comparing import cost_then_time
from hwbench.costing import H_PER_YEAR, OnDemand, Owned, Spot
from hwbench.estimated import Row
from hwbench.ownership import Ownership
from hwbench.row_making import Made

POINTS = 33  # of a curve
FIRST_H, LEAST_FRAC = 10.0, 0.02  # where the curves begin


@dataclass(frozen=True, kw_only=True)
class _Sides:
    """The machine that is owned, and the cheapest that is rented."""

    mine: Row
    other: Row
    purchase: Owned
    usd_per_h: float  # of the other
    same: float  # an hour of the owned machine does as much as this share of a rented hour
    half_log: float  # of that, by both times' intervals


def lines(made: Sequence[Made]) -> tuple[str, ...]:
    """Return the break-even in hours, utilisation and samples; nothing where none is owned."""
    found = _sides(made)
    if found is None:
        return ()
    mine, other, purchase = found.mine, found.other, found.purchase
    if mine.power_w is None:
        return (f"break-even: {mine.reasons.get('power_w', 'no power is known')}",)
    watts, rent = mine.power_w.point, found.usd_per_h * found.same
    hours = break_even.break_even_hours(purchase, rent, watts)
    share = break_even.break_even_utilisation(purchase, rent, watts)
    size = break_even.break_even_samples(
        break_even.owned_line(purchase, watts, *_line(mine)),
        break_even.rented_line(found.usd_per_h, *_line(other)),
    )
    return (
        f"owned against {_named(found)}, for the same work:",
        f"in hours of its own use: {_or_reason(hours, 'h')}",
        f"in utilisation: {_or_reason(share, 'of all hours')}",
        f"in samples of this training, bought for it alone: {_or_reason(size, 'samples')}",
    )


def curves(made: Sequence[Made]) -> Ownership | None:
    """Return both costs over hours and over utilisation; None where nothing is owned, or no power.

    See `break_even` for the formulas.
    """
    found = _sides(made)
    if found is None or found.mine.power_w is None:
        return None
    p, power = found.purchase, found.mine.power_w
    watts = (power.point, power.low, power.high)
    rent = found.usd_per_h * found.same
    rents = (rent, rent * math.exp(-found.half_log), rent * math.exp(found.half_log))
    life_h = p.years * H_PER_YEAR
    hours = [FIRST_H * (life_h / FIRST_H) ** (i / (POINTS - 1)) for i in range(POINTS)]
    shares = [LEAST_FRAC * (1 / LEAST_FRAC) ** (i / (POINTS - 1)) for i in range(POINTS)]
    spent = float(p.purchase_usd - p.residual_usd)
    idle = float(p.electricity_usd_per_h(p.idle_w))
    fixed = float(p.usd_per_year) / H_PER_YEAR

    def owned(w: float) -> tuple[float, ...]:
        return tuple(spent + float(p.electricity_usd_per_h(w)) * h for h in hours)

    def of_an_hour(w: float) -> tuple[float, ...]:
        running = float(p.electricity_usd_per_h(w))
        return tuple(fixed / u + running + idle * (1 - u) / u for u in shares)

    at = break_even.break_even_hours(p, rent, watts[0])
    share = break_even.break_even_utilisation(p, rent, watts[0])
    return Ownership(
        owned=f"{found.mine.instance} owned",
        rented=_named(found),
        level=power.level,
        life_h=life_h,
        hours=tuple(hours),
        owned_usd=owned(watts[0]),
        owned_usd_low=owned(watts[1]),
        owned_usd_high=owned(watts[2]),
        rented_usd=tuple(rents[0] * h for h in hours),
        rented_usd_low=tuple(rents[1] * h for h in hours),
        rented_usd_high=tuple(rents[2] * h for h in hours),
        utilisation_frac=tuple(min(1.0, u) for u in shares),
        owned_usd_per_h=of_an_hour(watts[0]),
        owned_usd_per_h_low=of_an_hour(watts[1]),
        owned_usd_per_h_high=of_an_hour(watts[2]),
        rented_usd_per_h=rents[0],
        rented_usd_per_h_low=rents[1],
        rented_usd_per_h_high=rents[2],
        equal_h=_number(at),
        equal_h_reason=at.reason,
        equal_frac=_number(share),
        equal_frac_reason=share.reason,
    )


def _sides(made: Sequence[Made]) -> _Sides | None:
    """Return the first machine that is owned and has a time, and the cheapest that is rented."""
    owned = [
        m
        for m in made
        if m.recipe is not None
        and isinstance(m.recipe.bought.purchase, Owned)
        and m.recipe.bought.purchase.purchase_usd > 0
        and m.row.time_s is not None
    ]
    rented = [m for m in made if _rented(m)]
    if not owned or not rented:
        return None
    mine, other = owned[0], min(rented, key=lambda m: cost_then_time(m.row))
    assert mine.recipe is not None and mine.row.time_s is not None
    assert other.row.price is not None and other.row.time_s is not None
    purchase = mine.recipe.bought.purchase
    assert isinstance(purchase, Owned)
    a, b = mine.row.time_s, other.row.time_s
    halves = [math.log(t.high / t.low) / 2 for t in (a, b)]
    return _Sides(
        mine=mine.row,
        other=other.row,
        purchase=purchase,
        usd_per_h=other.row.price.usd_per_h,
        same=b.point / a.point,
        half_log=0.0 if mine.row.instance == other.row.instance else math.hypot(*halves),
    )


def _named(found: _Sides) -> str:
    return f"{found.other.instance} {found.other.purchase} at {found.usd_per_h:.4g} USD/h"


def _number(found: break_even.BreakEven) -> float | None:
    return None if found.value is None else float(found.value)


def _rented(m: Made) -> bool:
    """Return whether a row is of a machine that is paid for by its hours alone."""
    return (
        m.recipe is not None
        and isinstance(m.recipe.bought.purchase, OnDemand | Spot)
        and m.row.price is not None
        and m.row.time_s is not None
        and m.row.cost_usd is not None
        and m.row.fits_memory is not False
    )


def _line(row: Row) -> tuple[float, float]:
    """Return a time as fixed seconds and seconds a sample, by the ends of its curve."""
    assert row.curve is not None
    low, high = row.curve.samples[0], row.curve.samples[-1]
    first, last = row.curve.time_s[0] or 0.0, row.curve.time_s[-1] or 0.0
    slope = (last - first) / (high - low) if high > low else 0.0
    return max(0.0, first - slope * low), slope


def _or_reason(found: break_even.BreakEven, unit: str) -> str:
    if found.value is None:
        return found.reason or "none"
    return f"{found.value:,.4g} {unit}"
