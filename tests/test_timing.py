import gc
import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from hwbench import timing
from hwbench.errors import HwbenchError
from hwbench.runtime import Answer, Program
from hwbench.timing import Pace
from tests.fakes import FakeClock

PACE = Pace(visit_s=1.0, min_samples=5, sample_s=0.010, max_samples=100)


class Script:
    """A program whose iterations take scripted times; work is done when it is waited for."""

    def __init__(self, clock: FakeClock, duration_s: Callable[[int], float]) -> None:
        self.clock, self.duration_s = clock, duration_s
        self.steps = 0
        self.pending_s = 0.0
        self.events: list[str] = []

    def step(self) -> int:
        self.pending_s += self.duration_s(self.steps)
        self.steps += 1
        self.events.append("step")
        return self.steps

    def wait(self, result: Any) -> None:
        assert result == self.steps, "the last result was not waited for"
        self.clock.advance(self.pending_s)
        self.pending_s = 0.0
        self.events.append("wait")

    def flush(self) -> None:
        self.clock.advance(5.0)
        self.events.append("flush")

    def timer(self, loops: int) -> float:
        self.events.append(f"timer {loops}")
        self.clock.advance(1.0)
        return 0.002 * loops

    def program(self, **more: Any) -> Program:
        def no_answer(steps: int) -> Answer:
            raise AssertionError("timing checks no answer")

        return Program(
            step=self.step, wait=self.wait, renew=lambda rng: None, answer=no_answer, **more
        )


def _visited(
    duration_s: Callable[[int], float], pace: Pace = PACE, **more: Any
) -> tuple[timing.Visit, Script]:
    clock = FakeClock()
    script = Script(clock, duration_s)
    return timing.visit(script.program(**more), pace, clock), script


def test_every_warm_up_is_kept_and_none_is_a_sample() -> None:
    slow_start = [4.0, 2.0, 0.020]
    visit, script = _visited(
        lambda i: slow_start[i] if i < 3 else 0.020, replace(PACE, visit_s=100.0)
    )
    assert visit.warmup_s == pytest.approx([4.0, 2.0, 0.020, 0.020])
    assert [t.wall_s for t in visit.samples] == pytest.approx([0.020] * 100)
    assert script.steps == len(visit.warmup_s) + len(visit.samples)


def test_a_warm_up_that_never_settles_ends_after_half_a_visit() -> None:
    visit, _ = _visited(lambda i: 0.1 if i % 2 else 0.05)
    assert sum(visit.warmup_s) == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize("iteration_s", [1e-6, 37e-6, 0.0009, 0.004, 0.0099])
def test_short_iterations_are_grouped_to_a_sample_of_ten_milliseconds(iteration_s: float) -> None:
    visit, _ = _visited(lambda i: iteration_s)
    assert len({t.loops for t in visit.samples}) == 1
    for t in visit.samples:
        assert 0.010 <= t.wall_s <= 0.010 + 2 * iteration_s
        assert t.wall_s / t.loops == pytest.approx(iteration_s)


@pytest.mark.parametrize("iteration_s", [0.0125, 0.5])
def test_long_iterations_are_timed_one_by_one(iteration_s: float) -> None:
    visit, _ = _visited(lambda i: iteration_s)
    assert {t.loops for t in visit.samples} == {1}


def test_samples_fill_the_visit() -> None:
    visit, _ = _visited(lambda i: 0.0625)
    assert len(visit.samples) == 16


def test_so_many_samples_are_taken_however_long_they_are() -> None:
    visit, _ = _visited(lambda i: 3.0)
    assert len(visit.samples) == 5


def test_no_more_samples_are_taken_than_a_record_should_hold() -> None:
    visit, _ = _visited(lambda i: 0.020, replace(PACE, visit_s=1000.0))
    assert len(visit.samples) == 100


def test_the_limit_ends_a_slow_visit_with_what_it_has() -> None:
    visit, _ = _visited(lambda i: 10.0, replace(PACE, limit_s=25.0))
    assert len(visit.samples) == 3
    visit, _ = _visited(lambda i: 60.0, replace(PACE, limit_s=25.0))
    assert len(visit.samples) == 1


def test_samples_say_when_they_began() -> None:
    visit, _ = _visited(lambda i: 0.5)
    starts = [t.start for t in visit.samples]
    assert starts[0] == pytest.approx(128.0 + sum(visit.warmup_s))
    assert [b - a for a, b in itertools.pairwise(starts)] == pytest.approx(
        [t.wall_s for t in visit.samples[:-1]]
    )


def test_a_sample_ends_when_its_last_result_is_there() -> None:
    _, script = _visited(lambda i: 0.004)
    assert script.events[-4:] == ["step", "step", "step", "wait"]
    assert script.events.count("wait") < script.events.count("step")


def test_cold_runs_flush_before_each_single_iteration_and_outside_its_time() -> None:
    clock = FakeClock()
    script = Script(clock, lambda i: 0.001)
    visit = timing.visit(script.program(flush=script.flush), replace(PACE, visit_s=60.0), clock)
    assert {t.loops for t in visit.samples} == {1}
    times = [t.wall_s for t in visit.samples]
    assert times == pytest.approx([0.001] * len(times))
    assert script.events == ["flush", "step", "wait"] * (len(script.events) // 3)


def test_a_devices_own_timer_is_believed() -> None:
    clock = FakeClock()
    script = Script(clock, lambda i: 1.0)
    visit = timing.visit(script.program(timer=script.timer), PACE, clock)
    assert script.steps == 0
    assert visit.warmup_s[0] == pytest.approx(0.002)
    assert visit.samples[0].loops == 6
    assert visit.samples[0].wall_s == pytest.approx(0.012)


class Watching:
    """Says of each stretch what a script says of its number."""

    def __init__(self, says: Callable[[int], str | None]) -> None:
        self.says, self.stretches, self.open = says, 0, False

    def begin(self) -> None:
        assert not self.open
        self.open = True

    def end(self) -> str | None:
        assert self.open, "a stretch ended that had not begun"
        self.open = False
        self.stretches += 1
        return self.says(self.stretches)


def _watched(
    duration_s: Callable[[int], float], says: Callable[[int], str | None], pace: Pace = PACE
) -> tuple[timing.Visit, Watching]:
    clock = FakeClock()
    watch = Watching(says)
    return timing.visit(Script(clock, duration_s).program(), pace, clock, watch), watch


def test_samples_before_the_steady_state_are_kept_as_warm_up_and_taken_again() -> None:
    visit, _ = _visited(lambda i: 0.075 if i < 22 else 0.050, replace(PACE, visit_s=4.0))
    assert visit.steady == "warm-up"
    assert sum(w == pytest.approx(0.075) for w in visit.warmup_s) == 22
    assert {round(t.wall_s, 6) for t in visit.samples} == {0.050}
    assert sum(t.wall_s for t in visit.samples) >= 4.0


def test_a_flat_visit_says_so_and_gives_up_no_sample() -> None:
    visit, _ = _visited(lambda i: 0.050)
    assert visit.steady == "flat"
    assert len(visit.samples) == 20


def test_a_visit_that_turns_slower_ends_with_the_slow_state() -> None:
    visit, _ = _visited(lambda i: 0.050 if i < 22 else 0.080, replace(PACE, visit_s=4.0))
    assert visit.steady == "slow-down"
    assert {round(t.wall_s, 6) for t in visit.samples} == {0.080}


def test_latency_is_timed_alone_first_and_the_rest_of_the_visit_in_groups() -> None:
    visit, _ = _visited(lambda i: 0.004, replace(PACE, singles=10, sample_s=0.050))
    assert [t.loops for t in visit.samples[:10]] == [1] * 10
    assert {t.loops for t in visit.samples[10:]} == {13}
    assert sum(t.wall_s for t in visit.samples) >= 1.0


def test_what_the_clock_cannot_tell_alone_is_grouped_from_the_start() -> None:
    visit, _ = _visited(lambda i: 0.0004, replace(PACE, singles=10, single_s=0.001))
    assert {t.loops for t in visit.samples} == {26}


def test_a_soak_runs_before_the_warm_up_and_is_kept_with_it() -> None:
    visit, _ = _visited(lambda i: 0.5, replace(PACE, soak_s=30.0))
    assert sum(visit.warmup_s) >= 30.0
    assert visit.samples[0].start >= 128.0 + 30.0


def test_disturbed_samples_are_flagged_and_taken_again_and_none_is_dropped() -> None:
    visit, watch = _watched(lambda i: 0.125, lambda n: "others: a neighbour" if n <= 3 else None)
    flags = [t.disturbed for t in visit.samples]
    assert flags == ["others: a neighbour"] * 3 + [None] * 8
    assert watch.stretches == 11


def test_repeats_have_a_cap_and_a_case_that_is_always_disturbed_keeps_its_samples() -> None:
    visit, _ = _watched(lambda i: 0.125, lambda n: "others: a neighbour")
    assert len(visit.samples) == 16
    assert all(t.disturbed for t in visit.samples)


def test_stretches_are_a_tenth_of_a_second_long_at_least() -> None:
    visit, watch = _watched(lambda i: 0.02, lambda n: None)
    assert len(visit.samples) == 50
    assert watch.stretches == 10


def test_an_error_at_the_500th_call_keeps_what_was_taken_before() -> None:
    def duration_s(i: int) -> float:
        if i == 499:
            raise RuntimeError("the 500th call")
        return 0.02

    visit, _ = _visited(duration_s, replace(PACE, visit_s=100.0, max_samples=1000))
    assert isinstance(visit.failure, RuntimeError)
    assert len(visit.samples) + len(visit.warmup_s) == 499


@pytest.mark.parametrize("duration_s", [0.0, -0.001])
def test_a_clock_that_stands_or_goes_backwards_is_a_failure_with_its_reason(
    duration_s: float,
) -> None:
    visit, script = _visited(lambda i: duration_s)
    assert isinstance(visit.failure, HwbenchError)
    assert "the clock stands still or goes backwards" in str(visit.failure)
    assert script.steps <= 100_000_000


def test_a_single_step_back_of_the_clock_costs_one_sample_only() -> None:
    visit, _ = _visited(lambda i: -5.0 if i == 8 else 0.05)
    assert visit.failure is None
    assert {round(t.wall_s, 6) for t in visit.samples} == {0.05}


def test_a_jump_of_the_clock_is_no_iteration_and_is_flagged() -> None:
    visit, _ = _visited(lambda i: 3600.0 if i == 8 else 0.05, replace(PACE, visit_s=1.0))
    jumped = [t for t in visit.samples if t.wall_s > 1.0]
    assert len(jumped) == 1 and (jumped[0].disturbed or "").startswith("stood still")
    assert sum(t.disturbed is None for t in visit.samples) >= 5


@pytest.mark.parametrize("enabled", [True, False])
def test_the_collector_is_off_while_timed_and_then_as_before(enabled: bool) -> None:
    seen = []

    def duration_s(i: int) -> float:
        seen.append(gc.isenabled())
        return 0.1

    if not enabled:
        gc.disable()
    try:
        _visited(duration_s)
        assert gc.isenabled() is enabled
    finally:
        gc.enable()
    assert set(seen) == {False}


def test_the_collector_is_on_again_after_a_failure() -> None:
    def duration_s(i: int) -> float:
        raise RuntimeError("it broke")

    visit, _ = _visited(duration_s)
    assert isinstance(visit.failure, RuntimeError)
    assert (visit.warmup_s, visit.samples) == ([], [])
    assert gc.isenabled()
