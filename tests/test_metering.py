"""Whose word counts: ranks, sums of channels, the wall alone, and what is lost."""

import pytest

from hwbench import metering
from hwbench.cpu_power import HIGH, LOW
from hwbench.energy import ChannelEnergy
from hwbench.errors import BadInput, UnknownName
from hwbench.probed import MeterFacts
from hwbench.sensor import ChannelFacts
from tests.fakes import FakeClock
from tests.metered import (
    CARD,
    MEMORY,
    MODEL,
    OTHER_CARD,
    PACKAGE,
    PLUG,
    SECOND,
    Scripted,
    always,
    installed,
)  # fmt: skip


def told(
    *pairs: tuple[ChannelFacts, float], dies: dict[ChannelFacts, float] | None = None
) -> tuple[ChannelEnergy, ...]:
    """Return what these channels tell of 10 s at so many watts each."""
    clock = FakeClock()
    meters = Scripted(clock, {c: always(w) for c, w in pairs}, dies)
    begin = clock.now + 2
    clock.advance(20.0)
    traces = meters.traces()
    return metering.told(meters.channels, traces, meters.lost, begin, begin + 10)


@pytest.fixture(autouse=True)
def _meters(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, CARD, SECOND, PACKAGE, MEMORY, PLUG, MODEL)


def test_the_lowest_rank_is_believed_and_the_other_stands_beside_it() -> None:
    found, lost = metering.domains(told((SECOND, 110.0), (CARD, 100.0)))
    assert [(d.meter, round(d.point)) for d in found["gpu"]] == [("card", 1000), ("second", 1100)]
    assert not lost


def test_what_measures_is_believed_before_what_models() -> None:
    parts, _ = metering.believed(told((MODEL, 10.0), (PACKAGE, 50.0)))
    assert [(d.meter, d.measured) for d in parts] == [("package", True)]


def test_channels_of_one_meter_and_domain_are_added_and_nothing_else() -> None:
    found, _ = metering.domains(told((CARD, 100.0), (OTHER_CARD, 30.0), (MEMORY, 5.0)))
    assert {n: round(d[0].point) for n, d in found.items()} == {"gpu": 1300, "dram": 50}


def test_of_the_cards_only_the_cases_own_counts() -> None:
    found, _ = metering.domains(told((CARD, 100.0), (OTHER_CARD, 30.0)), "cuda:1")
    assert round(found["gpu"][0].point) == 300
    found, _ = metering.domains(told((CARD, 100.0), (PACKAGE, 5.0)), "cpu")
    assert list(found) == ["cpu"]


def test_a_wall_meter_is_the_whole_and_is_not_added_to() -> None:
    parts, _ = metering.believed(told((CARD, 100.0), (PLUG, 300.0), (PACKAGE, 50.0)))
    assert [(d.name, round(d.point)) for d in parts] == [("wall", 3000)]


def test_a_meter_that_vanishes_is_replaced_by_the_next_or_the_domain_is_lost() -> None:
    dies = {CARD: 6.0}
    found, lost = metering.domains(told((CARD, 100.0), (SECOND, 110.0), dies=dies))
    assert [d.meter for d in found["gpu"]] == ["second"] and not lost
    found, lost = metering.domains(told((CARD, 100.0), (PACKAGE, 50.0), dies=dies))
    assert list(found) == ["cpu"]
    assert "it fell off the bus" in lost["gpu"]


def test_half_of_a_domains_channels_is_no_figure() -> None:
    """Two packages of which one is lost would be a total that is too low."""
    dies = {OTHER_CARD: 6.0}
    found, lost = metering.domains(told((CARD, 100.0), (OTHER_CARD, 30.0), dies=dies))
    assert "gpu" not in found and "it fell off the bus" in lost["gpu"]


def test_a_model_has_the_models_range() -> None:
    (reading,) = told((MODEL, 20.0))
    assert reading.point == pytest.approx(200.0)
    assert reading.low == pytest.approx(200.0 * LOW)
    assert reading.high == pytest.approx(200.0 * HIGH)


def test_meters_are_chosen_by_name_or_all_that_work() -> None:
    facts = [
        MeterFacts(name="card", domains=("gpu",), measured=True),
        MeterFacts(name="plug", domains=("wall",), measured=True, why_not="none", remedy="buy one"),
        MeterFacts(name="model", domains=("cpu",), measured=False),
    ]
    assert metering.chosen(facts) == ("card", "model")
    assert metering.chosen(facts, ("card",)) == ("card",)
    assert metering.chosen(facts, ("none",)) == ()
    with pytest.raises(BadInput, match="--meter plug: it cannot be used here: none: buy one"):
        metering.chosen(facts, ("plug",))
    with pytest.raises(BadInput, match="none cannot stand beside"):
        metering.chosen(facts, ("none", "card"))
    with pytest.raises(UnknownName, match="did you mean card"):
        metering.chosen(facts, ("crad",))
    assert metering.measures(facts, ("card",)) and not metering.measures(facts, ("model",))


def test_a_trace_holds_means_and_what_was_not_read_is_null() -> None:
    clock = FakeClock()
    meters = Scripted(clock, {CARD: lambda t: 100.0 if t < 5 else 300.0}, {CARD: 8.0})
    begin = clock.now
    clock.advance(20.0)
    found = metering.power_trace(CARD, meters.traces()[CARD.key], begin, begin + 10, begin, 1.0)
    assert found is not None
    assert found.power_w[:8] == (100.0,) * 5 + (300.0,) * 3
    assert found.power_w[9] is None
    assert (found.start_s, found.step_s) == (0.0, 1.0)
    assert metering.power_trace(CARD, [], begin, begin + 10, begin) is None
