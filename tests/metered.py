"""Meters that are read without a process: readings by a script, on a clock that waiting moves."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Any

import pytest

from hwbench import registry
from hwbench.meter import Asked, Meter
from hwbench.probed import MeterFacts
from hwbench.registry import Shelf
from hwbench.sensor import ChannelFacts, Point, Trace
from tests.fakes import FakeClock

CARD = ChannelFacts(
    meter="card", name="cuda:0", domain="gpu", kind="power", device="cuda:0",
    update_s=0.1, window_s=0.1, gain_frac=0.05,
)  # fmt: skip
OTHER_CARD = replace(CARD, name="cuda:1", device="cuda:1")
SECOND = replace(CARD, meter="second")
PACKAGE = ChannelFacts(
    meter="package", name="package-0", domain="cpu", kind="power", update_s=0.1, window_s=0.1
)
MEMORY = replace(PACKAGE, name="dram", domain="dram")
PLUG = replace(PACKAGE, meter="plug", name="plug", domain="wall")
MODEL = replace(PACKAGE, meter="model", name="cpu", measured=False)
RANKS = {"card": 10, "second": 20, "package": 10, "plug": 10, "model": 90}

Watts = Callable[[float], float]  # of the seconds since the begin
STEP_S = 0.05


class Scripted:
    """Stands for a Sampler: each channel's power as a function of the clock.

    `dies` names channels with the second from which on they are lost.
    """

    def __init__(
        self,
        clock: FakeClock,
        watts: Mapping[ChannelFacts, Watts],
        dies: Mapping[ChannelFacts, float] | None = None,
        lost: Mapping[str, str] | None = None,
    ) -> None:
        """Begin to read at the clock's time."""
        self.clock, self._watts, self._dies = clock, watts, dict(dies or {})
        self._begin_s = clock.now
        self.channels = tuple(watts)
        self.lost: dict[str, str] = dict(lost or {})
        self.ended = False
        self.asked: tuple[Sequence[str], Asked] | None = None

    def start(self, meters: Sequence[str], asked: Asked) -> Any:
        """Be what a run starts as its Sampler."""
        self.asked = (meters, asked)
        self.channels = tuple(c for c in self.channels if c.meter in meters)
        return self

    def traces(self) -> Mapping[str, Trace]:
        """Return all readings up to now."""
        return {facts.key: self._trace(facts) for facts in self.channels}

    def _trace(self, facts: ChannelFacts) -> list[Point]:
        end_s = min(self.clock.now, self._begin_s + self._dies.get(facts, float("inf")))
        if end_s < self.clock.now:
            self.lost[facts.key] = "it fell off the bus"
        count = int((end_s - self._begin_s) / STEP_S) + 1
        times = [n * STEP_S for n in range(count)]
        return [Point(self._begin_s + t, self._watts[facts](t)) for t in times]

    def settle(self, end_s: float, *_: Any) -> None:
        """Let a second go by."""
        self.clock.advance(1.0)

    def __enter__(self) -> "Scripted":
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Remember that it was ended."""
        self.ended = True


def installed(monkeypatch: pytest.MonkeyPatch, *channels: ChannelFacts) -> None:
    """Let these channels' meters be all that there are, and usable."""
    meters = {}
    for name in dict.fromkeys(c.meter for c in channels):
        own = [c for c in channels if c.meter == name]
        facts = MeterFacts(
            name=name,
            domains=tuple(dict.fromkeys(c.domain for c in own)),
            measured=own[0].measured,
        )
        meters[name] = Meter(
            name=name,
            summary="",
            rank=RANKS[name],
            probe=_says(facts),
            open=lambda asked: [],
            modelled=not own[0].measured,
        )
    shelf = Shelf(kind="meter", items=meters, broken={})
    monkeypatch.setattr(registry, "meters", lambda: shelf)


def _says(facts: MeterFacts) -> Callable[[Asked], MeterFacts]:
    return lambda asked: facts


def always(watts: float) -> Watts:
    """Return a constant power."""
    return lambda seconds: watts
