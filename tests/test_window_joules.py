"""The energy of a window against work whose energy is known, and sensors that misbehave."""

import math
from dataclasses import replace

import numpy as np
import pytest

from bench import sensors
from hwbench.counter_joules import unwrapped
from hwbench.joules import NoEnergy
from hwbench.power_joules import renewal_s
from hwbench.sensor import ChannelFacts, Point
from hwbench.window_joules import of_window

POWER = ChannelFacts(meter="m", name="0", domain="gpu", kind="power", update_s=0.1, window_s=0.1)
COUNTER = replace(POWER, kind="counter", window_s=None)


def steady(watts: float, seconds: float = 20.0, step_s: float = 0.05) -> list[Point]:
    return [Point(n * step_s, watts) for n in range(int(seconds / step_s) + 1)]


def counting(watts: float, seconds: float = 20.0, each_s: float = 0.1) -> list[Point]:
    """Return the readings, each 50 ms, of a counter that is renewed every `each_s`."""
    times = [n * 0.05 for n in range(int(seconds / 0.05) + 1)]
    return [Point(t, watts * math.floor(t / each_s + 1e-9) * each_s) for t in times]


@pytest.mark.parametrize("name", sensors.SENSORS)
@pytest.mark.parametrize("gain_frac", [None, 0.05])
def test_the_truth_is_in_the_interval(name: str, gain_frac: float | None) -> None:
    """A smaller one, with a fixed seed, of `python -m bench.energy`."""
    found = list(sensors.trials(*sensors.SENSORS[name], 120, 7, gain_frac))
    assert sensors.held(found) >= 0.95
    assert all(t.found is not None and t.found.point > 0 for t in found)


@pytest.mark.parametrize("name", sensors.SENSORS)
def test_the_interval_is_no_wider_than_the_sensor_is_poor(name: str) -> None:
    """An interval that holds everything would pass the test above."""
    most = {"25 ms of each 100 ms seen": 0.10}.get(name, 0.03)
    found = [t.found for t in sensors.trials(*sensors.SENSORS[name], 60, 8) if t.found]
    halves = sorted((j.high - j.low) / 2 / j.point for j in found)
    assert halves[len(halves) // 2] < most


@pytest.mark.parametrize("name", sensors.BROKEN)
def test_a_broken_sensor_tells_no_energy_and_never_0(name: str) -> None:
    found = list(sensors.trials(*sensors.BROKEN[name], 40, 9))
    assert all(t.found is None and t.why for t in found)


def test_steady_power_is_watts_times_seconds() -> None:
    for facts, trace in ((POWER, steady(250.0)), (COUNTER, counting(250.0))):
        joules = of_window(facts, trace, 2.0, 12.0)
        assert joules.point == pytest.approx(2500.0, rel=1e-3)
        assert joules.low <= 2500.0 + 1e-9 and joules.high >= 2500.0 - 1e-9
        assert joules.mean_w == pytest.approx(250.0, rel=1e-3)
        assert joules.peak_w == pytest.approx(250.0, rel=0.02)


def test_an_average_over_a_second_lags_and_the_lag_is_taken_out() -> None:
    """100 W, then 300 W from second 5 on: the readings ramp for a second after the change."""

    def truth(t: float) -> float:
        return 300.0 if t >= 5.0 else 100.0

    def mean(t: float) -> float:
        return float(np.mean([truth(t - 1 + (k + 0.5) / 100) for k in range(100)]))

    trace = [Point(n * 0.05, mean(math.floor(n * 0.05 / 0.1 + 1e-9) * 0.1)) for n in range(20, 400)]
    facts = replace(POWER, window_s=1.0)
    assert of_window(facts, trace, 2.0, 12.0).point == pytest.approx(2400.0, rel=0.005)
    pulse = of_window(facts, trace, 5.0, 15.0)  # half a ramp is outside: the interval knows
    assert pulse.low <= 3000.0 <= pulse.high


def test_a_scale_that_may_be_wrong_widens_by_that_and_by_nothing_else() -> None:
    bare = of_window(POWER, steady(100.0), 2.0, 12.0)
    scaled = of_window(replace(POWER, gain_frac=0.10), steady(100.0), 2.0, 12.0)
    assert (bare.gain_frac, scaled.gain_frac) == (None, 0.10)
    assert scaled.point == bare.point
    assert scaled.low == pytest.approx(bare.low / 1.10)
    assert scaled.high == pytest.approx(bare.high / 0.90)


def test_what_is_not_seen_is_in_the_interval_where_the_power_varies() -> None:
    rng = np.random.default_rng(3)
    trace = [Point(n * 0.1, float(w)) for n, w in enumerate(rng.normal(200, 40, 300))]
    blind = replace(POWER, window_s=0.025, seen_frac=0.25)
    assert of_window(POWER, trace, 2.0, 22.0).blind_frac == 0.0
    varied, calm = (of_window(blind, t, 2.0, 22.0).blind_frac for t in (trace, steady(200.0, 30)))
    assert varied == pytest.approx(1.96 * 0.2 * math.sqrt(0.75 / 200), rel=0.5)
    assert calm == pytest.approx(0.0, abs=1e-9)


def test_a_window_within_two_renewals_has_no_energy() -> None:
    with pytest.raises(NoEnergy, match=r"did not move in the 0\.02 s"):
        of_window(COUNTER, counting(100.0), 5.01, 5.03)
    with pytest.raises(NoEnergy, match="too few"):
        of_window(POWER, steady(100.0), 5.01, 5.03)


def test_readings_that_end_before_the_window_does_are_too_few() -> None:
    with pytest.raises(NoEnergy, match="before the end"):
        of_window(POWER, steady(100.0, 10.0), 2.0, 12.0)
    with pytest.raises(NoEnergy, match="before the end"):
        of_window(COUNTER, counting(100.0, 10.0), 2.0, 12.0)
    with pytest.raises(NoEnergy, match="first reading is 1 s late"):
        of_window(POWER, steady(100.0)[20:], 0.0, 5.0)
    with pytest.raises(NoEnergy, match="gave no reading"):
        of_window(POWER, [], 0.0, 5.0)


def test_a_gap_is_told_with_its_place() -> None:
    trace = [p for p in steady(100.0) if not 5.0 < p.at_s < 9.0]
    with pytest.raises(
        NoEnergy,
        match=r"no reading for 4 s, from second 2\.9 of the window on, after its reading 101",
    ):
        of_window(POWER, trace, 2.0, 15.0)


def test_a_short_gap_is_bridged_and_its_doubt_is_in_the_interval() -> None:
    full = [Point(n * 0.05, 100.0 + 100.0 * (n // 10 % 2)) for n in range(400)]
    holed = [p for p in full if not 5.0 < p.at_s < 6.4]
    whole, bridged = (of_window(POWER, t, 2.0, 15.0) for t in (full, holed))
    assert bridged.resolution_frac > whole.resolution_frac
    assert bridged.low <= 13 * 150.0 <= bridged.high


def test_a_slow_sensor_is_judged_by_its_own_pace() -> None:
    """A wall meter that tells each 10 s has no gaps, and no renewal that is known before."""
    trace = [Point(10.0 * n, 60.0 + n % 3) for n in range(40)]
    facts = replace(POWER, update_s=None, window_s=None)
    assert renewal_s(trace) == 10.0
    assert of_window(facts, trace, 50.0, 250.0).point == pytest.approx(200 * 61.0, rel=0.01)


def test_a_meter_that_always_tells_the_same_is_renewed_with_each_reading() -> None:
    facts = replace(POWER, update_s=None, window_s=None)
    trace = [Point(float(n), 42.0) for n in range(30)]
    assert of_window(facts, trace, 5.0, 20.0).point == pytest.approx(15 * 42.0)


def test_zeros_among_the_readings_are_a_dead_sensor() -> None:
    trace = [Point(p.at_s, 0.0 if p.at_s > 8 else p.value) for p in steady(100.0)]
    with pytest.raises(NoEnergy, match="it died"):
        of_window(POWER, trace, 2.0, 15.0)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_is_no_number_is_no_reading(value: float) -> None:
    trace = [*steady(100.0), Point(25.0, value)]
    with pytest.raises(NoEnergy, match="which is no number"):
        of_window(POWER, trace, 2.0, 15.0)


def test_negative_watts_are_refused() -> None:
    with pytest.raises(NoEnergy, match="told -5 W"):
        of_window(POWER, steady(-5.0), 2.0, 15.0)


def test_a_counter_may_begin_again_only_where_its_end_is_known() -> None:
    values = [90.0, 95.0, 2.0, 7.0]
    trace = [Point(float(n), v) for n, v in enumerate(values)]
    with pytest.raises(NoEnergy, match="went backwards"):
        unwrapped(COUNTER, trace)
    found = unwrapped(replace(COUNTER, range_j=97.0), trace)
    assert [p.value for p in found] == [0.0, 5.0, 9.0, 14.0]


def test_a_counter_that_was_not_read_for_a_while_did_not_stand_still() -> None:
    """The reading process may have to wait for a processor; the counter goes on meanwhile."""
    trace = [p for p in counting(100.0) if not 5.0 < p.at_s < 8.0]
    joules = of_window(COUNTER, trace, 2.0, 15.0)
    assert joules.point == pytest.approx(1300.0, rel=0.01)
    stuck = [Point(p.at_s, min(p.value, 500.0)) for p in counting(100.0)]
    with pytest.raises(NoEnergy, match="stood still"):
        of_window(COUNTER, stuck, 2.0, 15.0)


def test_a_window_without_length_is_refused() -> None:
    with pytest.raises(NoEnergy, match="a window of 0 s"):
        of_window(POWER, steady(1.0), 3.0, 3.0)
