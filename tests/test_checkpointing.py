"""Intervals and factors against the published values, random times against a simulation."""

import numpy as np
import pytest

from hwbench import checkpointing as cp

H, MIN = 3600.0, 60.0


@pytest.mark.parametrize(
    ("mtbf_h", "young", "first", "higher", "factor"),
    [
        (2, 15.5, 14.5, 14.83, 1.170),
        (10, 34.6, 33.6, 33.98, 1.065),
        (100, 109.5, 108.5, 108.88, 1.019),
    ],
)
def test_a_minute_to_save_and_three_to_come_back(
    mtbf_h: float, young: float, first: float, higher: float, factor: float
) -> None:
    m = mtbf_h * H
    assert cp.young_s(60, m) / MIN == pytest.approx(young, abs=0.05)
    assert cp.daly_first_order_s(60, m) / MIN == pytest.approx(first, abs=0.05)
    assert cp.daly_s(60, m) / MIN == pytest.approx(higher, abs=0.005)
    for interval in (cp.young_s(60, m), cp.daly_first_order_s(60, m), cp.daly_s(60, m)):
        assert cp.time_factor(interval, 60, 180, m) == pytest.approx(factor, abs=0.0005)


def test_dalys_own_captions() -> None:
    """Daly 2006: five minutes to save; 24 h, 6 h and 15 min between interruptions."""
    found = cp.daly_s(5 * MIN, np.array([24 * H, 6 * H, 15 * MIN])) / MIN
    assert [round(found[0]), round(found[1]), round(found[2], 1)] == [117, 57, 9.1]


def test_the_optimum_is_where_the_factor_is_least() -> None:
    intervals = np.linspace(200, 4000, 100_001)
    least = intervals[np.argmin(cp.time_factor(intervals, 60, 180, 2 * H))]
    assert cp.daly_s(60, 2 * H) == pytest.approx(least, rel=1e-3)
    assert cp.time_factor_approximate(6000, 60, 180, 1e6) == pytest.approx(
        cp.time_factor(6000, 60, 180, 1e6), rel=1e-4
    )


def test_saving_that_takes_longer_than_the_machine_lasts() -> None:
    assert cp.daly_s(300, 100) == 100 and cp.daly_first_order_s(60, 100) == 100


def test_rates_of_the_advisors_bands() -> None:
    mtbf = 1 / cp.rate_per_h(np.array([0.05, 0.10, 0.20]))
    assert [round(m / 1000, 1) for m in mtbf] == [14.2, 6.9, 3.3]
    assert isinstance(cp.rate_per_h(0.05), float)


def test_a_long_run_takes_its_time_by_the_factor() -> None:
    found = cp.expected(1000 * H, 60, 180, 0.1)
    assert found.factor == pytest.approx(
        cp.time_factor(cp.daly_s(60, 10 * H), 60, 180, 10 * H), rel=1e-4
    )
    assert found.total_s == pytest.approx(
        found.useful_s + found.checkpoints_s + found.preemption_s, rel=1e-12
    )


def test_a_run_short_against_the_interval_saves_nothing_and_begins_anew() -> None:
    found = cp.expected(600.0, 60, 0, 0.1)
    assert (found.attempts, found.checkpoints_s) == (1, 0)
    assert found.total_s == pytest.approx(cp.without_checkpoints_s(600.0, 10 * H))
    assert cp.without_checkpoints_s(2 * H, 1 * H) == pytest.approx(H * (np.e**2 - 1))


def test_no_attempts_are_better_than_those_taken() -> None:
    for useful in (0.3 * H, 2 * H, 7 * H, 30 * H):
        n = np.arange(1, 200)
        w = (useful + (n - 1) * 60) / n
        best = (n * 5 * H * np.exp(180 / (5 * H)) * np.expm1(w / (5 * H))).min()
        assert cp.expected(useful, 60, 180, 0.2).total_s == pytest.approx(best, rel=1e-12)


def test_machines_together_are_lost_more_often_and_one_never_lost_is_free() -> None:
    assert cp.expected(50 * H, 60, 180, 0.01, nodes=8) == cp.expected(50 * H, 60, 180, 0.08)
    found = cp.expected(np.array([H, 2 * H]), 60, 180, 0.0)
    assert found.total_s.tolist() == [H, 2 * H] and found.interruptions.tolist() == [0, 0]
    rng = np.random.default_rng(0)
    assert set(cp.preemption_draws(H, 60, 180, 0.0, rng, n_draws=5)) == {H}


def simulated(
    useful: float, c: float, r: float, rate_h: float, attempts: int, n: int
) -> np.ndarray:  # type: ignore[type-arg]
    """Walk through each run event by event: the attempt, the loss, the way back, again."""
    rng, mean = np.random.default_rng(7), H / rate_h
    length = (useful + (attempts - 1) * c) / attempts
    totals = np.zeros(n)
    for run in range(n):
        for _ in range(attempts):
            needed = length
            while (until := rng.exponential(mean)) < needed:
                totals[run] += until
                needed = length + r
            totals[run] += needed
    return totals


@pytest.mark.parametrize(
    "run",
    [
        (10 * H, 60, 180, 0.1),  # about one interruption
        (3 * H, 60, 600, 0.5),  # a slow way back
        (600, 60, 180, 0.5),  # one attempt
        (300 * H, 60, 180, 0.3),  # a hundred
    ],
)
def test_random_times_are_those_of_a_simulation(run: tuple[float, float, float, float]) -> None:
    mean = cp.expected(*run)
    truth = simulated(*run, attempts=round(mean.attempts), n=4000 if run[0] < 100 * H else 400)
    error = truth.std() / np.sqrt(len(truth))
    assert truth.mean() == pytest.approx(mean.total_s, abs=4 * error)
    found = cp.preemption_draws(*run, np.random.default_rng(1), n_draws=8000)
    assert found.mean() == pytest.approx(mean.total_s, abs=0.03 * found.std())
    assert found.std() == pytest.approx(truth.std(), rel=0.12)
    for q in (0.1, 0.5, 0.9):
        assert np.quantile(found, q) == pytest.approx(np.quantile(truth, q), abs=0.15 * truth.std())


def test_how_often_it_is_interrupted_has_the_exact_mean() -> None:
    run = (20 * H, 120, 300, 0.4)
    interruptions = cp.expected(*run).interruptions
    alone = cp.preemption_draws(*run, np.random.default_rng(3), n_draws=4000)
    lost = (alone - alone.min()).mean() / cp.expected(*run).preemption_s
    assert interruptions == pytest.approx(cp.expected(*run).total_s / (2.5 * H))
    assert lost == pytest.approx(1.0, abs=0.1)


def test_a_machine_lost_before_it_is_back_is_never_done() -> None:
    rates = np.array([0.1, 1000.0])
    assert np.isinf(cp.expected(H, 60, 24 * H, rates).total_s).tolist() == [False, True]
    found = cp.preemption_draws(H, 60, 24 * H, rates, np.random.default_rng(0))
    assert np.isinf(found).tolist() == [False, True]


def test_luck_is_shared_along_the_sizes() -> None:
    useful = np.geomspace(H, 400 * H, 30) * np.ones((500, 1))
    found = cp.preemption_draws(useful, 60, 180, 0.05, np.random.default_rng(2))
    assert found.shape == useful.shape
    assert (np.diff(np.quantile(found, 0.9, axis=0)) > 0).all()


def test_spot_pays_only_below_the_price_that_its_delays_allow() -> None:
    assert cp.pays(0.85, 1.170) and not cp.pays(0.86, 1.170)
