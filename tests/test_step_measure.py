"""`hwbench.measure(step)`: the user's own function, timed as a case is."""

import random
from pathlib import Path
from typing import Any

import pytest

import hwbench
from hwbench import loop_energy
from hwbench.errors import BadInput
from tests import fakes
from tests.fakes import FakeClock


@pytest.fixture(autouse=True)
def _isolated(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fakes.isolate(monkeypatch, tmp_path)


def timed(step_s: float, *, first_s: float = 0.0, noise: float = 0.0, **asked: Any) -> Any:
    """Measure a step on a clock that it moves itself."""
    clock, rng, calls = FakeClock(), random.Random(2), [0]

    def step() -> None:
        calls[0] += 1
        clock.advance((first_s if calls[0] == 1 else 0.0) + step_s * rng.uniform(1, 1 + noise))

    usual = {"meters": False, "seconds": 4.0}
    return hwbench.measure(step, clock=clock, **(usual | asked))


def test_a_step_takes_what_it_takes() -> None:
    found = timed(2**-6, first_s=3.0, items=8)
    assert found.wall_s.point == pytest.approx(2**-6) and found.first_s == 3.0 + 2**-6
    assert found.items_per_s == pytest.approx(8 * 64)
    assert found.wall_s.n >= 8 * 3 and found.memory_peak_bytes > 0
    assert found.energy_j is None and found.energy_basis == "no meter was read"
    assert str(found).startswith("0.0156 s a call (") and "the first 3.02 s" in str(found)


def test_its_interval_holds_the_median() -> None:
    found = timed(2**-6, noise=0.2)
    assert found.wall_s.low < 2**-6 * 1.1 < found.wall_s.high
    assert found.wall_s.high / found.wall_s.low < 1.05


def test_results_are_waited_for() -> None:
    waited: list[Any] = []
    clock = FakeClock()

    def step() -> str:
        return "queued"

    def wait(result: Any) -> None:
        waited.append(result)
        clock.advance(0.25)  # all that was queued

    found = hwbench.measure(step, clock=clock, wait=wait, meters=False, seconds=1.0)
    assert set(waited) == {"queued"} and found.first_s == 0.25

    class Later:
        def block_until_ready(self) -> None:
            waited.append("ready")
            clock.advance(0.25)

    hwbench.measure(Later, clock=clock, meters=False, seconds=1.0)
    assert "ready" in waited


def test_what_the_step_raises_is_raised_and_what_nothing_has_is_refused() -> None:
    calls = iter(range(3))

    def step() -> None:
        next(calls)

    with pytest.raises(StopIteration):
        hwbench.measure(step, meters=False, seconds=0.1)
    for wrong in ({"items": 0}, {"items": True}, {"seconds": 0}):
        with pytest.raises(BadInput):
            hwbench.measure(lambda: None, meters=False, **wrong)  # type: ignore[arg-type]
    with pytest.raises(BadInput, match="is no function"):
        hwbench.measure(3)  # type: ignore[arg-type]


def test_joules_are_those_of_the_mean(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop_energy.LoopPower, "watts", lambda self: (50.0, "cpu"))
    found = timed(2**-6, meters=True)
    assert found.energy_j == pytest.approx(50 * 2**-6) and "J (cpu)" in str(found)


def test_a_real_step_of_numpy() -> None:
    import numpy as np

    a = np.ones((64, 64))
    found = hwbench.measure(lambda: a @ a, items=1, seconds=0.4)
    assert 0 < found.wall_s.low <= found.wall_s.point <= found.wall_s.high
    assert found.energy_j is not None or found.energy_basis
