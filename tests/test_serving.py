from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal, localcontext
from typing import Any

import numpy as np
import pytest

from hwbench import scenarios, serving
from hwbench.arrivals import gaps, serve_open, simulated_over, wait_until
from hwbench.early_stopping import estimate, official_queries
from hwbench.protocol import VisitRequest
from hwbench.runtime import Program
from hwbench.served import Search, Terms
from hwbench.server_search import ServerSearch
from hwbench.timing import Pace
from tests.fakes import INFERENCE, FakeClock

SERVER = replace(INFERENCE, scenario="server", batch_size=1, options={"latency_bound_s": 0.1})


class Machine:
    """A server on a clock of its own; query number n takes `service_s(n)`."""

    def __init__(self, service_s: Callable[[int], float]) -> None:
        self.clock, self.service_s = FakeClock(), service_s
        self.served = 0
        self.slept: list[float] = []

    def serve(self) -> None:
        self.clock.advance(self.service_s(self.served))
        self.served += 1

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.slept.append(seconds)
        self.clock.advance(seconds)

    def search(self, bound_s: float, budget_s: float, seed: int = 1, **more: Any) -> ServerSearch:
        fields: dict[str, Any] = {"services_s": [self.service_s(0)] * 100, **more}
        return ServerSearch(
            serve=self.serve,
            bound_s=bound_s,
            budget_s=budget_s,
            clock=self.clock,
            sleep=self.sleep,
            seed=(seed,),
            spin_s=0.0,
            **fields,
        )


def _md1_wait_cdf(rate_per_s: float, service_s: float, wait_s: float) -> Decimal:
    """Return P(W <= wait) of M/D/1 (Erlang 1909), in 100 digits: its terms alternate and cancel.

    (1 - rho) sum over k <= x/D of (-rate (x - kD))^k / k! e^(rate (x - kD))
    """
    with localcontext() as context:
        context.prec = 100
        rate, service, wait = Decimal(rate_per_s), Decimal(service_s), Decimal(wait_s)
        total, factorial, k = Decimal(0), Decimal(1), 0
        while k * service <= wait:
            factorial *= max(1, k)
            x = rate * (wait - k * service)
            total += ((-x) ** k if k else Decimal(1)) / factorial * x.exp()
            k += 1
        return (1 - rate * service) * total


def _md1_rate(service_s: float, bound_s: float) -> float:
    """Return the rate whose 99th percentile of wait plus service is the bound, by bisection."""
    low, high = 0.0, 1 / service_s
    for _ in range(50):
        middle = (low + high) / 2
        if _md1_wait_cdf(middle, service_s, bound_s - service_s) >= Decimal("0.99"):
            low = middle
        else:
            high = middle
    return low


def test_the_closed_form_is_that_of_a_simulated_queue() -> None:
    rate = _md1_rate(0.01, 0.08)
    services_s = [0.01] * 1_000_000
    over = [
        simulated_over(rate, services_s, rng.exponential(size=len(services_s)).tolist(), 0.08)
        for rng in map(np.random.default_rng, range(4))
    ]
    assert np.mean(over) == pytest.approx(0.01, rel=0.06)
    assert float(_md1_wait_cdf(50.0, 0.01, 0.0)) == pytest.approx(0.5)  # 1 - rho


@pytest.mark.parametrize("bound_s", [0.08, 0.2])
def test_the_found_rate_is_that_of_the_closed_form(bound_s: float) -> None:
    """Constant service, MLPerf's number of queries in each trial: M/D/1 to 2 %."""
    machine = Machine(lambda n: 0.01)
    found = machine.search(bound_s, budget_s=50_000.0).run()
    assert found.ended == "found" and found.reason is None
    assert {t.planned for t in found.trials} == {official_queries(0.99)}
    truth = _md1_rate(0.01, bound_s)
    assert found.rate_per_s == pytest.approx(truth, rel=0.02)
    assert found.high_per_s is not None and found.rate_per_s is not None
    assert found.rate_per_s < found.high_per_s <= 1.02 * found.rate_per_s
    assert machine.clock.now - 128.0 <= 50_000.0


def test_arrivals_are_poisson_and_the_same_at_every_rate() -> None:
    stats = pytest.importorskip("scipy.stats")
    slow, fast = gaps(10.0, (1, 2)), gaps(1000.0, (1, 2))
    pairs = [(next(slow), next(fast)) for _ in range(5_000)]
    assert all(a == pytest.approx(100 * b) for a, b in pairs)
    assert stats.kstest([10 * a for a, _ in pairs], "expon").pvalue > 0.01
    assert next(gaps(10.0, (1, 3))) != pairs[0][0]


def test_a_stall_is_in_every_latency_that_waited_for_it() -> None:
    """200 ms in one of 5,000 queries: a closed loop has it once, an open one in its p99."""
    machine = Machine(lambda n: 0.200 if n == 2_500 else 0.001)
    done = serve_open(
        machine.serve, gaps(400.0, (1,)), 5_000, 9.0, 5_000, machine.clock, machine.sleep, 0.0
    )
    opened = estimate(done.latencies_s, 0.99).value_s
    closed = estimate([0.200 if n == 2_500 else 0.001 for n in range(5_000)], 0.99).value_s
    assert closed == 0.001
    assert opened is not None and opened > 0.1
    queued = [latency for latency in done.latencies_s[2_500:2_600] if latency > 0.05]
    assert len(queued) > 50  # those that came meanwhile, each with its own wait


def test_latency_counts_from_the_intended_start() -> None:
    machine = Machine(lambda n: 1.0)
    arrivals = iter([0.5, 0.25, 0.25, 10.0])
    done = serve_open(machine.serve, arrivals, 4, 1.5, 4, machine.clock, machine.sleep, 0.0)
    assert done.latencies_s == pytest.approx([1.0, 1.75, 2.5, 1.0])
    assert (done.over, sum(done.services_s), done.late_s) == (2, 4.0, 0.0)
    assert machine.slept == pytest.approx([0.5, 7.5])


def test_a_sleep_that_overshoots_is_in_the_latency_and_said() -> None:
    machine = Machine(lambda n: 1.0)
    lazy = lambda s: machine.clock.advance(s + 0.125)  # noqa: E731
    done = serve_open(machine.serve, iter([2.0]), 1, 9.0, 1, machine.clock, lazy, 0.0)
    assert done.latencies_s == [1.125]
    assert done.late_s == 0.125


def test_a_wait_sleeps_until_the_last_millisecond_and_watches_the_clock_from_there() -> None:
    clock, slept = FakeClock(step_s=0.0001), []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        clock.advance(seconds)

    wait_until(clock.now + 0.5, clock, sleep, spin_s=0.001)
    assert len(slept) == 1 and slept[0] == pytest.approx(0.499, abs=0.0002)
    assert clock.now == pytest.approx(128.5, abs=0.0002)
    wait_until(clock.now - 1.0, clock, sleep)
    assert len(slept) == 1


def test_a_trial_ends_when_it_cannot_pass_any_more() -> None:
    machine = Machine(lambda n: 1.0)
    done = serve_open(
        machine.serve, iter([0.5] * 100), 100, 1.25, 3, machine.clock, machine.sleep, 0.0
    )
    assert (len(done.latencies_s), done.over) == (5, 4)


def test_a_server_that_hangs_on_is_broken_off() -> None:
    machine = Machine(lambda n: 0.001 if n < 500 else 50.0)
    found = machine.search(bound_s=1_000.0, budget_s=10.0, services_s=[0.001] * 100).run()
    assert machine.clock.now - 128.0 < 10.0 * 1.5 + 50.0 + 1.0
    assert found.ended == "time" and found.reason


def test_a_bound_below_the_service_time_gives_no_rate() -> None:
    found = Machine(lambda n: 0.01).search(bound_s=0.005, budget_s=60.0).run()
    assert (found.ended, found.rate_per_s, found.trials) == ("bound", None, ())
    assert "100 of 100 service times alone" in (found.reason or "")


def test_one_slow_service_time_of_many_does_not_end_the_search() -> None:
    machine = Machine(lambda n: 0.01)
    found = machine.search(0.1, 4_000.0, services_s=[0.01] * 99 + [0.3]).run()
    assert found.rate_per_s is not None


def test_too_little_time_for_one_trial_is_said_with_the_time_it_takes() -> None:
    for budget_s in (-1.0, 0.0, 3.0):
        found = Machine(lambda n: 0.01).search(0.1, budget_s).run()
        assert (found.ended, found.rate_per_s, found.trials) == ("time", None, ())
        assert "459 queries" in (found.reason or "") and "--max-seconds" in (found.reason or "")


def test_a_bracket_that_time_left_wide_is_reported_as_it_is() -> None:
    machine = Machine(lambda n: 0.01)
    found = machine.search(0.1, 25.0).run()  # of which 459 queries take 6 s or more
    assert found.ended == "time"
    assert found.rate_per_s and found.high_per_s and found.rate_per_s < found.high_per_s
    assert max(t.rate_per_s for t in found.trials if t.passed) == found.rate_per_s
    assert "25 s of this visit were up" in (found.reason or "")


def test_a_bound_that_a_short_trial_cannot_reach_is_held_below_the_capacity() -> None:
    """Bound 60 s, service 10 ms: no trial of some minutes would see the queue grow so long."""
    found = Machine(lambda n: 0.01).search(60.0, 600.0).run()
    assert found.high_basis == "capacity"
    assert found.high_per_s == pytest.approx(100.0)
    assert found.rate_per_s is not None and 97.0 < found.rate_per_s < 100.0
    assert all(t.rate_per_s < 100.0 for t in found.trials)


def test_a_machine_slower_than_it_looked_is_followed_down_or_given_up() -> None:
    slower = Machine(lambda n: 0.02)
    found = slower.search(0.2, 4_000.0, services_s=[0.01] * 100).run()
    assert found.rate_per_s is not None
    assert found.rate_per_s == pytest.approx(_md1_rate(0.02, 0.2), rel=0.06)
    hopeless = Machine(lambda n: 5.0)
    gone = hopeless.search(0.1, 100_000.0, services_s=[0.01] * 100).run()
    assert (gone.ended, gone.rate_per_s) == ("bound", None)
    assert "service times alone" in (gone.reason or "")


def test_a_rate_that_failed_for_a_stall_is_tried_again_and_the_contradiction_told() -> None:
    steady = Machine(lambda n: 0.01)
    expected = steady.search(0.1, 20_000.0, percentile=0.9).run()
    assert expected.trials[0].passed and expected.rate_per_s is not None
    stalled = Machine(lambda n: 200.0 if n == 100 else 0.01)  # in the first trial alone
    found = stalled.search(0.1, 20_000.0, percentile=0.9).run()
    first = found.trials[0]
    assert not first.passed
    assert found.ended == "not_monotone"
    assert f"{first.rate_per_s:.4g}/s failed and then passed" in (found.reason or "")
    assert found.rate_per_s == pytest.approx(expected.rate_per_s, rel=0.02)


def test_outcomes_of_a_steady_server_do_not_contradict_each_other() -> None:
    for seed in range(6):
        found = Machine(lambda n: 0.01).search(0.1, 600.0, seed).run()
        outcomes = {t.rate_per_s: t.passed for t in found.trials}
        passed = [r for r, ok in outcomes.items() if ok]
        failed = [r for r, ok in outcomes.items() if not ok]
        assert found.ended in ("found", "time")
        assert not passed or not failed or max(passed) < min(failed)


def test_waits_with_nothing_to_do_show_that_others_had_the_processor() -> None:
    machine = Machine(lambda n: 0.01)
    found = ServerSearch(
        serve=machine.serve,
        services_s=[0.01] * 100,
        bound_s=0.05,
        budget_s=600.0,
        clock=machine.clock,
        sleep=lambda s: machine.clock.advance(s + 0.045),  # each wait ends late
        spin_s=0.0,
    ).run()
    assert found.ended in ("none", "time") and found.rate_per_s is None
    assert "something else had the processor" in (found.reason or "")
    assert max(t.late_s for t in found.trials) == pytest.approx(0.045)


# The child's side: a visit in each scenario.


def _visited(case: Any, service_s: float, budget_s: float) -> tuple[Any, Search | None, Machine]:
    machine = Machine(lambda n: service_s)
    never: Any = None
    program = Program(
        step=lambda: None, wait=lambda r: machine.serve(), renew=lambda rng: None, answer=never
    )
    pace = Pace(visit_s=0.2, min_samples=5, sample_s=0.01, max_samples=20)
    request = VisitRequest(
        case=case,
        threads=1,
        pace=scenarios.paced(pace, case, 2, budget_s),
        round=1,
        process=0,
        run_start=0.0,
        seed=1,
        check=False,
        check_batch=None,
        serving=scenarios.terms(case, 2, budget_s),
    )
    visit, found = serving.visit(program, request, machine.clock, machine.sleep, 0.0)
    return visit, found, machine


def test_a_server_visit_has_samples_and_a_search_of_its_round() -> None:
    visit, found, machine = _visited(SERVER, 0.01, 100.0)
    assert found is not None and found.round == 1 and found.rate_per_s is not None
    assert {t.loops for t in visit.samples} == {1}
    assert machine.clock.now - 128.0 < 101.0
    assert found.budget_s < 100.0  # what the samples took is of the same time


def test_a_server_visit_without_time_still_has_samples_and_says_why() -> None:
    visit, found, _ = _visited(SERVER, 0.01, 0.0)
    assert visit.samples
    assert found is not None and found.rate_per_s is None and found.reason


@pytest.mark.parametrize(
    ("name", "least"), [("single_stream", 64 // 2), ("multi_stream", 662 // 2)]
)
def test_streams_are_timed_one_by_one_and_often_enough(name: str, least: int) -> None:
    case = replace(INFERENCE, scenario=name, batch_size=8)
    for service_s in (1e-5, 0.03):
        visit, found, _ = _visited(case, service_s, 60.0)
        assert found is None
        assert {t.loops for t in visit.samples} == {1}
        assert len(visit.samples) >= least
    _, _, machine = _visited(case, 3.0, 20.0)
    assert machine.clock.now - 128.0 < 40.0  # the budget, the warm-up and the last one


def test_an_offline_visit_makes_its_share_of_the_samples_or_what_the_time_allows() -> None:
    case = replace(INFERENCE, scenario="offline", batch_size=32)
    visit, _, _ = _visited(case, 0.001, 60.0)
    assert sum(t.loops for t in visit.samples) * 32 >= 24_576 / 2
    short, _, machine = _visited(case, 0.5, 20.0)
    assert sum(t.loops for t in short.samples) * 32 < 24_576 / 2
    assert 19.0 < machine.clock.now - 128.0 < 23.0


def test_without_terms_a_visit_is_as_any_other() -> None:
    machine = Machine(lambda n: 0.02)
    never: Any = None
    program = Program(
        step=lambda: None, wait=lambda r: machine.serve(), renew=lambda rng: None, answer=never
    )
    request = VisitRequest(
        case=INFERENCE,
        threads=1,
        pace=Pace(visit_s=0.2, min_samples=5),
        round=0,
        process=0,
        run_start=0.0,
        seed=1,
        check=False,
        check_batch=None,
    )
    visit, found = serving.visit(program, request, machine.clock)
    assert found is None and len(visit.samples) == 10


def test_terms_and_budgets_follow_the_run() -> None:
    assert scenarios.terms(SERVER, 2, 20.0) == Terms(budget_s=20.0)
    assert scenarios.visit_budget_s(1, 2, None, asked=False) == 60.0
    assert scenarios.visit_budget_s(1, 2, 285.0, asked=False) == 60.0
    assert scenarios.visit_budget_s(1, 2, 600.0, asked=True) == pytest.approx(270.0)
    assert scenarios.visit_budget_s(2, 3, 56.0, asked=False) == 20.0
    assert scenarios.visit_budget_s(18, 3, 56.0, asked=False) == pytest.approx(2.8)
    assert scenarios.visit_budget_s(1, 3, 10.0, asked=True) == pytest.approx(9.0)
