import math

import numpy as np
import pytest
from scipy import stats as scipy_stats

from bench import coverage
from hwbench import stats
from hwbench.intervals import median_now


@pytest.mark.parametrize("name", coverage.STATIONARY)
def test_the_stated_level_is_reached_and_not_far_exceeded(name: str) -> None:
    # 400 seeded series: a true 95 % gives a share with a standard error of 1.1 %.
    rng = np.random.default_rng(4)
    made = [median_now(coverage.STATIONARY[name](rng)) for _ in range(400)]
    assert {m.level for m in made} == {0.95}
    assert np.mean([m.low <= 1 <= m.high for m in made]) == pytest.approx(0.95, abs=0.03)


def test_correlated_samples_are_worth_fewer_in_every_length() -> None:
    rng = np.random.default_rng(5)
    for n in (20, 60, 500):
        many = [coverage.correlated(rng, n) for _ in range(300)]
        now = [median_now(v) for v in many]
        plain = [stats.median_interval(v[0]) for v in many]
        right = np.mean([m.low <= 1 <= m.high for m in now])
        assert right > np.mean([m.low <= 1 <= m.high for m in plain]) + 0.1
        assert right > 0.88
        assert np.median([m.n_effective for m in now]) < n / 2


def test_five_visits_are_students_t_of_their_medians() -> None:
    visits = coverage.two_levels(np.random.default_rng(6), 5, 20)
    logs = np.log([np.median(v) for v in visits])
    expected = scipy_stats.t.interval(0.95, 4, logs.mean(), logs.std(ddof=1) / math.sqrt(5))
    found = median_now(visits)
    assert found.low == pytest.approx(math.exp(expected[0]))
    assert found.high == pytest.approx(math.exp(expected[1]))
    assert found.point == np.median(visits)
    assert (found.level, found.n_effective) == (0.95, 5.0)
    assert found.method == "Student's t of the medians of 5 visits"


def test_the_interval_of_many_visits_holds_its_point() -> None:
    # Four short visits at 2 pull the mean of the medians away from the long one's pooled median.
    found = median_now([[1.0] * 100, *[[2.0]] * 4, *[[2.1]] * 4])
    assert found.point == 1.0 == found.low


@pytest.mark.parametrize(("k", "level"), [(2, 0.5), (3, 0.75), (4, 0.875)])
def test_few_visits_claim_what_their_range_supports(k: int, level: float) -> None:
    visits = coverage.two_levels(np.random.default_rng(k), k, 20, 0.10)
    found = median_now(visits)
    medians = [stats.median(v) for v in visits]
    assert found.level == level
    assert found.low <= min(medians) and found.high >= max(medians)
    assert f"{k} visits" in found.method


def test_a_handful_of_samples_has_the_exact_interval() -> None:
    values = np.random.default_rng(8).lognormal(size=8).tolist()
    found, exact = median_now([values]), stats.median_interval(values)
    assert (found.point, found.low, found.high) == (exact.point, exact.low, exact.high)
    assert found.level == exact.level
    assert "independent" in found.method


def test_a_range_that_is_too_little_says_so() -> None:
    rising = [1.0 + i / 100 for i in range(20)]  # each sample is like its neighbour
    found = median_now([rising])
    assert (found.low, found.high) == (min(rising), max(rising))
    assert found.level < 0.9


@pytest.mark.parametrize("n", [1, 12, 200])
def test_equal_samples_have_an_interval_of_no_width(n: int) -> None:
    found = median_now([[3.0] * n])
    assert (found.low, found.point, found.high) == (3.0, 3.0, 3.0)


def test_empty_visits_are_none() -> None:
    assert median_now([[], [1.0, 2.0]]) == median_now([[1.0, 2.0]])
    with pytest.raises(ValueError, match="no samples"):
        median_now([[]])
