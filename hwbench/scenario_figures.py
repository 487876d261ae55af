"""From the visits to a case to the figures of its scenario."""

from collections.abc import Sequence

from hwbench import early_stopping, scenarios
from hwbench.early_stopping import CONFIDENCE, official_queries, queries_needed
from hwbench.measurement import Measurement, Sample
from hwbench.served import EarlyStopping, Rate, Search, Serving, Trial

CLOSED = "service time, closed loop"
OPEN = "from the intended start, open loop"


def serving(m: Measurement, searches: Sequence[Search]) -> Serving:
    """Return the figures of the scenario that a measured case was asked for in."""
    bound = m.runtime_options.get(scenarios.LATENCY_BOUND)
    bound_s = None if bound is None else float(bound)
    if m.scenario == "offline":
        return _offline(m, bound_s)
    if m.scenario == "server":
        return _server(m, bound_s, searches)
    return _stream(m, bound_s)


def _stream(m: Measurement, bound_s: float | None) -> Serving:
    """Return LoadGen's estimate of the percentile over the queries of all rounds."""
    percentile = scenarios.PERCENTILES[m.scenario]
    tail = early_stopping.estimate([s.wall_s for s in m.samples if s.loops == 1], percentile)
    met = None if bound_s is None or tail.value_s is None else tail.value_s <= bound_s
    reason = None
    if tail.value_s is None:
        reason = (
            f"{tail.queries} queries, where early stopping needs {tail.needed} for {percentile:.0%}"
        )
    return Serving(
        scenario=m.scenario,
        loop="closed",
        label=CLOSED,
        queries=tail.queries,
        samples_per_query=m.batch_size or 1,
        percentile=percentile,
        latency_estimate_s=tail.value_s,
        early_stopping=EarlyStopping(
            confidence=CONFIDENCE, over_latency=tail.over, queries_needed=tail.needed
        ),
        rate_per_s=None,
        latency_bound_s=bound_s,
        bound_met=met,
        official_queries=official_queries(percentile),
        reason=reason,
    )


def _offline(m: Measurement, bound_s: float | None) -> Serving:
    """Return samples over seconds, with the slowest and the fastest round."""
    batch = m.batch_size or 1
    queries = sum(s.loops for s in m.samples)
    rounds: dict[int, list[Sample]] = {}
    for s in m.samples:
        rounds.setdefault(s.round, []).append(s)
    rates = [_throughput(batch, samples) for samples in rounds.values()]
    reasons = []
    if queries * batch < scenarios.OFFLINE_SAMPLES:
        reasons.append(
            f"{queries * batch:,} samples of {scenarios.OFFLINE_SAMPLES:,}: as many as the time"
            " allowed"
        )
    if bound_s is not None:
        reasons.append("offline has no latency to hold to a bound: all samples are there at once")
    return Serving(
        scenario=m.scenario,
        loop="closed",
        label="throughput, batch after batch",
        queries=queries,
        samples_per_query=batch,
        percentile=None,
        latency_estimate_s=None,
        early_stopping=None,
        rate_per_s=Rate(
            point=_throughput(batch, m.samples),
            low=min(rates),
            high=max(rates),
            basis="samples over seconds of all rounds; low and high: the slowest, fastest round",
        ),
        latency_bound_s=bound_s,
        bound_met=None,
        official_queries=scenarios.OFFLINE_SAMPLES,
        reason="; ".join(reasons) or None,
    )


def _throughput(batch: int, samples: Sequence[Sample]) -> float:
    return batch * sum(s.loops for s in samples) / sum(s.wall_s for s in samples)


def _server(m: Measurement, bound_s: float | None, searches: Sequence[Search]) -> Serving:
    """Return the median of the rounds' rates, a rate that was served, with their whole range."""
    percentile = scenarios.PERCENTILES[m.scenario]
    found = sorted((s for s in searches if s.rate_per_s), key=lambda s: s.rate_per_s or 0.0)
    middle = found[(len(found) - 1) // 2] if found else None
    trial = _best(middle)
    return Serving(
        scenario=m.scenario,
        loop="open",
        label=OPEN,
        queries=sum(t.queries for s in searches for t in s.trials),
        samples_per_query=m.batch_size or 1,
        percentile=percentile,
        latency_estimate_s=trial.latency_estimate_s if trial else None,
        early_stopping=EarlyStopping(
            confidence=CONFIDENCE,
            over_latency=trial.over_latency if trial else None,
            queries_needed=queries_needed(percentile, trial.over_latency if trial else 0),
        ),
        rate_per_s=_rate(middle, found, len(searches)),
        latency_bound_s=bound_s,
        bound_met=_met(searches),
        official_queries=official_queries(percentile),
        reason=_why(searches),
        searches=tuple(searches),
    )


def _best(search: Search | None) -> Trial | None:
    """Return the trial that a search's rate stands on."""
    if search is None:
        return None
    return next(t for t in search.trials if t.passed and t.rate_per_s == search.rate_per_s)


def _rate(middle: Search | None, found: Sequence[Search], rounds: int) -> Rate | None:
    if middle is None or middle.rate_per_s is None:
        return None
    lows = [s.rate_per_s for s in found if s.rate_per_s]
    highs = [s.high_per_s or s.rate_per_s or 0.0 for s in found]
    return Rate(
        point=middle.rate_per_s,
        low=min(lows),
        high=max(highs),
        basis=(
            f"median (the lower of two) of the highest rates that passed in {len(found)} of"
            f" {rounds} rounds; low: the least of them; high: the greatest that failed"
        ),
    )


def _met(searches: Sequence[Search]) -> bool | None:
    """Return whether some rate met the bound; None where time was up before one could tell."""
    if any(s.rate_per_s for s in searches):
        return True
    return False if any(s.ended in ("bound", "none") for s in searches) else None


def _why(searches: Sequence[Search]) -> str | None:
    """Return the reasons of the rounds that did not end with a narrow bracket."""
    if not searches:
        return "no search was made"
    reasons = [f"round {s.round}: {s.reason}" for s in searches if s.reason]
    return "; ".join(reasons) or None
