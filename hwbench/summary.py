"""From the raw visits of a case to its measurement: the figures, the verdict, the warnings.

The record keeps the samples; everything here can be derived from them again.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from hwbench import (
    foresight,
    intervals,
    repeats,
    round_medians,
    scenario_figures,
    stats,
    stopping,
    trend,
    verdicts,
)
from hwbench.case import Case
from hwbench.estimate_value import Estimate, reciprocal
from hwbench.interference import PASSING, kind_of, merged
from hwbench.measurement import (
    Checked,
    Measurement,
    Memory,
    Protocol,
    Sample,
    Status,
    Trend,
    Variance,
    Visits,
    Wall,
    Work,
)
from hwbench.outcomes import ASSUMED, Spread
from hwbench.planning import PlannedCase
from hwbench.protocol import VisitResult
from hwbench.taught import Taught

CALM = 3  # undisturbed samples of a round that stand for it

BY_THEORY = "the layers that ran: forward 1, and 1 each for a gradient of weights and of inputs"
NOT_VISITED = "not visited: the run ended before its turn"


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What the figures of a case depend on beside its own visits."""

    spread: Spread = ASSUMED  # of the machine from hour to hour
    unsoaked: frozenset[str] = frozenset()  # devices that grow hot and were not soaked


def measurement(
    planned: PlannedCase,
    visits: Sequence[VisitResult],
    protocol: Protocol,
    surroundings: Surroundings | None = None,
) -> Measurement:
    """Return the measurement of a planned case from the visits so far."""
    failed = next((v for v in visits if v.status == "failed"), None)
    done = [v for v in visits if v.status == "ok"]
    if planned.skip is not None:
        return _bare(planned, "skipped", planned.skip, Visits(done=0, planned=0))
    if failed is not None and failed.code == "unavailable" and not done:
        # Only the child could tell: the library has no such operation here.
        return _bare(planned, "skipped", failed.reason, Visits(done=0, planned=0))
    counted = Visits(done=len(done), planned=protocol.rounds)
    if failed is not None:
        # Samples taken before the failure are kept, but no figure is made of them.
        failure = _bare(planned, "failed", failed.reason or "it failed", counted)
        return replace(failure, samples=_samples([*done, failed]))
    if not done:
        return _bare(planned, "skipped", NOT_VISITED, counted)
    bare = _bare(planned, "ok", None, counted)
    measured = _measured(bare, planned.case, done, protocol, surroundings or Surroundings())
    if protocol.scenario_visit_s is None or measured.phase != "inference":
        return measured
    searches = [v.search for v in done if v.search is not None]
    return replace(measured, serving=scenario_figures.serving(measured, searches))


def _bare(planned: PlannedCase, status: Status, reason: str | None, counted: Visits) -> Measurement:
    """Return a measurement without figures."""
    case = planned.case
    return Measurement(
        id=case.id,
        kind=case.kind,
        name=case.name,
        version=case.version,
        phase=case.phase,
        scenario=case.scenario,
        runtime=case.runtime,
        runtime_options=dict(case.options),
        device=case.device,
        dtype=case.dtype,
        batch_size=case.batch_size,
        shape=dict(case.shape),
        status=status,
        reason=reason,
        work=planned.work,
        visits=counted,
        batch=planned.batch,
        energy_reason="nothing was measured",
    )


def _samples(visits: Iterable[VisitResult]) -> tuple[Sample, ...]:
    return tuple(s for v in visits for s in v.samples)


def _measured(
    bare: Measurement,
    case: Case,
    done: Sequence[VisitResult],
    protocol: Protocol,
    surroundings: Surroundings,
) -> Measurement:
    """Return the measurement with the figures of its finished visits."""
    samples = _samples(done)
    wall = wall_time(samples, protocol, surroundings.spread)
    estimate = Estimate(point=wall.point, low=wall.low, high=wall.high, level=wall.level)
    latency, why = latencies(case, samples)
    medians = [stats.median(r) for r in calm_rounds(samples)]
    taught = next((v.taught for v in done if v.taught is not None), None)
    kept = next((v.kept_bytes for v in done if v.kept_bytes is not None), None)
    bare = replace(bare, taught=taught, kept_bytes=kept, work=_work(bare, taught))
    measured = replace(
        bare,
        checked=next((v.checked for v in done if v.checked), None) or _unchecked(),
        setup_s=done[0].setup_s,
        first_iteration_s=done[0].first_iteration_s,
        warmup_s=tuple(s for v in done for s in v.warmup_s),
        steady=dict(Counter(v.steady for v in done if v.steady is not None)),
        rounds_s=tuple(round_medians.of(samples).values()),
        samples=samples,
        wall_s=wall,
        latency_s=dict(latency),
        latency_reason=why,
        items_per_s=_rate(bare.work.items_per_iteration, estimate),
        flops_per_s=_rate(bare.work.flops_per_iteration, estimate),
        bytes_per_s=_rate(bare.work.bytes_per_iteration, estimate),
        memory_peak_bytes=_peak(done),
        conditions=merged([v.conditions for v in done if v.conditions is not None]),
        variance=variance_of(samples),
        trend=trend_of(samples),
        stopped=stopping.stopped(wall, medians, protocol),
    )
    return verdicts.judged(measured, protocol, case.device in surroundings.unsoaked)


def _work(bare: Measurement, taught: Taught | None) -> Work:
    """Return what an iteration does: of a step by a shortcut what its theory says."""
    if taught is None or taught.flops_per_item is None:
        return bare.work
    flops = round(taught.flops_per_item * (bare.batch_size or 1))
    return replace(bare.work, flops_per_iteration=flops, counted_by=BY_THEORY)


def _unchecked() -> Checked:
    return Checked(
        reference=None,
        max_relative_error=None,
        tolerance=None,
        reason="the visit that checked it was lost",
    )


def _rate(count: int | None, wall: Estimate) -> Estimate | None:
    return reciprocal(count, wall) if count else None


def _peak(done: Sequence[VisitResult]) -> Memory:
    host = [v.memory.host for v in done if v.memory and v.memory.host is not None]
    device = [v.memory.device for v in done if v.memory and v.memory.device is not None]
    return Memory(host=max(host, default=None), device=max(device, default=None))


def by_round(samples: Iterable[Sample]) -> Mapping[int, list[Sample]]:
    """Return the samples by round."""
    rounds: dict[int, list[Sample]] = {}
    for s in samples:
        rounds.setdefault(s.round, []).append(s)
    return rounds


def calm_rounds(samples: Iterable[Sample]) -> list[list[float]]:
    """Return seconds per iteration by round: of the samples that nothing disturbed.

    A round with fewer than CALM of them keeps all: a case never ends empty, nor on a lucky few.
    """
    rounds = []
    for of_round in by_round(samples).values():
        calm = [s for s in of_round if s.disturbed is None]
        kept = calm if len(calm) >= CALM else of_round
        rounds.append([s.wall_s / s.loops for s in kept])
    return rounds


def lasting_means(samples: Iterable[Sample]) -> list[float]:
    """Return the mean seconds per iteration of each round, as a later stretch would be.

    What this machine's own other programs took is left out where enough is left: they are no part
    of the training to come. What its neighbours take, and its own heat, is.
    """
    means = []
    for of_round in by_round(samples).values():
        own = [s for s in of_round if not _passing(s)]
        kept = own if len(own) >= CALM else of_round
        means.append(sum(s.wall_s for s in kept) / sum(s.loops for s in kept))
    return means


def _passing(sample: Sample) -> bool:
    return sample.disturbed is not None and kind_of(sample.disturbed) in PASSING


def wall_time(samples: Sequence[Sample], protocol: Protocol, spread: Spread = ASSUMED) -> Wall:
    """Return the time per iteration: median, its interval, mean, and what is to come."""
    rounds = calm_rounds(samples)
    found = intervals.median_now(rounds)
    n, every = sum(map(len, rounds)), len(samples)
    left_out = "" if n == every else f"; {every - n} disturbed samples left out"
    means = lasting_means(samples)
    return Wall(
        point=found.point,
        low=found.low,
        high=found.high,
        level=round(found.level, 4),
        n=n,
        method=found.method + left_out,
        mean=sum(means) / len(means),
        predictive=foresight.predictive(means, protocol.visit_s, spread),
    )


def variance_of(samples: Sequence[Sample]) -> Variance | None:
    """Return how the undisturbed samples vary within visits and between them, None for too few."""
    found = repeats.components([stats.logarithms(r) for r in calm_rounds(samples)])
    if found is None:
        return None
    return Variance(within_frac=math.sqrt(found.within), between_frac=math.sqrt(found.between))


def trend_of(samples: Sequence[Sample]) -> Trend | None:
    """Return what the undisturbed samples say of a drift, None where they are too few."""
    found = trend.drift(calm_rounds(samples))
    if found.change_frac is None or found.p_value is None:
        return None
    return Trend(
        drifting=found.drifting,
        change_frac=found.change_frac,
        p_value=found.p_value,
        method=found.method,
    )


def latencies(
    case: Case, samples: Sequence[Sample]
) -> tuple[Mapping[str, float | None], str | None]:
    """Return the percentiles of single inferences that n supports, and why others are null."""
    if case.phase != "inference":
        return dict.fromkeys(stats.PERCENTILES), "latency is stated for inference only"
    single = [s.wall_s for s in samples if s.loops == 1]
    if not single:
        nothing = dict.fromkeys(stats.PERCENTILES)
        return nothing, "iterations were too short to be timed one by one: samples group several"
    found = stats.percentiles(single)
    missing = {name: q for name, q in stats.PERCENTILES.items() if found[name] is None}
    why = ", ".join(f"{name} needs {stats.samples_needed(q)}" for name, q in missing.items())
    closed = "service time, closed loop"
    return found, f"{closed}; of {len(single)} samples: {why}" if why else closed
