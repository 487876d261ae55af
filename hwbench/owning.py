"""From where on the user's own machine is cheaper than the cheapest that can be rented."""

from collections.abc import Sequence

from hwbench import break_even
from hwbench.comparing import cost_then_time
from hwbench.costing import OnDemand, Owned, Spot
from hwbench.estimated import Row
from hwbench.row_making import Made


def lines(made: Sequence[Made]) -> tuple[str, ...]:
    """Return the break-even in hours, utilisation and samples; nothing where none is owned."""
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
        return ()
    mine = owned[0]
    other = min(rented, key=lambda m: cost_then_time(m.row))
    assert mine.recipe is not None and mine.row.time_s is not None and other.row.price is not None
    assert other.row.time_s is not None
    purchase = mine.recipe.bought.purchase
    assert isinstance(purchase, Owned)
    if mine.row.power_w is None:
        return (f"break-even: {mine.row.reasons.get('power_w', 'no power is known')}",)
    watts = mine.row.power_w.point
    # An hour of the owned machine does as much as this share of a rented hour.
    same = other.row.time_s.point / mine.row.time_s.point
    rent = other.row.price.usd_per_h * same
    hours = break_even.break_even_hours(purchase, rent, watts)
    share = break_even.break_even_utilisation(purchase, rent, watts)
    against = f"{other.row.instance} {other.row.purchase} at {other.row.price.usd_per_h:.4g} USD/h"
    size = break_even.break_even_samples(
        break_even.owned_line(purchase, watts, *_line(mine.row)),
        break_even.rented_line(other.row.price.usd_per_h, *_line(other.row)),
    )
    return (
        f"owned against {against}, for the same work:",
        f"in hours of its own use: {_or_reason(hours, 'h')}",
        f"in utilisation: {_or_reason(share, 'of all hours')}",
        f"in samples of this training, bought for it alone: {_or_reason(size, 'samples')}",
    )


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
