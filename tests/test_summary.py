from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from hwbench import summary
from hwbench.case import Case
from hwbench.measurement import Measurement, Protocol
from hwbench.protocol import VisitResult
from tests.fakes import GEMM, INFERENCE, PROTOCOL, planned, sample, visit_result

TRAINING = replace(INFERENCE, phase="training", scenario="train_step")


def _measured(case: Case, *rounds: Sequence[float], protocol: Protocol = PROTOCOL) -> Measurement:
    """Return the measurement of a case with these times, one list a round."""
    visits = [visit_result(case, n, *walls_s) for n, walls_s in enumerate(rounds)]
    return summary.measurement(planned(case), visits, protocol)


def _codes(m: Measurement) -> set[str]:
    return {w.code for w in m.warnings}


def test_rates_are_the_work_over_the_time_with_the_bounds_exchanged() -> None:
    m = _measured(GEMM, [0.010, 0.011, 0.012], [0.010, 0.011, 0.012], [0.010, 0.011, 0.012])
    assert m.wall_s is not None and m.flops_per_s is not None and m.bytes_per_s is not None
    assert m.wall_s.point == 0.011
    assert (m.wall_s.low, m.wall_s.high) == (0.010, 0.012)
    assert m.flops_per_s.point == pytest.approx(2 * 1024**3 / 0.011)
    assert m.flops_per_s.low == pytest.approx(2 * 1024**3 / 0.012)
    assert m.flops_per_s.high == pytest.approx(2 * 1024**3 / 0.010)
    assert m.bytes_per_s.point == pytest.approx(3 * 1024**2 * 4 / 0.011)
    assert m.items_per_s is None


def test_items_per_second_are_the_batch_over_the_time() -> None:
    m = _measured(TRAINING, [0.5] * 6)
    assert m.items_per_s is not None
    assert m.items_per_s.point == 64.0
    assert m.bytes_per_s is None


def test_a_sample_of_many_loops_counts_by_the_iteration() -> None:
    visit = visit_result(GEMM, 0)
    samples = (sample(0.2, loops=10), sample(0.3, loops=10), sample(0.8, loops=20))
    m = summary.measurement(planned(GEMM), [replace(visit, samples=samples)], PROTOCOL)
    assert m.wall_s is not None
    assert m.wall_s.point == pytest.approx(0.03)
    assert m.wall_s.mean == pytest.approx(1.3 / 40)
    assert m.wall_s.n == 3


def test_the_interval_is_widened_to_the_median_of_every_round() -> None:
    rounds = [[0.010] * 40, [0.010] * 40, [0.015] * 3]
    m = _measured(GEMM, *rounds)
    assert m.wall_s is not None
    assert (m.wall_s.low, m.wall_s.point, m.wall_s.high) == (0.010, 0.010, 0.015)


def test_the_level_is_what_the_samples_support() -> None:
    few = _measured(GEMM, [0.010, 0.011, 0.012])
    assert few.wall_s is not None
    assert few.wall_s.level == 0.75  # 1 - 2^(1 - 3)
    assert "few_samples" in _codes(few)
    many = _measured(GEMM, [0.010] * 6)
    assert many.wall_s is not None and many.wall_s.level >= 0.95
    assert "few_samples" not in _codes(many)


def test_percentiles_that_the_samples_do_not_support_are_null_with_the_reason() -> None:
    walls_s = np.random.default_rng(0).uniform(0.01, 0.02, 60).tolist()
    m = _measured(INFERENCE, walls_s)
    assert m.latency_s["p99"] is None
    assert "p99 needs 299" in (m.latency_reason or "")
    assert "p95" not in (m.latency_reason or "")
    for name, q in (("p50", 50), ("p90", 90), ("p95", 95)):
        assert m.latency_s[name] == np.percentile(walls_s, q, method="inverted_cdf")


def test_grouped_iterations_have_no_latency() -> None:
    visit = visit_result(INFERENCE, 0)
    samples = tuple(sample(0.2, loops=10) for _ in range(400))
    m = summary.measurement(planned(INFERENCE), [replace(visit, samples=samples)], PROTOCOL)
    assert set(m.latency_s) == {"p50", "p90", "p95", "p97", "p99", "p99.9"}
    assert set(m.latency_s.values()) == {None}
    assert "too short" in (m.latency_reason or "")


def test_training_has_no_latency() -> None:
    m = _measured(TRAINING, [0.1] * 400)
    assert m.latency_s and set(m.latency_s.values()) == {None}
    assert "inference only" in (m.latency_reason or "")


def test_a_later_stretch_is_predicted_from_five_rounds_of_whole_visits_on() -> None:
    whole = replace(PROTOCOL, visit_s=2.5, rounds=5)
    four = _measured(GEMM, *[[0.010, 0.011]] * 4, protocol=whole)
    assert four.wall_s is not None
    told = four.wall_s.predictive
    assert (told.low, told.high) == (None, None)
    assert "4 visit" in told.basis
    times = (0.010, 0.011, 0.012, 0.010, 0.011)
    five = _measured(GEMM, *[[t] for t in times], protocol=whole)
    assert five.wall_s is not None
    logs = np.log(times)
    half = 2.131847 * logs.std(ddof=1) * np.sqrt(1 + 1 / 5)  # t of 4 degrees, 90 % two-sided
    assert five.wall_s.predictive.low == pytest.approx(np.exp(logs.mean() - half), rel=1e-6)
    assert five.wall_s.predictive.high == pytest.approx(np.exp(logs.mean() + half), rel=1e-6)
    assert five.wall_s.mean == pytest.approx(np.mean(times))


def _disturbed(text: str, calm: int, disturbed: int) -> Measurement:
    """Return a measurement of three rounds; in the last one some samples were twice as long."""
    visits = [visit_result(GEMM, n, *[0.010] * 8) for n in range(3)]
    slow = tuple(replace(sample(0.020, 2), disturbed=text) for _ in range(disturbed))
    visits[2] = replace(visits[2], samples=(*visits[2].samples[:calm], *slow))
    return summary.measurement(planned(GEMM), visits, PROTOCOL)


def test_disturbed_samples_stay_in_the_record_and_out_of_the_median() -> None:
    m = _disturbed("others used 1.00 cores", calm=4, disturbed=6)
    assert m.wall_s is not None and len(m.samples) == 26
    assert (m.wall_s.point, m.wall_s.high, m.wall_s.n) == (0.010, 0.010, 20)
    assert "6 disturbed samples left out" in m.wall_s.method
    assert m.wall_s.mean == pytest.approx(0.010)


def test_a_round_with_too_few_undisturbed_samples_keeps_all() -> None:
    m = _disturbed("others used 1.00 cores", calm=0, disturbed=8)
    assert m.wall_s is not None
    assert (m.wall_s.n, m.wall_s.high) == (24, 0.020)
    assert m.wall_s.mean == pytest.approx((0.010 + 0.010 + 0.020) / 3)


def test_what_the_hypervisor_took_stays_in_the_mean_for_it_will_be_there_again() -> None:
    m = _disturbed("steal: the hypervisor took 0.50 cores", calm=4, disturbed=4)
    assert m.wall_s is not None
    assert m.wall_s.point == 0.010
    assert m.wall_s.mean == pytest.approx((0.010 + 0.010 + 0.015) / 3)


@pytest.mark.parametrize(
    ("rounds", "verdict"),
    [
        ([[0.010] * 6] * 3, "valid"),
        ([[0.010] * 6, [0.0105] * 6, [0.010] * 6], "valid"),
        ([[0.010] * 6, [0.014] * 6, [0.010] * 6], "noisy"),
        ([[0.010 + 0.0005 * n] * 6 for n in range(5)], "drifting"),
        ([[0.012 - 0.0005 * n] * 6 for n in range(5)], "drifting"),
        ([[0.010 + 0.00002 * n] * 6 for n in range(5)], "valid"),  # in order, but hardly any
        ([[0.010] * 6, [0.013] * 6, [0.012] * 6], "noisy"),
        ([[0.010] * 6, [0.011] * 6, [0.013] * 6], "noisy"),  # few rounds show no direction
    ],
)
def test_the_verdict_tells_noise_from_drift(rounds: list[list[float]], verdict: str) -> None:
    m = _measured(GEMM, *rounds)
    assert m.verdict == verdict
    assert m.wall_s is not None
    half = (m.wall_s.high - m.wall_s.low) / 2 / m.wall_s.point
    assert ("noisy" in _codes(m)) == (half > 0.10)


def test_a_case_with_fewer_visits_than_planned_says_partial() -> None:
    two = _measured(GEMM, [0.010] * 6, [0.010] * 6)
    assert (two.status, two.visits.done, two.visits.planned) == ("ok", 2, 3)
    assert "partial" in _codes(two)
    assert "partial" not in _codes(_measured(GEMM, *[[0.010] * 6] * 3))


def test_disturbed_samples_are_counted_and_said() -> None:
    visit = visit_result(GEMM, 0, *[0.01] * 6)
    samples = (
        *visit.samples[:4],
        *(replace(s, disturbed="other processes used 1.50 cores") for s in visit.samples[4:]),
    )
    m = summary.measurement(planned(GEMM), [replace(visit, samples=samples)], PROTOCOL)
    told = next(w.message for w in m.warnings if w.code == "disturbed")
    assert "2 of 6" in told and "1.50 cores" in told


def test_every_warning_says_what_to_do() -> None:
    m = _measured(GEMM, [0.010], [0.020])
    assert _codes(m) == {"partial", "noisy", "few_samples"}
    assert all(w.remedy for w in m.warnings)


def test_how_the_visits_ran_is_counted() -> None:
    visits = [visit_result(GEMM, n, *[0.01] * 6) for n in range(3)]
    kinds = ("flat", "warm-up", "flat")
    told = [replace(v, steady=k) for v, k in zip(visits, kinds, strict=True)]  # type: ignore[arg-type]
    assert summary.measurement(planned(GEMM), told, PROTOCOL).steady == {"flat": 2, "warm-up": 1}
    lost = [replace(v, steady="no steady state") for v in visits]
    assert "no_steady_state" in _codes(summary.measurement(planned(GEMM), lost, PROTOCOL))


def test_the_samples_of_a_visit_that_broke_are_kept() -> None:
    broken = replace(visit_result(GEMM, 1, 0.01, 0.02, 0.03), status="failed", reason="it broke")
    m = summary.measurement(planned(GEMM), [visit_result(GEMM, 0, 0.01), broken], PROTOCOL)
    assert (m.status, m.reason, len(m.samples)) == ("failed", "it broke", 4)


def test_a_failure_keeps_its_samples_and_makes_no_figure() -> None:
    bad = VisitResult(id=GEMM.id, status="failed", round=1, process=0, code="x", reason="it died")
    m = summary.measurement(planned(GEMM), [visit_result(GEMM, 0, 0.01, 0.02), bad], PROTOCOL)
    assert (m.status, m.reason, m.visits.done) == ("failed", "it died", 1)
    assert len(m.samples) == 2
    assert (m.wall_s, m.verdict, m.checked) == (None, None, None)


def test_what_did_not_run_says_why() -> None:
    skipped = summary.measurement(planned(GEMM, skip="jax is not installed"), [], PROTOCOL)
    assert (skipped.status, skipped.reason) == ("skipped", "jax is not installed")
    assert skipped.visits.planned == 0
    waiting = summary.measurement(planned(GEMM), [], PROTOCOL)
    assert (waiting.status, waiting.visits.planned) == ("skipped", 3)
    assert waiting.reason == summary.NOT_VISITED


def test_energy_is_null_with_a_reason() -> None:
    m = _measured(GEMM, [0.01] * 6)
    assert m.energy_j is None and m.power_w is None
    assert m.energy_reason


def test_set_up_and_first_iteration_are_the_first_visits_and_stand_apart() -> None:
    m = _measured(GEMM, [0.01] * 6, [0.01] * 6)
    assert (m.setup_s, m.first_iteration_s) == (0.5, 0.1)
    assert m.warmup_s == (0.02, 0.01, 0.02, 0.01)
    assert m.checked is not None and m.checked.max_relative_error == 1e-7
    assert m.memory_peak_bytes is not None and m.memory_peak_bytes.host == 100_000_000


def test_the_record_tells_where_the_samples_vary() -> None:
    visits = [visit_result(GEMM, n, *[0.010 * f] * 8) for n, f in enumerate((1.0, 1.1, 1.0, 1.1))]
    between = summary.measurement(planned(GEMM), visits, PROTOCOL).variance
    assert between is not None and between.within_frac == pytest.approx(0, abs=1e-6)
    assert between.between_frac == pytest.approx(0.055, abs=0.002)
    one = summary.measurement(planned(GEMM), visits[:1], PROTOCOL)
    assert one.variance is None
