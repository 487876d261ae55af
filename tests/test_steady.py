from collections.abc import Callable, Sequence

import numpy as np
import pytest

from bench import coverage
from hwbench.steady import steady_from, steady_state


def _series(n: int, seed: int = 0, spread: float = 0.03) -> list[float]:
    values: list[float] = np.exp(spread * np.random.default_rng(seed).normal(size=n)).tolist()
    return values


def _times(factor: float, values: Sequence[float]) -> list[float]:
    return [factor * v for v in values]


def test_the_end_of_a_warm_up_is_found_within_ten_samples() -> None:
    rng = np.random.default_rng(1)
    found = [steady_state(coverage.warming(rng)[0]) for _ in range(100)]
    assert np.mean([f.kind == "warm-up" and abs(f.begins - 100) <= 10 for f in found]) >= 0.95


@pytest.mark.parametrize("kind", ["independent", "correlated", "heavy"])
@pytest.mark.parametrize("n", [20, 60, 500])
def test_what_is_flat_is_called_flat(kind: str, n: int) -> None:
    makes: dict[str, Callable[[np.random.Generator], coverage.Visits]] = {
        "independent": lambda rng: coverage.independent(rng, n),
        "correlated": lambda rng: coverage.correlated(rng, n),
        "heavy": lambda rng: coverage.heavy(rng, 1, n),
    }
    rng = np.random.default_rng(n)
    found = [steady_state(makes[kind](rng)[0]) for _ in range(100)]
    assert np.mean([f.kind == "flat" and f.begins == 0 for f in found]) >= 0.93


def test_the_first_compilation_is_found_to_the_sample() -> None:
    for n in (10, 20, 60, 500):
        found = [steady_state([50.0, 1.6, *_series(n, seed)]) for seed in range(40)]
        assert {f.kind for f in found} == {"warm-up"}
        assert [f.begins for f in found].count(2) >= 36


def test_a_level_that_rises_is_a_slow_down() -> None:
    found = steady_state([*_series(100), *_times(1.2, _series(300, 1))])
    assert found.kind == "slow-down"
    assert found.begins == pytest.approx(100, abs=3)
    assert found.changes == (found.begins,)


def test_a_change_near_the_end_leaves_no_steady_state() -> None:
    fast = [*_times(1.5, _series(80)), *_series(20, 1)]  # a fifth is steady
    assert steady_state(fast).kind == "no steady state"
    slow = [*_series(60), *_times(1.5, _series(40, 1))]
    assert steady_state(slow).kind == "no steady state"
    assert steady_state([*_series(40), *_times(1.5, _series(60, 1))]).kind == "slow-down"


def test_a_drift_has_no_steady_state() -> None:
    rng = np.random.default_rng(3)
    kinds = [steady_state(coverage.drifting(rng)[0]).kind for _ in range(40)]
    assert kinds.count("no steady state") >= 36


def test_a_passing_stall_ends_no_steady_state() -> None:
    found = steady_state([*_series(200), *_times(1.4, _series(30, 1)), *_series(270, 2)])
    assert (found.kind, found.begins) == ("flat", 0)
    assert len(found.changes) == 2


def test_a_change_below_two_percent_is_none() -> None:
    found = steady_state([*_times(1.01, _series(200, 0, 0.001)), *_series(200, 1, 0.001)])
    assert (found.kind, found.begins) == ("flat", 0)
    assert found.changes == (200,)


def test_steps_of_a_long_warm_up_are_one_warm_up_placed_to_the_sample() -> None:
    levels = ((3.0, 300), (2.0, 300), (1.3, 401), (1.0, 1000))
    values = [v for i, (f, n) in enumerate(levels) for v in _times(f, _series(n, i))]
    found = steady_state(values)
    assert found.kind == "warm-up"
    assert found.begins == pytest.approx(1001, abs=3)


def test_correlation_is_estimated_past_changes_and_outliers() -> None:
    values = coverage.correlated(np.random.default_rng(9), 2000)[0]
    values = [
        v * (1.5 if i < 600 else 1) * (5 if i % 100 == 0 else 1) for i, v in enumerate(values)
    ]
    assert steady_state(values).correlation == pytest.approx(0.7, abs=0.15)
    assert steady_state(_series(2000)).correlation < 0.15


@pytest.mark.parametrize("values", [[], [1.0], [1.0] * 5])
def test_too_few_samples_have_no_class(values: list[float]) -> None:
    assert (steady_state(values).kind, steady_state(values).begins) == (None, 0)
    assert steady_from(values) is None


def test_equal_times_and_times_of_zero_are_flat() -> None:
    for value in (1.0, 0.0):
        assert steady_state([value] * 50).kind == "flat"


def test_a_visit_in_progress_is_steady_once_enough_of_it_is() -> None:
    times = [40.0, 2.0, 1.5, *_series(30)]
    told = [steady_from(times[:n]) for n in range(len(times) + 1)]
    assert set(told[:8]) == {None}  # three of warm-up and fewer than five steady ones
    assert set(told[10:]) == {3}
    assert steady_from(times, least=31) is None


def test_a_visit_that_still_warms_up_is_not_steady() -> None:
    falling = [2.0 - i / 30 for i in range(30)]
    assert steady_from(falling) is None
