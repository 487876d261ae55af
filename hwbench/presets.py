"""Figures to assume where nothing is measured or stated (`catalog/presets.toml`)."""

import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Any, Literal

from hwbench import registry
from hwbench.errors import UnknownName

H_PER_MONTH = 730.0  # 8,760 h / 12
Unit = Literal["ratio", "1/h", "USD/GB-month"]


@dataclass(frozen=True, kw_only=True)
class Preset:
    """A figure to assume: `value` in `unit`. Whoever uses it lists it among the assumptions."""

    name: str
    value: float
    unit: Unit
    source: str
    date: date
    confidence: str


def pue(name: str) -> Preset:
    """Return a power usage effectiveness (hyperscale, colo, enterprise, desk, aws, ...).

    Raises UnknownName, as the other two do.
    """
    return _preset("pue", name)


def interruption(name: str) -> Preset:
    """Return a rate of interruptions of one spot node, an hour (advisor-5, rare, some, ...)."""
    return _preset("interruption", name)


def storage(name: str) -> Preset:
    """Return a price of storage in USD a GB-month (s3, gp3)."""
    return _preset("storage", name)


def names(kind: str) -> tuple[str, ...]:
    """Return the presets of a kind: pue | interruption | storage."""
    return tuple(_all()[kind])


def _preset(kind: str, name: str) -> Preset:
    known = _all()[kind]
    if name not in known:
        raise UnknownName(f"{kind} preset", name, known)
    return known[name]


@cache
def _all() -> Mapping[str, Mapping[str, Preset]]:
    text = (registry.PACKAGE / "catalog" / "presets.toml").read_text(encoding="utf-8")
    units: dict[str, Unit] = {"pue": "ratio", "interruption": "1/h", "storage": "USD/GB-month"}
    data = tomllib.loads(text)
    return {k: {n: _made(n, r, unit) for n, r in data[k].items()} for k, unit in units.items()}


def _made(name: str, row: Mapping[str, Any], unit: Unit) -> Preset:
    if "monthly_frac" in row:  # a constant rate under which 1 - f of the nodes last a month
        value = -math.log1p(-row["monthly_frac"]) / H_PER_MONTH
    else:
        value = row["per_h"] if unit == "1/h" else row["value"]
    return Preset(
        name=name,
        value=value,
        unit=unit,
        source=row["source"],
        date=row["date"],
        confidence=row["confidence"],
    )
