"""The contract of a meter: a source of joules, read through channels.

A plug-in is one file in `hwbench/meters/` that exports `METER = Meter(...)`. What it gives are
readings with their times; to integrate them and to say how sure they are is the same for all
(`joules.py`). A window begins and ends on the readings' clock.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hwbench.cpu_power import CpuPower
from hwbench.probed import MeterFacts
from hwbench.sensor import ChannelFacts, Point

Clock = Callable[[], float]


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What the user asked of the meters, and what the machine tells them.

    `wall` is `--wall-meter`: a file, or `cmd:` and a command. Without `cpu`, `no_cpu` says why.
    """

    wall: str | None = None
    wall_offset_s: float = 0.0
    cpu: CpuPower | None = None
    no_cpu: str = "the power of this processor is not known"
    no_cpu_remedy: str | None = "--cpu-tdp WATTS, of the share that this machine has"


@dataclass(frozen=True, kw_only=True)
class Channel:
    """An open sensor. `read(clock)` returns the readings since the last call, oldest first.

    It raises `Unavailable` where the sensor is gone, which ends the channel.
    """

    facts: ChannelFacts
    read: Callable[[Clock], Sequence[Point]]


@dataclass(frozen=True, kw_only=True)
class Meter:
    """`probe(asked)` says whether the meter can be used here, and if not why and what would help.

    `open(asked)` returns its channels, in the process that reads them; it raises Unavailable.
    Where several meters tell of one domain, the one of the lowest `rank` is believed, measured
    ones before modelled ones; the others are held against it.
    """

    name: str
    summary: str
    rank: int
    probe: Callable[[Asked], MeterFacts]
    open: Callable[[Asked], Sequence[Channel]]
    modelled: bool = False


def polled(facts: ChannelFacts, value: Callable[[], float]) -> Channel:
    """Return a channel that asks for `value()` when it is read: joules or watts."""

    def read(clock: Clock) -> Sequence[Point]:
        before = clock()
        found = value()
        return (Point((before + clock()) / 2, found),)

    return Channel(facts=facts, read=read)
