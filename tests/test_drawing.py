"""Windows for the meters: how long they are, what runs before and after, and the pauses in them."""

from typing import Any

import pytest

from hwbench import drawing
from hwbench.energy import Window
from hwbench.protocol import DrawTerms
from hwbench.runtime import Answer, Program
from tests.fakes import FakeClock

ITERATION_S = 0.004


class Running:
    """A program on a clock of its own: when each iteration was."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.at: list[float] = []
        self.pauses: list[tuple[float, float]] = []  # when, how long

    def draw(self, **terms: Any) -> tuple[Window, ...]:
        fields = {"windows": 2, "window_s": 10.0, "rise_s": 1.0, "pause_s": 0.0} | terms
        self.begin = self.clock.now
        return drawing.draw(
            self._program(), DrawTerms(**fields), self.clock, self._sleep, self.begin
        )

    def _program(self) -> Program:
        return Program(
            step=self._step,
            wait=lambda result: None,
            renew=lambda rng: None,
            answer=lambda steps: Answer(inputs=(), outputs=()),
        )

    def _step(self) -> None:
        self.at.append(self.clock.now)
        self.clock.advance(ITERATION_S)

    def _sleep(self, seconds: float) -> None:
        self.pauses.append((self.clock.now, seconds))
        self.clock.advance(seconds)


def test_windows_count_what_ran_in_them() -> None:
    running = Running()
    windows = running.draw()
    assert len(windows) == 2
    for w in windows:
        begin, end = running.begin + w.begin_s, running.begin + w.end_s
        assert w.end_s - w.begin_s == pytest.approx(10.0, abs=0.2)
        assert w.iterations == sum(begin - 1e-9 <= t < end - 1e-9 for t in running.at)


def test_the_program_runs_before_the_first_window_and_after_the_last() -> None:
    running = Running()
    windows = running.draw()
    assert windows[0].begin_s >= 1.0
    assert running.clock.now - running.begin >= windows[-1].end_s + 1.0
    assert not running.pauses


def test_pauses_shift_the_work_by_one_renewal_in_all() -> None:
    running = Running()
    (window,) = running.draw(windows=1, pause_s=0.1)
    assert sum(s for _, s in running.pauses) == pytest.approx(0.1)
    assert len(running.pauses) == drawing.PARTS - 1
    assert all(window.begin_s <= t - running.begin <= window.end_s for t, _ in running.pauses)


def test_an_iteration_longer_than_a_window_is_a_window() -> None:
    running = Running()

    def slow() -> None:
        running.at.append(running.clock.now)
        running.clock.advance(30.0)

    running._step = slow  # type: ignore[method-assign]
    (window,) = running.draw(windows=1)
    assert window.iterations == 1
    assert window.end_s - window.begin_s == pytest.approx(30.0)
