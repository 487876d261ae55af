"""Draws of one row over sizes: its whole time, its energy, its CO2, what it costs."""

from dataclasses import dataclass, replace
from typing import Any

from hwbench import carbon, costing, interrupted_times
from hwbench.buying import Bought
from hwbench.costing import Owned, Purchase, Storage
from hwbench.estimated import Plan
from hwbench.interrupted_times import RATE, Whole
from hwbench.montecarlo import Factor
from hwbench.places import Place
from hwbench.plan_counts import Counts
from hwbench.shortcut import Shortcut
from hwbench.values import Values
from hwbench.way_times import Drawn, Parts
from hwbench.ways import Ways

INTENSITY_LOG = 0.10  # a grid's mean of a year against the hours of a run
INTENSITY = Factor.of_sigma("the grid's intensity", INTENSITY_LOG)
KEPT_CHECKPOINTS = 2


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What a row was made of, so that it can be made again for another size or length."""

    way: Ways
    bought: Bought
    shortcut: Shortcut
    place: Place
    plan: Plan


@dataclass(frozen=True, kw_only=True)
class Timed:
    """The parts of the time over sizes, without interruptions, and the draws they are from."""

    n: Counts
    parts: Parts
    drawn: Drawn


@dataclass(frozen=True, kw_only=True)
class Flow:
    """Draws (first axis) over sizes (last) that do not depend on what is paid."""

    n: Counts
    drawn: Drawn
    whole: Whole
    plug_j: Values | None  # at the machine
    energy_j: Values | None  # with the building's share
    pue: Values
    co2_gco2e: Values | None
    no_co2: str | None


def global_batch(way: Ways) -> int:
    """Return the items of a step on all devices together."""
    return way.batch_size * max(1, len(way.devices))


def flow(recipe: Recipe, timed: Timed, restart_s: float, mean: bool) -> Flow:
    """Return what a row's time comes to with its interruptions, and its energy and CO2."""
    way, place, drawn = recipe.way, recipe.place, timed.drawn
    rate = recipe.bought.interruptions_per_h
    whole = interrupted_times.whole(timed.parts, rate, restart_s, drawn, mean)
    pue = place.pue * drawn.product((Factor.of_sigma("PUE", place.pue_log),))
    plug_j = _plug_j(way, timed.parts, whole, drawn)
    intensity = None
    if place.grid is not None:
        intensity = place.grid.gco2e_per_kwh * drawn.product((INTENSITY,))
    co2 = carbon.emissions(
        plug_j,
        whole.time_s,
        pue=pue,
        intensity_gco2e_per_kwh=intensity,
        embodied=place.embodied,
        devices=max(1, len(way.devices)),
    )
    return Flow(
        n=timed.n,
        drawn=drawn,
        whole=whole,
        plug_j=plug_j,
        energy_j=None if plug_j is None else plug_j * pue,
        pue=pue,
        co2_gco2e=co2.total_gco2e,
        no_co2=co2.reason,
    )


def cost(recipe: Recipe, flow: Flow) -> costing.CostTerms | None:
    """Return the draws of what a row costs, over the flow's sizes; None without a price."""
    if recipe.bought.purchase is None:
        return None
    return costing.cost(
        _priced(recipe.bought, flow.pue, flow.drawn),
        flow.whole.time_s,
        energy_j=flow.plug_j,
        storage=_storage(recipe.way, recipe.plan, flow.n, recipe.place),
    )


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


def _plug_j(way: Ways, p: Parts, whole: Whole, drawn: Drawn) -> Values | None:
    """Return the energy at the machine: the step's power while it computes, else the idle one.

    Work that an interruption has lost was done, and drew its power.
    """
    import numpy as np

    if way.power is None:
        return None
    total = whole.time_s
    known = np.where(np.isfinite(total), total, 0.0)
    again = np.where(np.isfinite(total), whole.lost_s - np.minimum(whole.resting_s, 1e300), 0.0)
    busy = np.minimum(p.busy + p.loader + again, known)
    plug_j = (way.power.active_w * busy + way.power.idle_w * (known - busy)) * drawn.product(
        way.power.factors
    )
    return np.where(np.isfinite(total), plug_j, np.inf)


def factors(recipe: Recipe, cost: bool) -> list[Factor]:
    """Return what a row's time is uncertain by; with `cost` what its cost is, beside that."""
    way, bought = recipe.way, recipe.bought
    found = [
        *way.step_factors,
        way.floor,
        *(way.loader.factors if way.loader else ()),
        *way.start_factors,
        *way.io_factors,
        *recipe.shortcut.factors,
        *((RATE,) if bought.interruptions_per_h else ()),
    ]
    if cost:
        owned = isinstance(bought.purchase, Owned)
        found += bought.factors
        if owned and way.power is not None:
            found += [*way.power.factors, Factor.of_sigma("PUE", recipe.place.pue_log)]
    return [f for f in found if f.below_log or f.above_log]
