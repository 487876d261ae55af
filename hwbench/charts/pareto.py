"""Time against cost: every way as a point, the frontier, and what the limits leave."""

from collections.abc import Sequence

from hwbench.chart import Axis, Chart, Region, Series
from hwbench.chart_kind import ChartKind, Given
from hwbench.errors import BadInput


def make(given: Sequence[Given]) -> tuple[Chart, ...]:
    """Return a panel for each estimate; ways that fit no memory are left out, and said."""
    return tuple(_chart(g) for g in given)


def _chart(given: Given) -> Chart:
    plan, rows = given.value.plan, given.value.rows
    able = [r for r in rows if r.time_s and r.cost_usd and r.fits_memory is not False]
    if not able:
        why = next(
            (r.reasons["cost_usd"] for r in rows if "cost_usd" in r.reasons), "no row has both"
        )
        raise BadInput(
            f"{given.path}: no way has a time and a cost: {why}; `hwbench estimate --on 'aws:*'"
            " --out FILE` makes some"
        )
    best = sorted((r for r in able if r.pareto), key=lambda r: r.time_s.point)
    series = [
        Series(
            name=_name(r),
            x=(r.time_s.point,),
            y=(r.cost_usd.point,),
            x_low=(r.time_s.low,),
            x_high=(r.time_s.high,),
            low=(r.cost_usd.low,),
            high=(r.cost_usd.high,),
            style="points",
            faint=not r.pareto,
        )
        for r in [*best, *(r for r in able if not r.pareto)]
    ]
    if len(best) > 1:
        series.append(
            Series(
                name="frontier",
                x=tuple(r.time_s.point for r in best),
                y=tuple(r.cost_usd.point for r in best),
                style="roof",
            )
        )
    regions = []
    if plan.deadline_s is not None:
        regions.append(Region(text="after the deadline", axis="x", beyond=plan.deadline_s))
    if plan.budget_usd is not None:
        regions.append(Region(text="above the budget", axis="y", beyond=plan.budget_usd))
    notes = [f"crosses: {plan.level:.0%} intervals; grey: another way is both faster and cheaper"]
    if len(able) < len(rows):
        notes.append(
            f"{len(rows) - len(able)} of {len(rows)} ways lack a time or a cost, or do not fit"
        )
    return Chart(
        title=f"time against cost of training {plan.workload} on {plan.samples:,} samples",
        x=Axis(label="time, s", format="duration"),
        y=Axis(label="cost, USD", format="usd"),
        series=tuple(series),
        regions=tuple(regions),
        notes=tuple(notes),
    )


def _name(row: object) -> str:
    instance, purchase, shortcut = (getattr(row, k) for k in ("instance", "purchase", "shortcut"))
    place = f"{instance} {purchase}"
    return place if shortcut == "from_scratch" else f"{place}, {shortcut}"


CHART = ChartKind(
    name="pareto",
    summary="time against cost of every way, with the frontier, the deadline and the budget",
    takes=("estimate",),
    make=make,
)
