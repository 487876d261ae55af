"""MLPerf's scenarios, asked for by `--scenario`: their batches, their percentiles, their pace."""

import math
from collections.abc import Sequence
from dataclasses import replace

from hwbench.case import Case
from hwbench.early_stopping import queries_needed
from hwbench.errors import BadInput, UnknownName
from hwbench.served import Terms
from hwbench.timing import Pace

SCENARIOS = ("single_stream", "multi_stream", "offline", "server")
# Of the latency that a scenario reports; offline reports throughput.
PERCENTILES = {"single_stream": 0.90, "multi_stream": 0.99, "server": 0.99}
MULTI_STREAM_SAMPLES = 8  # of a query
OFFLINE_SAMPLES = 24_576  # of the one query
LATENCY_BOUND = "latency_bound_s"  # the option of a case

STREAM_QUERIES = queries_needed(0.99, over=10)  # of all rounds together: no more are kept
SERVICE_SAMPLES = 200  # service times that the first guess of a search is made from
LEAST_BUDGET_S, MOST_BUDGET_S = 20.0, 60.0
RUN_FRAC = 0.9  # of the run's time, for the visits


def check(scenarios: Sequence[str], bound_s: float | None, batch_sizes: Sequence[object]) -> None:
    """Raise BadInput for scenarios that do not exist or lack what they need."""
    for name in scenarios:
        if name not in SCENARIOS:
            raise UnknownName("scenario", name, SCENARIOS)
    if "server" in scenarios and bound_s is None:
        raise BadInput(
            "--scenario server looks for the highest rate within a latency: say which,"
            " such as --latency-bound 50ms"
        )
    if bound_s is not None and not scenarios:
        raise BadInput(
            "--latency-bound is for scenarios: say which, --scenario server or single_stream"
        )
    if "multi_stream" in scenarios and any(b != MULTI_STREAM_SAMPLES for b in batch_sizes):
        raise BadInput(
            f"--scenario multi_stream asks {MULTI_STREAM_SAMPLES} samples a query: leave"
            " --batch-size out"
        )


def batch_sizes(scenario: str, asked: Sequence[int], own: Sequence[int]) -> tuple[int, ...]:
    """Return the batch sizes of a scenario, from `--batch-size` and the profile's `own`."""
    if scenario == "multi_stream":
        return (MULTI_STREAM_SAMPLES,)
    if asked:
        return tuple(asked)
    return tuple(own) if scenario == "offline" else (1,)


def bound_s(case: Case) -> float | None:
    """Return the latency bound of a case, None where it has none."""
    value = case.options.get(LATENCY_BOUND)
    return None if value is None else float(value)


def visit_budget_s(cases: int, rounds: int, max_seconds: float | None, asked: bool) -> float:
    """Return the time of one visit: its share of the run, 60 s at most unless its time was `asked`.

    Below 20 s later rounds are left out rather than all visits made too short to tell anything,
    but one visit to each case is to fit.
    """
    if max_seconds is None:
        return MOST_BUDGET_S
    round_s = RUN_FRAC * max_seconds / max(1, cases)  # a case's share if there were one round
    share_s = round_s / rounds
    least_s = min(LEAST_BUDGET_S, round_s)
    return max(least_s, share_s if asked else min(MOST_BUDGET_S, share_s))


def terms(case: Case, rounds: int, budget_s: float) -> Terms:
    """Return how long a visit may serve, and how many iterations it aims at."""
    iterations = math.ceil(OFFLINE_SAMPLES / (case.batch_size or 1) / rounds)
    return Terms(budget_s=budget_s, iterations=iterations if case.scenario == "offline" else None)


def paced(pace: Pace, case: Case, rounds: int, budget_s: float) -> Pace:
    """Return the pace of a scenario's visit: queries are timed one by one, however short."""
    limit_s = min(pace.limit_s, budget_s)
    pace = replace(pace, singles=0)
    if case.scenario == "offline":
        return replace(pace, limit_s=limit_s)
    if case.scenario == "server":
        visit_s = min(pace.visit_s, budget_s / 10)
        most = max(SERVICE_SAMPLES, pace.min_samples)
        return replace(
            pace,
            sample_s=0.0,
            visit_s=visit_s,
            max_samples=most,
            limit_s=min(limit_s, budget_s / 4),
        )
    least = max(pace.min_samples, math.ceil(queries_needed(PERCENTILES[case.scenario]) / rounds))
    most = max(least, math.ceil(STREAM_QUERIES / rounds))
    return replace(pace, sample_s=0.0, min_samples=least, max_samples=most, limit_s=limit_s)
