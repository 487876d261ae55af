import numpy as np
import pytest
from scipy import stats as scipy_stats

from hwbench import foresight
from hwbench.outcomes import ASSUMED, Spread

NO_DRIFT = Spread(sd=0.0, basis="none")


def test_minutes_ahead_is_students_interval_for_one_more_visit() -> None:
    means = [0.100, 0.104, 0.097, 0.110, 0.101, 0.099]
    told = foresight.predictive(means, 2.5, ASSUMED)
    logs = np.log(means)
    half = scipy_stats.t.ppf(0.95, 5) * logs.std(ddof=1) * np.sqrt(1 + 1 / 6)
    assert told.low == pytest.approx(np.exp(logs.mean() - half), rel=1e-6)
    assert told.high == pytest.approx(np.exp(logs.mean() + half), rel=1e-6)
    assert told.level == 0.90


def test_hours_ahead_is_wider_by_the_machines_drift_and_says_where_it_is_from() -> None:
    means = [0.100, 0.104, 0.097, 0.110, 0.101, 0.099]
    told = foresight.predictive(means, 2.5, ASSUMED)
    assert told.hours is not None and told.low and told.high
    minutes = np.log(told.high / told.low) / 2
    half = np.hypot(minutes, scipy_stats.norm.ppf(0.95) * ASSUMED.sd)
    assert np.log(told.hours.high / told.hours.low) / 2 == pytest.approx(half)
    assert "assumed" in told.hours.basis
    without = foresight.predictive(means, 2.5, NO_DRIFT)
    assert without.hours is not None and without.hours.low == pytest.approx(without.low)


@pytest.mark.parametrize(("visits", "visit_s"), [(4, 2.5), (1, 2.5), (8, 0.5)])
def test_too_little_is_not_stated_and_says_what_states_it(visits: int, visit_s: float) -> None:
    told = foresight.predictive([0.1] * visits, visit_s, ASSUMED)
    assert (told.low, told.high, told.hours) == (None, None, None)
    assert "--profile standard" in told.basis


def test_nine_in_ten_later_means_lie_within_where_visits_are_independent() -> None:
    rng = np.random.default_rng(1)
    held = 0
    for _ in range(2000):
        *means, later = np.exp(0.05 * rng.standard_normal(6))
        told = foresight.predictive([float(m) for m in means], 2.5, NO_DRIFT)
        held += bool(told.low and told.high and told.low <= later <= told.high)
    assert held / 2000 == pytest.approx(0.90, abs=0.02)
