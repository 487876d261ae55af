"""Owning a machine against renting: over hours of use, and over the share of hours it works."""

from collections.abc import Sequence

from hwbench.chart import Axis, Chart, Mark, Numbers, Region, Series
from hwbench.chart_kind import ChartKind, Given
from hwbench.errors import BadInput
from hwbench.ownership import Ownership

MAKE = (
    "`hwbench estimate --purchase owned --purchase on-demand --purchase-usd X --usd-per-h Y ..."
    " --out FILE`"
)


def make(given: Sequence[Given]) -> tuple[Chart, ...]:
    """Return two panels for each file."""
    return tuple(chart for g in given for chart in _charts(g))


def _charts(given: Given) -> tuple[Chart, ...]:
    found: Ownership | None = given.value.ownership
    if found is None:
        said = given.value.break_even
        why = f" ({said[0]})" if said else ""
        raise BadInput(
            f"{given.path}: holds no machine that is owned beside one that is rented{why}: {MAKE}"
        )
    note = (
        f"rented: {found.rented}, for the same work; owned: {found.owned};"
        f" bands: {found.level:.0%}, of both trainings' times and of the power"
    )
    return _over_hours(found, note), _over_use(found, note)


def _over_hours(o: Ownership, note: str) -> Chart:
    equal = _equal(o.hours, o.rented_usd, o.equal_h, "h of use")
    return Chart(
        title="owned or rented: the cost of so many hours of the owned machine's use",
        x=Axis(label="hours of use", format="count"),
        y=Axis(label="cost, USD", format="usd"),
        series=_two(
            o.hours,
            (o.owned_usd, o.owned_usd_low, o.owned_usd_high),
            (o.rented_usd, o.rented_usd_low, o.rented_usd_high),
        ),
        marks=equal,
        regions=(Region(text="beyond its life", axis="x", beyond=o.life_h),),
        notes=(note, "owned costs the purchase less its residual value, and electricity")
        + ((o.equal_h_reason,) if o.equal_h_reason else ()),
    )


def _over_use(o: Ownership, note: str) -> Chart:
    n = len(o.utilisation_frac)
    rented: tuple[Numbers, ...] = tuple(
        (usd,) * n for usd in (o.rented_usd_per_h, o.rented_usd_per_h_low, o.rented_usd_per_h_high)
    )
    return Chart(
        title="owned or rented: the cost of an hour of work, over how much of the time it works",
        x=Axis(label="utilisation, share of all hours", format="plain"),
        y=Axis(label="cost of a used hour, USD", format="usd"),
        series=_two(
            o.utilisation_frac,
            (o.owned_usd_per_h, o.owned_usd_per_h_low, o.owned_usd_per_h_high),
            rented,
        ),
        marks=_equal(o.utilisation_frac, rented[0], o.equal_frac, "of all hours"),
        notes=(note, "interest, opex and idle power are in what is owned")
        + ((o.equal_frac_reason,) if o.equal_frac_reason else ()),
    )


def _two(x: Numbers, owned: Sequence[Numbers], rented: Sequence[Numbers]) -> tuple[Series, Series]:
    """Return both lines, each of (point, low, high)."""
    mine, theirs = (
        Series(name=name, x=x, y=y, low=low, high=high)
        for name, (y, low, high) in (("owned", owned), ("rented", rented))
    )
    return mine, theirs


def _equal(x: Numbers, y: Numbers, at: float | None, unit: str) -> tuple[Mark, ...]:
    """Return where the two costs are equal, on the line of the rented one."""
    if at is None or not x or at > (x[-1] or 0.0) or at < (x[0] or 0.0):
        return ()
    rate = (y[-1] or 0.0) / (x[-1] or 1.0)
    level = y[0] == y[-1]
    said = f"{at:,.0f}" if at >= 100 else f"{at:.3g}"
    return (Mark(text=f"equal at {said} {unit}", x=at, y=y[0] if level else rate * at),)


CHART = ChartKind(
    name="break-even",
    summary="owned against rented, over hours of use and over utilisation",
    takes=("estimate",),
    make=make,
)
