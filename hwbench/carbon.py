"""CO2 of a run: of its electricity, and its share of what making the machine has caused."""

from dataclasses import dataclass
from datetime import date

from hwbench.costing import H_PER_YEAR
from hwbench.data_sheet import Confidence
from hwbench.units import J_PER_KWH, S_PER_H
from hwbench.values import Values

G_PER_KG = 1e3


@dataclass(frozen=True, kw_only=True)
class Made:
    """What making one device has emitted, `kg_co2e`, as its source has it."""

    name: str
    kg_co2e: float
    covers: str
    source: str
    date: date  # when it was looked up
    confidence: Confidence


_LOOKED_UP = date(2026, 11, 23)
MADE = {
    m.name: m
    for m in (
        Made(
            name="a100-pcie",
            kg_co2e=181.0,
            covers="the card alone",
            source="ADEME/Hubblo 2026, model of an A100 PCIe",
            date=_LOOKED_UP,
            confidence="medium",
        ),
        Made(
            name="a100-server",
            kg_co2e=318.0,
            covers="a GPU and an eighth of its server",
            source="Chien et al. 2023, Reducing the Carbon Impact of Generative AI Inference,"
            " HotCarbon'23, doi:10.1145/3604930.3605705",
            date=_LOOKED_UP,
            confidence="medium",
        ),
        Made(
            name="hgx-h100",
            kg_co2e=164.0,
            covers="an eighth of a board of eight GPUs (1,312 kg), without the server",
            source="NVIDIA, product carbon footprint summary HGX H100 (2025), recalled",
            date=_LOOKED_UP,
            confidence="low",
        ),
    )
}


@dataclass(frozen=True, kw_only=True)
class Embodied:
    """A device's making, spread over the hours in which it works in its life."""

    kg_co2e: Values
    life_years: Values
    utilisation_frac: Values


@dataclass(frozen=True, kw_only=True)
class Emissions:
    """A run's CO2 equivalents; None with the reason where they cannot be told.

    `embodied_gco2e` is None where nobody asked for it, and then no part of the total.
    """

    operational_gco2e: Values | None
    embodied_gco2e: Values | None
    reason: str | None = None

    @property
    def total_gco2e(self) -> Values | None:
        """Return the sum of what was asked for, None where the electricity's part is not known."""
        if self.operational_gco2e is None or self.embodied_gco2e is None:
            return self.operational_gco2e
        return self.operational_gco2e + self.embodied_gco2e


def emissions(
    energy_j: Values | None,
    time_s: Values,
    *,
    pue: Values,
    intensity_gco2e_per_kwh: Values | None,
    embodied: Embodied | None = None,
    devices: Values = 1,
) -> Emissions:
    """Return E PUE CI and, if asked, n EC T / (life 8760 h u).

    `energy_j` is at the plug, `intensity_gco2e_per_kwh` the grid's where the machine stands.
    """
    made = None if embodied is None else embodied_gco2e(embodied, time_s, devices)
    if energy_j is None:
        why = "the run's energy is not known"
    elif intensity_gco2e_per_kwh is None:
        why = "no region was given, and grids differ by more than ten times: --region says which"
    else:
        used = energy_j / J_PER_KWH * pue * intensity_gco2e_per_kwh
        return Emissions(operational_gco2e=used, embodied_gco2e=made)
    return Emissions(operational_gco2e=None, embodied_gco2e=made, reason=why)


def embodied_gco2e(embodied: Embodied, time_s: Values, devices: Values = 1) -> Values:
    """Return the share of `devices` devices' making that a run of `time_s` answers for."""
    life_h = embodied.life_years * H_PER_YEAR * embodied.utilisation_frac
    return devices * embodied.kg_co2e * G_PER_KG * (time_s / S_PER_H) / life_h
