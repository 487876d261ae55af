"""The least squares of the families, against SciPy's and against curves that are known."""

import numpy as np
import pytest
from scipy.optimize import curve_fit

from hwbench.curve_fitting import FAMILIES, least_squares

N = np.array([50.0, 100, 200, 400, 800, 1600])


@pytest.mark.parametrize(("a", "b", "c"), [(3, 0.5, 0.02), (1.5, 0.3, 0.0), (0.9, 0.1, 0.05)])
def test_a_power_law_without_noise_is_found(a: float, b: float, c: float) -> None:
    found = least_squares(FAMILIES["power"], N, (a * N**-b + c)[None], np.ones(6))
    assert (found.a[0], found.shape[0]) == pytest.approx((a, b), rel=1e-3)
    assert found.c[0] == pytest.approx(c, abs=1e-3)
    assert found.misfit[0] < 1e-10


def test_noisy_curves_are_scipys() -> None:
    """Twenty at once; SciPy starts from the truth, within the same bounds."""
    rng = np.random.default_rng(0)
    sds = 0.02 * (2 * N**-0.4 + 0.03)
    errors = 2 * N**-0.4 + 0.03 + sds * rng.standard_normal((20, 6))
    found = least_squares(FAMILIES["power"], N, errors, 1 / sds**2)
    for row, y in enumerate(errors):
        p, _ = curve_fit(
            lambda n, a, b, c: a * n**-b + c,
            N,
            y,
            p0=(2, 0.4, 0.02),
            sigma=sds,
            bounds=((0, 0.02, 0), (np.inf, 1, y.min())),
            xtol=1e-12,
            ftol=1e-12,
            gtol=1e-12,
        )
        misfit = (((p[0] * N ** -p[1] + p[2] - y) / sds) ** 2).sum()
        assert found.misfit[row] <= misfit * (1 + 1e-6)
        if misfit <= found.misfit[row] * (1 + 1e-6):  # SciPy may stop short along the valley
            assert found.shape[row] == pytest.approx(p[1], abs=2e-3)


def test_a_floor_that_would_be_negative_is_zero() -> None:
    y = 2 * N**-0.5 - 0.03
    found = least_squares(FAMILIES["power"], N, y[None], np.ones(6))
    assert found.c[0] == 0.0 and found.shape[0] > 0.5
    p, _ = curve_fit(lambda n, a, b: a * n**-b, N, y, p0=(2, 0.5))
    assert (found.a[0], found.shape[0]) == pytest.approx(tuple(p), rel=1e-3)


@pytest.mark.parametrize("name", FAMILIES)
def test_each_family_finds_its_own_curve_and_its_inverse(name: str) -> None:
    form = FAMILIES[name]
    shape = {"power": 0.35, "logarithm": 1.0, "arctan": 0.004}[name]
    y = 0.5 + 0.05 * form.basis(N, shape)
    found = least_squares(form, N, y[None], np.ones(6))
    assert found.a[0] == pytest.approx(0.05, rel=1e-3)
    assert found.c[0] == pytest.approx(0.5, rel=1e-3)
    if form.shape_name:
        assert found.shape[0] == pytest.approx(shape, rel=1e-3)
    assert form.inverse(form.basis(N, shape), shape) == pytest.approx(N)
    assert (np.diff(form.basis(N, shape)) < 0).all()


def test_the_logarithm_is_numpys_regression() -> None:
    rng = np.random.default_rng(1)
    y = 0.9 - 0.08 * np.log(N) + 0.01 * rng.standard_normal(6)
    weights = np.array([1.0, 2, 3, 4, 5, 6])
    slope, offset = np.polyfit(np.log(N), y, 1, w=np.sqrt(weights))
    found = least_squares(FAMILIES["logarithm"], N, y[None], weights)
    assert (-found.a[0], found.c[0]) == pytest.approx((slope, offset))


def test_an_error_that_rises_has_no_falling_curve_and_breaks_nothing() -> None:
    found = least_squares(FAMILIES["power"], N, np.linspace(0.1, 0.5, 6)[None], np.ones(6))
    assert found.a[0] > 0 and np.isfinite(found.misfit[0])
