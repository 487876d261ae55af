"""The time of a run from visits of its loop: closed forms, SciPy's t, and what really happened."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import stats as scipy_stats

from hwbench import loop_actual, loop_forecast, loop_plan
from hwbench.dataset import Dataset, Loading
from hwbench.loop import Evaluated, LoopCase, Saved, Stretch
from hwbench.validation import (
    SCHEMA,
    Epoch,
    LoopSetup,
    LoopVisit,
    Outcome,
    Rehearsal,
    RunPlan,
    Validation,
)
from hwbench.validations_floor import ASSUMED, Floor
from tests.fakes import ENVIRONMENT

NO_FLOOR = Floor(sd_log=0.0, basis="none")
DATA = Dataset(
    kind="rows", path="x", items=800, bytes_on_disk=80_000, generated=True, description="rows"
)
CASE = LoopCase(
    workload="mlp_small",
    runtime="torch",
    device="cpu",
    dtype="float32",
    batch_size=8,
    loading=Loading(dataset=DATA, residence="disk"),
)
PLAN = RunPlan(samples=400, epochs=3, steps_per_epoch=50, evaluation_batches=4, checkpoints=3)


def stretch(
    steps: int,
    later_s: float,
    first_s: float | None = None,
    wait_s: float = 0.0,
    first_wait_s: float = 0.0,
) -> Stretch:
    """Return a stretch whose steps after the first take `later_s`, `wait_s` of it waiting."""
    first = later_s if first_s is None else first_s
    return Stretch(
        steps=steps,
        items=8 * steps,
        wall_s=first + (steps - 1) * later_s,
        first_step_s=first,
        loader_wait_s=first_wait_s + (steps - 1) * wait_s,
        first_wait_s=first_wait_s,
    )


def rehearsal(stretches: Sequence[Stretch], **changed: Any) -> Rehearsal:
    """Return a measurement with these visits, two processes in turn."""
    made = Rehearsal(
        case=CASE,
        setups=(
            LoopSetup(open_s=3.0, read_s=0.0, first_step_s=1.0),
            LoopSetup(open_s=5.0, read_s=0.0, first_step_s=2.0),
        ),
        visits=tuple(
            LoopVisit(at_s=float(n), process=n % 2, stretch=s) for n, s in enumerate(stretches)
        ),
        evaluations=(Evaluated(batches=3, wall_s=0.6, accuracy_frac=0.1),) * 2,
        saves=(
            Saved(wall_s=0.1, bytes_written=1),
            Saved(wall_s=0.3, bytes_written=1),
        ),
        cold_s=6.0,
        no_cold=None,
        spread_s=180.0,
        measured_s=20.0,
    )
    return replace(made, **changed)


def test_each_term_is_its_closed_form() -> None:
    measured = rehearsal([stretch(10, 0.5, first_s=4.0, wait_s=0.1, first_wait_s=3.0)] * 8)
    terms, total = loop_forecast.forecast(measured, PLAN, NO_FLOOR)
    points = {t.name: t.point_s for t in terms}
    assert points == pytest.approx(
        {
            "setup": 4.0,
            "compile": 1.5 - 0.5,
            "steps": 150 * 0.4,
            "loader": 150 * 0.1,  # what the first step of a visit waited is not in it
            "cold": 6.0 / 2,  # half of the items are read
            "evaluation": 3 * 4 * 0.2,
            "checkpoint": 3 * 0.2,
        }
    )
    assert total.point_s == pytest.approx(sum(points.values()))


def test_the_interval_is_students_between_visits_and_the_floors() -> None:
    means = [0.5, 0.55, 0.47, 0.52, 0.6, 0.49, 0.51, 0.53]
    measured = rehearsal([stretch(11, m) for m in means], evaluations=(), saves=(), cold_s=None)
    terms, total = loop_forecast.forecast(measured, PLAN, ASSUMED)
    sd = np.std(np.log(means), ddof=1)
    half = scipy_stats.t.ppf(0.95, 7) * sd * math.sqrt(1 + 1 / 8)
    steps = next(t for t in terms if t.name == "steps")
    assert math.log(steps.high_s / steps.low_s) / 2 == pytest.approx(half, rel=1e-6)
    share = {t.name: t.point_s / total.point_s for t in terms}
    assert set(share) == {"setup", "compile", "steps", "loader"}
    own = 0.5 * np.hypot(share["setup"], share["compile"])
    drawn = np.hypot(half * (share["steps"] + share["loader"]), own)
    whole = np.hypot(drawn, scipy_stats.norm.ppf(0.95) * 0.03)
    assert total.half_log == pytest.approx(whole, rel=1e-6)
    assert total.high_s == pytest.approx(total.point_s * math.exp(whole), rel=1e-6)
    error = (share["steps"] + share["loader"]) * sd * math.sqrt(1 + 1 / 8)
    assert total.sampling_log == pytest.approx(error, rel=1e-6)


def test_intervals_of_independent_visits_hold_what_they_state() -> None:
    """The mean of a later stretch, drawn as the visits were, is inside in 90 % of 1,500 trials."""
    rng, inside, trials = np.random.default_rng(4), 0, 1500
    plan = replace(PLAN, evaluation_batches=0, checkpoints=0)
    quick = (LoopSetup(open_s=0.0, read_s=0.0, first_step_s=0.0),)
    for _ in range(trials):
        *seen, later = np.exp(0.06 * rng.standard_normal(7))
        measured = rehearsal([stretch(20, float(m)) for m in seen], cold_s=None, setups=quick)
        _, total = loop_forecast.forecast(measured, plan, NO_FLOOR)
        inside += total.low_s <= later * 150 <= total.high_s
    assert 0.875 < inside / trials < 0.925  # three standard errors


def test_the_mean_is_of_all_visits_seconds_over_all_their_steps() -> None:
    visits = rehearsal([stretch(21, 0.1), stretch(11, 0.2)]).visits
    assert loop_forecast.step_s(visits) == pytest.approx((20 * 0.1 + 10 * 0.2) / 30)


def test_workers_begin_anew_in_each_epoch() -> None:
    visit = stretch(10, 0.5, first_s=1.5, wait_s=0.1, first_wait_s=1.1)
    loading = replace(CASE.loading, workers=2)
    for case, more in ((CASE, 0.0), (replace(CASE, loading=loading), 2 * 1.0)):
        terms, _ = loop_forecast.forecast(rehearsal([visit] * 8, case=case), PLAN, NO_FLOOR)
        loader = next(t for t in terms if t.name == "loader")
        assert loader.point_s == pytest.approx(150 * 0.1 + more)


def test_steps_as_long_as_a_visit_count_though_they_are_first_ones() -> None:
    visits = rehearsal([stretch(1, 5.0, first_wait_s=1.0), stretch(1, 7.0)]).visits
    assert loop_forecast.step_s(visits) == 6.0
    assert loop_forecast.wait_s(visits) == 0.5
    assert loop_forecast.spread(visits)[0] > 0


def test_a_loop_that_only_waits_has_no_negative_steps() -> None:
    slow = replace(stretch(10, 0.5), loader_wait_s=5.0 + 1e-9)
    terms, _ = loop_forecast.forecast(rehearsal([slow] * 4), PLAN, NO_FLOOR)
    assert min(t.point_s for t in terms) >= 0


def test_a_plan_fills_its_minutes_with_whole_epochs() -> None:
    measured = rehearsal([stretch(10, 0.1)] * 8)
    plan = loop_plan.plan_of(measured, 3.0)
    _, total = loop_forecast.forecast(measured, plan, NO_FLOOR)
    cold_s = 6.0
    assert total.point_s - cold_s == pytest.approx(180, rel=0.05)
    assert plan.steps_per_epoch == 100 and plan.samples == 800  # the whole of the data
    assert plan.epochs >= 3 and plan.checkpoints == plan.epochs
    judged_s = plan.evaluation_batches * 0.2
    assert judged_s / (100 * 0.1 + judged_s) == pytest.approx(0.08, abs=0.02)


def test_an_evaluation_is_never_longer_than_the_data() -> None:
    quick = (Evaluated(batches=1000, wall_s=0.001, accuracy_frac=0.1),)
    plan = loop_plan.plan_of(rehearsal([stretch(10, 1.0)] * 8, evaluations=quick), 3.0)
    assert plan.evaluation_batches == plan.steps_per_epoch


# What happened ------------------------------------------------------------------------------------


def validation(epochs: Sequence[Epoch], measured: Rehearsal | None = None) -> Validation:
    """Return a finished run of these epochs."""
    measured = measured or rehearsal([stretch(10, 0.5)] * 4)
    terms, total = loop_forecast.forecast(measured, PLAN, NO_FLOOR)
    setup = LoopSetup(open_s=3.5, read_s=0.0, first_step_s=epochs[0].stretch.first_step_s)
    return Validation(
        schema=SCHEMA,
        id="v",
        created_utc="2026-11-25T20:00:00+00:00",
        hwbench_version="0.1.0",
        argv=(),
        status="done",
        reason=None,
        environment=ENVIRONMENT,
        threads=1,
        rehearsal=measured,
        plan=PLAN,
        terms=terms,
        total_s=total,
        outcome=Outcome(wall_s=50.0, setup=setup, epochs=tuple(epochs)),
    )


def test_workers_that_start_in_the_first_step_are_compile_and_no_loading() -> None:
    first = stretch(10, 0.5, first_s=4.5, wait_s=0.1, first_wait_s=4.1)
    later = stretch(10, 0.5, wait_s=0.1, first_wait_s=0.1)
    done = validation([Epoch(stretch=s, evaluated=None, saved=None) for s in (first, later)])
    found = loop_actual.actual_terms(done)
    assert found["compile"] == pytest.approx(4.0)
    assert found["loader"] == pytest.approx(20 * 0.1)
    assert found["steps"] == pytest.approx(20 * 0.4)
    assert found["cold"] == pytest.approx(0.0, abs=1e-12)


def test_the_actual_parts_make_up_the_epochs_whatever_happened() -> None:
    rng = np.random.default_rng(7)
    for _ in range(300):
        epochs = []
        for _ in range(int(rng.integers(1, 4))):
            steps = int(rng.integers(1, 5))
            took = rng.exponential(size=steps) + 1e-3
            waited = took * rng.uniform(0, 1, size=steps)
            made = Stretch(
                steps=steps,
                items=steps,
                wall_s=float(took.sum()),
                first_step_s=float(took[0]),
                loader_wait_s=float(waited.sum()),
                first_wait_s=float(waited[0]),
            )
            epochs.append(Epoch(stretch=made, evaluated=None, saved=None))
        found = loop_actual.actual_terms(validation(epochs))
        parts = sum(found.get(n, 0.0) for n in ("compile", "steps", "loader", "cold"))
        assert parts == pytest.approx(sum(e.stretch.wall_s for e in epochs))
        known = sum(e.stretch.steps for e in epochs) > 1
        assert ("compile" in found) == known
        assert found.get("compile", 0.0) >= 0 and found["steps"] >= -1e-12
        assert ("cold" in found) == (len(epochs) > 1)


def test_evaluations_and_checkpoints_are_summed_where_there_are_any() -> None:
    judged = Evaluated(batches=4, wall_s=0.9, accuracy_frac=0.2)
    epoch = Epoch(
        stretch=stretch(5, 0.5), evaluated=judged, saved=Saved(wall_s=0.2, bytes_written=1)
    )
    held = loop_actual.held(validation([epoch, replace(epoch, evaluated=None)]))
    actual = {t.name: t.actual_s for t in held.terms}
    assert (actual["evaluation"], actual["checkpoint"]) == (0.9, 0.4)
    assert actual["setup"] == 3.5 and held.ratio == 50.0 / held.total_s.point_s


def test_nothing_that_has_not_happened_is_held_against() -> None:
    done = validation([Epoch(stretch=stretch(5, 0.5), evaluated=None, saved=None)])
    with pytest.raises(ValueError, match="without an outcome"):
        loop_actual.held(replace(done, outcome=None))


def test_disturbed_visits_are_left_out_where_enough_are_calm() -> None:
    slow = replace(stretch(10, 0.9), disturbed="others: 0.8 cores")
    calm = [stretch(10, 0.1), stretch(10, 0.11), stretch(10, 0.1), stretch(10, 0.11)]
    with_some = rehearsal([slow, *calm, slow])
    terms, total = loop_forecast.forecast(with_some, PLAN, NO_FLOOR)
    alone, same = loop_forecast.forecast(rehearsal(calm), PLAN, NO_FLOOR)
    assert [t.point_s for t in terms] == [t.point_s for t in alone]
    assert total.half_log == same.half_log
    assert "2 more were disturbed" in next(t.basis for t in terms if t.name == "steps")


def test_mostly_disturbed_visits_stay_all_in() -> None:
    slow = replace(stretch(10, 0.9), disturbed="others: 0.8 cores")
    visits = rehearsal([slow] * 5 + [stretch(10, 0.1)] * 3).visits
    assert loop_forecast.calm(visits) == visits
    assert loop_forecast.step_s(visits) == pytest.approx((5 * 0.9 + 3 * 0.1) / 8)
