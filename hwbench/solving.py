"""The inverse questions: the most samples or epochs, or the least batch, that keeps to limits."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from hwbench import memory_fit, step_source
from hwbench.estimate_plan import Request
from hwbench.estimate_questions import Solved
from hwbench.row_flows import Recipe, global_batch
from hwbench.row_making import Made, Maker
from hwbench.step_source import Step, Wanted
from hwbench.values import Values

MOST_SAMPLES, MOST_EPOCHS = 1e13, 1e6
GRID = 64  # sizes tried at once with few draws, before the answer is found with all
NEAR = 1.15  # of that answer: how far the few draws may lead astray
EXACT = 1e-4  # of the answer, where it is not a whole number of less


def solved(request: Request, made: Sequence[Made], maker: Maker, step: Step) -> tuple[Solved, ...]:
    """Return the most (of a batch: the least) of what is asked that keeps to the limits."""
    assert request.solve is not None
    found = []
    for number, m in enumerate(made):
        value, reason = _answer(m, request, maker, step)
        found.append(
            Solved(
                what=request.solve,
                row=number,
                instance=m.row.instance,
                purchase=m.row.purchase,
                shortcut=m.row.shortcut,
                value=value,
                reason=reason,
            )
        )
    return tuple(found)


def _answer(m: Made, request: Request, maker: Maker, step: Step) -> tuple[float | None, str | None]:
    if m.recipe is None:
        return None, "its time is not known"
    if request.budget_usd is not None and m.cost_usd is None:
        return None, m.row.reasons.get("cost_usd", "its cost is not known")
    if request.solve == "batch-size":
        return _batch(m.recipe, request, maker, step)
    if m.row.fits_memory is False:
        return None, "its batch does not fit into the memory of its device"
    return _most(m.recipe, request, maker)


def _keeps(request: Request, time_s: Values, cost_usd: Values | None) -> Values:
    """Return for each size whether every limit is kept with the wanted level.

    Each by itself, as a row's meets_deadline and meets_budget are.
    """
    import numpy as np

    kept = np.ones(time_s.shape[1], dtype=bool)
    if request.deadline_s is not None:
        kept &= (time_s <= request.deadline_s).mean(axis=0) >= request.level
    if request.budget_usd is not None and cost_usd is not None:
        kept &= (cost_usd <= request.budget_usd).mean(axis=0) >= request.level
    return kept


def _most(recipe: Recipe, request: Request, maker: Maker) -> tuple[float | None, str | None]:
    """Return the largest size, or the most epochs: by few draws nearly, by all exactly."""
    by_samples = request.solve == "samples"
    least, most = (
        (float(global_batch(recipe.way)), MOST_SAMPLES) if by_samples else (1, MOST_EPOCHS)
    )

    def kept(tried: Values, exact: bool) -> Values:
        if by_samples:
            return _keeps(request, *maker.over(recipe, tried, exact=exact))
        sizes = [recipe.plan.samples]
        return _keeps(request, *maker.over(recipe, sizes, tried, exact=exact))

    near = _nearly(kept, least, most)
    low, high = _bracket(kept, max(least, near / NEAR), min(most, near * NEAR), least, most)
    if low is None:
        return None, f"not even one {'batch' if by_samples else 'epoch'} keeps to the limits"
    return _bisected(kept, low, high), None


Kept = Callable[[Values, bool], Values]


def _nearly(kept: Kept, low: float, high: float) -> float:
    """Return where the limits are reached, by few draws over two grids."""
    import numpy as np

    for _ in range(2):
        tried = np.unique(np.floor(np.geomspace(low, high, GRID)))
        good = kept(tried, False)
        if not good[0] or good.all():
            return float(tried[0] if not good[0] else tried[-1])
        last = int(np.argmin(good)) - 1
        low, high = float(tried[last]), float(tried[last + 1])
    return low


def _bracket(
    kept: Kept, low: float, high: float, least: float, most: float
) -> tuple[float | None, float]:
    """Return a size that keeps to the limits and one that does not, with all draws."""
    import numpy as np

    low, high = float(np.floor(low)), float(np.ceil(high))
    while not kept([low], True)[0]:
        if low <= least:
            return None, high
        low, high = max(least, float(np.floor(low / 2))), low
    while high < most and kept([high], True)[0]:
        low, high = high, min(most, high * 2)
    return low, high


def _bisected(kept: Kept, low: float, high: float) -> float:
    """Return the largest whole number that keeps to the limits, to four digits above 10,000."""
    import numpy as np

    if kept([high], True)[0]:  # the most that is tried at all
        return high
    while high - low > max(1.0, EXACT * low):
        middle = float(np.floor((low + high) / 2))
        if kept([middle], True)[0]:
            low = middle
        else:
            high = middle
    return low


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
        again = _with_batch(recipe, other)
        if again.way.fits_memory is False:
            continue
        if _keeps(request, *maker.over(again, [recipe.plan.samples], exact=True))[0]:
            return float(batch), None
    return None, f"no batch from {min(known)} to {max(known)} keeps to the limits"


def _with_batch(recipe: Recipe, step: Step) -> Recipe:
    """Return a recipe with the step at another batch."""
    way = replace(
        recipe.way,
        batch_size=step.batch_size,
        step_s=step.step_s,
        step_factors=step.factors,
        fits_memory=memory_fit.fits_here(step, recipe.way.room_bytes),
    )
    return replace(recipe, way=way, plan=replace(recipe.plan, batch_size=step.batch_size))
