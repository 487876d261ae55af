"""What this machine is, what can be measured on it, what is missing and the line that helps.

No framework is imported here: the caller probes the runtimes, each in a process of its own.
"""

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from hwbench import advice, energy_planning, host, metering, nvml, registry
from hwbench.advice import Advice, Severity
from hwbench.device import Device, Environment
from hwbench.energy_planning import EnergyWish
from hwbench.probed import MeterFacts, RuntimeFacts

_SEVERITIES: tuple[Severity, ...] = ("slow", "missing", "note")


@dataclass(frozen=True, kw_only=True)
class Findings:
    """All that the doctor found, the advice that matters most first."""

    environment: Environment
    devices: tuple[Device, ...]
    runtimes: tuple[RuntimeFacts, ...]
    meters: tuple[MeterFacts, ...]
    advice: tuple[Advice, ...]


def examine(
    probe_runtimes: Callable[[], tuple[RuntimeFacts, ...]],
    *,
    environment: Environment | None = None,
    environ: Mapping[str, str] = os.environ,
) -> Findings:
    """Examine this machine; `environment` is taken where the caller has it already."""
    environment = environment or host.environment()  # first: probing would raise the load
    runtimes = tuple(probe_runtimes())
    cards = nvml.devices(environ)
    meters = metering.probe(energy_planning.asked(EnergyWish(), environment))
    given = [
        *advice.on_processor(environment),
        *advice.on_steadiness(environment),
        *advice.on_runtimes(runtimes),
        *advice.on_cards(cards, runtimes, environ),
        *advice.on_meters(meters),
        *advice.on_surroundings(environment),
        *advice.on_files("meter", registry.meters().broken),
    ]
    return Findings(
        environment=environment,
        devices=all_devices(environment, cards.devices, runtimes),
        runtimes=runtimes,
        meters=meters,
        advice=tuple(sorted(given, key=lambda a: _SEVERITIES.index(a.severity))),
    )


def all_devices(
    environment: Environment, cards: Iterable[Device], runtimes: Iterable[RuntimeFacts]
) -> tuple[Device, ...]:
    """Return the processor, NVIDIA's cards, and what else a runtime sees (`mps`), by name alone."""
    known = {d.name: d for d in (host.cpu_device(environment), *cards)}
    for name in (name for runtime in runtimes for name in runtime.devices):
        kind, _, index = name.partition(":")
        known.setdefault(name, Device(name=name, kind=kind, index=int(index or 0)))
    return tuple(known.values())
