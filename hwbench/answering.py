"""The questions round an estimate: which row keeps to the limits, and what else was asked."""

import math
from collections.abc import Sequence
from dataclasses import replace

from hwbench import confirming, owning, searching, solving
from hwbench.comparing import cost_then_time, named
from hwbench.estimate_plan import Request
from hwbench.estimated import EstimateFile, Plan, Row
from hwbench.row_making import Made, Maker
from hwbench.step_source import Step


def answered(
    file: EstimateFile, request: Request, made: Sequence[Made], maker: Maker, step: Step
) -> EstimateFile:
    """Return the estimate with the answers to what else was asked."""
    file = replace(
        file, answer=_limits(file), break_even=owning.lines(made), ownership=owning.curves(made)
    )
    if request.solve is not None:
        file = replace(file, solved=solving.solved(request, made, maker, step))
    if request.confirm:
        file = replace(file, confirm=confirming.confirm(file, request.confirm))
    if request.search.algorithm is not None:
        file = replace(file, search=searching.searched(request.search, file, made))
    return file


def _limits(file: EstimateFile) -> tuple[str, ...]:
    """Return which row keeps to the deadline and the budget at the least cost, or the nearest."""
    plan = file.plan
    if plan.deadline_s is None and plan.budget_usd is None:
        return ()
    able = [
        r
        for r in file.rows
        if (r.time_s is not None or r.cost_usd is not None) and r.fits_memory is not False
    ]
    good = [r for r in able if r.meets_deadline is not False and r.meets_budget is not False]
    what = _asked(plan)
    if good:
        best = min(good, key=cost_then_time)
        kind = "the cheapest" if best.cost_usd else "the fastest (no cost is known)"
        return (f"{kind} that keeps to {what} with {plan.level:.0%}: {named(best)}",)
    if not able:
        return (f"none keeps to {what}: no row's time is known",)
    near = max(able, key=lambda r: _nearness(r, plan))
    return (
        f"none keeps to {what} with {plan.level:.0%}; the nearest is {named(near)}, {_odds(near)}",
    )


def _asked(plan: Plan) -> str:
    parts = (("the deadline", plan.deadline_s), ("the budget", plan.budget_usd))
    return " and ".join(word for word, limit in parts if limit is not None)


def _nearness(row: Row, plan: Plan) -> tuple[float, float]:
    """Return the smaller chance, then how few times the limits it takes."""
    asked = (
        (row.deadline_chance, row.time_s, plan.deadline_s),
        (row.budget_chance, row.cost_usd, plan.budget_usd),
    )
    chances, excess = [], []
    for chance, figure, limit in asked:
        if limit is not None:
            chances.append(chance or 0.0)
            excess.append(figure.point / limit if figure else math.inf)
    return min(chances), -max(excess)


def _odds(row: Row) -> str:
    parts = []
    if row.deadline_chance is not None:
        parts.append(f"in time with {row.deadline_chance:.0%}")
    if row.budget_chance is not None:
        parts.append(f"within the budget with {row.budget_chance:.0%}")
    return ", ".join(parts) or "whose figures are not known"
