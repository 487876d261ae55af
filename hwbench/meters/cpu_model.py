"""The meter of last resort: a processor's power from its TDP and how busy it is. A model.

How wrong it is stands in `cpu_power.py`, and in every figure that is made of it.
"""

from collections.abc import Callable, Sequence

from hwbench.cpu_power import BASIS, CpuPower, power_w
from hwbench.errors import Unavailable
from hwbench.meter import Asked, Channel, Clock, Meter
from hwbench.probed import MeterFacts
from hwbench.sensor import ChannelFacts, Point

_LEAST_S = 0.09  # the system counts time in ticks of 10 ms: shares of less are noise

Usage = Callable[[], tuple[float, float]]  # busy and all seconds of the processor's threads


def probe(asked: Asked) -> MeterFacts:
    """Tell whether this machine's processor is known, or its TDP was given."""
    if asked.cpu is None:
        return _facts(asked.no_cpu, asked.no_cpu_remedy)
    return _facts(None)


def channels(asked: Asked) -> Sequence[Channel]:
    """Open the model of the processor."""
    if asked.cpu is None:
        raise Unavailable(asked.no_cpu, asked.no_cpu_remedy)
    return [channel(asked.cpu, _usage)]


def channel(cpu: CpuPower, usage: Usage) -> Channel:
    """Return the model as a channel that looks at `usage` when it is read."""
    seen = [usage()]

    def read(clock: Clock) -> Sequence[Point]:
        busy_s, all_s = usage()
        before_busy_s, before_all_s = seen[0]
        if all_s - before_all_s < _LEAST_S * cpu.threads:
            return ()
        seen[0] = (busy_s, all_s)
        share = (busy_s - before_busy_s) / (all_s - before_all_s)
        return (Point(clock(), power_w(cpu, share)),)

    facts = ChannelFacts(
        meter=METER.name,
        name="cpu",
        domain="cpu",
        kind="power",
        measured=False,
        update_s=0.1,
        window_s=0.1,
    )
    return Channel(facts=facts, read=read)


def _usage() -> tuple[float, float]:
    """Return the busy and all seconds of the threads that this process may run on."""
    import psutil

    busy_s = all_s = 0.0
    usable = _usable()
    for number, times in enumerate(psutil.cpu_times(percpu=True)):
        if usable is None or number in usable:
            idle_s = times.idle + getattr(times, "iowait", 0.0)
            spent_s = sum(times) - getattr(times, "guest", 0.0) - getattr(times, "guest_nice", 0.0)
            busy_s, all_s = busy_s + spent_s - idle_s, all_s + spent_s
    return busy_s, all_s


def _usable() -> set[int] | None:
    import os

    return set(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None


def _facts(why_not: str | None, remedy: str | None = None) -> MeterFacts:
    return MeterFacts(
        name="cpu-model",
        domains=("cpu",),
        measured=False,
        resolution_s=0.1,
        why_not=why_not,
        remedy=remedy,
    )


METER = Meter(
    name="cpu-model",
    summary=f"a processor without sensors: {BASIS.partition(':')[0]}, a model",
    rank=90,
    probe=probe,
    open=channels,
    modelled=True,
)
