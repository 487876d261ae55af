"""Which meters are read, what they told of a window, and whose word counts.

Of several meters of one domain the one of the lowest rank that told something is believed; the
others are held against it. A domain's channels of one meter are added up; nothing else ever is.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from hwbench import counter_joules, cpu_power, registry, window_joules
from hwbench.energy import ChannelEnergy, PowerTrace
from hwbench.errors import BadInput
from hwbench.joules import NoEnergy
from hwbench.meter import Asked, Meter
from hwbench.probed import MeterFacts
from hwbench.sensor import ChannelFacts, Point, Trace

NONE = "none"  # what --meter takes for no meter at all
DISAGREE_FRAC = 0.05  # two meters further apart than this are worth a warning
_MANY = 5000  # readings of a fast channel; of more only those around a window are looked at
_AROUND_S = 30.0  # far more than the lag of a sensor that gives so many
TRACE_STEP_S = 0.25  # of the power that a record keeps


def probe(asked: Asked | None = None) -> tuple[MeterFacts, ...]:
    """Ask every meter whether it can be used here; one that fails to answer cannot."""
    return tuple(_probed(m, asked or Asked()) for m in registry.meters().items.values())


def _probed(meter: Meter, asked: Asked) -> MeterFacts:
    try:
        return meter.probe(asked)
    except Exception as e:  # a stranger's file may fail in any way; the rest must work
        why_not = f"its probe failed: {type(e).__name__}: {e}"
        return MeterFacts(name=meter.name, domains=(), measured=False, why_not=why_not)


def chosen(facts: Sequence[MeterFacts], names: Sequence[str] = ()) -> tuple[str, ...]:
    """Return the meters to read: all that can be used here, or those that were named.

    Raises UnknownName for a name that is none, BadInput for one that cannot be used here.
    """
    if NONE in names:
        if len(names) > 1:
            raise BadInput("--meter none cannot stand beside other meters")
        return ()
    for name in names:
        registry.meters()[name]
        found = next((f for f in facts if f.name == name), None)
        if found is None or found.why_not is not None:
            why = found.why_not if found else "it was not probed"
            remedy = f": {found.remedy}" if found and found.remedy else ""
            raise BadInput(f"--meter {name}: it cannot be used here: {why}{remedy}")
    usable = [f.name for f in facts if f.why_not is None]
    return tuple(n for n in usable if not names or n in names)


def measures(facts: Sequence[MeterFacts], names: Sequence[str]) -> bool:
    """Return whether any of the meters measures, and does not only model."""
    return any(f.measured and f.name in names for f in facts)


def told(
    channels: Iterable[ChannelFacts],
    traces: Mapping[str, Trace],
    lost: Mapping[str, str],
    begin_s: float,
    end_s: float,
) -> tuple[ChannelEnergy, ...]:
    """Return what each channel told of a window on the readings' clock, or why nothing."""
    return tuple(
        _told(facts, traces.get(facts.key, ()), lost.get(facts.key), begin_s, end_s)
        for facts in channels
    )


def _told(
    facts: ChannelFacts, trace: Trace, lost: str | None, begin_s: float, end_s: float
) -> ChannelEnergy:
    bare = ChannelEnergy(
        channel=facts.key,
        meter=facts.meter,
        domain=facts.domain,
        measured=facts.measured,
        device=facts.device,
        gain_frac=facts.gain_frac,
    )
    around = trace
    if facts.update_s is not None and len(trace) > _MANY:
        around = [p for p in trace if begin_s - _AROUND_S <= p.at_s <= end_s + _AROUND_S]
    try:
        found = window_joules.of_window(facts, around, begin_s, end_s)
    except NoEnergy as e:
        return replace(bare, reason=f"{e} ({lost})" if lost else str(e))
    return replace(
        bare,
        point=found.point,
        low=found.low if facts.measured else found.point * cpu_power.LOW,
        high=found.high if facts.measured else found.point * cpu_power.HIGH,
        updates=found.updates,
        resolution_frac=found.resolution_frac,
        blind_frac=found.blind_frac,
        peak_w=found.peak_w,
    )


@dataclass(frozen=True, kw_only=True)
class Domain:
    """What one meter told of one domain in a window: its channels added up."""

    name: str
    meter: str
    measured: bool
    point: float
    low: float
    high: float
    peak_w: float
    readings: tuple[ChannelEnergy, ...]


def domains(
    readings: Sequence[ChannelEnergy], device: str | None = None
) -> tuple[dict[str, tuple[Domain, ...]], dict[str, str]]:
    """Return by domain what its meters told, the believed one first, and why a domain is lost.

    Of the GPUs only `device` counts where it is given, and none for `cpu`: that another card idles
    is not the case's.
    """
    found: dict[str, list[Domain]] = {}
    why: dict[str, str] = {}
    ours = [r for r in readings if device is None or _concerns(r, device)]
    for name in dict.fromkeys(r.domain for r in ours):
        here = [r for r in ours if r.domain == name]
        for meter in sorted({r.meter for r in here}, key=_order):
            of_meter = tuple(r for r in here if r.meter == meter)
            silent = [r.reason for r in of_meter if r.reason]
            if silent:
                why.setdefault(name, silent[0])
                continue
            found.setdefault(name, []).append(_added(name, meter, of_meter))
    return {n: tuple(d) for n, d in found.items()}, {n: w for n, w in why.items() if n not in found}


def _concerns(reading: ChannelEnergy, device: str) -> bool:
    """Return whether a channel tells of what a case on that device uses."""
    if reading.domain == "gpu" and device == "cpu":
        return False
    return reading.device is None or reading.device == device


def _order(name: str) -> tuple[bool, int]:
    """Return what meters are sorted by: measured before modelled, then by rank."""
    meter = registry.meters().items.get(name)
    return (False, 0) if meter is None else (meter.modelled, meter.rank)


def _added(name: str, meter: str, readings: tuple[ChannelEnergy, ...]) -> Domain:
    return Domain(
        name=name,
        meter=meter,
        measured=all(r.measured for r in readings),
        point=sum(r.point or 0.0 for r in readings),
        low=sum(r.low or 0.0 for r in readings),
        high=sum(r.high or 0.0 for r in readings),
        peak_w=sum(r.peak_w or 0.0 for r in readings),
        readings=readings,
    )


def believed(
    readings: Sequence[ChannelEnergy], device: str | None = None
) -> tuple[tuple[Domain, ...], dict[str, str]]:
    """Return the domains that make up a total, and why one is lost: the wall alone, or the parts.

    A wall meter sees all of the machine: where there is one that measures, nothing is added to it.
    """
    found, why = domains(readings, device)
    first = {name: of_domain[0] for name, of_domain in found.items()}
    if "wall" in first and first["wall"].measured:
        return (first["wall"],), why
    return tuple(d for n, d in first.items() if n != "wall"), why


def power_trace(
    facts: ChannelFacts,
    trace: Trace,
    begin_s: float,
    end_s: float,
    origin_s: float,
    step_s: float = TRACE_STEP_S,
) -> PowerTrace | None:
    """Return the mean power of each `step_s` of a stretch, None without readings.

    `origin_s` is when the run began on the readings' clock.
    """
    if facts.kind == "counter":
        try:
            trace = _rates(counter_joules.unwrapped(facts, trace))
        except NoEnergy:
            return None
    inside = [p for p in trace if begin_s <= p.at_s < end_s]
    if not inside:
        return None
    count = max(1, int((end_s - begin_s) / step_s))
    bins: list[list[float]] = [[] for _ in range(count)]
    for p in inside:
        bins[min(count - 1, int((p.at_s - begin_s) / step_s))].append(p.value)
    return PowerTrace(
        channel=facts.key,
        start_s=max(0.0, begin_s - origin_s),
        step_s=step_s,
        power_w=tuple(round(max(0.0, sum(b) / len(b)), 3) if b else None for b in bins),
    )


def _rates(points: Sequence[Point]) -> list[Point]:
    """Return a counter's power between its renewals, once for each reading."""
    out: list[Point] = []
    since = 0
    for k in range(1, len(points)):
        if points[k].value > points[since].value:
            watts = (points[k].value - points[since].value) / (points[k].at_s - points[since].at_s)
            out += [Point(p.at_s, watts) for p in points[since + 1 : k + 1]]
            since = k
    return out
