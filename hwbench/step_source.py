"""The step of a training, out of a record: its time at the plan's batch, its spread, its power."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from hwbench import batch_fit, outcomes, own_models, stats, step_blocks
from hwbench.case import HARDENING, SHORTCUT, SIDE
from hwbench.errors import BadInput
from hwbench.estimate_figures import Assumption
from hwbench.measurement import Measurement, Record
from hwbench.montecarlo import Factor
from hwbench.setting import OPTION
from hwbench.step_power import StepPower, power_of

LAST_FRAC = 1 / 3  # of a drifting record, from which it is extrapolated: what lasts
BEYOND_LOG = 0.10  # for each doubling of the batch beyond those measured; methodology
SHORT_LOG = 0.10  # of visits too short or too few to tell how the machine drifts; methodology


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """The training that is looked for; None where any will do."""

    workload: str
    runtime: str | None = None
    device: str | None = None
    dtype: str | None = None
    batch_size: int | None = None


@dataclass(frozen=True, kw_only=True)
class Step:
    """A measured training step; times are in seconds, `factors` their spreads."""

    record: Record
    case: Measurement
    batch_size: int
    step_s: float
    factors: tuple[Factor, ...]
    setup_s: float
    compile_s: float
    evaluation_item_s: float | None
    power: StepPower | None
    no_power: str | None
    flops_per_item: float | None
    assumptions: tuple[Assumption, ...]
    warnings: tuple[str, ...]
    basis: Literal["measured", "blocks"] = "measured"

    @property
    def items_per_s(self) -> float:
        """Return the throughput of the step alone."""
        return self.batch_size / self.step_s

    @property
    def sigma_log(self) -> float:
        """Return the standard deviation of the logarithm of the step's time."""
        return math.hypot(*((f.below_log + f.above_log) / 2 for f in self.factors))


def candidates(record: Record, wanted: Wanted) -> list[Measurement]:
    """Return the training cases of a record that are of the wanted kind, measured, the best first.

    The best has the most items a second: of runtimes, devices and dtypes that the user left open.
    """
    found = [
        m
        for m in record.measurements
        if m.kind == "workload"
        and m.name == wanted.workload
        and own_models.still(m.name, m.version)
        and m.phase == "training"
        and way_of(m) is None
        and not {SIDE, OPTION} & set(m.runtime_options)
        and m.status == "ok"
        and m.wall_s is not None
        and m.batch_size is not None
        and wanted.runtime in (None, m.runtime)
        and wanted.device in (None, m.device)
        and wanted.dtype in (None, m.dtype)
    ]
    return sorted(found, key=_speed, reverse=True)


def way_of(m: Measurement) -> str | None:
    """Return the shortcut or hardening of a case; None for the network's own step."""
    found = m.runtime_options.get(SHORTCUT, m.runtime_options.get(HARDENING))
    return None if found is None else str(found)


def _speed(m: Measurement) -> float:
    assert m.wall_s is not None and m.batch_size is not None
    return m.batch_size / m.wall_s.mean


def step_of(record: Record, wanted: Wanted) -> Step | None:
    """Return the step of a record at the wanted batch, None where it lacks the cases.

    The batch itself where it was measured, else the fit over three batch sizes or more.
    """
    found = candidates(record, wanted)
    if not found:
        return _by_blocks(record, wanted)
    batch = wanted.batch_size
    exact = [m for m in found if batch in (None, m.batch_size)]
    if exact:
        return _measured(record, exact[0])
    assert batch is not None
    nearest: dict[tuple[str, str, str], Measurement] = {}
    for m in sorted(found, key=lambda m: abs(math.log((m.batch_size or 1) / batch))):
        nearest.setdefault((m.runtime, m.device, m.dtype), m)
    fitted = [f for m in nearest.values() if (f := _fitted(record, m, batch)) is not None]
    return min(fitted, key=lambda f: f.step_s, default=None)


def _by_blocks(record: Record, wanted: Wanted) -> Step | None:
    """Return the step of a network whose cuts the record has, at a batch of theirs."""
    asked = (wanted.runtime, wanted.device, wanted.dtype, wanted.batch_size)
    told = step_blocks.whole_of(record, wanted.workload, *asked)
    if told is None:
        return None
    made = _step(
        record,
        told.case,
        told.fit.batch_size,
        told.fit.wall_s.point,
        (*spreads(told.case), told.factor),
        (),
        (told.assumption,),
    )
    return replace(made, basis="blocks", evaluation_item_s=told.evaluation_item_s)


def missing(record: Record, wanted: Wanted) -> str:
    """Return what a record has instead of the wanted step, for a message."""
    found = candidates(record, Wanted(workload=wanted.workload))
    if not found:
        return f"no training of {wanted.workload}"
    have = ", ".join(f"{m.runtime}/{m.device}/{m.dtype} at batch {m.batch_size}" for m in found[:4])
    return f"{wanted.workload} trained as {have}"


def _measured(record: Record, m: Measurement) -> Step:
    assert m.batch_size is not None
    mean, notes = sustained(m)
    return _step(record, m, m.batch_size, mean, spreads(m), notes, ())


def sustained(m: Measurement) -> tuple[float, tuple[str, ...]]:
    """Return the mean seconds of a step that lasts, and what is to be said of it.

    A total is a sum, so it is a mean; of a drifting record that of its last third.
    """
    assert m.wall_s is not None
    if m.verdict != "drifting":
        return m.wall_s.mean, ()
    means = outcomes.visit_means(m)
    last = means[-max(1, math.ceil(len(means) * LAST_FRAC)) :]
    mean = sum(last) / len(last)
    change = mean / m.wall_s.mean - 1
    return mean, (
        f"the record drifts: its last third is taken, {change:+.1%} from the mean of all",
    )


def spreads(m: Measurement) -> tuple[Factor, ...]:
    """Return the spreads of a later stretch's mean: what the visits tell, and hours beyond it."""
    assert m.wall_s is not None
    ahead = m.wall_s.predictive
    z = stats.normal_quantile(ahead.level) if ahead.level else 1.0
    if ahead.low is None or ahead.high is None:
        between = m.variance.between_frac if m.variance else 0.0
        minutes = math.hypot(SHORT_LOG, between)
        hours: float = outcomes.ASSUMED_SD
    else:
        minutes = math.log(ahead.high / ahead.low) / 2 / z
        whole = math.log(ahead.hours.high / ahead.hours.low) / 2 / z if ahead.hours else minutes
        hours = math.sqrt(max(0.0, whole**2 - minutes**2))
    return (
        Factor.of_sigma("sampling and processes", minutes),
        Factor.of_sigma("drift from hour to hour", hours),
    )


def _fitted(record: Record, m: Measurement, batch: int) -> Step | None:
    """Return the step at a batch that was not measured, from the record's own fit.

    The line goes through medians; a total is a sum. So it is moved by what the case that lasts
    (its mean, of a drifting record its last third) takes of the nearest batch's median.
    """
    assert m.wall_s is not None
    key = (m.name, m.phase, m.runtime, m.device, m.dtype)
    fits = [f for f in record.batch_fits if (f.name, f.phase, f.runtime, f.device, f.dtype) == key]
    if not fits:
        return None
    fit = fits[0]
    smallest, largest = fit.segments[0].smallest, fit.segments[-1].largest
    mean, notes = sustained(m)
    time_s = batch_fit.seconds_at(fit.segments, batch) * mean / m.wall_s.point
    if time_s <= 0:
        return None
    beyond = max(0.0, math.log2(batch / largest), math.log2(smallest / batch))
    sigma = math.hypot(fit.residual_frac, BEYOND_LOG * beyond)
    if beyond:
        notes = (*notes, f"batch {batch} is outside those measured, {smallest} to {largest}")
    assumed = Assumption(
        name="step at the plan's batch",
        value=time_s,
        unit="s",
        source=f"the line t = a + b B through {fit.basis}, {smallest} to {largest}",
        date=record.created_utc[:10],
    )
    factors = (*spreads(m), Factor.of_sigma("fit over batch size", sigma))
    return _step(record, m, batch, time_s, factors, notes, (assumed,))


def _step(
    record: Record,
    m: Measurement,
    batch: int,
    step_s: float,
    factors: tuple[Factor, ...],
    notes: tuple[str, ...],
    assumptions: tuple[Assumption, ...],
) -> Step:
    power, reason = power_of(m)
    flops = m.work.flops_per_iteration
    usual = m.wall_s.mean if m.wall_s else 0.0
    first = max(0.0, (m.first_iteration_s or 0.0) - usual)
    trouble = [f"the record calls this case {m.verdict}"] if m.verdict in _TROUBLE else []
    return Step(
        record=record,
        case=m,
        batch_size=batch,
        step_s=step_s,
        factors=factors,
        setup_s=m.setup_s or 0.0,
        compile_s=first,
        evaluation_item_s=_evaluation_item_s(record, m),
        power=power,
        no_power=reason,
        flops_per_item=flops / m.batch_size if flops and m.batch_size else None,
        assumptions=assumptions,
        warnings=(*notes, *trouble),
    )


_TROUBLE = ("throttled", "implausible")


def _evaluation_item_s(record: Record, m: Measurement) -> float | None:
    """Return the seconds an item of inference by the same runtime, at the fastest batch."""
    found = [
        o.wall_s.mean / o.batch_size
        for o in record.measurements
        if (o.name, o.runtime, o.device, o.dtype) == (m.name, m.runtime, m.device, m.dtype)
        and o.phase == "inference"
        and o.status == "ok"
        and o.serving is None
        and o.wall_s is not None
        and o.batch_size is not None
    ]
    return min(found, default=None)


def chosen(records: Sequence[Record], wanted: Wanted) -> Step:
    """Return the step of the first record that has it; raise BadInput naming what they have."""
    for record in records:
        found = step_of(record, wanted)
        if found is not None:
            return found
    have = "; ".join(f"{r.id}: {missing(r, wanted)}" for r in records[:3])
    at = f" at batch {wanted.batch_size}" if wanted.batch_size else ""
    raise BadInput(
        f"no record has the training step of {wanted.workload}{at} ({have or 'no record at all'}):"
        f" measure it with `hwbench run --model {wanted.workload}"
        + (f" --batch-size {wanted.batch_size}" if wanted.batch_size else "")
        + "`, on the machine that the estimate starts from"
    )
