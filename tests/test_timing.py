import gc
import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from hwbench import timing
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
    assert [wall_s for _, wall_s, _ in visit.samples] == pytest.approx([0.020] * 100)
    assert script.steps == len(visit.warmup_s) + len(visit.samples)


def test_a_warm_up_that_never_settles_ends_after_half_a_visit() -> None:
    visit, _ = _visited(lambda i: 0.1 if i % 2 else 0.05)
    assert sum(visit.warmup_s) == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize("iteration_s", [1e-6, 37e-6, 0.0009, 0.004, 0.0099])
def test_short_iterations_are_grouped_to_a_sample_of_ten_milliseconds(iteration_s: float) -> None:
    visit, _ = _visited(lambda i: iteration_s)
    loops = {n for n, _, _ in visit.samples}
    assert len(loops) == 1
    for n, wall_s, _ in visit.samples:
        assert 0.010 <= wall_s <= 0.010 + 2 * iteration_s
        assert wall_s / n == pytest.approx(iteration_s)


@pytest.mark.parametrize("iteration_s", [0.0125, 0.5])
def test_long_iterations_are_timed_one_by_one(iteration_s: float) -> None:
    visit, _ = _visited(lambda i: iteration_s)
    assert {n for n, _, _ in visit.samples} == {1}


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
    starts = [start for _, _, start in visit.samples]
    assert starts[0] == pytest.approx(128.0 + sum(visit.warmup_s))
    assert [b - a for a, b in itertools.pairwise(starts)] == pytest.approx(
        [wall_s for _, wall_s, _ in visit.samples[:-1]]
    )


def test_a_sample_ends_when_its_last_result_is_there() -> None:
    _, script = _visited(lambda i: 0.004)
    assert script.events[-4:] == ["step", "step", "step", "wait"]
    assert script.events.count("wait") < script.events.count("step")


def test_cold_runs_flush_before_each_single_iteration_and_outside_its_time() -> None:
    clock = FakeClock()
    script = Script(clock, lambda i: 0.001)
    visit = timing.visit(script.program(flush=script.flush), replace(PACE, visit_s=60.0), clock)
    assert {n for n, _, _ in visit.samples} == {1}
    times = [wall_s for _, wall_s, _ in visit.samples]
    assert times == pytest.approx([0.001] * len(times))
    assert script.events == ["flush", "step", "wait"] * (len(script.events) // 3)


def test_a_devices_own_timer_is_believed() -> None:
    clock = FakeClock()
    script = Script(clock, lambda i: 1.0)
    visit = timing.visit(script.program(timer=script.timer), PACE, clock)
    assert script.steps == 0
    assert visit.warmup_s[0] == pytest.approx(0.002)
    loops, wall_s, _ = visit.samples[0]
    assert loops == 6
    assert wall_s == pytest.approx(0.012)


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

    with pytest.raises(RuntimeError, match="it broke"):
        _visited(duration_s)
    assert gc.isenabled()
