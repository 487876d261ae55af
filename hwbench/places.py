"""Where a plan is carried out: the building's PUE, the grid, what storage and making cost there."""

import math
from dataclasses import dataclass

from hwbench import grid, instance_ways, presets
from hwbench.carbon import MADE, Embodied
from hwbench.errors import BadInput
from hwbench.estimate_figures import Assumption
from hwbench.estimate_plan import Request
from hwbench.grid import GridRow
from hwbench.instance import Instance

# Standard deviations of ln(PUE): a provider's own figure, and a preset; methodology.
PUE_LOG, PRESET_PUE_LOG = 0.03, 0.08
LIFE_YEARS, LIFE_FRAC = 5.0, 0.7  # of a device, and the share of its hours in which it works


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where the plan is carried out: the building's PUE with its spread, the grid, the storage."""

    pue: float
    pue_log: float
    pue_note: Assumption
    grid: GridRow | None
    storage_usd_per_gb_month: float | None  # None: the user's own disk
    storage_source: str = ""
    embodied: Embodied | None = None


def own_place(request: Request, name: str) -> Place:
    """Return where the record's machine stands: at a desk, or in its cloud's data centres."""
    pue, spread, note = _own_pue(request, name)
    return _place(request, pue, spread, note, rented=":" in name)


def instance_place(request: Request, instance: Instance) -> Place:
    """Return where an instance of the catalogue stands."""
    if request.pue is not None:
        pue, spread, note = _own_pue(request, instance.name)
    else:
        pue, note = instance_ways.pue_of(instance)
        spread = PUE_LOG if instance.pue is not None else PRESET_PUE_LOG
    return _place(request, pue, spread, note, rented=True)


def _place(request: Request, pue: float, spread: float, note: Assumption, rented: bool) -> Place:
    stored = presets.storage(request.money.storage) if rented else None
    return Place(
        pue=pue,
        pue_log=spread,
        pue_note=note,
        grid=grid.row(request.region) if request.region else None,
        storage_usd_per_gb_month=stored.value if stored else None,
        storage_source=f"{stored.name}: {stored.source}" if stored else "",
        embodied=_embodied(request),
    )


def _own_pue(request: Request, name: str) -> tuple[float, float, Assumption]:
    if request.pue is not None:
        note = Assumption(name="PUE", value=request.pue, unit="ratio", source="--pue")
        return request.pue, 0.0, note
    preset = presets.pue("hyperscale" if ":" in name else "desk")
    note = Assumption(
        name="PUE",
        value=preset.value,
        unit="ratio",
        source=preset.source,
        date=str(preset.date),
    )
    return preset.value, PRESET_PUE_LOG if ":" in name else 0.0, note


def _embodied(request: Request) -> Embodied | None:
    name = request.money.embodied
    if name is None:
        return None
    kg = MADE[name].kg_co2e if name in MADE else _kg(name)
    return Embodied(kg_co2e=kg, life_years=LIFE_YEARS, utilisation_frac=LIFE_FRAC)


def _kg(text: str) -> float:
    try:
        kg = float(text)
    except ValueError:
        kg = math.nan
    if not (math.isfinite(kg) and kg >= 0):
        raise BadInput(
            f"--embodied {text}: give kg CO2e a device, 0 or more, or one of {', '.join(MADE)}"
        )
    return kg
