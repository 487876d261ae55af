import math

import numpy as np
import pytest
from scipy import stats as scipy_stats

from hwbench import repeats


def _visits(rng: np.random.Generator, sizes: list[int], t1: float, t2: float) -> list[list[float]]:
    return [(10 + t2 * rng.normal() + t1 * rng.normal(size=n)).tolist() for n in sizes]


def test_balanced_components_are_kalibera_and_jones() -> None:
    x = np.random.default_rng(1).normal(size=(6, 1)) + np.random.default_rng(2).normal(size=(6, 9))
    found = repeats.components(x.tolist())
    assert found is not None
    s1, s2 = x.var(axis=1, ddof=1).mean(), x.mean(axis=1).var(ddof=1)
    assert found.within == pytest.approx(s1)
    assert found.between == pytest.approx(s2 - s1 / 9)


@pytest.mark.parametrize("sizes", [[5] * 8, [2, 3, 4, 5, 6, 7, 8, 20]])
def test_the_components_are_unbiased(sizes: list[int]) -> None:
    rng = np.random.default_rng(3)
    found = [repeats.components(_visits(rng, sizes, 1.0, 2.0)) for _ in range(1500)]
    assert np.mean([f.within for f in found if f]) == pytest.approx(1.0, rel=0.05)
    assert np.mean([f.between for f in found if f]) == pytest.approx(4.0, rel=0.06)


def test_a_negative_component_is_none() -> None:
    found = repeats.components([[1.0, 3.0], [3.0, 1.0], [2.0, 2.0]])
    assert found is not None and found.between == 0.0


@pytest.mark.parametrize("visits", [[], [[1.0, 2.0]], [[1.0], [2.0]]])
def test_one_level_has_no_components(visits: list[list[float]]) -> None:
    assert repeats.components(visits) is None


@pytest.mark.parametrize("precision", [0.005, 0.01, 0.05])
def test_so_many_visits_are_needed_and_no_fewer(precision: float) -> None:
    medians = np.random.default_rng(4).lognormal(-3, 0.02, 6)
    sd = np.log(medians).std(ddof=1)

    def half(k: int) -> float:
        return float(scipy_stats.t.ppf(0.975, k - 1) * sd / math.sqrt(k))

    needed = repeats.visits_needed(medians.tolist(), precision)
    assert needed is not None
    k = 6 + needed
    assert half(k) <= math.log1p(precision)
    assert needed == 0 or half(k - 1) > math.log1p(precision)


def test_what_cannot_be_reached_or_told_is_none() -> None:
    assert repeats.visits_needed([1.0], 0.01) is None
    assert repeats.visits_needed([1.0, 100.0], 0.001) is None
    assert repeats.visits_needed([1.0, 1.0], 0.01) == 0
    with pytest.raises(ValueError, match="above 0"):
        repeats.visits_needed([1.0, 2.0], 0.0)
