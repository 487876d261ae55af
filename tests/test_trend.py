import itertools
import math

import numpy as np
import pytest
from scipy import stats as scipy_stats

from bench import coverage
from hwbench import trend


def _share(name: str, count: int = 200) -> float:
    rng = np.random.default_rng(2)
    make = {**coverage.STATIONARY, **coverage.OTHERS, "drift": coverage.drifting}[name]
    return float(np.mean([trend.drift(make(rng)).drifting for _ in range(count)]))


def test_a_drift_of_a_tenth_is_called_drifting() -> None:
    assert _share("drift") >= 0.95


@pytest.mark.parametrize("name", [*coverage.STATIONARY, "t3 tails", "5 visits of 20"])
def test_what_stands_still_is_not(name: str) -> None:
    assert _share(name) < 0.05


def test_the_change_is_that_from_first_to_last() -> None:
    rng = np.random.default_rng(3)
    changes = [trend.drift(coverage.drifting(rng)).change_frac for _ in range(50)]
    assert np.mean([c for c in changes if c is not None]) == pytest.approx(0.10, abs=0.01)


@pytest.mark.parametrize("n", [3, 4, 5, 6, 7])
def test_the_exact_test_counts_all_orders(n: int) -> None:
    def s(order: tuple[int, ...]) -> int:
        return abs(sum((b > a) - (b < a) for a, b in itertools.combinations(order, 2)))

    orders = list(itertools.permutations(range(n)))
    for order in orders[:: max(1, len(orders) // 10)]:
        p = sum(s(o) >= s(order) for o in orders) / len(orders)
        assert trend.mann_kendall([float(x) for x in order]) == pytest.approx(p)


@pytest.mark.parametrize("n", [12, 20, 30])
def test_the_exact_test_is_scipys(n: int) -> None:
    values = np.random.default_rng(n).normal(size=n) + np.arange(n) / n
    expected = scipy_stats.kendalltau(np.arange(n), values, method="exact").pvalue
    assert trend.mann_kendall(values.tolist()) == pytest.approx(expected)


def test_ties_take_the_variance_that_they_have() -> None:
    values = np.round(np.random.default_rng(5).normal(size=40) + np.arange(40) / 30, 1)
    n, counts = 40, np.unique(values, return_counts=True)[1]
    assert counts.max() > 1
    s = sum(np.sign(b - a) for a, b in itertools.combinations(values, 2))
    variance = n * (n - 1) * (2 * n + 5) - sum(t * (t - 1) * (2 * t + 5) for t in counts)
    z = (abs(s) - 1) / math.sqrt(variance / 18)
    assert trend.mann_kendall(values.tolist()) == pytest.approx(2 * scipy_stats.norm.sf(z))
    assert trend.mann_kendall([1.0] * 40) == trend.mann_kendall([1.0] * 5) == 1.0


def test_five_visits_in_order_are_one_in_sixty() -> None:
    found = trend.drift([[v, v, v] for v in (1.0, 1.03, 1.06, 1.09, 1.12)])
    assert found.p_value == pytest.approx(1 / 60)
    assert found.drifting
    assert found.change_frac == pytest.approx(1.12 ** (5 / 4) - 1, abs=0.01)
    small = trend.drift([[v] for v in (1.0, 1.005, 1.01, 1.015, 1.02)])
    assert small.p_value == pytest.approx(1 / 60) and not small.drifting  # sure, and no matter


@pytest.mark.parametrize("n", [5, 20, 101])
def test_the_slope_is_scipys(n: int) -> None:
    values = np.random.default_rng(n).normal(size=n).tolist()
    assert trend.theil_sen(values) == pytest.approx(scipy_stats.theilslopes(values).slope)


@pytest.mark.parametrize("visits", [[], [[1.0] * 49], [[1.0] * 100] * 4])
def test_too_little_tells_no_drift(visits: list[list[float]]) -> None:
    found = trend.drift(visits)
    assert (found.drifting, found.change_frac, found.p_value) == (False, None, None)
    assert "needed" in found.method


def test_equal_times_and_times_of_zero_do_not_drift() -> None:
    for value in (0.0, 1.0):
        found = trend.drift([[value] * 100])
        assert (found.drifting, found.change_frac, found.p_value) == (False, 0.0, 1.0)
