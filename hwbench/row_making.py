"""Rows of an estimate: a plan carried out on a machine, bought in a way, as draws and figures."""

from collections.abc import Sequence
from dataclasses import dataclass

from hwbench import memory_fit, montecarlo, plan_counts, row_notes, training_pace
from hwbench.buying import Bought
from hwbench.estimate_figures import Figure, PowerFigure
from hwbench.estimate_plan import Money
from hwbench.estimated import Curve, Numbers, Plan, Row, Share, StepTerms, TimeTerms
from hwbench.interrupted_times import Whole
from hwbench.places import Place
from hwbench.plan_counts import Counts
from hwbench.row_figures import (
    Triple,
    chance,
    cost_parts,
    figure,
    median,
    medians,
    meets,
    power_figure,
    time_terms,
    triple,
)
from hwbench.row_flows import Flow, Recipe, Timed, factors, flow, global_batch
from hwbench.row_flows import cost as cost_of
from hwbench.shortcut import Shortcut
from hwbench.values import Values
from hwbench.way_times import Drawn, Parts, parts
from hwbench.ways import Ways

DRAWS, CURVE_DRAWS, MEDIAN_DRAWS, SEED = 1024, 200, 64, 2026
NEEDED = "samples that the target needs"


@dataclass(frozen=True, kw_only=True)
class Made:
    """A row with the draws of its figures, by which rows are compared; no recipe: no time."""

    row: Row
    recipe: Recipe | None = None
    time_s: Values | None = None
    cost_usd: Values | None = None
    energy_j: Values | None = None


@dataclass(frozen=True, kw_only=True)
class Summary:
    """The figures of flows: of the plan's size, over the curve, and with the steps held."""

    fine: Flow
    curve: Flow
    held: Flow
    time: Figure | None
    energy: Figure | None
    power: PowerFigure | None
    co2: Figure | None
    terms: TimeTerms
    by: tuple[Share, ...]
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
        way = memory_fit.by(way, shortcut, plan.workload)
        size = [plan.samples] if self._samples is None else self._samples[:, None]
        batch = global_batch(way)
        held_n = plan_counts.counts(plan, batch, self._sizes, steps_held=True)
        times = (
            self._timed(way, shortcut, plan, plan_counts.counts(plan, batch, size), self._fine),
            self._timed(
                way, shortcut, plan, plan_counts.counts(plan, batch, self._sizes), self._coarse
            ),
            self._timed(way, shortcut, plan, held_n, self._rough),
        )
        known: dict[float, Summary] = {}
        made = []
        for b in bought:
            recipe = Recipe(way=way, bought=b, shortcut=shortcut, place=place, plan=plan)
            if b.interruptions_per_h not in known:
                known[b.interruptions_per_h] = self._summary(recipe, *times)
            made.append(self._row(recipe, known[b.interruptions_per_h], times[0].parts))
        return made

    def _timed(self, way: Ways, shortcut: Shortcut, plan: Plan, n: Counts, drawn: Drawn) -> Timed:
        return Timed(n=n, parts=parts(way, n, shortcut, plan, drawn), drawn=drawn)

    def _summary(self, recipe: Recipe, fine: Timed, curve: Timed, held: Timed) -> Summary:
        own, over, still = (self._flow(recipe, x) for x in (fine, curve, held))
        level, at = recipe.plan.level, self._sizes.index(recipe.plan.samples)
        count, same = len(self._sizes), self._samples is None
        time_s = own.whole.time_s
        return Summary(
            fine=own,
            curve=over,
            held=still,
            time=figure(time_s, level),
            energy=figure(own.energy_j, level),
            power=power_figure(own.plug_j, time_s, level, _peak_w(recipe.way)),
            co2=figure(own.co2_gco2e, level),
            terms=_terms(fine.parts, own.whole),
            by=self._shares(time_s, recipe),
            curve_time=triple(over.whole.time_s, time_s if same else None, at, level, count),
            curve_energy=triple(over.energy_j, own.energy_j if same else None, at, level, count),
            held_time=medians(still.whole.time_s, count),
        )

    def _flow(self, recipe: Recipe, timed: Timed) -> Flow:
        return flow(recipe, timed, self.money.restart_s, timed.drawn is self._rough)

    def _row(self, recipe: Recipe, s: Summary, p: Parts) -> Made:
        way, bought, plan = recipe.way, recipe.bought, recipe.plan
        cost = cost_of(recipe, s.fine)
        total = cost.total_usd if cost else None
        steps, time_s = int(median(s.fine.n.steps)), s.fine.whole.time_s
        in_time, in_budget = chance(time_s, plan.deadline_s), chance(total, plan.budget_usd)
        pace = training_pace.pace(way, plan, recipe.shortcut, median(p.steps) / steps)
        row = Row(
            instance=way.name,
            purchase=bought.option,
            shortcut=recipe.shortcut.name,
            devices=way.devices,
            basis=way.basis if recipe.shortcut.known else "modelled",
            batch_size=global_batch(way),
            epochs=median(s.fine.n.epochs),
            n_steps=steps,
            time_s=s.time,
            power_w=s.power,
            energy_j=s.energy,
            cost_usd=figure(total, plan.level),
            co2_gco2e=s.co2,
            reasons=row_notes.reasons(way, bought, _never(s, bought), cost, s.fine.no_co2),
            curve=self._curve(recipe, s, total),
            terms=StepTerms(step_s=median(p.steps) / steps, loader_s=_loader_s(way)),
            terms_total_s=s.terms,
            cost_terms=cost_parts(cost),
            assumptions=row_notes.assumptions(way, bought, recipe.shortcut, recipe.place, plan),
            price=bought.price,
            fits_memory=way.fits_memory,
            energy_covers=way.power.covers if way.power else None,
            uncertain_by=s.by,
            cost_uncertain_by=() if total is None else self._shares(total, recipe, cost=True),
            deadline_chance=in_time,
            budget_chance=in_budget,
            meets_deadline=meets(in_time, plan.deadline_s, plan.level),
            meets_budget=meets(in_budget, plan.budget_usd, plan.level),
            warnings=(*row_notes.warnings(way, bought, plan), *training_pace.warnings(way, pace)),
            pace=pace,
        )
        flat = [None if v is None else v[:, 0] for v in (time_s, total, s.fine.energy_j)]
        return Made(row=row, recipe=recipe, time_s=flat[0], cost_usd=flat[1], energy_j=flat[2])

    def _curve(self, recipe: Recipe, s: Summary, total: Values | None) -> Curve:
        """Return the curve; at the plan's own size it has the row's own figures.

        Not where a target asks for the size: the row's interval then is of all sizes it may take.
        """
        sizes, level = self._sizes, recipe.plan.level
        over, still = cost_of(recipe, s.curve), cost_of(recipe, s.held)
        cost = triple(
            over.total_usd if over else None,
            total if self._samples is None else None,
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
            steps_held_cost_usd=medians(still.total_usd if still else None, len(sizes)),
        )

    def _shares(self, outcome: Values, recipe: Recipe, cost: bool = False) -> tuple[Share, ...]:
        """Return the three factors that a row's time, or its cost, is most uncertain by."""
        named = {f.name: self._fine.normal(f.name) for f in factors(recipe, cost)}
        orders = None
        if self._samples is not None:
            named[NEEDED] = self._samples
        elif named:
            orders = self._fine.orders(named)
        found = montecarlo.contributors(outcome[:, 0], named, orders=orders)
        return tuple(Share(name=c.name, share_frac=min(1.0, c.share_frac)) for c in found)

    def over(
        self,
        recipe: Recipe,
        samples: Values,
        epochs: Values | None = None,
        *,
        exact: bool = False,
    ) -> tuple[Values, Values | None]:
        """Return draws of time and cost of a row over sizes, or over epochs at one size.

        `exact` takes the draws that the rows themselves are made of, and as long as they take.
        """
        drawn = self._fine if exact else self._coarse
        n = plan_counts.counts(recipe.plan, global_batch(recipe.way), samples, epochs=epochs)
        got = self._flow(recipe, self._timed(recipe.way, recipe.shortcut, recipe.plan, n, drawn))
        cost = cost_of(recipe, got)
        return got.whole.time_s, cost.total_usd if cost else None


def _never(s: Summary, bought: Bought) -> str | None:
    """Return why a run's time is no number; None where it is one."""
    import numpy as np

    if s.time is not None:
        return None
    share = float(np.isinf(s.fine.whole.time_s).mean())
    return (
        f"with {bought.interruptions_per_h:g} interruptions an hour the run is all but never done"
        f" in {share:.0%} of the draws"
    )


def _terms(p: Parts, whole: Whole) -> TimeTerms:
    return time_terms(
        {
            "setup": p.setup,
            "compile": p.compile,
            "steps": p.steps,
            "loader": p.loader,
            "cold": p.cold,
            "evaluation": p.evaluation,
            "checkpoint": whole.checkpoint_s,
            "preemption": whole.lost_s,
            "one_off": p.one_off,
        }
    )


def _loader_s(way: Ways) -> float | None:
    return None if way.loader is None else way.loader.item_s * global_batch(way)


def _peak_w(way: Ways) -> float | None:
    return None if way.power is None else way.power.peak_w
