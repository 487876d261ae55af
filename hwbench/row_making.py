"""Rows of an estimate: a plan carried out on a machine, bought in a way, as draws and figures."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from hwbench import carbon, checkpointing, costing, montecarlo, plan_counts
from hwbench.buying import Bought
from hwbench.carbon import Embodied
from hwbench.costing import Owned, Purchase, Storage
from hwbench.estimate_plan import Money
from hwbench.estimated import (
    Assumption,
    CostParts,
    Curve,
    Figure,
    Plan,
    PowerFigure,
    Row,
    Share,
    StepTerms,
    TimeTerms,
)
from hwbench.grid import GridRow
from hwbench.montecarlo import Factor
from hwbench.plan_counts import Counts
from hwbench.shortcut import Shortcut
from hwbench.values import Values
from hwbench.way_times import Drawn, Parts, parts
from hwbench.ways import Ways

DRAWS, CURVE_DRAWS, SEED = 2048, 256, 2026
RATE_LOG = 0.7  # interruptions an hour: fleets' averages say little of one region and week
INTENSITY_LOG = 0.10  # a grid's mean of a year against the hours of a run
KEPT_CHECKPOINTS = 2


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where the plan is carried out: the building's PUE with its spread, the grid, the storage."""

    pue: float
    pue_log: float
    pue_note: Assumption
    grid: GridRow | None
    storage_usd_per_gb_month: float | None  # None: the user's own disk
    embodied: Embodied | None = None


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What a row was made of, so that it can be made again for another size or length."""

    way: Ways
    bought: Bought
    shortcut: Shortcut
    place: Place
    plan: Plan


@dataclass(frozen=True, kw_only=True)
class Made:
    """A row with the draws of its figures, by which rows are compared; no recipe: no time."""

    row: Row
    recipe: Recipe | None = None
    time_s: Values | None = None
    cost_usd: Values | None = None
    energy_j: Values | None = None


@dataclass(frozen=True, kw_only=True)
class Results:
    """Draws (first axis) over sizes (last): what a row comes to."""

    time_s: Values
    preemption_s: Values
    energy_j: Values | None
    cost: costing.CostTerms | None
    co2: carbon.Emissions


class Maker:
    """Makes the rows of one plan: all share the draws of the factors that they share."""

    def __init__(
        self,
        plan: Plan,
        money: Money,
        curve_sizes: int,
        samples: Values | None = None,
    ) -> None:
        """Draw once for the plan's size, more coarsely for the curve.

        `samples` are draws of the size itself (`DRAWS` of them), where a target asks for it.
        """
        self.plan, self.money, self._samples = plan, money, samples
        self._fine, self._coarse = Drawn(DRAWS, SEED), Drawn(CURVE_DRAWS, SEED + 1)
        self._sizes = plan_counts.sizes(plan.samples, curve_sizes)

    def rows(
        self, way: Ways, bought: Sequence[Bought], shortcut: Shortcut, place: Place, plan: Plan
    ) -> list[Made]:
        """Return the rows of a machine and a shortcut, one for each way to buy it."""
        size = [plan.samples] if self._samples is None else self._samples[:, None]
        n = plan_counts.counts(plan, global_batch(way), size)
        over = plan_counts.counts(plan, global_batch(way), self._sizes)
        held = plan_counts.counts(plan, global_batch(way), self._sizes, steps_held=True)
        fine = parts(way, n, shortcut, plan.item_bytes, self._fine)
        curve = parts(way, over, shortcut, plan.item_bytes, self._coarse)
        still = parts(way, held, shortcut, plan.item_bytes, self._coarse)
        by = self._shares(fine, way, shortcut)
        return [
            self._row(way, b, shortcut, place, plan, (n, fine), (over, curve), (held, still), by)
            for b in bought
        ]

    def _row(
        self,
        way: Ways,
        bought: Bought,
        shortcut: Shortcut,
        place: Place,
        plan: Plan,
        fine: tuple[Counts, Parts],
        curve: tuple[Counts, Parts],
        held: tuple[Counts, Parts],
        by: tuple[Share, ...],
    ) -> Made:
        got = self._results(way, bought, place, plan, *fine, self._fine)
        over = self._results(way, bought, place, plan, *curve, self._coarse)
        still = self._results(way, bought, place, plan, *held, self._coarse)
        level = plan.level
        time = _figure(got.time_s, level)
        energy = _figure(got.energy_j, level)
        total = got.cost.total_usd if got.cost else None
        reasons = _reasons(way, bought, got)
        steps = int(_median(fine[0].steps))
        row = Row(
            instance=way.name,
            purchase=bought.option,
            shortcut=shortcut.name,
            devices=way.devices,
            basis=way.basis if shortcut.step_ratio.low == shortcut.step_ratio.high else "modelled",
            batch_size=global_batch(way),
            n_steps=steps,
            time_s=time,
            power_w=_power(got, way, level),
            energy_j=energy,
            cost_usd=_figure(total, level),
            co2_gco2e=_figure(got.co2.total_gco2e, level),
            reasons=reasons,
            curve=_curve(self._sizes, plan, over, still, (got, level)),
            terms=StepTerms(
                step_s=_median(fine[1].steps) / steps,
                loader_s=_loader_s(way),
            ),
            terms_total_s=_terms(fine[1], got),
            cost_terms=_cost_parts(got.cost),
            assumptions=_assumptions(way, bought, shortcut, place, plan),
            price=bought.price,
            fits_memory=way.fits_memory,
            energy_covers=way.power.covers if way.power else None,
            uncertain_by=by,
            deadline_chance=_chance(got.time_s, plan.deadline_s),
            budget_chance=_chance(total, plan.budget_usd),
            meets_deadline=_meets(got.time_s, plan.deadline_s, level),
            meets_budget=_meets(total, plan.budget_usd, level),
            warnings=(*way.warnings, *bought.warnings, *_memory(way)),
        )
        flat = [None if v is None else v[:, 0] for v in (got.time_s, total, got.energy_j)]
        recipe = Recipe(way=way, bought=bought, shortcut=shortcut, place=place, plan=plan)
        return Made(row=row, recipe=recipe, time_s=flat[0], cost_usd=flat[1], energy_j=flat[2])

    def _shares(self, p: Parts, way: Ways, shortcut: Shortcut) -> tuple[Share, ...]:
        """Return the three factors that the time is most uncertain by."""
        factors: Iterable[Factor] = (
            *way.step_factors,
            *(way.loader.factors if way.loader else ()),
            *way.start_factors,
            *way.io_factors,
            *shortcut.factors,
        )
        spread = [f for f in factors if f.below_log or f.above_log]
        named = {f.name: self._fine.normal(f.name) for f in spread}
        if self._samples is not None:
            named["samples that the target needs"] = self._samples
        found = montecarlo.contributors(p.total[:, 0], named)
        return tuple(Share(name=c.name, share_frac=min(1.0, c.share_frac)) for c in found)

    def over(
        self, recipe: Recipe, samples: Values, epochs: Values | None = None
    ) -> tuple[Values, Values | None]:
        """Return draws of time and cost of a row over sizes, or over epochs at one size."""
        r = recipe
        n = plan_counts.counts(r.plan, global_batch(r.way), samples, epochs=epochs)
        p = parts(r.way, n, r.shortcut, r.plan.item_bytes, self._coarse)
        got = self._results(r.way, r.bought, r.place, r.plan, n, p, self._coarse)
        return got.time_s, got.cost.total_usd if got.cost else None

    def _results(
        self,
        way: Ways,
        bought: Bought,
        place: Place,
        plan: Plan,
        n: Counts,
        p: Parts,
        drawn: Drawn,
    ) -> Results:
        time_s, preemption_s = _with_interruptions(p, bought, self.money.restart_s, drawn)
        pue = place.pue * drawn.product(_pue_factors(place))
        plug_j = _plug_j(way, p, time_s, drawn)
        energy_j = None if plug_j is None else plug_j * pue
        cost = None
        if bought.purchase is not None:
            priced = _priced(bought, pue, drawn)
            stored = _storage(way, plan, n, place)
            cost = costing.cost(priced, time_s, energy_j=plug_j, storage=stored)
        grid = place.grid
        spread = drawn.product((Factor.of_sigma("the grid's intensity", INTENSITY_LOG),))
        co2 = carbon.emissions(
            plug_j,
            time_s,
            pue=pue,
            intensity_gco2e_per_kwh=grid.gco2e_per_kwh * spread if grid else None,
            embodied=place.embodied,
            devices=max(1, len(way.devices)),
        )
        return Results(
            time_s=time_s, preemption_s=preemption_s, energy_j=energy_j, cost=cost, co2=co2
        )


def global_batch(way: Ways) -> int:
    """Return the items of a step on all devices together."""
    return way.batch_size * max(1, len(way.devices))


def _with_interruptions(
    p: Parts, bought: Bought, restart_s: float, drawn: Drawn
) -> tuple[Values, Values]:
    """Return the time with what interruptions add, and that alone.

    A run that can be interrupted saves at Daly's interval instead of after each epoch.
    """
    import numpy as np

    rate = bought.interruptions_per_h
    if not rate:
        return p.total, np.zeros((1, 1))
    spread = drawn.product((Factor.of_sigma("interruptions", RATE_LOG),))
    useful = p.total - p.checkpoint
    total = checkpointing.preemption_draws(
        useful, p.checkpoint_s, restart_s, rate * spread, np.random.default_rng(SEED)
    )
    return total, np.maximum(0.0, total - p.total)


def _plug_j(way: Ways, p: Parts, time_s: Values, drawn: Drawn) -> Values | None:
    """Return the energy at the machine: the step's power while it computes, else the idle one."""
    import numpy as np

    if way.power is None:
        return None
    spread = drawn.product(way.power.factors)
    busy = np.minimum(p.busy + p.loader, time_s)
    idle_s = time_s - busy
    return (way.power.active_w * busy + way.power.idle_w * idle_s) * spread


def _pue_factors(place: Place) -> tuple[Factor, ...]:
    return (Factor.of_sigma("PUE", place.pue_log),) if place.pue_log else ()


def _priced(bought: Bought, pue: Values, drawn: Drawn) -> Purchase:
    """Return the purchase with its draws of the price, or of the PUE that electricity pays."""
    purchase: Any = bought.purchase
    if isinstance(purchase, Owned):
        return replace(purchase, pue=pue)
    if bought.factors:
        spread = drawn.product(bought.factors)
        return replace(purchase, usd_per_h=purchase.usd_per_h * spread)  # type: ignore[no-any-return]
    return purchase  # type: ignore[no-any-return]


def _storage(way: Ways, plan: Plan, n: Counts, place: Place) -> Storage | None:
    if place.storage_usd_per_gb_month is None:
        return None
    return Storage(
        dataset_bytes=n.samples * (plan.item_bytes or 0.0),
        checkpoint_bytes=way.checkpoint_bytes * KEPT_CHECKPOINTS,
        usd_per_gb_month=place.storage_usd_per_gb_month,
    )


def _figure(values: Values | None, level: float) -> Figure | None:
    """Return the median and the interval of draws of one size."""
    if values is None:
        return None
    found = montecarlo.interval(values[:, 0], level)
    return Figure(point=found.point, low=found.low, high=found.high, level=level)


def _power(got: Results, way: Ways, level: float) -> PowerFigure | None:
    if got.energy_j is None or way.power is None:
        return None
    plug = got.energy_j / got.time_s
    found = montecarlo.interval(plug[:, 0], level)
    return PowerFigure(
        point=found.point, low=found.low, high=found.high, level=level, peak=way.power.peak_w
    )


def _median(values: Values) -> float:
    import numpy as np

    return float(np.median(values))


def _terms(p: Parts, got: Results) -> TimeTerms:
    return TimeTerms(
        setup=_median(p.setup),
        compile=_median(p.compile),
        steps=_median(p.steps),
        loader=_median(p.loader),
        cold=_median(p.cold),
        evaluation=_median(p.evaluation),
        checkpoint=_median(p.checkpoint),
        preemption=_median(got.preemption_s),
        one_off=_median(p.one_off),
    )


def _loader_s(way: Ways) -> float | None:
    return None if way.loader is None else way.loader.item_s * global_batch(way)


def _cost_parts(cost: costing.CostTerms | None) -> CostParts | None:
    if cost is None:
        return None
    values = (cost.compute_usd, cost.storage_usd, cost.electricity_usd, cost.amortisation_usd)
    compute, storage, electricity, amortisation = (
        None if v is None else _median(v) for v in values
    )
    return CostParts(
        compute_usd=compute,
        storage_usd=storage,
        electricity_usd=electricity,
        amortisation_usd=amortisation,
    )


def _curve(
    sizes: Sequence[int],
    plan: Plan,
    over: Results,
    still: Results,
    own: tuple[Results, float],
) -> Curve:
    """Return the curve; at the plan's own size it has the row's own figures."""
    got, level = own
    at = sizes.index(plan.samples)
    time = _triple(over.time_s, got.time_s, at, level, len(sizes))
    energy = _triple(over.energy_j, got.energy_j, at, level, len(sizes))
    cost = _triple(
        over.cost.total_usd if over.cost else None,
        got.cost.total_usd if got.cost else None,
        at,
        level,
        len(sizes),
    )
    held_cost = still.cost.total_usd if still.cost else None
    return Curve(
        samples=tuple(sizes),
        time_s=time[0],
        time_s_low=time[1],
        time_s_high=time[2],
        energy_j=energy[0],
        energy_j_low=energy[1],
        energy_j_high=energy[2],
        cost_usd=cost[0],
        cost_usd_low=cost[1],
        cost_usd_high=cost[2],
        steps_held_time_s=_medians(still.time_s, len(sizes)),
        steps_held_cost_usd=_medians(held_cost, len(sizes)),
    )


def _medians(values: Values | None, count: int) -> tuple[float | None, ...]:
    import numpy as np

    if values is None:
        return (None,) * count
    return tuple(np.median(values, axis=0).tolist())


def _triple(
    values: Values | None, own: Values | None, at: int, level: float, count: int
) -> list[tuple[float | None, ...]]:
    if values is None or own is None:
        return [(None,) * count] * 3
    found = montecarlo.interval(values, level)
    exact = montecarlo.interval(own[:, 0], level)
    rows = []
    for over, one in ((found.point, exact.point), (found.low, exact.low), (found.high, exact.high)):
        numbers = over.tolist()
        numbers[at] = one
        rows.append(tuple(numbers))
    return rows


def _chance(values: Values | None, limit: float | None) -> float | None:
    if limit is None or values is None:
        return None
    return float((values <= limit).mean())


def _meets(values: Values | None, limit: float | None, level: float) -> bool | None:
    """Return whether a limit is kept with the plan's level; None where there is none."""
    if limit is None:
        return None
    chance = _chance(values, limit)
    return chance is not None and chance >= level


def _reasons(way: Ways, bought: Bought, got: Results) -> dict[str, str]:
    """Return why each figure that is null is."""
    found = {}
    if got.energy_j is None:
        why = way.no_power or "no power is known"
        found["energy_j"] = found["power_w"] = why
    if got.cost is None:
        found["cost_usd"] = bought.reason or "no price is known"
    elif got.cost.total_usd is None:
        found["cost_usd"] = got.cost.reason or "a part of it is not known"
    if got.co2.total_gco2e is None:
        found["co2_gco2e"] = got.co2.reason or "it is not known"
    return found


def _memory(way: Ways) -> tuple[str, ...]:
    if way.fits_memory is False:
        return ("the batch does not fit into the memory of its device: lower --batch-size",)
    return ()


def _assumptions(
    way: Ways, bought: Bought, shortcut: Shortcut, place: Place, plan: Plan
) -> tuple[Assumption, ...]:
    found = [*way.assumptions, *bought.assumptions, place.pue_note]
    if way.evaluation_item_s is None and plan.evaluation_frac:
        found.append(
            Assumption(
                name="evaluation",
                value=None,
                unit="s",
                source="not in the time: the record has no inference of this network",
            )
        )
    elif plan.evaluation_frac:
        found.append(
            Assumption(
                name="items evaluated after each epoch",
                value=plan.evaluation_frac,
                unit="of the samples",
                source="--evaluation-frac",
            )
        )
    if plan.item_bytes is None:
        found.append(
            Assumption(
                name="size of an item",
                value=None,
                unit="bytes",
                source="not known: the first reading from the disk and the storage are not in",
            )
        )
    if shortcut.step_ratio.low != shortcut.step_ratio.high:
        found.append(
            Assumption(
                name=f"step of {shortcut.name}",
                value=shortcut.step_ratio.point,
                unit="of a step from scratch",
                source=f"theory: {shortcut.theory}",
            )
        )
    if shortcut.epochs is not None and plan.epochs == shortcut.epochs.usual:
        found.append(
            Assumption(
                name=f"epochs of {shortcut.name}",
                value=shortcut.epochs.usual,
                unit="epochs",
                source=shortcut.epochs.source,
            )
        )
    if place.grid is not None:
        found.append(
            Assumption(
                name=f"intensity of the grid of {place.grid.name}",
                value=place.grid.gco2e_per_kwh,
                unit="gCO2e/kWh",
                source=f"{place.grid.source}, of {place.grid.year}",
                date=str(place.grid.date),
            )
        )
    if place.storage_usd_per_gb_month is not None:
        found.append(
            Assumption(
                name="storage",
                value=place.storage_usd_per_gb_month,
                unit="USD/GB-month",
                source="a preset of the catalogue, for the data and two checkpoints",
            )
        )
    return tuple(found)
