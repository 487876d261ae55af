from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from hwbench import stopping, summary
from hwbench.measurement import Stopped
from tests.fakes import GEMM, PROTOCOL, planned, visit_result

ALLOWED = replace(PROTOCOL, rounds=5, max_rounds=8, visit_s=2.5)


def _visits(medians: Sequence[float], samples: int = 6) -> list[list[float]]:
    """Return visits with these medians, each with a little noise of its own."""
    rng = np.random.default_rng(3)
    return [(m * np.exp(0.0005 * rng.standard_normal(samples))).tolist() for m in medians]


def _stopped(medians: Sequence[float], samples: int = 6, protocol: object = ALLOWED) -> Stopped:
    visits = [visit_result(GEMM, n, *w) for n, w in enumerate(_visits(medians, samples))]
    m = summary.measurement(planned(GEMM), visits, protocol)  # type: ignore[arg-type]
    assert m.stopped is not None
    return m.stopped


def _wanting(medians: Sequence[float], protocol: object = ALLOWED) -> bool:
    visits = [visit_result(GEMM, n, *w) for n, w in enumerate(_visits(medians))]
    m = summary.measurement(planned(GEMM), visits, protocol)  # type: ignore[arg-type]
    assert m.wall_s is not None
    medians = [float(np.median([s.wall_s for s in v.samples])) for v in visits]
    return stopping.wanting(m.wall_s, medians, protocol)  # type: ignore[arg-type]


def test_a_narrow_interval_stops_as_precise() -> None:
    told = _stopped([0.100, 0.1001, 0.1002, 0.1, 0.1001])
    assert told.reason == "precision"
    assert told.half_width_frac <= 0.01
    assert not _wanting([0.100, 0.1001, 0.1002, 0.1, 0.1001])


def test_fewer_than_ten_samples_are_never_precise() -> None:
    assert _stopped([0.1] * 5, samples=1).reason != "precision"
    assert _stopped([0.1] * 5, samples=2).reason == "precision"


def test_a_case_near_the_target_is_visited_on_until_it_is_there_or_all_visits_are_made() -> None:
    near = [0.100, 0.1012, 0.0995, 0.1015, 0.0992]  # +-1.3 % after five
    assert _wanting(near)
    assert _stopped(near).reason == "time"  # nobody visited it on
    assert _stopped([*near, 0.1013, 0.0993, 0.1012]).reason in ("rounds", "precision")
    assert not _wanting([*near, 0.1013, 0.0993, 0.1012])


def test_a_spread_that_more_visits_cannot_narrow_enough_is_settled() -> None:
    wide = [0.100, 0.110, 0.095, 0.112, 0.101]
    told = _stopped(wide)
    assert told.reason == "settled"
    assert "visits" in told.message and "8 are the most" in told.message
    assert not _wanting(wide)


def test_the_planned_visits_are_made_however_narrow_the_interval_is() -> None:
    told = _stopped([0.1, 0.1, 0.1])
    assert told.reason == "time"
    assert "3 of at most 8" in told.message


def test_where_no_more_than_the_planned_visits_are_allowed_all_were_made() -> None:
    fixed = replace(ALLOWED, rounds=5, max_rounds=5)
    assert _stopped([0.100, 0.110, 0.095, 0.112, 0.101], protocol=fixed).reason == "rounds"
    assert not _wanting([0.100, 0.110, 0.095, 0.112, 0.101], protocol=fixed)


@pytest.mark.parametrize(("precision", "reason"), [(0.001, "settled"), (0.20, "precision")])
def test_the_precision_is_the_users(precision: float, reason: str) -> None:
    told = _stopped(
        [0.100, 0.102, 0.099, 0.101, 0.100], protocol=replace(ALLOWED, precision_frac=precision)
    )
    assert (told.reason, told.precision_frac) == (reason, precision)
