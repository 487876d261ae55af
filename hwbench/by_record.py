"""What a record says of a run's steps, beside the prediction that is made from the loop itself.

The record knows nothing of this loop: its steps are on data that are there already. It is held
against the steps of the run, not against the whole.
"""

import math
from dataclasses import replace

from hwbench import stats
from hwbench.step_source import Step
from hwbench.validation import ByRecord, StepsOfRecord, Validation

LEVEL = 0.90


def steps_of(step: Step, steps: int) -> ByRecord:
    """Return what a record's step makes of so many: its spreads are independent log-normals."""
    z, point = stats.normal_quantile(LEVEL), step.step_s * steps
    below = math.hypot(*(f.below_log for f in step.factors))
    above = math.hypot(*(f.above_log for f in step.factors))
    return ByRecord(
        record=step.record.id,
        case=step.case.id,
        batch_size=step.batch_size,
        steps_s=StepsOfRecord(
            point=point,
            low=point * math.exp(-z * below),
            high=point * math.exp(z * above),
            level=LEVEL,
        ),
    )


def held(done: Validation) -> Validation:
    """Return the validation with the run's steps beside what the record said of them.

    Of a run of one step nothing is said: what it took to compile is in it.
    """
    actual = {t.name: t.actual_s for t in done.terms}
    steps_s = actual["steps"]
    if done.by_record is None or actual["compile"] is None or not steps_s or steps_s <= 0:
        return done
    ratio = steps_s / done.by_record.steps_s.point
    return replace(done, by_record=replace(done.by_record, ratio=ratio))
