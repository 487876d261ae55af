"""Schedules of searches over hyperparameters against published tables, SciPy and simulations."""

import heapq
import itertools
import math
import random
import statistics
from collections.abc import Sequence

import pytest
import scipy.stats

from hwbench import early_promotion, search_schedule
from hwbench.errors import BadInput
from hwbench.search_schedule import Schedule


def _table(schedule: Schedule, resource: float) -> list[list[tuple[int, int]]]:
    return [[(r.trials, round(r.run_frac * resource)) for r in b.rungs] for b in schedule.brackets]


def test_the_brackets_are_those_of_the_paper() -> None:
    # Li et al. 2018, JMLR 18(185), table 1: R = 81, eta = 3.
    made = search_schedule.hyperband(81, 3)
    assert _table(made, 81) == [
        [(81, 1), (27, 3), (9, 9), (3, 27), (1, 81)],
        [(34, 3), (11, 9), (3, 27), (1, 81)],
        [(15, 9), (5, 27), (1, 81)],
        [(8, 27), (2, 81)],
        [(5, 81)],
    ]
    assert made.trials == 143


def test_hyperband_takes_its_units_from_scratch_and_fewer_resumed() -> None:
    made = search_schedule.hyperband(81, 3)
    scratch, resumed = (search_schedule.total(made, r) for r in (False, True))
    assert scratch.runs * 81 == pytest.approx(1902)
    assert resumed.runs * 81 == pytest.approx(1581)
    assert (round(scratch.runs, 1), round(resumed.runs, 1)) == (23.5, 19.5)
    assert scratch.starts == resumed.starts == 143


@pytest.mark.parametrize(("resource", "eta"), [(9, 3), (81, 3), (100, 3), (256, 4), (50, 2.5)])
def test_a_bracket_takes_no_more_than_its_budget_but_for_rounding_up(
    resource: float, eta: float
) -> None:
    made = search_schedule.hyperband(resource, eta)
    count = len(made.brackets)
    assert count == math.floor(math.log(resource) / math.log(eta) + 1e-9) + 1
    for b in made.brackets:
        # (s_max + 1) R each, and what ceil adds: one trial's way up at the most.
        way_up = sum(r.run_frac for r in b.rungs)
        assert sum(r.trials * r.run_frac for r in b.rungs) <= count + way_up
        assert b.rungs[-1].run_frac == 1 and b.rungs[-1].trials >= 1
        assert b.rungs[0].run_frac >= 1 / resource


def test_more_trials_are_more_passes_or_a_larger_r() -> None:
    twice = search_schedule.hyperband(81, 3, 144)
    assert (twice.passes, twice.trials) == (2, 286)
    assert search_schedule.total(twice, False).runs * 81 == pytest.approx(2 * 1902)
    assert search_schedule.resource_for(143, 3) == 81
    assert search_schedule.resource_for(144, 3) == 243
    assert search_schedule.resource_for(1, 3) == 3


def test_halving_keeps_the_budget_of_every_rung() -> None:
    # n r (log_eta n + 1) where n is a power of eta.
    made = search_schedule.successive_halving(81, 3)
    assert search_schedule.total(made, False).runs == pytest.approx(5)
    assert made.resource == 81
    uneven = search_schedule.successive_halving(100, 3)
    assert _table(uneven, 81) == [[(100, 1), (33, 3), (11, 9), (3, 27), (1, 81)]]
    short = search_schedule.successive_halving(100, 3, resource=9)
    assert _table(short, 9) == [[(100, 1), (33, 3), (11, 9)]]


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: search_schedule.hyperband(2, 3), "R 2 is below eta 3"),
        (lambda: search_schedule.successive_halving(2, 3), "2 trials are below eta 3"),
        (lambda: search_schedule.successive_halving(10, 3, 81), "at least 81 trials"),
        (lambda: search_schedule.hyperband(81, 1.0001), "more than 64 rungs"),
        (lambda: search_schedule.resource_for(10**6, 1.001), "too near to 1"),
    ],
)
def test_what_makes_no_schedule_is_refused(make: object, told: str) -> None:
    with pytest.raises(BadInput, match=told):
        make()  # type: ignore[operator]


def test_random_trials_are_full_runs_in_waves_of_the_workers() -> None:
    made = search_schedule.full_runs(10)
    assert search_schedule.total(made, False).runs == 10
    assert not made.resumable
    assert [search_schedule.wall(made, w, False).runs for w in (1, 4, 10, 99)] == [10, 3, 1, 1]


@pytest.mark.parametrize("workers", [1, 4, 7, 200])
@pytest.mark.parametrize("resumed", [False, True])
def test_with_barriers_the_length_is_that_of_a_simulation(workers: int, resumed: bool) -> None:
    made = search_schedule.hyperband(81, 3)
    now = 0.0
    for b in made.brackets:
        before = 0.0
        for r in b.rungs:
            free = [now] * workers
            for _ in range(r.trials):
                done = heapq.heappop(free) + r.run_frac - (before if resumed else 0.0)
                heapq.heappush(free, done)
            now, before = max(free), r.run_frac
    assert search_schedule.wall(made, workers, resumed).runs == pytest.approx(now)


def _simulated_asha(
    trials: int, eta: int, lengths: Sequence[float], workers: int, seed: int
) -> tuple[float, float, float]:
    """Return the full runs trained, when a first trial was done to the end, and the end.

    Algorithm 2 of Li et al. 2020 with losses that rank alike in every rung.
    """
    rng = random.Random(seed)
    loss = [rng.random() for _ in range(trials)]
    done: list[list[int]] = [[] for _ in lengths]
    gone_up: list[set[int]] = [set() for _ in lengths]
    running: list[tuple[float, int, int]] = []
    begun, trained, first, now = 0, 0.0, math.inf, 0.0

    def job() -> tuple[int, int] | None:
        nonlocal begun
        for k in range(len(lengths) - 2, -1, -1):
            best = sorted(done[k], key=lambda t: loss[t])[: len(done[k]) // eta]
            able = [t for t in best if t not in gone_up[k]]
            if able:
                gone_up[k].add(able[0])
                return able[0], k + 1
        if begun < trials:
            begun += 1
            return begun - 1, 0
        return None

    while True:
        while len(running) < workers and (found := job()) is not None:
            trial, rung = found
            trained += lengths[rung]
            heapq.heappush(running, (now + lengths[rung], trial, rung))
        if not running:
            return trained, first, now
        now, trial, rung = heapq.heappop(running)
        done[rung].append(trial)
        if rung == len(lengths) - 1:
            first = min(first, now)


ENDS = (1 / 27, 1 / 9, 1 / 3, 1.0)
STEPS = (1 / 27, 2 / 27, 2 / 9, 2 / 3)


@pytest.mark.parametrize(("resumed", "lengths"), [(False, ENDS), (True, STEPS)])
def test_asha_takes_what_simulations_do(resumed: bool, lengths: tuple[float, ...]) -> None:
    made = search_schedule.asha(200, 3, resource=27)
    told = search_schedule.total(made, resumed).runs
    for workers in (1, 4, 16):
        some = [_simulated_asha(200, 3, lengths, workers, seed) for seed in range(8)]
        trained, _, end = (statistics.mean(column) for column in zip(*some, strict=True))
        assert told == pytest.approx(trained, rel=0.1)
        long = search_schedule.wall(made, workers, resumed).runs
        assert 0.95 * long < end < 1.4 * long


@pytest.mark.parametrize(("resumed", "lengths"), [(False, ENDS), (True, STEPS)])
def test_with_enough_workers_a_first_trial_is_done_after_its_own_way_up(
    resumed: bool, lengths: tuple[float, ...]
) -> None:
    made = search_schedule.asha(27, 3)
    _, first, _ = _simulated_asha(27, 3, lengths, 27, seed=1)
    assert search_schedule.first_full(made, 27, resumed) == pytest.approx(first)


def test_asha_is_first_done_after_r_resumed_and_eta_by_eta_less_one_from_scratch() -> None:
    made = search_schedule.asha(4**8, 4)
    assert search_schedule.first_full(made, 4**8, True) == pytest.approx(1)
    assert search_schedule.first_full(made, 4**8, False) == pytest.approx(4 / 3, rel=1e-4)
    one = search_schedule.asha(27, 3)
    # A single worker trains 27 + 9 + 3 trials on the way to the first that is done.
    assert search_schedule.first_full(one, 1, False) == pytest.approx(4)
    alone = search_schedule.wall(one, 1, False).runs
    assert alone == search_schedule.total(one, False).runs > 4


@pytest.mark.parametrize(("trials", "eta"), [(3, 3), (6, 3), (7, 2), (7, 3)])
def test_early_promotions_are_those_of_all_orders(trials: int, eta: int) -> None:
    orders = list(itertools.permutations(range(trials)))
    gone_up = 0
    for order in orders:
        prefixes = (sorted(order[:m])[: m // eta] for m in range(1, trials + 1))
        gone_up += len(set(itertools.chain.from_iterable(prefixes)))
    exact = gone_up / len(orders)
    assert early_promotion.promoted(trials, eta) == pytest.approx(exact, rel=0.02)


def test_early_promotions_grow_as_the_root_of_the_trials() -> None:
    few, many = (early_promotion.promoted(n, 3) - n / 3 for n in (300, 1200))
    assert many == pytest.approx(2 * few, rel=0.15)
    assert early_promotion.promoted(300_000_000, 3) == pytest.approx(100_000_000, rel=0.001)


def test_the_chance_of_a_top_trial_is_the_geometric_distribution() -> None:
    for n, q in ((1, 0.05), (59, 0.05), (143, 0.01), (10**6, 1e-9)):
        assert search_schedule.chance(n, q) == pytest.approx(float(scipy.stats.geom.cdf(n, q)))
    assert search_schedule.trials_for(0.95, 0.05) == 59
    for q in (0.5, 0.1, 0.01, 0.001):
        assert search_schedule.trials_for(0.95, q) == int(scipy.stats.geom.ppf(0.95, q))


@pytest.mark.parametrize("eta", [1.5, 2, math.e, 3, 10])
def test_a_power_of_eta_is_found_in_spite_of_rounding(eta: float) -> None:
    assert [search_schedule.halvings(eta**s, eta) for s in range(9)] == list(range(9))
    last = search_schedule.hyperband(eta**5, eta).brackets[0].rungs[-1]
    assert last.trials >= 1 and last.run_frac == 1
