"""A shortcut's step against the network's own, as a record measured the two: side by side.

In a run both are visited in every round, one after the other, so what the machine did meanwhile is
in both: the ratio of a round is a pair's. Its interval is that of the mean of the logarithms of
those ratios (Student's t); of one round a tenth is assumed.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from hwbench import stats
from hwbench.case import OptionValue
from hwbench.estimated import Plan
from hwbench.measurement import Measurement, Record
from hwbench.shortcut import Ratio, Shortcut, StepRatio
from hwbench.step_source import SHORT_LOG

LEVEL = 0.9
CARRIED_LOG = 0.15  # of a ratio on another machine than the one that measured it [assumed]
LEAST_LOG = 0.01  # no ratio is told better than that
MOST_BATCH = 4.0  # times another batch whose ratio is still taken
AWAY_LOG = 0.05  # of a ratio for each factor of two between the batches [assumed]


def measured(shortcut: Shortcut, plan: Plan, records: Sequence[Record], *, here: str) -> Shortcut:
    """Return the shortcut with the ratio that a record measured, or as it is where none did.

    The record `here`, of the step that the plan starts from, comes first; a ratio of another is
    carried over, and is wider. Not where the shortcut's step is the network's own.
    """
    if shortcut.build is None:
        return shortcut
    found = at_hand(shortcut.options(plan.tasks), plan, records, here)
    return shortcut if found is None else resolved(shortcut, found)


def at_hand(
    options: Mapping[str, OptionValue], plan: Plan, records: Sequence[Record], here: str
) -> StepRatio | None:
    """Return the ratio of the case with these options, of the first record that has it."""
    for record in sorted(records, key=lambda r: r.id != here):
        found = of_options(record, options, plan)
        if found is not None:
            return found if record.id == here else carried_over(found)
    return None


def resolved(shortcut: Shortcut, found: StepRatio) -> Shortcut:
    """Return the shortcut with a measured ratio in the place of the theoretical one."""
    return replace(shortcut, step_ratio=found.ratio, measured=found)


def elsewhere(shortcut: Shortcut) -> Shortcut:
    """Return a shortcut as it is known of a machine that did not measure it."""
    found = shortcut.measured
    if found is None or found.carried:
        return shortcut
    return resolved(shortcut, carried_over(found))


def carried_over(found: StepRatio) -> StepRatio:
    """Return a ratio as it is known of another machine: the same point, a wider range."""
    return replace(_wider(found, CARRIED_LOG), carried=True)


def _wider(found: StepRatio, sigma_log: float) -> StepRatio:
    """Return a ratio in a wider range: by a standard deviation of its logarithm more."""
    r, times = found.ratio, math.exp(stats.normal_quantile(LEVEL) * sigma_log)
    return replace(found, ratio=Ratio(point=r.point, low=r.low / times, high=r.high * times))


def of_record(record: Record, shortcut: Shortcut, plan: Plan) -> StepRatio | None:
    """Return what a record says of a shortcut for the plan's network, at the nearest batch."""
    return of_options(record, shortcut.options(plan.tasks), plan)


def of_options(record: Record, options: Mapping[str, OptionValue], plan: Plan) -> StepRatio | None:
    """Return what a record says of the step of a case with these options, at the nearest batch."""
    own = {m.batch_size: m for m in _cases(record, plan, {})}
    found = [m for m in _cases(record, plan, options) if m.batch_size in own]
    if not found:
        return None

    def apart(m: Measurement) -> float:
        return abs(math.log((m.batch_size or 1) / plan.batch_size))

    nearest = min(found, key=apart)
    if apart(nearest) > math.log(MOST_BATCH):
        return None
    found_at = between(nearest, own[nearest.batch_size], record.id)
    return _wider(found_at, AWAY_LOG * apart(nearest) / math.log(2))


def _cases(record: Record, plan: Plan, options: Mapping[str, OptionValue]) -> list[Measurement]:
    return [
        m
        for m in record.measurements
        if (m.name, m.phase, m.runtime, m.device, m.dtype)
        == (plan.workload, "training", plan.runtime, plan.device, plan.dtype)
        and m.status == "ok"
        and m.wall_s is not None
        and m.runtime_options == options
    ]


def between(of: Measurement, own: Measurement, record: str) -> StepRatio:
    """Return the ratio of a case to the network's own step, by the rounds that visited both."""
    theirs, mine = round_means(of), round_means(own)
    logs = [math.log(theirs[n] / mine[n]) for n in theirs if n in mine]
    if not logs:
        assert of.wall_s is not None and own.wall_s is not None
        logs = [math.log(of.wall_s.mean / own.wall_s.mean)]
    centre, half = sum(logs) / len(logs), SHORT_LOG * stats.normal_quantile(LEVEL)
    if len(logs) > 1:
        t = stats.student_t(LEVEL, len(logs) - 1)
        half = t * stats.standard_deviation(logs) / math.sqrt(len(logs))
    half = max(half, LEAST_LOG)
    memory = of.memory_peak_bytes
    return StepRatio(
        ratio=Ratio(
            point=math.exp(centre), low=math.exp(centre - half), high=math.exp(centre + half)
        ),
        rounds=len(logs),
        batch_size=of.batch_size or 1,
        theory=of.taught.theory_ratio if of.taught else None,
        carried=False,
        record=record,
        once_item_s=of.taught.once_s_per_item if of.taught else None,
        memory_peak_bytes=(memory.device or memory.host) if memory else None,
        parameters=of.taught.parameters if of.taught else None,
        trainable_parameters=of.taught.trainable_parameters if of.taught else None,
    )


def round_means(m: Measurement) -> Mapping[int, float]:
    """Return the mean seconds of an iteration by round."""
    wall: dict[int, float] = {}
    loops: dict[int, int] = {}
    for s in m.samples:
        wall[s.round] = wall.get(s.round, 0.0) + s.wall_s
        loops[s.round] = loops.get(s.round, 0) + s.loops
    return {n: wall[n] / loops[n] for n in wall}
