"""What the device of an edge profile would do with a network: scaled from published figures.

Its peak in the precision times the share of it that networks reach (an interval, from judgement)
gives the latency; the power between idle and load while it computes gives the energy; the battery's
energy over the mean power gives its life. Nothing of it was measured on the device.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace

from hwbench import edge_facts, edge_limits, edge_sightings
from hwbench.case import Case
from hwbench.edge_facts import EDGE, Band, EdgeFacts, EdgeModel, EdgeProfile, OnDevice
from hwbench.measurement import Measurement, Protocol
from hwbench.protocol import VisitResult
from hwbench.units import S_PER_H

DEPTHWISE = 0.1  # of the convolutions, from which a network counts as depthwise
BASIS = "scaled: published peak times the share of it that networks reach, as an interval"
_PRECISION = {"float32": "float32", "float16": "float16", "static": "int8"}


def facts(
    case: Case,
    m: Measurement,
    visits: Sequence[VisitResult],
    protocol: Protocol,
    others: Iterable[Measurement] = (),
) -> EdgeFacts:
    """Return what is told of a case under its edge profile, from the visits so far.

    `others` are all measurements of the run, for a device's record to be compared with.
    """
    profile = edge_facts.profile(str(case.options[EDGE]))
    model = next((v.edge for v in visits if v.edge is not None), None)
    taken = [v.model_bytes for v in visits if v.model_bytes is not None]
    cold = None
    if m.setup_s is not None and m.first_iteration_s is not None:
        cold = m.setup_s + m.first_iteration_s
    rate = protocol.edge.rate_per_s if protocol.edge else None
    found: OnDevice | str = "its file was not made"
    if model is not None:
        found = on_device(profile, model, m.work.flops_per_iteration, rate)
        seen = protocol.edge.device if protocol.edge else None
        if seen is not None:
            told = edge_sightings.latency(m, seen, others)
            if told is not None:
                found = projected(profile, *told, rate)
            elif isinstance(found, OnDevice):
                found = replace(found, basis=f"{BASIS}: the {edge_sightings.no_case(seen)}")
    return EdgeFacts(
        profile=profile.name,
        threads=edge_limits.threads(case, protocol),
        memory_limit_bytes=edge_limits.memory_bytes(case, protocol),
        latency_bound_s=edge_limits.latency_bound_s(case, protocol),
        model=model,
        model_memory_bytes=max(taken, default=None),
        cold_start_s=cold,
        operators=next((v.operators for v in visits if v.operators), ()),
        on_device=found if isinstance(found, OnDevice) else None,
        no_device=found if isinstance(found, str) else None,
    )


def on_device(
    profile: EdgeProfile, model: EdgeModel, flops: int | None, rate_per_s: float | None = None
) -> OnDevice | str:
    """Return the projection for a network of `flops` an inference, or why there is none."""
    kind = _PRECISION.get(model.precision)
    if kind is None:
        return "how fast dynamic int8 is goes by the kernels of a runtime, which no peak tells"
    peak = profile.peak_flops_per_s.get(kind)
    if peak is None:
        return f"no peak in {kind} is published of {profile.device}"
    if not flops:
        return "its FLOPs are not known"
    depthwise = model.depthwise_frac >= DEPTHWISE
    share = profile.depthwise_utilisation_frac if depthwise else profile.utilisation_frac
    if share is None:
        return f"which share of its peak networks reach on {profile.device} is not known"
    low_share, high_share = share
    latency = Band(
        point=flops / (peak * math.sqrt(low_share * high_share)),
        low=flops / (peak * high_share),
        high=flops / (peak * low_share),
    )
    return projected(profile, latency, BASIS, rate_per_s)


def projected(
    profile: EdgeProfile, latency: Band, basis: str, rate_per_s: float | None = None
) -> OnDevice:
    """Return what the device does with a network of this latency: energy, battery, flight time."""
    rate = rate_per_s or profile.rate_per_s
    powers = None
    reasons = []
    if profile.idle_w is None or profile.load_w is None:
        reasons.append(f"energy: the power of {profile.device} is not known")
    else:
        above_w = profile.load_w - profile.idle_w
        powers = {end: _busy(at, rate) * above_w for end, at in _ends(latency).items()}
    battery, lost = _battery(profile, powers)
    if profile.battery_wh is None:
        reasons.append("battery: it has none of its own")
    return OnDevice(
        device=profile.device,
        basis=basis,
        latency_s=latency,
        energy_j=None if powers is None else _energy(profile, latency),
        rate_per_s=rate,
        keeps_up_frac=_keeps_up(latency, rate),
        battery_h=battery,
        flight_lost_frac=lost,
        reason="; ".join(reasons) or None,
        source=profile.source,
    )


def _ends(band: Band) -> dict[str, float]:
    return {"point": band.point, "low": band.low, "high": band.high}


def _busy(latency_s: float, rate: float) -> float:
    """Return the share of its time that the device computes; it cannot do more than all of it."""
    return min(1.0, latency_s * rate)


def _energy(profile: EdgeProfile, latency: Band) -> Band:
    assert profile.load_w is not None and profile.idle_w is not None
    above_w = profile.load_w - profile.idle_w
    return Band(**{end: at * above_w for end, at in _ends(latency).items()})


def _keeps_up(latency: Band, rate: float) -> float:
    """Return how much of the interval, on a scale of logarithms, is below a period of the rate."""
    low, high, period = math.log(latency.low), math.log(latency.high), -math.log(rate)
    if high <= low:
        return float(period >= high)
    return min(1.0, max(0.0, (period - low) / (high - low)))


def _battery(
    profile: EdgeProfile, powers: dict[str, float] | None
) -> tuple[Band | None, Band | None]:
    """Return the hours of the battery at the rate, and of a drone the share of its flight lost.

    A drone's battery carries it: its own hovering power comes first.
    """
    if powers is None or profile.battery_wh is None or profile.idle_w is None:
        return None, None
    own_w = profile.hover_w or 0.0
    hours = {end: profile.battery_wh / (own_w + profile.idle_w + w) for end, w in powers.items()}
    battery = Band(point=hours["point"], low=hours["high"], high=hours["low"])
    if profile.hover_w is None:
        return battery, None
    without = profile.battery_wh / profile.hover_w
    lost = {end: 1 - h / without for end, h in hours.items()}
    return battery, Band(point=lost["point"], low=lost["low"], high=lost["high"])


def per_wh(energy_j: float) -> float:
    """Return inferences per watt-hour."""
    return S_PER_H / energy_j
