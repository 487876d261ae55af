"""Rows held against each other: the Pareto-optimal ones, and the best of each kind."""

import math
from collections.abc import Sequence
from dataclasses import replace

from hwbench import pareto
from hwbench.estimated import Best, Plan, Row, Winner
from hwbench.row_making import Made


def compared(made: Sequence[Made], plan: Plan) -> tuple[tuple[Row, ...], Best]:
    """Return the rows with the Pareto-optimal ones marked, and the best of each kind.

    A row that does not fit its device's memory cannot be carried out and is none of them, nor is
    one without the figure in question.
    """
    able = [m.row.fits_memory is not False for m in made]
    figures = [
        (
            m.row.time_s.point if ok and m.row.time_s else None,
            m.row.cost_usd.point if ok and m.row.cost_usd else None,
        )
        for m, ok in zip(made, able, strict=True)
    ]
    marks = pareto.pareto(figures)
    rows = tuple(replace(m.row, pareto=mark) for m, mark in zip(made, marks, strict=True))
    ok = [n for n, fine in enumerate(able) if fine]
    return rows, Best(
        by_time=_winner(rows, {n: made[n].time_s for n in ok if rows[n].time_s}, plan.level),
        by_cost=_winner(rows, {n: made[n].cost_usd for n in ok if rows[n].cost_usd}, plan.level),
        by_energy=_winner(rows, {n: made[n].energy_j for n in ok if rows[n].energy_j}, plan.level),
    )


def _winner(rows: Sequence[Row], draws: dict[int, object], level: float) -> Winner | None:
    found = pareto.best({n: d for n, d in draws.items() if d is not None}, level)
    if found is None:
        return None
    row = rows[found.row]
    return Winner(
        row=found.row,
        instance=row.instance,
        purchase=row.purchase,
        shortcut=row.shortcut,
        indistinguishable=found.indistinguishable,
        probability=found.probability,
    )


def cost_then_time(row: Row) -> tuple[float, float]:
    """Return what rows are put in order by: the cost, and the time of those without one."""
    cost = row.cost_usd.point if row.cost_usd else math.inf
    return cost, row.time_s.point if row.time_s else math.inf


def named(row: Row) -> str:
    """Return what a row is called in a sentence."""
    told = f"{row.instance} {row.purchase}"
    return told if row.shortcut == "from_scratch" else f"{told} by {row.shortcut}"
