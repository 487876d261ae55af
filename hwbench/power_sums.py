"""From what the meters told of a stretch to its domains, its total and what it costs."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hwbench import metering
from hwbench.energy import REST, Band, ChannelEnergy, PowerTrace, assumed_wall, scaled, summed
from hwbench.joules import LEVEL
from hwbench.measurement import Warned
from hwbench.metering import Domain
from hwbench.power_record import Cost, DomainPower, PowerTotal
from hwbench.probed import MeterFacts
from hwbench.sensor import ChannelFacts
from hwbench.units import J_PER_KWH

PARTS = ("gpu", "cpu", "dram")  # of a machine, as far as meters tell them apart


@dataclass(frozen=True, kw_only=True)
class Sums:
    """What was read in a stretch of `window_s`."""

    readings: tuple[ChannelEnergy, ...]
    channels: tuple[ChannelFacts, ...]
    traces: tuple[PowerTrace, ...]
    window_s: float
    lost: dict[str, str] = field(default_factory=dict)


def summed_up(
    sums: Sums,
    facts: Sequence[MeterFacts],
    names: Sequence[str],
    wall_factor: float | None,
    pue: float | None,
    usd_per_kwh: float | None,
) -> dict[str, Any]:
    """Return the fields of a PowerRecord that are figures, and why those that are null are."""
    found, lost = metering.domains(sums.readings)
    domains = {name: _domain(d[0], sums.window_s) for name, d in found.items()}
    believed, _ = metering.believed(sums.readings)
    total = _total(believed, sums.window_s)
    wall = None
    if total is not None:
        wall = assumed_wall(total.energy_j, total.parts, wall_factor)
    reason = None if total else _reason(sums, facts, names, lost)
    cost = _cost(total, wall_factor if wall else None, pue, usd_per_kwh)
    return {
        "domains": domains,
        "lost": lost,
        "not_included": _missing(total),
        "total": total,
        "total_reason": reason,
        "assumed_wall": wall,
        "cost": cost,
        "cost_reason": None if cost else _no_cost(usd_per_kwh, reason),
        "warnings": (*_disagreements(found), *_lost_meters(sums.lost)),
    }


def _domain(domain: Domain, window_s: float) -> DomainPower:
    def share(name: str) -> float:
        parts = ((getattr(r, name) or 0.0) * (r.point or 0.0) for r in domain.readings)
        return sum(parts) / domain.point

    gains = [r.gain_frac for r in domain.readings if r.gain_frac is not None]
    return DomainPower(
        energy_j=domain.point,
        low_j=domain.low,
        high_j=domain.high,
        mean_w=domain.point / window_s,
        peak_w=domain.peak_w,
        meter=domain.meter,
        measured=domain.measured,
        resolution_frac=share("resolution_frac"),
        blind_frac=share("blind_frac"),
        gain_frac=max(gains, default=None),
    )


def _total(parts: Sequence[Domain], window_s: float) -> PowerTotal | None:
    if not parts:
        return None
    band = summed([Band(point=d.point, low=d.low, high=d.high) for d in parts])
    measured = all(d.measured for d in parts)
    named = [f"{d.name} by {d.meter}" + ("" if d.measured else " (modelled)") for d in parts]
    return PowerTotal(
        energy_j=band.point,
        low_j=max(0.0, band.low),
        high_j=band.high,
        level=LEVEL if measured else None,
        mean_w=band.point / window_s,
        parts=tuple(d.name for d in parts),
        measured=measured,
        basis=" + ".join(named),
    )


def _missing(total: PowerTotal | None) -> tuple[str, ...]:
    if total is None or "wall" in total.parts:
        return ()
    return (*(p for p in PARTS if p not in total.parts), REST)


def _reason(
    sums: Sums, facts: Sequence[MeterFacts], names: Sequence[str], lost: Mapping[str, str]
) -> str:
    if lost:
        return "; ".join(lost.values())
    if sums.lost:
        return "; ".join(f"{name}: {why}" for name, why in sums.lost.items())
    if names:
        return f"{', '.join(names)} told nothing"
    if any(f.why_not is None for f in facts):
        return "no meter was to be read"
    return "no meter can be used here"


def _cost(
    total: PowerTotal | None, factor: float | None, pue: float | None, usd_per_kwh: float | None
) -> Cost | None:
    if total is None or usd_per_kwh is None:
        return None
    said = [total.basis]
    said += [f"x {factor:g} for the whole machine (assumed)"] if factor else []
    said += [f"x PUE {pue:g}"] if pue else []
    energy = Band(point=total.energy_j, low=total.low_j, high=total.high_j)
    usd = scaled(energy, (factor or 1.0) * (pue or 1.0) * usd_per_kwh / J_PER_KWH)
    return Cost(usd=usd, usd_per_kwh=usd_per_kwh, of=" ".join(said))


def _no_cost(usd_per_kwh: float | None, reason: str | None) -> str:
    if usd_per_kwh is None:
        return "no price was given: --electricity-usd-per-kwh"
    return reason or "its energy is not known"


def _disagreements(found: Mapping[str, Sequence[Domain]]) -> Iterable[Warned]:
    for name, (believed, *others) in found.items():
        for other in others:
            apart = other.point / believed.point - 1
            if abs(apart) > metering.DISAGREE_FRAC and other.measured:
                yield Warned(
                    code="meters_disagree",
                    message=f"{name}: {believed.point:.4g} J by {believed.meter},"
                    f" {other.point:.4g} J by {other.meter}: {apart:+.0%}",
                    remedy="hold both against a wall meter (--wall-meter)",
                )


def _lost_meters(lost: Mapping[str, str]) -> Iterable[Warned]:
    for name, why in lost.items():
        yield Warned(code="meter_lost", message=f"{name}: {why}", remedy="hwbench doctor")
