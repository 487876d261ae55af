from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest

from hwbench import batch_fit, summary
from hwbench.batch import BatchChoice, BatchTry
from hwbench.batch_fit import Point
from hwbench.measurement import Measurement
from tests.fakes import GEMM, INFERENCE, PROTOCOL, planned, visit_result

SIZES = [1, 2, 4, 8, 16, 32, 64, 128]


def _points(seconds: Callable[[int], float], error_frac: float = 0.01) -> list[Point]:
    return [Point(b, seconds(b), error_frac) for b in SIZES]


def test_the_line_is_that_of_weighted_least_squares() -> None:
    rng = np.random.default_rng(1)
    errors = rng.uniform(0.01, 0.1, len(SIZES))
    times = (0.02 + 0.003 * np.array(SIZES)) * np.exp(errors * rng.standard_normal(len(SIZES)))
    found = batch_fit.line(
        [Point(*p) for p in zip(SIZES, times.tolist(), errors.tolist(), strict=True)]
    )
    slope, base = np.polyfit(SIZES, times, 1, w=1 / (times * errors))
    assert found.a_s == pytest.approx(base)
    assert found.b_s == pytest.approx(slope)
    left = ((base + slope * np.array(SIZES) - times) / (times * errors)) ** 2
    assert found.misfit == pytest.approx(left.sum())


def test_one_line_is_enough_for_a_line_with_noise() -> None:
    rng = np.random.default_rng(2)
    several = 0
    for _ in range(200):
        points = _points(lambda b: (0.02 + 0.003 * b) * float(np.exp(0.02 * rng.normal())), 0.02)
        several += len(batch_fit.pieces(points)) > 1
    assert several <= 12


def test_a_cache_that_overflows_makes_a_second_piece() -> None:
    """1 ms + 0.1 ms B up to 16, twice as steep above."""
    points = _points(lambda b: 0.001 + 0.0001 * b + 0.0001 * max(0, b - 16))
    first, second = batch_fit.pieces(points)
    assert (first.smallest, second.largest) == (1, 128)
    assert first.largest in (8, 16)
    assert second.b_s == pytest.approx(0.0002, rel=0.02)
    assert first.a_s == pytest.approx(0.001, rel=0.01)
    for b in SIZES:
        told = batch_fit.seconds_at((first, second), b)
        assert told == pytest.approx(0.001 + 0.0001 * b + 0.0001 * max(0, b - 16), rel=0.01)


def test_between_two_pieces_time_goes_straight_from_one_to_the_other() -> None:
    points = [Point(b, t, 0.001) for b, t in [(1, 1.0), (2, 1.1), (4, 1.3), (8, 5.0), (16, 9.0)]]
    segments = batch_fit.pieces(points)
    assert [s.largest for s in segments] == [4, 16]
    assert batch_fit.seconds_at(segments, 6) == pytest.approx((1.3 + 5.0) / 2)
    assert batch_fit.seconds_at(segments, 32) == pytest.approx(17.0)


def _measured(batch_sizes: Sequence[int], seconds: Callable[[int], float]) -> list[Measurement]:
    found = []
    for b in batch_sizes:
        case = replace(INFERENCE, batch_size=b)
        visits = [visit_result(case, n, *[seconds(b)] * 6) for n in range(3)]
        found.append(summary.measurement(planned(case), visits, PROTOCOL))
    return found


def test_a_record_with_three_batch_sizes_says_how_time_grows() -> None:
    measured = _measured([4, 16, 64], lambda b: 0.010 + 0.001 * b)
    (fit,) = batch_fit.fits(measured)
    (segment,) = fit.segments
    assert segment.a_s == pytest.approx(0.010)
    assert segment.b_s == pytest.approx(0.001)
    assert fit.half_speed_batch == pytest.approx(10.0)
    assert (fit.name, fit.phase, fit.n) == ("mlp_small", "inference", 3)
    assert fit.residual_frac == pytest.approx(0.0, abs=1e-9)


def test_two_batch_sizes_or_a_kernel_make_no_fit() -> None:
    visits = [visit_result(GEMM, n, *[0.01] * 6) for n in range(3)]
    kernel = summary.measurement(planned(GEMM), visits, PROTOCOL)
    assert batch_fit.fits([kernel, *_measured([4, 16], lambda b: 0.01 * b)]) == ()


def test_the_tries_of_a_search_are_fitted_where_nothing_better_is_there() -> None:
    (m,) = _measured([8], lambda b: 0.010 + 0.001 * b)
    tries = tuple(BatchTry(batch_size=b, fits=True, wall_s=0.010 + 0.001 * b) for b in (1, 4, 16))
    choice = BatchChoice(
        requested="auto",
        used=8,
        largest=16,
        largest_predicted=None,
        ended="memory",
        tolerance_frac=0.01,
        message="",
        tried=(*tries, BatchTry(batch_size=32, fits=False, reason="out of memory")),
    )
    (fit,) = batch_fit.fits([replace(m, batch=choice)])
    assert fit.n == 3 and "tries" in fit.basis
    assert fit.segments[0].b_s == pytest.approx(0.001)
