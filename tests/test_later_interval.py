"""The interval of a run by what earlier ones missed theirs by."""

import math

import numpy as np
import pytest

from hwbench.later_interval import ALIKE, ODD, Past, by_history
from hwbench.validation import Total

TOTAL = Total(
    point_s=180.0,
    low_s=100.0,
    high_s=300.0,
    level=0.9,
    basis="the visits",
    half_log=0.5,
    sampling_log=0.1,
)


def past(*errors: float, expected: float = 0.1, predicted_s: float = 180.0) -> list[Past]:
    return [Past(error_log=e, expected_log=expected, predicted_s=predicted_s) for e in errors]


def test_it_is_the_rank_that_split_conformal_takes() -> None:
    errors = [0.02, -0.05, 0.11, 0.01, -0.08, 0.03, 0.06, -0.02, 0.09, 0.04, 0.05, 0.07, -0.01]
    found = by_history(TOTAL, past(*errors))
    rank = math.ceil((len(errors) + 1) * 0.9)
    assert found.half_log == np.sort(np.abs(errors))[rank - 1]
    assert found.high_s == pytest.approx(180 * math.exp(found.half_log))
    assert found.low_s == pytest.approx(180 * math.exp(-found.half_log))
    assert "13 validated runs" in found.basis


def test_fewer_than_nine_runs_tell_nothing() -> None:
    assert by_history(TOTAL, past(*[0.05] * 8)) == TOTAL
    assert by_history(TOTAL, []) == TOTAL
    assert by_history(TOTAL, past(*[0.05] * 9)).half_log == 0.05


def test_runs_of_another_length_do_not_count() -> None:
    longer = past(*[0.05] * 20, predicted_s=180 * ALIKE * 1.01)
    shorter = past(*[0.05] * 20, predicted_s=180 / ALIKE / 1.01)
    assert by_history(TOTAL, [*longer, *shorter]) == TOTAL


def test_visits_that_differ_oddly_widen_it_and_calm_ones_do_not_narrow_it() -> None:
    usual = by_history(TOTAL, past(*[0.05] * 9, expected=0.1)).half_log
    calm = by_history(TOTAL, past(*[0.05] * 9, expected=0.4)).half_log
    odd = by_history(TOTAL, past(*[0.05] * 9, expected=0.1 / (2 * ODD)))
    assert usual == calm == 0.05
    assert odd.half_log == pytest.approx(0.05 * 2 * ODD)
    assert "differ by more than is usual" in odd.basis


def test_it_holds_what_it_states_whatever_the_errors_distribution() -> None:
    rng = np.random.default_rng(1)
    held = []
    for _ in range(4000):
        errors = rng.standard_t(3, 30) * 0.05
        found = by_history(TOTAL, past(*errors[:29].tolist()))
        held.append(abs(errors[29]) <= found.half_log)
    # Of 29 the 27th: exactly 27 / 30 of exchangeable ones are below it.
    assert np.mean(held) == pytest.approx(0.9, abs=4 * math.sqrt(0.09 / 4000))
