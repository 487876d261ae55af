"""The questions round an estimate: which row, how much for a limit, what a target takes."""

import math
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace

from hwbench import (
    break_even,
    curve_file,
    here_way,
    learning_curve,
    montecarlo,
    row_making,
    step_source,
)
from hwbench.costing import Owned
from hwbench.errors import BadInput
from hwbench.estimate_plan import Request
from hwbench.estimated import Confirm, EstimateFile, Figure, Row, Solved, Target
from hwbench.row_making import DRAWS, Made, Maker, Recipe
from hwbench.step_source import Step, Wanted
from hwbench.units import S_PER_H
from hwbench.values import Values

SOLVABLE = ("samples", "epochs", "batch-size")
MOST_SAMPLES, MOST_EPOCHS = 1e13, 1e6
GRID = 64  # sizes tried at once, twice: the second between two of the first
CONFIRM_S = 600.0


@dataclass(frozen=True, kw_only=True)
class Aim:
    """What an accuracy takes by a learning curve: samples with their draws, and epochs."""

    target: Target
    samples: int
    epochs: float | None
    draws: Values


def aim_of(request: Request) -> Aim | None:
    """Return what --target-accuracy needs; raise BadInput where the curve never reaches it."""
    if request.curve is None or request.target_accuracy is None:
        return None
    import numpy as np

    shortcut = request.shortcuts[0] if len(request.shortcuts) == 1 else None
    curve = curve_file.read(request.curve, shortcut)
    fitted = learning_curve.fit(curve.points, classes=curve.classes, n_test=curve.n_test)
    rng = np.random.default_rng(row_making.SEED)
    needed = learning_curve.samples_for(fitted, request.target_accuracy, DRAWS, rng)
    finite = needed.draws[np.isfinite(needed.draws) & (needed.draws < MOST_SAMPLES)]
    if not len(finite) or needed.odds < 1 - request.level:
        raise BadInput(
            f"--target-accuracy {request.target_accuracy:g}: by {request.curve} no number of"
            f" samples reaches it, with odds of {needed.odds:.0%}"
            + (f" ({needed.reason})" if needed.reason else "")
        )
    draws = np.maximum(1.0, rng.choice(finite, DRAWS))
    found = montecarlo.interval(draws, request.level)
    samples = max(1, round(found.point))
    largest = max(curve.points, key=lambda p: p.samples)
    target = Target(
        accuracy=request.target_accuracy,
        curve=str(request.curve),
        samples=Figure(point=found.point, low=found.low, high=found.high, level=request.level),
        odds=needed.odds,
        reason=needed.reason,
        warnings=(*fitted.warnings, *needed.warnings),
    )
    return Aim(target=target, samples=samples, epochs=largest.epochs, draws=draws)


def answered(
    file: EstimateFile, request: Request, made: Sequence[Made], maker: Maker, step: Step
) -> EstimateFile:
    """Return the estimate with the answers to what else was asked."""
    file = replace(file, answer=_limits(file), break_even=_break_even(file, made))
    if request.solve is not None:
        file = replace(file, solved=_solved(file, request, made, maker, step))
    if request.confirm:
        file = replace(file, confirm=_confirm(file, request))
    return file


def _limits(file: EstimateFile) -> tuple[str, ...]:
    """Return which row keeps to the deadline and the budget at the least cost, or the nearest."""
    plan = file.plan
    if plan.deadline_s is None and plan.budget_usd is None:
        return ()
    able = [r for r in file.rows if r.time_s is not None and r.fits_memory is not False]
    able += [r for r in file.rows if r.time_s is None and r.cost_usd is not None]
    good = [r for r in able if r.meets_deadline is not False and r.meets_budget is not False]
    if good:
        best = min(good, key=_cost_then_time)
        kind = "the cheapest" if best.cost_usd else "the fastest (no cost is known)"
        return (f"{kind} that meets it with {plan.level:.0%}: {_named(best)}",)
    if not able:
        return ("none: no row's time is known",)
    near = max(able, key=_nearness)
    return (f"none meets it with {plan.level:.0%}; the nearest is {_named(near)}, {_odds(near)}",)


def _cost_then_time(row: Row) -> tuple[float, float]:
    cost = row.cost_usd.point if row.cost_usd else math.inf
    return cost, row.time_s.point if row.time_s else math.inf


def _nearness(row: Row) -> tuple[float, float]:
    chances = [c for c in (row.deadline_chance, row.budget_chance) if c is not None]
    cost, time = _cost_then_time(row)
    return min(chances, default=0.0), -(time if math.isfinite(time) else cost)


def _named(row: Row) -> str:
    told = f"{row.instance} {row.purchase}"
    return told if row.shortcut == "from_scratch" else f"{told} by {row.shortcut}"


def _odds(row: Row) -> str:
    parts = []
    if row.deadline_chance is not None:
        parts.append(f"in time with {row.deadline_chance:.0%}")
    if row.budget_chance is not None:
        parts.append(f"within the budget with {row.budget_chance:.0%}")
    return ", ".join(parts) or "whose cost is not known"


def _solved(
    file: EstimateFile, request: Request, made: Sequence[Made], maker: Maker, step: Step
) -> tuple[Solved, ...]:
    """Return the most (of a batch: the least) of what is asked that keeps to the limits."""
    assert request.solve is not None
    if request.solve not in SOLVABLE:
        raise BadInput(f"--solve {request.solve}: one of {', '.join(SOLVABLE)} can be solved for")
    found = []
    value: float | None
    reason: str | None
    for number, m in enumerate(made):
        if m.recipe is None:
            value, reason = None, "its time is not known"
        elif request.budget_usd is not None and m.cost_usd is None:
            value, reason = None, m.row.reasons.get("cost_usd", "its cost is not known")
        elif request.solve == "batch-size":
            value, reason = _batch(m.recipe, request, maker, step)
        else:
            value, reason = _most(m.recipe, request, maker)
        found.append(
            Solved(
                what=request.solve,
                row=number,
                instance=m.row.instance,
                purchase=m.row.purchase,
                value=value,
                reason=reason,
            )
        )
    return tuple(found)


def _keeps(request: Request, time_s: Values, cost_usd: Values | None) -> Values:
    """Return for each size whether the limits are kept with the wanted level."""
    import numpy as np

    kept = np.ones_like(time_s, dtype=bool)
    if request.deadline_s is not None:
        kept &= time_s <= request.deadline_s
    if request.budget_usd is not None and cost_usd is not None:
        kept &= cost_usd <= request.budget_usd
    return kept.mean(axis=0) >= request.level


def _most(recipe: Recipe, request: Request, maker: Maker) -> tuple[float | None, str | None]:
    """Return the largest size, or the most epochs, by two rounds over ever finer grids."""
    import numpy as np

    by_samples = request.solve == "samples"
    batch = row_making.global_batch(recipe.way)
    low, high = (float(batch), MOST_SAMPLES) if by_samples else (1.0, MOST_EPOCHS)
    best = None
    for _ in range(3):
        tried = np.unique(np.floor(np.geomspace(low, high, GRID)))
        if by_samples:
            kept = _keeps(request, *maker.over(recipe, tried))
        else:
            kept = _keeps(request, *maker.over(recipe, [recipe.plan.samples], tried))
        if not kept[0]:
            break
        last = int(np.argmin(kept)) - 1 if not kept.all() else len(tried) - 1
        best = float(tried[last])
        if last + 1 >= len(tried):
            break
        low, high = best, float(tried[last + 1])
    if best is None:
        least = "one batch" if by_samples else "one epoch"
        return None, f"not even {least} keeps to the limits"
    return best, None


def _batch(
    recipe: Recipe, request: Request, maker: Maker, step: Step
) -> tuple[float | None, str | None]:
    """Return the smallest batch, of those measured and between, that keeps to the limits."""
    if recipe.way.basis != "measured":
        return None, "batches are known of the measured machine alone"
    m = step.case
    wanted = Wanted(workload=m.name, runtime=m.runtime, device=m.device, dtype=m.dtype)
    known = {c.batch_size for c in step_source.candidates(step.record, wanted) if c.batch_size}
    if len(known) < 2:
        return None, f"one batch alone was measured: hwbench run --model {m.name} --batch-size ..."
    powers = {2**i for i in range(20) if min(known) <= 2**i <= max(known)}
    for batch in sorted(known | powers):
        other = step_source.step_of(step.record, replace(wanted, batch_size=batch))
        if other is None or batch > recipe.plan.samples:
            continue
        way = replace(
            recipe.way,
            batch_size=batch,
            step_s=other.step_s,
            step_factors=(*other.factors, recipe.way.step_factors[-1]),
            fits_memory=here_way.fits(other, None),
        )
        again = replace(recipe, way=way, plan=replace(recipe.plan, batch_size=batch))
        if _keeps(request, *maker.over(again, [recipe.plan.samples]))[0]:
            return float(batch), None
    return None, f"no batch from {min(known)} to {max(known)} keeps to the limits"


def _confirm(file: EstimateFile, request: Request) -> tuple[Confirm, ...]:
    """Return how the best rows that were not measured are measured for ten minutes each."""
    rows = [
        r
        for r in sorted(file.rows, key=_cost_then_time)
        if r.basis == "scaled" and r.price is not None and r.fits_memory is not False
    ]
    chosen = list({r.instance: r for r in reversed(rows)}.values())
    chosen = sorted(chosen, key=_cost_then_time)[: request.confirm]
    found = [_measuring(r, file) for r in chosen]
    if not found:
        return ()
    again = ["hwbench", *(shlex.quote(a) for a in file.argv[1:] if not a.startswith("--confirm"))]
    usd = sum(c.usd or 0.0 for c in found)
    commands = (
        "copy the records into one folder, then rank again with what they say:",
        " ".join([*again, "--records", "results"]),
    )
    return (*found, Confirm(instance="all of them", commands=commands, usd=usd))


def _measuring(row: Row, file: EstimateFile) -> Confirm:
    assert row.price is not None
    plan = file.plan
    per_device = plan.batch_size
    out = f"results/confirm-{row.instance.replace(':', '-')}.json"
    command = (
        f"hwbench run --profile standard --model {plan.workload} --only 'workload/*'"
        f" --batch-size {per_device} --dtype {plan.dtype} --max-seconds {CONFIRM_S:g} --out {out}"
    )
    return Confirm(
        instance=row.instance,
        commands=(command,),
        usd=row.price.usd_per_h * CONFIRM_S / S_PER_H,
    )


def _break_even(file: EstimateFile, made: Sequence[Made]) -> tuple[str, ...]:
    """Return from where on the owned machine is cheaper than the cheapest rented row."""
    owned = [
        m
        for m in made
        if m.recipe is not None
        and isinstance(m.recipe.bought.purchase, Owned)
        and m.recipe.bought.purchase.purchase_usd > 0
    ]
    rented = [m for m in made if m.row.price is not None and m.row.cost_usd is not None]
    if not owned or not rented:
        return ()
    mine = owned[0]
    other = min(rented, key=lambda m: _cost_then_time(m.row))
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
