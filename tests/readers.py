"""Channels read in this process, as the reading process does, on a clock that the test moves."""

import io
from collections.abc import Callable, Sequence

import pytest

from hwbench import registry
from hwbench.meter import Asked, Channel, Meter
from hwbench.probed import MeterFacts
from hwbench.registry import Shelf
from hwbench.sampling import Reader, Terms
from hwbench.sensor import Point
from tests.fakes import FakeClock


def traces(
    channels: Sequence[Channel], turns: int, step_s: float, moved: Callable[[int], None]
) -> tuple[dict[str, list[Point]], dict[str, str]]:
    """Read the channels `turns` times, `step_s` apart; `moved(n)` goes before each.

    Returns the readings and the reasons of the channels that were lost, by key.
    """
    meter = Meter(
        name="here",
        summary="",
        rank=1,
        probe=lambda asked: MeterFacts(name="here", domains=(), measured=True),
        open=lambda asked: channels,
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            registry, "meters", lambda: Shelf(kind="meter", items={"here": meter}, broken={})
        )
        clock, out = FakeClock(), io.StringIO()
        reader = Reader(Terms(meters=("here",), asked=Asked()), clock, out)
        for n in range(turns):
            moved(n)
            reader.turn()
            clock.advance(step_s)
    keys = [c.facts.key for c in channels]
    found: dict[str, list[Point]] = {key: [] for key in keys}
    lost = {}
    for line in out.getvalue().splitlines():
        number, what, value = line.split(" ", 2)
        if what == "lost":
            lost[keys[int(number)]] = value
        else:
            found[keys[int(number)]].append(Point(float(what), float(value)))
    return found, lost
