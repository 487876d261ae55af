"""Windows for the meters, in the child: the program runs on and on, and nothing of it is timed.

A sensor needs a second to rise to a new power and lags behind it, so the program runs before the
first window and after the last. Within a window it pauses a little at even distances: work whose
period fits a sensor's would otherwise be seen at the same phase each time (Yang et al. 2024,
arXiv:2312.02741, who shift the phase by delays for the same reason).
"""

from collections.abc import Callable

from hwbench import timing
from hwbench.energy import Window
from hwbench.protocol import DrawTerms
from hwbench.runtime import Program

STEP_S = 0.05  # of running between two looks at the clock
PARTS = 20  # of a window, with a pause behind each


def draw(
    program: Program,
    terms: DrawTerms,
    clock: Callable[[], float],
    sleep: Callable[[float], None],
    run_start: float,
) -> tuple[Window, ...]:
    """Run through the windows; each says when it was, since the run's start, and what it did."""
    running = _Running(program, clock)
    with timing.quiet_collector():
        running.until(clock() + terms.rise_s)
        windows = tuple(
            _window(running, terms, clock, sleep, run_start) for _ in range(terms.windows)
        )
        running.until(clock() + terms.rise_s)
    return windows


class _Running:
    """A program that is run in steps of about STEP_S, each waited for: no queue grows."""

    def __init__(self, program: Program, clock: Callable[[], float]) -> None:
        self._program, self._clock, self._loops = program, clock, 1
        self.iterations = 0

    def until(self, end_s: float) -> None:
        """Run until the clock says so; not at all if it does already."""
        while self._clock() < end_s:
            wall_s, _ = timing.take_sample(self._program, self._loops, self._clock)
            self.iterations += self._loops
            wanted = int(STEP_S * self._loops / max(wall_s, 1e-9))
            self._loops = max(1, min(2 * self._loops, wanted))


def _window(
    running: _Running,
    terms: DrawTerms,
    clock: Callable[[], float],
    sleep: Callable[[float], None],
    run_start: float,
) -> Window:
    before, begin = running.iterations, clock()
    for part in range(PARTS):
        running.until(begin + terms.window_s * (part + 1) / PARTS)
        if terms.pause_s and part + 1 < PARTS:
            sleep(terms.pause_s / (PARTS - 1))
    return Window(
        begin_s=max(0.0, begin - run_start),
        end_s=max(0.0, clock() - run_start),
        iterations=running.iterations - before,
    )
