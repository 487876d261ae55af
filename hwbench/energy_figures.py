"""From the windows of a case to its energy per iteration: gross, idle and net, with intervals.

E = sum of a domain's joules over the windows, by the iterations in them. Its interval has what the
sensor does not resolve or see and its scale's error (`joules.py`), and the spread between windows
(Student's t) in quadrature. Net is what is above idle power in the time of an iteration.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from hwbench import cpu_power, joules, metering, modelled_energy
from hwbench.energy import (
    REST,
    Band,
    ChannelEnergy,
    Check,
    DomainEnergy,
    Energy,
    EnergyPass,
    Power,
    Window,
    assumed_wall,
    scaled,
    summed,
)
from hwbench.measurement import Measurement, Protocol, Warned
from hwbench.metering import Domain
from hwbench.protocol import VisitResult

NOT_REACHED = "not measured: the run ended before its turn"
NEVER = {  # scenarios without a pass, and why
    "cold": "emptying the caches would be in it",
    "server": "it goes by the rate of the queries: measured is full load only, as `offline`",
}
# Two-sided 95 % of Student's t for 1, 2, ... degrees of freedom; beyond, the normal's is near.
_T = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262)
_Z = 1.960


def with_energy(
    m: Measurement, visit: VisitResult | None, idles: Sequence[EnergyPass], protocol: Protocol
) -> Measurement:
    """Return the measurement with its energy, or with the reason why it has none."""
    if m.status != "ok" or m.wall_s is None:
        return m
    if visit is None or visit.energy is None or not visit.energy.windows:
        why = (visit.reason if visit else None) or why_not(m, protocol)
        return modelled_energy.modelled(replace(m, energy_reason=why), protocol)
    kept = replace(m, energy_pass=visit.energy)
    found = _found(visit.energy.windows, idles, m)
    if not found.parts:
        why = "; ".join(found.lost.values()) or "no meter tells of this device"
        return modelled_energy.modelled(replace(kept, energy_reason=why), protocol)
    return replace(
        kept,
        energy_j=_energy(found, m, protocol),
        energy_reason=None,
        power_w=_power(found),
        warnings=(*m.warnings, *_disagreements(found)),
    )


def why_not(m: Measurement, protocol: Protocol) -> str:
    """Return why no pass for energy was made over a case."""
    if protocol.energy is None:
        return protocol.no_energy or "no meter was read"
    if m.kind not in protocol.energy.kinds:
        return "this profile measures the energy of networks only: --profile full"
    return NEVER.get(m.scenario, NOT_REACHED)


@dataclass(frozen=True, kw_only=True)
class _Part:
    """One domain over all windows, by the believed meter; `idle_w` is a band or None."""

    energy: DomainEnergy
    total_j: float
    peak_w: float


@dataclass(frozen=True, kw_only=True)
class _Found:
    domains: Mapping[str, _Part]
    parts: tuple[str, ...]
    lost: Mapping[str, str]
    iterations: int
    window_s: float
    windows: int

    @property
    def added(self) -> tuple[_Part, ...]:
        return tuple(self.domains[name] for name in self.parts)


def _found(windows: Sequence[Window], idles: Sequence[EnergyPass], m: Measurement) -> _Found:
    """Return what the meters told of all the windows, by domain."""
    by_window = [metering.domains(w.readings, m.device) for w in windows]
    lost: dict[str, str] = {}
    for _, why in by_window:
        lost |= {name: reason for name, reason in why.items() if name not in lost}
    domains: dict[str, _Part] = {}
    for name in by_window[0][0]:
        of_meters = _in_all([found.get(name, ()) for found, _ in by_window])
        if of_meters:
            domains[name] = _part(of_meters, windows, idles, m.device)
            lost.pop(name, None)
    measured_wall = "wall" in domains and domains["wall"].energy.measured
    parts = ("wall",) if measured_wall else tuple(n for n in domains if n != "wall")
    return _Found(
        domains=domains,
        parts=parts,
        lost=lost,
        iterations=sum(w.iterations for w in windows),
        window_s=sum(w.end_s - w.begin_s for w in windows),
        windows=len(windows),
    )


def _in_all(windows: Sequence[Sequence[Domain]]) -> list[list[Domain]]:
    """Return the meters that told of every window, each with what it told, the believed first."""
    names = [d.meter for d in windows[0]]
    found = [[d for w in windows for d in w if d.meter == name] for name in names]
    return [of_meter for of_meter in found if len(of_meter) == len(windows)]


def _part(
    of_meters: Sequence[Sequence[Domain]],
    windows: Sequence[Window],
    idles: Sequence[EnergyPass],
    device: str,
) -> _Part:
    believed, *others = of_meters
    n = sum(w.iterations for w in windows)
    iteration_s = sum(w.end_s - w.begin_s for w in windows) / n
    total = sum(d.point for d in believed)
    each = [d.point / w.iterations for d, w in zip(believed, windows, strict=True)]
    spread = _half_spread(each)
    band = Band(
        point=total / n,
        low=total / n - math.hypot((total - sum(d.low for d in believed)) / n, spread or 0.0),
        high=total / n + math.hypot((sum(d.high for d in believed) - total) / n, spread or 0.0),
    )
    idle = _idle(idles, believed[0], device)
    readings = [r for d in believed for r in d.readings]
    return _Part(
        energy=DomainEnergy(
            energy_j=band.point,
            low_j=max(0.0, band.low),
            high_j=band.high,
            meter=believed[0].meter,
            measured=believed[0].measured,
            idle_w=None if idle is None else idle.point,
            net_j=None if idle is None else _net(band, idle, iteration_s),
            resolution_frac=_share(readings, total, "resolution_frac"),
            blind_frac=_share(readings, total, "blind_frac"),
            gain_frac=max((r.gain_frac for r in readings if r.gain_frac is not None), default=None),
            peak_w=max(d.peak_w for d in believed),
            spread_frac=None if spread is None else spread / band.point,
            windows=len(windows),
            checks=tuple(_check(other, total, n) for other in others),
        ),
        total_j=total,
        peak_w=max(d.peak_w for d in believed),
    )


def _half_spread(each: Sequence[float]) -> float | None:
    """Return half of the 95 % interval of the mean over windows, None for one window."""
    k = len(each)
    if k < 2:
        return None
    mean = sum(each) / k
    sd = math.sqrt(sum((e - mean) ** 2 for e in each) / (k - 1))
    return (_T[k - 2] if k - 2 < len(_T) else _Z) * sd / math.sqrt(k)


def _share(readings: Iterable[ChannelEnergy], total: float, name: str) -> float:
    return sum((getattr(r, name) or 0.0) * (r.point or 0.0) for r in readings) / total


def _check(other: Sequence[Domain], total: float, n: int) -> Check:
    theirs = sum(d.point for d in other)
    return Check(
        meter=other[0].meter,
        measured=other[0].measured,
        energy_j=theirs / n,
        ratio=theirs / total,
    )


def _idle(idles: Sequence[EnergyPass], like: Domain, device: str) -> Band | None:
    """Return the idle power of a domain by the same meter: the mean before and after, the range."""
    found = []
    for stretch in (w for p in idles for w in p.windows):
        told, _ = metering.domains(stretch.readings, device)
        same = [d for d in told.get(like.name, ()) if d.meter == like.meter]
        seconds = stretch.end_s - stretch.begin_s
        found += [(d.point / seconds, d.low / seconds, d.high / seconds) for d in same]
    if not found:
        return None
    return Band(
        point=sum(f[0] for f in found) / len(found),
        low=min(f[1] for f in found),
        high=max(f[2] for f in found),
    )


def _net(gross: Band, idle: Band, iteration_s: float) -> Band:
    point = gross.point - idle.point * iteration_s
    below = math.hypot(gross.point - gross.low, (idle.high - idle.point) * iteration_s)
    above = math.hypot(gross.high - gross.point, (idle.point - idle.low) * iteration_s)
    return Band(point=point, low=point - below, high=point + above)


def _energy(found: _Found, m: Measurement, protocol: Protocol) -> Energy:
    """Return the figures of all parts together."""
    parts = [p.energy for p in found.added]
    total = summed([Band(point=p.energy_j, low=p.low_j, high=p.high_j) for p in parts])
    measured = all(p.measured for p in parts)
    idles = [p.idle_w for p in parts if p.idle_w is not None]
    idle_w = sum(idles) if len(idles) == len(parts) else None
    nets = [p.net_j for p in parts if p.net_j is not None]
    items = m.work.items_per_iteration
    missing = _missing(found, m.device)
    return Energy(
        point=total.point,
        low=max(0.0, total.low),
        high=total.high,
        level=joules.LEVEL if measured else None,
        domains={name: p.energy for name, p in found.domains.items()},
        measured=measured,
        idle_w=idle_w,
        basis=_basis(found, missing),
        parts=found.parts,
        idle_j=None if idle_w is None else idle_w * found.window_s / found.iterations,
        net_j=summed(nets) if len(nets) == len(parts) else None,
        per_item_j=scaled(total, 1 / items) if items else None,
        energy_delay_js=total.point * m.wall_s.mean if m.wall_s else None,
        not_included=missing,
        lost=dict(found.lost),
        assumed_wall=assumed_wall(total.point, found.parts, protocol.wall_factor),
    )


def _missing(found: _Found, device: str) -> tuple[str, ...]:
    """Return what no meter tells of, though it is a part of the machine."""
    if "wall" in found.parts:
        return ()
    there = ("cpu", "dram") if device == "cpu" else ("gpu", "cpu", "dram")
    return (*(d for d in there if d not in found.parts), REST)


def _basis(found: _Found, missing: Sequence[str]) -> str:
    told = [f"{n} by {found.domains[n].energy.meter}" for n in found.parts]
    modelled = [n for n in found.parts if not found.domains[n].energy.measured]
    one = ", one window" if found.windows == 1 else f", {found.windows} windows"
    text = " + ".join(told) + one
    text += f"; modelled: {', '.join(modelled)} ({cpu_power.BASIS})" if modelled else ""
    return text + (f"; not in it: {', '.join(missing)}" if missing else "")


def _power(found: _Found) -> Power:
    """Return the mean power; the peaks of several parts are added, so they bound the whole's."""
    per_s = found.iterations / found.window_s
    parts = [p.energy for p in found.added]
    total = summed([Band(point=p.energy_j, low=p.low_j, high=p.high_j) for p in parts])
    return Power(
        point=total.point * per_s,
        low=max(0.0, total.low * per_s),
        high=total.high * per_s,
        peak=sum(p.peak_w for p in found.added),
    )


def _disagreements(found: _Found) -> Iterable[Warned]:
    """Yield a warning where two meters of one domain are far apart, with both figures."""
    for name, part in found.domains.items():
        for check in part.energy.checks:
            if check.measured and abs(check.ratio - 1) > metering.DISAGREE_FRAC:
                yield Warned(
                    code="meters_disagree",
                    message=f"{name}: {part.energy.energy_j:.4g} J by {part.energy.meter},"
                    f" {check.energy_j:.4g} J by {check.meter}: {check.ratio - 1:+.0%}",
                    remedy="hold both against a wall meter (--wall-meter)",
                )
