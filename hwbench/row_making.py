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
    Numbers,
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

Triple = tuple[Numbers, Numbers, Numbers]
DRAWS, CURVE_DRAWS, MEDIAN_DRAWS, SEED = 1024, 200, 64, 2026
RATE_LOG = 0.7  # interruptions an hour: fleets' averages say little of one region and week
INTENSITY_LOG = 0.10  # a grid's mean of a year against the hours of a run
KEPT_CHECKPOINTS = 2
KNOTS = 13  # sizes of a curve at which interruptions are drawn


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
class Flow:
    """Draws (first axis) over sizes (last) that do not depend on what is paid."""

    n: Counts
    time_s: Values
    preemption_s: Values
    plug_j: Values | None  # at the machine
    energy_j: Values | None  # with the building's share
    pue: Values
    co2_gco2e: Values | None
    no_co2: str | None


@dataclass(frozen=True, kw_only=True)
class Summary:
    """The figures of flows: of the plan's size, over the curve, and with the steps held."""

    fine: Flow
    curve: Flow
    held: Flow
    time: Figure
    energy: Figure | None
    power: PowerFigure | None
    co2: Figure | None
    terms: TimeTerms
    curve_time: Triple
    curve_energy: Triple
    held_time: Numbers


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
        self._rough = Drawn(MEDIAN_DRAWS, SEED + 2)
        self._sizes = plan_counts.sizes(plan.samples, curve_sizes)

    def rows(
        self, way: Ways, bought: Sequence[Bought], shortcut: Shortcut, place: Place, plan: Plan
    ) -> list[Made]:
        """Return the rows of a machine and a shortcut, one for each way to buy it.

        Those that cannot be interrupted differ in what is paid alone.
        """
        size = [plan.samples] if self._samples is None else self._samples[:, None]
        batch = global_batch(way)
        fine = self._parts(way, shortcut, plan_counts.counts(plan, batch, size), self._fine)
        curve = self._parts(
            way, shortcut, plan_counts.counts(plan, batch, self._sizes), self._coarse
        )
        held_n = plan_counts.counts(plan, batch, self._sizes, steps_held=True)
        held = self._parts(way, shortcut, held_n, self._rough)
        by = self._shares(fine[1], way, shortcut)
        known: dict[float, Summary] = {}
        made = []
        for b in bought:
            recipe = Recipe(way=way, bought=b, shortcut=shortcut, place=place, plan=plan)
            if b.interruptions_per_h not in known:
                known[b.interruptions_per_h] = self._summary(recipe, fine, curve, held)
            made.append(self._row(recipe, known[b.interruptions_per_h], fine[1], by))
        return made

    def _parts(
        self, way: Ways, shortcut: Shortcut, n: Counts, drawn: Drawn
    ) -> tuple[Counts, Parts, Drawn]:
        return n, parts(way, n, shortcut, self.plan.item_bytes, drawn), drawn

    def _summary(
        self,
        recipe: Recipe,
        fine: tuple[Counts, Parts, Drawn],
        curve: tuple[Counts, Parts, Drawn],
        held: tuple[Counts, Parts, Drawn],
    ) -> Summary:
        own, over, still = (self._flow(recipe, *x) for x in (fine, curve, held))
        level, at = recipe.plan.level, self._sizes.index(recipe.plan.samples)
        count = len(self._sizes)
        time = figure(own.time_s, level)
        assert time is not None
        return Summary(
            fine=own,
            curve=over,
            held=still,
            time=time,
            energy=figure(own.energy_j, level),
            power=_power(own, recipe.way, level),
            co2=figure(own.co2_gco2e, level),
            terms=_terms(fine[1], own),
            curve_time=_triple(over.time_s, own.time_s, at, level, count),
            curve_energy=_triple(over.energy_j, own.energy_j, at, level, count),
            held_time=_medians(still.time_s, count),
        )

    def _flow(self, recipe: Recipe, n: Counts, p: Parts, drawn: Drawn) -> Flow:
        way, place = recipe.way, recipe.place
        time_s, lost = _with_interruptions(
            p, recipe.bought, self.money.restart_s, drawn, drawn is self._rough
        )
        pue = place.pue * drawn.product(_pue_factors(place))
        plug_j = _plug_j(way, p, time_s, drawn)
        intensity = None
        if place.grid is not None:
            spread = drawn.product((Factor.of_sigma("the grid's intensity", INTENSITY_LOG),))
            intensity = place.grid.gco2e_per_kwh * spread
        co2 = carbon.emissions(
            plug_j,
            time_s,
            pue=pue,
            intensity_gco2e_per_kwh=intensity,
            embodied=place.embodied,
            devices=max(1, len(way.devices)),
        )
        return Flow(
            n=n,
            time_s=time_s,
            preemption_s=lost,
            plug_j=plug_j,
            energy_j=None if plug_j is None else plug_j * pue,
            pue=pue,
            co2_gco2e=co2.total_gco2e,
            no_co2=co2.reason,
        )

    def _cost(self, recipe: Recipe, flow: Flow, drawn: Drawn) -> costing.CostTerms | None:
        if recipe.bought.purchase is None:
            return None
        return costing.cost(
            _priced(recipe.bought, flow.pue, drawn),
            flow.time_s,
            energy_j=flow.plug_j,
            storage=_storage(recipe.way, recipe.plan, flow.n, recipe.place),
        )

    def _row(self, recipe: Recipe, s: Summary, p: Parts, by: tuple[Share, ...]) -> Made:
        way, bought, plan = recipe.way, recipe.bought, recipe.plan
        cost = self._cost(recipe, s.fine, self._fine)
        total = cost.total_usd if cost else None
        steps = int(_median(s.fine.n.steps))
        ratio, time_s = recipe.shortcut.step_ratio, s.fine.time_s
        row = Row(
            instance=way.name,
            purchase=bought.option,
            shortcut=recipe.shortcut.name,
            devices=way.devices,
            basis=way.basis if ratio.low == ratio.high else "modelled",
            batch_size=global_batch(way),
            n_steps=steps,
            time_s=s.time,
            power_w=s.power,
            energy_j=s.energy,
            cost_usd=figure(total, plan.level),
            co2_gco2e=s.co2,
            reasons=_reasons(recipe, s, cost),
            curve=self._curve(recipe, s, total),
            terms=StepTerms(step_s=_median(p.steps) / steps, loader_s=_loader_s(way)),
            terms_total_s=s.terms,
            cost_terms=_cost_parts(cost),
            assumptions=_assumptions(recipe),
            price=bought.price,
            fits_memory=way.fits_memory,
            energy_covers=way.power.covers if way.power else None,
            uncertain_by=by,
            deadline_chance=_chance(time_s, plan.deadline_s),
            budget_chance=_chance(total, plan.budget_usd),
            meets_deadline=_meets(time_s, plan.deadline_s, plan.level),
            meets_budget=_meets(total, plan.budget_usd, plan.level),
            warnings=(*way.warnings, *bought.warnings, *_memory(way)),
        )
        flat = [None if v is None else v[:, 0] for v in (time_s, total, s.fine.energy_j)]
        return Made(row=row, recipe=recipe, time_s=flat[0], cost_usd=flat[1], energy_j=flat[2])

    def _curve(self, recipe: Recipe, s: Summary, total: Values | None) -> Curve:
        """Return the curve; at the plan's own size it has the row's own figures."""
        sizes, level = self._sizes, recipe.plan.level
        over = self._cost(recipe, s.curve, self._coarse)
        still = self._cost(recipe, s.held, self._rough)
        cost = _triple(
            over.total_usd if over else None,
            total,
            sizes.index(recipe.plan.samples),
            level,
            len(sizes),
        )
        return Curve(
            samples=tuple(sizes),
            time_s=s.curve_time[0],
            time_s_low=s.curve_time[1],
            time_s_high=s.curve_time[2],
            energy_j=s.curve_energy[0],
            energy_j_low=s.curve_energy[1],
            energy_j_high=s.curve_energy[2],
            cost_usd=cost[0],
            cost_usd_low=cost[1],
            cost_usd_high=cost[2],
            steps_held_time_s=s.held_time,
            steps_held_cost_usd=_medians(still.total_usd if still else None, len(sizes)),
        )

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
        orders = {f.name: self._fine.order(f.name) for f in spread}
        found = montecarlo.contributors(p.total[:, 0], named, orders=orders)
        return tuple(Share(name=c.name, share_frac=min(1.0, c.share_frac)) for c in found)

    def over(
        self, recipe: Recipe, samples: Values, epochs: Values | None = None
    ) -> tuple[Values, Values | None]:
        """Return draws of time and cost of a row over sizes, or over epochs at one size."""
        n = plan_counts.counts(recipe.plan, global_batch(recipe.way), samples, epochs=epochs)
        flow = self._flow(recipe, *self._parts(recipe.way, recipe.shortcut, n, self._coarse))
        cost = self._cost(recipe, flow, self._coarse)
        return flow.time_s, cost.total_usd if cost else None


def global_batch(way: Ways) -> int:
    """Return the items of a step on all devices together."""
    return way.batch_size * max(1, len(way.devices))


def _with_interruptions(
    p: Parts, bought: Bought, restart_s: float, drawn: Drawn, mean: bool
) -> tuple[Values, Values]:
    """Return the time with what interruptions add (their mean, where that will do), and that alone.

    A run that can be interrupted saves at Daly's interval instead of after each epoch.
    """
    import numpy as np

    rate = bought.interruptions_per_h
    if not rate:
        return p.total, np.zeros((1, 1))
    spread = drawn.product((Factor.of_sigma("interruptions", RATE_LOG),))
    useful = p.total - p.checkpoint
    if mean:
        found = checkpointing.expected(useful, p.checkpoint_s, restart_s, rate * spread)
        total = np.asarray(found.total_s)
    else:
        total = _interrupted(useful, p.checkpoint_s, restart_s, rate * spread, drawn)
    return total, np.maximum(0.0, total - p.total)


def _interrupted(
    useful: Values, checkpoint_s: Values, restart_s: float, per_h: Values, drawn: Drawn
) -> Values:
    """Return draws of the whole time; of a long curve at some sizes, the others between them.

    The ratio to the useful time moves slowly with the size: it is taken as linear in between.
    """
    import numpy as np

    width = useful.shape[1]
    chosen = np.unique(np.linspace(0, width - 1, min(width, KNOTS)).round().astype(int))
    some = useful[:, chosen]
    total = checkpointing.preemption_draws(
        some, checkpoint_s, restart_s, per_h, None, luck=drawn.luck()
    )
    if len(chosen) == width:
        return total
    ratio = np.where(np.isfinite(total), total / some, np.inf)
    between = [np.interp(np.arange(width), chosen, row) for row in np.eye(len(chosen))]
    with np.errstate(invalid="ignore"):  # inf x 0: a size next to one that is never done
        weighed = np.where(np.isfinite(ratio), ratio, 1e300) @ np.array(between)
    return useful * np.where(weighed < 1e200, weighed, np.inf)


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


def figure(values: Values | None, level: float) -> Figure | None:
    """Return the median and the interval of draws of one size."""
    if values is None:
        return None
    found = montecarlo.interval(values[:, 0], level)
    return Figure(point=found.point, low=found.low, high=found.high, level=level)


def _power(got: Flow, way: Ways, level: float) -> PowerFigure | None:
    if got.plug_j is None or way.power is None:
        return None
    plug = got.plug_j / got.time_s
    found = montecarlo.interval(plug[:, 0], level)
    return PowerFigure(
        point=found.point, low=found.low, high=found.high, level=level, peak=way.power.peak_w
    )


def _median(values: Values) -> float:
    import numpy as np

    return float(np.median(values))


def _terms(p: Parts, got: Flow) -> TimeTerms:
    import numpy as np

    terms = {
        "setup": p.setup,
        "compile": p.compile,
        "steps": p.steps,
        "loader": p.loader,
        "cold": p.cold,
        "evaluation": p.evaluation,
        "checkpoint": p.checkpoint,
        "preemption": got.preemption_s,
        "one_off": p.one_off,
    }
    columns = np.stack(np.broadcast_arrays(*(v[:, 0] for v in terms.values())))
    medians = np.median(columns, axis=1).tolist()
    return TimeTerms(**dict(zip(terms, medians, strict=True)))


def _loader_s(way: Ways) -> float | None:
    return None if way.loader is None else way.loader.item_s * global_batch(way)


def _cost_parts(cost: costing.CostTerms | None) -> CostParts | None:
    if cost is None:
        return None
    values = (cost.compute_usd, cost.storage_usd, cost.electricity_usd, cost.amortisation_usd)
    compute, storage, electricity, amortisation = (
        v if v is None or isinstance(v, float) else _median(v) for v in values
    )
    return CostParts(
        compute_usd=compute,
        storage_usd=storage,
        electricity_usd=electricity,
        amortisation_usd=amortisation,
    )


def _medians(values: Values | None, count: int) -> tuple[float | None, ...]:
    import numpy as np

    if values is None:
        return (None,) * count
    ordered = np.sort(values, axis=0)
    return tuple(ordered[len(ordered) // 2].tolist())


def _triple(values: Values | None, own: Values | None, at: int, level: float, count: int) -> Triple:
    """Return the medians and the bounds over sizes, the plan's own from its finer draws."""
    if values is None or own is None:
        return ((None,) * count,) * 3
    found = montecarlo.interval(values, level)
    exact = montecarlo.interval(own[:, 0], level)
    rows = []
    for over, one in ((found.point, exact.point), (found.low, exact.low), (found.high, exact.high)):
        numbers = over.tolist()
        numbers[at] = one
        rows.append(tuple(numbers))
    return rows[0], rows[1], rows[2]


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


def _reasons(recipe: Recipe, s: Summary, cost: costing.CostTerms | None) -> dict[str, str]:
    """Return why each figure that is null is."""
    found = {}
    if s.energy is None:
        why = recipe.way.no_power or "no power is known"
        found["energy_j"] = found["power_w"] = why
    if cost is None:
        found["cost_usd"] = recipe.bought.reason or "no price is known"
    elif cost.total_usd is None:
        found["cost_usd"] = cost.reason or "a part of it is not known"
    if s.co2 is None:
        found["co2_gco2e"] = s.fine.no_co2 or "it is not known"
    return found


def _memory(way: Ways) -> tuple[str, ...]:
    if way.fits_memory is False:
        return ("the batch does not fit into the memory of its device: lower --batch-size",)
    return ()


def _assumptions(recipe: Recipe) -> tuple[Assumption, ...]:
    way, bought, shortcut = recipe.way, recipe.bought, recipe.shortcut
    place, plan = recipe.place, recipe.plan
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
