"""What is said of a row beside its figures: what was assumed, and why a figure is missing."""

from hwbench import costing
from hwbench.buying import Bought
from hwbench.estimate_figures import Assumption
from hwbench.estimated import Plan
from hwbench.places import Place
from hwbench.shortcut import Shortcut
from hwbench.way_times import RAM_FRAC
from hwbench.ways import Ways


def assumptions(
    way: Ways, bought: Bought, shortcut: Shortcut, place: Place, plan: Plan
) -> tuple[Assumption, ...]:
    """Return every number of a row that was not measured, with where it is from."""
    found = [*way.assumptions, *bought.assumptions, place.pue_note, _checkpoint(way)]
    if plan.evaluation_frac:
        found.append(
            Assumption(
                name="items evaluated after each epoch",
                value=plan.evaluation_frac,
                unit="of the samples",
                source="--evaluation-frac",
            )
        )
    if plan.item_bytes is None or plan.item_bytes_source is not None:
        unknown = "the first reading from the disk and the data's storage are not in"
        found.append(
            Assumption(
                name="size of an item",
                value=plan.item_bytes,
                unit="bytes",
                source=plan.item_bytes_source or unknown,
            )
        )
    return (*found, *_of_shortcut(shortcut, plan), *_of_place(place))


def _checkpoint(way: Ways) -> Assumption:
    return Assumption(
        name="a checkpoint",
        value=way.checkpoint_bytes,
        unit="bytes",
        source="float32 weights and the optimiser's moments of each, after each epoch",
    )


def _of_shortcut(shortcut: Shortcut, plan: Plan) -> list[Assumption]:
    found = []
    if (source := _ratio_from(shortcut, plan)) is not None:
        found.append(
            Assumption(
                name=f"step of {shortcut.name}",
                value=float(shortcut.step_ratio.point),
                unit="of a step from scratch",
                source=source,
            )
        )
    if shortcut.epochs is not None and plan.epochs == shortcut.epochs.usual:
        found.append(
            Assumption(
                name=f"epochs of {shortcut.name}",
                value=float(shortcut.epochs.usual),
                unit="epochs",
                source=shortcut.epochs.source,
            )
        )
    return found


def _ratio_from(shortcut: Shortcut, plan: Plan) -> str | None:
    """Return what is assumed of a shortcut's step; None where it was measured, or is 1."""
    told = shortcut.measured
    if told is None:
        known = shortcut.step_ratio.low == shortcut.step_ratio.high
        return None if known else f"theory: {shortcut.theory}"
    source = f"measured by {told.record}"
    if told.carried:
        source += " on another machine or in another run, and carried over"
    if told.batch_size != plan.batch_size:
        source += f" at batch {told.batch_size}, taken to be so at {plan.batch_size}"
    elif not told.carried:
        return None  # it is no assumption
    return source


def _of_place(place: Place) -> list[Assumption]:
    found = []
    if place.grid is not None:
        found.append(
            Assumption(
                name=f"intensity of the grid of {place.grid.name}",
                value=float(place.grid.gco2e_per_kwh),
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
                source=f"{place.storage_source}; of the data and two checkpoints",
            )
        )
    if place.embodied is not None:
        e = place.embodied
        found.append(
            Assumption(
                name="making of a device",
                value=float(e.kg_co2e),
                unit="kgCO2e",
                source=f"--embodied, over {e.life_years:g} years of which it works"
                f" {e.utilisation_frac:.0%}",
            )
        )
    return found


def reasons(
    way: Ways,
    bought: Bought,
    never: str | None,
    cost: costing.CostTerms | None,
    no_co2: str | None,
) -> dict[str, str]:
    """Return why each figure that is null is; `never` is why the time is no number."""
    found = {}
    if never is not None:
        found["time_s"] = never
    if way.power is None:
        found["energy_j"] = found["power_w"] = way.no_power or "no power is known"
    elif never is not None:
        found["energy_j"] = found["power_w"] = never
    if cost is None:
        found["cost_usd"] = bought.reason or "no price is known"
    elif cost.total_usd is None:
        found["cost_usd"] = cost.reason or "a part of it is not known"
    elif never is not None:
        found["cost_usd"] = never
    if no_co2 is not None or never is not None:
        found["co2_gco2e"] = no_co2 or never or ""
    return found


def warnings(way: Ways, bought: Bought, plan: Plan) -> tuple[str, ...]:
    """Return what a reader must know of a row."""
    found = [*way.warnings, *bought.warnings]
    if way.fits_memory is False:
        found.append("the batch does not fit into the memory of its device: lower --batch-size")
    held = plan.samples * (plan.item_bytes or 0.0)
    if (
        plan.residence == "memory"
        and way.memory_bytes is not None
        and held > RAM_FRAC * way.memory_bytes
    ):
        found.append(f"{way.name}: its memory does not hold the data: leave out --in-memory")
    return tuple(found)
