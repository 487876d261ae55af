"""From the raw visits of a case to its measurement: the figures, the verdict, the warnings.

The record keeps the samples; everything here can be derived from them again.
"""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from hwbench import stats
from hwbench.case import Case
from hwbench.estimate_value import Estimate, reciprocal
from hwbench.measurement import (
    Checked,
    Measurement,
    Memory,
    Predictive,
    Protocol,
    Sample,
    Status,
    Verdict,
    Visits,
    Wall,
    Warned,
)
from hwbench.planning import PlannedCase
from hwbench.protocol import VisitResult

PREDICTIVE_ROUNDS = 5  # visits below which a later stretch is not predicted
NOISY_FRAC = 0.10  # half-width of the interval, relative to the median
DRIFTING_FRAC = 0.15  # between the medians of the first and the last round
ROOFS = ("gemm", "gemm_int8")  # matrix products: what no other case of their dtype outruns
IMPLAUSIBLE = 1.10  # times the best that any case of the run reached at a matrix product

NOT_VISITED = "not visited: the run ended before its turn"
NO_ENERGY = "this version finds power meters but does not read them yet"


def measurement(
    planned: PlannedCase, visits: Sequence[VisitResult], protocol: Protocol
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
        return replace(failure, samples=_samples(done))
    if not done:
        return _bare(planned, "skipped", NOT_VISITED, counted)
    return _measured(_bare(planned, "ok", None, counted), planned.case, done)


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
        energy_reason="nothing was measured",
    )


def _samples(visits: Iterable[VisitResult]) -> tuple[Sample, ...]:
    return tuple(s for v in visits for s in v.samples)


def _measured(bare: Measurement, case: Case, done: Sequence[VisitResult]) -> Measurement:
    """Return the measurement with the figures of its finished visits."""
    samples = _samples(done)
    wall = wall_time(samples)
    estimate = Estimate(point=wall.point, low=wall.low, high=wall.high, level=wall.level)
    latency, why = latencies(case, samples)
    return replace(
        bare,
        checked=next((v.checked for v in done if v.checked), None) or _unchecked(),
        setup_s=done[0].setup_s,
        first_iteration_s=done[0].first_iteration_s,
        warmup_s=tuple(s for v in done for s in v.warmup_s),
        samples=samples,
        wall_s=wall,
        latency_s=dict(latency),
        latency_reason=why,
        items_per_s=_rate(bare.work.items_per_iteration, estimate),
        flops_per_s=_rate(bare.work.flops_per_iteration, estimate),
        bytes_per_s=_rate(bare.work.bytes_per_iteration, estimate),
        energy_reason=NO_ENERGY,
        memory_peak_bytes=_peak(done),
        verdict=verdict(wall, samples),
        warnings=tuple(warnings(wall, samples, bare.visits)),
    )


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


def by_round(samples: Iterable[Sample]) -> Mapping[int, list[float]]:
    """Return seconds per iteration of each sample, by round."""
    rounds: dict[int, list[float]] = {}
    for s in samples:
        rounds.setdefault(s.round, []).append(s.wall_s / s.loops)
    return rounds


def wall_time(samples: Sequence[Sample]) -> Wall:
    """Return the time per iteration: median, its interval, mean, and what is to come.

    The order-statistic interval takes samples as independent, which those of one visit are not;
    so it is widened to hold the median of every round.
    """
    rounds = by_round(samples)
    values = [v for r in rounds.values() for v in r]
    interval = stats.median_interval(values)
    medians = [stats.median(r) for r in rounds.values()]
    iterations = sum(s.loops for s in samples)
    return Wall(
        point=interval.point,
        low=min(interval.low, *medians),
        high=max(interval.high, *medians),
        level=round(interval.level, 4),
        n=len(values),
        method="order statistics of the median, widened to the medians of all rounds",
        mean=sum(s.wall_s for s in samples) / iterations,
        predictive=predictive(rounds),
    )


def predictive(rounds: Mapping[int, Sequence[float]], level: float = 0.90) -> Predictive:
    """Return where the mean of a later stretch will lie, if there were rounds enough to say."""
    if len(rounds) < PREDICTIVE_ROUNDS:
        basis = (
            f"not stated: {len(rounds)} round(s) say too little of how the machine drifts,"
            f" {PREDICTIVE_ROUNDS} are needed: run --profile standard"
        )
        return Predictive(low=None, high=None, level=level, basis=basis)
    means = [sum(r) / len(r) for r in rounds.values()]
    low, high = stats.prediction_interval(means, level) or (None, None)
    basis = f"t sd sqrt(1 + 1/k) between {len(means)} rounds, for a stretch of some minutes"
    return Predictive(low=low, high=high, level=level, basis=basis)


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


def verdict(wall: Wall, samples: Sequence[Sample]) -> Verdict:
    """Return valid, noisy or drifting; `implausible` needs the whole run, see `judged`."""
    medians = [stats.median(r) for r in by_round(samples).values()]
    if len(medians) >= 3 and abs(medians[-1] / medians[0] - 1) > DRIFTING_FRAC:
        steps = [b - a for a, b in itertools.pairwise(medians)]
        if all(s > 0 for s in steps) or all(s < 0 for s in steps):
            return "drifting"
    return "noisy" if (wall.high - wall.low) / 2 > NOISY_FRAC * wall.point else "valid"


def warnings(wall: Wall, samples: Sequence[Sample], counted: Visits) -> Iterable[Warned]:
    """Yield what a reader of the figures must know, with the remedy."""
    if counted.done < counted.planned:
        yield Warned(
            code="partial",
            message=f"{counted.done} of {counted.planned} visits were finished",
            remedy="hwbench run --resume RECORD finishes the rest",
        )
    half = (wall.high - wall.low) / 2 / wall.point
    if half > NOISY_FRAC:
        yield Warned(
            code="noisy",
            message=f"the interval of the median is +-{half:.0%}",
            remedy="stop other programs, or run --profile standard",
        )
    disturbed = sorted({s.disturbed for s in samples if s.disturbed})
    if disturbed:
        n = sum(1 for s in samples if s.disturbed)
        yield Warned(
            code="disturbed",
            message=f"{n} of {len(samples)} samples were taken while {disturbed[-1]}",
            remedy="stop other programs and run again",
        )
    if wall.level < 0.95:
        yield Warned(
            code="few_samples",
            message=f"{wall.n} samples bound the median with {wall.level:.0%} only",
            remedy="run --profile standard",
        )


def judged(measurements: Sequence[Measurement]) -> tuple[Measurement, ...]:
    """Mark as implausible what is faster than any matrix product of its device and dtype."""
    roofs: dict[tuple[str, str], float] = {}
    for m in measurements:
        if m.name in ROOFS and m.flops_per_s is not None:
            key = (m.device, m.dtype)
            roofs[key] = max(roofs.get(key, 0.0), m.flops_per_s.high)
    out = []
    for m in measurements:
        roof = roofs.get((m.device, m.dtype))
        if (
            roof
            and m.name not in ROOFS
            and m.flops_per_s is not None
            and m.flops_per_s.low > IMPLAUSIBLE * roof
        ):
            text = f"{m.flops_per_s.point:.3g} FLOP/s, where the best matrix product has {roof:.3g}"
            warned = Warned(
                code="implausible", message=text, remedy="please report it with the record"
            )
            m = replace(m, verdict="implausible", warnings=(*m.warnings, warned))
        out.append(m)
    return tuple(out)
