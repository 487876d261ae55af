import math

import numpy as np
import pytest
from scipy import stats as scipy_stats

from hwbench import stats


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 6, 7, 10, 25, 60, 399, 1500])
def test_the_interval_of_the_median_has_the_binomial_level(n: int) -> None:
    values = np.random.default_rng(n).lognormal(size=n).tolist()
    ordered = sorted(values)
    found = stats.median_interval(values)
    rank = ordered.index(found.low) + 1  # from below, as high is from above
    assert found.high == ordered[n - rank]
    level = 1 - 2 * scipy_stats.binom.cdf(rank - 1, n, 0.5)
    assert found.level == pytest.approx(max(0.0, level), abs=1e-9)
    assert found.point == np.median(values)


@pytest.mark.parametrize("n", [6, 7, 10, 25, 60, 399, 1500])
def test_the_interval_is_the_narrowest_of_its_level(n: int) -> None:
    ordered = np.random.default_rng(n).normal(10, 1, size=n).tolist()
    ordered.sort()
    for level in (0.90, 0.95, 0.99):
        found = stats.median_interval(ordered, level)
        rank = ordered.index(found.low) + 1
        if rank < n // 2:
            assert 1 - 2 * scipy_stats.binom.cdf(rank, n, 0.5) < level
        if found.level < level:  # too few samples for it: the range
            assert rank == 1


def test_few_samples_claim_no_more_than_they_can() -> None:
    assert stats.median_interval([3.0]).level == 0.0
    assert stats.median_interval([1.0, 2.0, 3.0, 4.0, 5.0]).level == pytest.approx(1 - 0.5**4)
    six = stats.median_interval([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    assert (six.low, six.high) == (1.0, 6.0)
    assert six.level == pytest.approx(0.96875)


def test_the_interval_covers_the_median_as_often_as_it_says() -> None:
    # 2,000 seeded draws of a skewed distribution: the share has a standard error of 0.5 %.
    rng = np.random.default_rng(7)
    true = math.exp(0.0)
    for n in (8, 20, 51):
        intervals = [
            stats.median_interval(rng.lognormal(0.0, 0.8, n).tolist()) for _ in range(2000)
        ]
        covered = np.mean([i.low <= true <= i.high for i in intervals])
        assert covered == pytest.approx(intervals[0].level, abs=0.015)
        assert covered > 0.94


@pytest.mark.parametrize("n", [1, 2, 5, 8, 101])
def test_the_median_is_numpys(n: int) -> None:
    values = np.random.default_rng(n).normal(size=n).tolist()
    assert stats.median(values) == np.median(values)


def test_there_is_no_median_of_nothing() -> None:
    for of in (stats.median, stats.median_interval):
        with pytest.raises(ValueError, match="no values"):
            of([])


@pytest.mark.parametrize(("q", "n"), [(0.5, 5), (0.9, 29), (0.95, 59), (0.99, 299), (0.999, 2995)])
def test_a_percentile_needs_so_many_samples(q: float, n: int) -> None:
    assert stats.samples_needed(q) == n
    assert 1 - q**n >= 0.95 > 1 - q ** (n - 1)


# The least n of a two-sided 95 % interval, and what it is one short of.
@pytest.mark.parametrize(
    ("q", "n"), [(0.5, 6), (0.9, 36), (0.95, 72), (0.97, 122), (0.99, 368), (0.999, 3688)]
)
def test_a_quantile_has_an_interval_from_so_many_samples_on(q: float, n: int) -> None:
    assert stats.quantile_interval(list(range(n - 1)), q) is None
    assert stats.quantile_interval(list(range(n)), q) is not None


@pytest.mark.parametrize(("q", "n"), [(0.5, 25), (0.9, 200), (0.01, 500), (0.999, 20_000)])
@pytest.mark.parametrize("level", [0.90, 0.95, 0.99])
def test_the_interval_of_a_quantile_is_the_narrowest_of_equal_tails(
    q: float, n: int, level: float
) -> None:
    found = stats.quantile_interval(list(range(1, n + 1)), q, level)  # a value is its rank
    if found is None:
        assert scipy_stats.binom.cdf(0, n, q) > (1 - level) / 2
        return
    low, high = (int(x) for x in found)
    tail = (1 - level) / 2
    assert scipy_stats.binom.cdf(low - 1, n, q) <= tail < scipy_stats.binom.cdf(low, n, q)
    assert scipy_stats.binom.sf(high - 1, n, q) <= tail < scipy_stats.binom.sf(high - 2, n, q)


@pytest.mark.parametrize("q", [0.0, 1.0, 95.0])
def test_a_quantile_is_a_fraction(q: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        stats.quantile_interval([1.0] * 10, q)


@pytest.mark.parametrize("n", [4, 5, 28, 29, 58, 59, 298, 299, 1000])
def test_percentiles_are_given_from_just_so_many_samples_on(n: int) -> None:
    values = np.random.default_rng(n).exponential(size=n).tolist()
    found = stats.percentiles(values)
    assert set(found) == {"p50", "p90", "p95", "p97", "p99", "p99.9"}
    for name, value in found.items():
        q = float(name[1:])
        if n >= stats.samples_needed(q / 100):
            assert value == np.percentile(values, q, method="inverted_cdf")
        else:
            assert value is None


@pytest.mark.parametrize("k", [2, 3, 4, 5, 6, 8, 21])
@pytest.mark.parametrize("level", [0.80, 0.90, 0.99])
def test_the_prediction_interval_is_students(k: int, level: float) -> None:
    means = np.random.default_rng(k).lognormal(-4.0, 0.1, k)
    logs = np.log(means)
    t = scipy_stats.t.ppf((1 + level) / 2, k - 1)
    half = t * logs.std(ddof=1) * math.sqrt(1 + 1 / k)
    found = stats.prediction(means.tolist(), level)
    assert (found.centre, found.half) == pytest.approx((logs.mean(), half))


def test_one_mean_predicts_nothing() -> None:
    with pytest.raises(ValueError, match="2 are needed"):
        stats.prediction([0.01])


def test_the_normal_quantile_is_two_sided() -> None:
    assert stats.normal_quantile(0.90) == pytest.approx(scipy_stats.norm.ppf(0.95))


def test_the_relative_spread_is_that_of_the_quartiles() -> None:
    values = np.random.default_rng(3).normal(100, 5, 4001).tolist()
    q1, q2, q3 = np.percentile(values, [25, 50, 75])
    assert stats.relative_iqr(values) == pytest.approx((q3 - q1) / q2, rel=1e-2)
    assert stats.relative_iqr([1.0, 50.0, 100.0]) == 0.0
    assert stats.relative_iqr([1.0] * 8 + [1000.0]) == 0.0
