"""Draws, intervals and shares, against SciPy and closed forms."""

import math

import numpy as np
import pytest
from scipy.stats import norm

from hwbench.montecarlo import (
    Factor,
    contributors,
    draws,
    interval,
    inverse_normal,
    normal_cdf,
)


def test_the_normal_distribution_both_ways() -> None:
    u = np.concatenate([np.geomspace(1e-12, 0.4, 50), np.linspace(0.4, 1 - 1e-12, 50)])
    assert inverse_normal(u) == pytest.approx(norm.ppf(u), rel=1e-12, abs=1e-14)
    z = np.linspace(-8, 8, 101)
    assert normal_cdf(z) == pytest.approx(norm.cdf(z), rel=1e-12)
    assert inverse_normal(0.5) == 0.0 and isinstance(normal_cdf(0.3), float)


def test_draws_are_stratified_and_of_the_name_alone() -> None:
    found = draws(500, ["pue", "price"], seed=1)
    strata = np.floor(norm.cdf(found["pue"]) * 500)
    assert sorted(strata) == list(range(500))
    assert abs(np.corrcoef(found["pue"], found["price"])[0, 1]) < 0.15
    again = draws(500, ["epochs", "price"], seed=1)
    assert (again["price"] == found["price"]).all()
    assert (draws(500, ["price"], seed=2)["price"] != found["price"]).any()


def test_a_factor_has_the_interval_that_it_was_made_of() -> None:
    factor = Factor.of_interval("price", point=3.0, low=2.0, high=6.0, level=0.9)
    found = 3.0 * factor.multiplier(draws(20_000, ["price"], 0)["price"])
    told = interval(found, 0.9)
    assert (told.low, told.point, told.high) == pytest.approx((2.0, 3.0, 6.0), rel=1e-3)
    assert factor.multiplier(0.0) == 1.0
    with pytest.raises(ValueError, match="no interval round a point"):
        Factor.of_interval("price", point=1.0, low=2.0, high=3.0, level=0.9)


def test_a_range_is_filled_evenly_in_logarithms() -> None:
    factor = Factor.of_range("utilisation", 0.25, 1.0)
    found = np.log2(0.5 * factor.multiplier(draws(10_000, ["u"], 0)["u"]))
    assert found.min() >= -2 and found.max() <= 0
    counts, _ = np.histogram(found, bins=10, range=(-2, 0))
    assert counts.tolist() == pytest.approx([1000] * 10, abs=2)


def test_the_interval_of_a_product_is_the_closed_form() -> None:
    """Log-normal factors: the product's standard deviation is the root of the sum of squares."""
    z = draws(4000, ["a", "b"], seed=3)
    a, b = Factor.of_sigma("a", 0.3), Factor.of_sigma("b", 0.4)
    found = interval(10 * a.multiplier(z["a"]) * b.multiplier(z["b"]), 0.9)
    half = norm.ppf(0.95) * 0.5
    assert math.log(found.point / 10) == pytest.approx(0, abs=0.03)
    assert math.log(found.high / 10) == pytest.approx(half, rel=0.05)
    assert math.log(found.low / 10) == pytest.approx(-half, rel=0.05)


def test_intervals_over_a_last_axis_and_over_what_never_ends() -> None:
    values = np.arange(101.0)[:, None] * np.array([1.0, 2.0, np.inf][:2])
    found = interval(values, 0.9)
    assert found.point.tolist() == [50, 100]
    assert (found.low.tolist(), found.high.tolist()) == ([5, 10], [95, 190])
    open_ended = interval(np.where(np.arange(101) > 80, np.inf, 7.0), 0.9)
    assert (open_ended.point, open_ended.high) == (7.0, math.inf)


def test_the_shares_are_those_of_the_variances() -> None:
    names = ["a", "b", "c", "d"]
    z = draws(4000, names, seed=5)
    outcome = np.exp(0.4 * z["a"] + 0.2 * z["b"] - 0.2 * z["c"] + 0.001 * z["d"])
    found = contributors(outcome, z)
    assert found[0].name == "a" and {c.name for c in found[1:]} == {"b", "c"}
    assert [c.share_frac for c in found] == pytest.approx([2 / 3, 1 / 6, 1 / 6], abs=0.03)
    bent = contributors(np.exp(np.abs(z["a"])), z)  # no correlation, and all of the variance
    assert bent[0].name == "a" and bent[0].share_frac > 0.9
    assert contributors(np.ones(4000), z) == ()
