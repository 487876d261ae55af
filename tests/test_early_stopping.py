import math
from fractions import Fraction

import numpy as np
import pytest

from hwbench.early_stopping import (
    at_most,
    estimate,
    fails,
    fixed_queries,
    most_over,
    official_queries,
    passes,
    queries_needed,
)

# LoadGen's published counts (MLPerf inference rules), and the table of early stopping.
FIXED = {0.90: (23_886, 24_576), 0.95: (50_425, 57_344), 0.97: (85_811, 90_112)}
FIXED[0.99] = (262_742, 270_336)
NEEDED = {
    0.90: (44, 64, 81, 127, 197),
    0.95: (90, 130, 165, 259, 398),
    0.97: (152, 219, 277, 433, 667),
    0.99: (459, 662, 838, 1307, 2010),
}


@pytest.mark.parametrize(("percentile", "counts"), FIXED.items())
def test_fixed_counts_are_the_published_ones(percentile: float, counts: tuple[int, int]) -> None:
    assert (fixed_queries(percentile), official_queries(percentile)) == counts


@pytest.mark.parametrize(("percentile", "needed"), NEEDED.items())
def test_early_stopping_needs_the_published_queries(
    percentile: float, needed: tuple[int, ...]
) -> None:
    assert tuple(queries_needed(percentile, t) for t in (0, 1, 2, 5, 10)) == needed


def test_the_thousandth_needs_the_published_queries() -> None:
    assert queries_needed(0.999) == 6_636


@pytest.mark.parametrize("percentile", [0.9, 0.95, 0.99, 0.999])
@pytest.mark.parametrize("queries", [2, 64, 1_000, 24_576, 270_336])
def test_the_binomial_tail_is_that_of_scipy(percentile: float, queries: int) -> None:
    special = pytest.importorskip("scipy.special")
    mean = queries * (1 - percentile)
    spread = math.sqrt(mean) + 1
    for z in (-6, -2.3, -1, 0, 1, 2.3, 6, 40):
        over = min(queries - 1, max(0, round(mean + z * spread)))
        told = special.betainc(queries - over, over + 1, percentile)
        assert at_most(over, queries, 1 - percentile) == pytest.approx(told, rel=1e-8)


def test_the_binomial_tail_is_exact_where_fractions_can_tell() -> None:
    chance = Fraction(1, 8)
    for queries in (1, 7, 40):
        for over in range(queries + 1):
            exact = sum(
                math.comb(queries, k) * chance**k * (1 - chance) ** (queries - k)
                for k in range(over + 1)
            )
            assert at_most(over, queries, 0.125) == pytest.approx(float(exact), rel=1e-12)


@pytest.mark.parametrize("percentile", [0.9, 0.99])
def test_one_query_fewer_does_not_pass(percentile: float) -> None:
    for over in (0, 1, 7, 50):
        needed = queries_needed(percentile, over)
        assert passes(needed, over, percentile)
        assert not passes(needed - 1, over, percentile)
        assert most_over(needed, percentile) == over
        assert most_over(needed - 1, percentile) == (over - 1 if over else None)


def test_the_estimate_drops_all_but_one_of_those_that_may_be_over() -> None:
    latencies_s = np.random.default_rng(3).permutation(np.arange(1.0, 198.0)).tolist()
    tail = estimate(latencies_s, 0.90)  # 197 queries: t = 10
    assert (tail.over, tail.value_s, tail.needed) == (10, 188.0, 64)
    assert estimate(latencies_s[:64], 0.90).value_s == max(latencies_s[:64])


@pytest.mark.parametrize("n", [0, 1, 43, 44, 63])
def test_too_few_queries_give_no_estimate_but_how_many_it_takes(n: int) -> None:
    tail = estimate([0.01] * n, 0.90)
    assert (tail.value_s, tail.queries, tail.needed) == (None, n, 64)


def test_the_estimate_is_above_the_percentile_as_often_as_it_says() -> None:
    rng = np.random.default_rng(5)
    truth = -math.log(0.1)  # p90 of the exponential
    above = [
        (estimate(rng.exponential(size=300).tolist(), 0.90).value_s or 0.0) >= truth
        for _ in range(2_000)
    ]
    assert 0.985 <= np.mean(above) <= 1.0  # 99 %, and the discreteness of t only adds


def test_passing_and_failing_exclude_each_other_and_leave_room_between() -> None:
    told = [(passes(1_000, t, 0.99), fails(1_000, t, 0.99)) for t in range(40)]
    assert told[0] == (True, False) and told[39] == (False, True)
    assert (True, True) not in told
    assert (False, False) in told
    assert not fails(10, 0, 0.99)
