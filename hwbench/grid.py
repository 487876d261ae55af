"""Carbon intensity and price of electricity by country, state or cloud region (`grid.toml`).

A region is asked for and never guessed: an electricity price or an intensity of the wrong country
is off by a factor of twenty.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Any

from hwbench import registry
from hwbench.errors import BadInput, UnknownName


@dataclass(frozen=True, kw_only=True)
class Tariff:
    """A price of electricity in `usd_per_kwh` for `buyer` (household | business)."""

    buyer: str
    usd_per_kwh: float
    year: str
    source: str
    date: date
    confidence: str


@dataclass(frozen=True, kw_only=True)
class GridRow:
    """The electricity of one place; `gco2e_per_kwh` is the mean over `year`, by location.

    `code` is that of ISO 3166 (FR, US-VA) or provider:region (gcp:europe-west4).
    """

    code: str
    name: str
    kind: str  # country | state | cloud_region | region | world
    iso3: str | None
    gco2e_per_kwh: float
    year: str  # 2024, or 2021-2022
    source: str
    date: date
    confidence: str
    notes: str
    tariffs: tuple[Tariff, ...]  # empty: not known here

    @property
    def names(self) -> tuple[str, ...]:
        """Return what the row may be called: `FR`, `FRA`, `France`; `Paris` of a cloud's region."""
        bare = self.code.partition(":")[2]
        place = self.name.partition(" (")[0]
        code3 = self.iso3 if self.kind == "country" else None
        return tuple(dict.fromkeys(n for n in (self.code, code3, self.name, bare, place) if n))


@cache
def rows() -> tuple[GridRow, ...]:
    """Return every row, in the order of the file."""
    text = (registry.PACKAGE / "catalog" / "grid.toml").read_text(encoding="utf-8")
    data = tomllib.loads(text)
    return tuple(_row(r, data["sources"]) for r in data["region"])


def _row(r: Mapping[str, Any], sources: Mapping[str, Mapping[str, Any]]) -> GridRow:
    tariffs = tuple(
        Tariff(
            buyer=buyer,
            usd_per_kwh=r[f"{buyer}_usd_per_kwh"],
            year=r[f"{buyer}_year"],
            source=sources[r[f"{buyer}_source"]]["text"],
            date=sources[r[f"{buyer}_source"]]["date"],
            confidence=r["price_confidence"],
        )
        for buyer in ("household", "business")
        if f"{buyer}_usd_per_kwh" in r
    )
    return GridRow(
        code=r["code"],
        name=r["name"],
        kind=r["kind"],
        iso3=r.get("iso3"),
        gco2e_per_kwh=r["gco2e_per_kwh"],
        year=r["year"],
        source=sources[r["source"]]["text"],
        date=sources[r["source"]]["date"],
        confidence=r["confidence"],
        notes=r.get("notes", ""),
        tariffs=tariffs,
    )


@cache
def _by_name() -> Mapping[str, tuple[GridRow, ...]]:
    found: dict[str, tuple[GridRow, ...]] = {}
    for r in rows():
        for name in {n.lower() for n in r.names}:
            found[name] = (*found.get(name, ()), r)
    return found


def row(region: str) -> GridRow:
    """Return the row of a region such as FR, FRA, France, us-east-1 or gcp:europe-west4.

    Case does not matter. Raises UnknownName with the near ones, and BadInput where the name stands
    for several places.
    """
    found = _by_name().get(region.strip().lower(), ())
    if not found:
        raise UnknownName("region", region, dict.fromkeys(n for r in rows() for n in r.names))
    if len(found) > 1:
        codes = ", ".join(f"{r.code} ({r.gco2e_per_kwh:g} gCO2e/kWh)" for r in found)
        raise BadInput(f"region {region!r} stands for several: {codes}: write one of these codes")
    return found[0]
