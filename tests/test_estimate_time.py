"""The time and energy of an estimate against sums by hand, from records without spread."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hwbench import here_way, registry, summary, way_times
from hwbench.estimated import Row
from hwbench.units import J_PER_KWH
from tests import estimates, fakes
from tests.estimates import (
    A100,
    CHECKPOINT_S,
    asked,
    case,
    loader_known,
    measured,
    money,
    on_a_gpu,
    record,
    resnet,
    row,
    simple,
)
from tests.estimates import machine as machine

NEAR = 3e-3  # medians of 1,024 draws, all of factors whose median is 1
pytestmark = pytest.mark.usefixtures("machine")


def _time(found: Row) -> float:
    assert found.time_s is not None, found.reasons
    return found.time_s.point


def test_the_time_is_steps_and_a_checkpoint_an_epoch() -> None:
    found = row(simple(0.1, 100))
    assert _time(found) == pytest.approx(10 * (100 * 0.1 + CHECKPOINT_S), rel=NEAR)
    assert (found.n_steps, found.batch_size, found.epochs) == (1000, 100, 10.0)
    assert found.basis == "measured" and found.devices == ("cpu",)


def test_a_last_batch_that_is_not_full_is_a_step() -> None:
    assert row(simple(), samples=10_001).n_steps == 10 * 101


def test_part_of_an_epoch_has_one_evaluation_and_one_checkpoint() -> None:
    found = row(simple(), epochs=0.5, evaluation_frac=0.1)
    assert found.terms_total_s is not None
    assert found.n_steps == 50
    assert found.terms_total_s.evaluation == pytest.approx(1000 * 0.0002, rel=NEAR)
    assert found.terms_total_s.checkpoint == pytest.approx(CHECKPOINT_S, rel=NEAR)


def test_setup_and_compiling_come_once() -> None:
    found = row(simple(0.1, 100, setup_s=30.0, first_s=20.1))
    assert found.terms_total_s is not None
    assert found.terms_total_s.setup == pytest.approx(30, rel=NEAR)
    assert found.terms_total_s.compile == pytest.approx(20, rel=NEAR)
    assert _time(found) == pytest.approx(150 + 10 * CHECKPOINT_S, rel=0.01)


def test_steps_instead_of_epochs() -> None:
    found = row(simple(), epochs=None, steps=250, evaluation_frac=0.1)
    assert (found.n_steps, found.epochs) == (250, 2.5)
    assert found.terms_total_s is not None
    assert found.terms_total_s.evaluation == pytest.approx(3 * 1000 * 0.0002, rel=NEAR)


def test_without_inference_evaluation_is_a_third_of_a_step_and_said_to_be() -> None:
    found = row(record(measured(case(100), 0.1)), evaluation_frac=0.2)
    assert found.terms_total_s is not None
    assert found.terms_total_s.evaluation == pytest.approx(10 * 2000 * 0.001 / 3, rel=NEAR)
    (note,) = [a for a in found.assumptions if a.name == "evaluation"]
    assert note.value == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    ("workers", "cpu_s", "a_batch"),
    [
        (None, 0.0005, 0.1 + 0.05),  # on a processor the step waits for its batch
        (0, 0.0005, 0.1 + 0.05),
        (2, 0.0004, (0.1 * 2 + 0.04) / 2),  # both cores are the step's: core-seconds over cores
        (1, 0.0020, (0.1 * 2 + 0.20) / 2),
        (2, 0.0060, (0.1 * 2 + 0.60) / 2),
        (1, 0.0060, 0.6),  # one worker alone decodes no faster
    ],
)
def test_a_loader_on_the_cores_of_the_step(
    workers: int | None, cpu_s: float, a_batch: float
) -> None:
    loader_known(cpu_s)
    found = row(simple(0.1, 100), workers=workers)
    assert found.terms_total_s is not None and found.terms_total_s.steps is not None
    assert found.terms_total_s.loader is not None
    busy = found.terms_total_s.steps + found.terms_total_s.loader
    assert busy == pytest.approx(1000 * a_batch, rel=0.01)


@pytest.mark.parametrize(("cpu_s", "a_batch"), [(0.001, 0.1), (0.004, 0.2)])
def test_a_loader_beside_an_accelerator_is_the_slower_of_the_two(
    cpu_s: float, a_batch: float
) -> None:
    loader_known(cpu_s)
    made = record(measured(on_a_gpu(case(100)), 0.1), devices=(estimates.CPU, estimates.A100))
    found = row(made)
    assert found.terms_total_s is not None and found.terms_total_s.loader is not None
    assert found.terms is not None
    assert found.terms.loader_s == pytest.approx(cpu_s * 100 / 2)  # two cores, two workers
    total = (found.terms_total_s.steps or 0) + found.terms_total_s.loader
    assert total == pytest.approx(1000 * a_batch, rel=0.03)


def test_what_is_evaluated_comes_through_the_loader_too() -> None:
    loader_known(0.0005)
    found = row(simple(0.1, 100), evaluation_frac=0.1)
    assert found.terms_total_s is not None
    assert found.terms_total_s.evaluation == pytest.approx(10_000 * (0.0002 + 0.0005), rel=NEAR)


def test_the_first_reading_is_hidden_by_steps_that_take_longer() -> None:
    quick = row(simple(0.1, 100), item_bytes=1e5)  # 1 GB at 0.5 GB/s: 2 s beside 10 s of steps
    slow = row(simple(0.1, 100), item_bytes=1e6)  # 20 s
    assert quick.terms_total_s is not None and slow.terms_total_s is not None
    assert quick.terms_total_s.cold == 0
    assert slow.terms_total_s.cold == pytest.approx(20 - 10, rel=0.05)


def test_a_loader_in_the_loop_hides_nothing() -> None:
    loader_known(0.0001)
    found = row(simple(0.1, 100), item_bytes=1e5)
    assert found.terms_total_s is not None
    assert found.terms_total_s.cold == pytest.approx(2, rel=0.05)


@pytest.mark.parametrize(("share", "times"), [(0.69, 1), (0.71, 10)])
def test_data_beyond_seven_tenths_of_the_memory_are_read_in_every_epoch(
    share: float, times: int
) -> None:
    assert way_times.RAM_FRAC == 0.7
    loader_known(0.0001)
    total = share * (estimates.HERE.memory_bytes or 0)
    found = row(simple(0.1, 100), item_bytes=total / 10_000)
    assert found.terms_total_s is not None
    assert found.terms_total_s.cold == pytest.approx(times * total / 500e6, rel=0.05)


def test_data_in_memory_are_read_once_before_the_first_step() -> None:
    found = row(simple(0.1, 100), item_bytes=1e5, residence="memory")
    assert found.terms_total_s is not None
    assert found.terms_total_s.cold == pytest.approx(2, rel=0.05)
    large = row(simple(0.1, 100), item_bytes=1e7, residence="memory")
    assert any("does not hold the data" in w for w in large.warnings)


def test_a_drifting_record_is_extrapolated_from_its_last_third() -> None:
    means = [0.100, 0.104, 0.108, 0.112, 0.116, 0.120, 0.124, 0.128, 0.132]
    step = measured(case(100), *means)
    assert step.verdict == "drifting"
    found = row(record(step))
    assert found.terms is not None
    assert found.terms.step_s == pytest.approx((0.124 + 0.128 + 0.132) / 3, rel=NEAR)
    assert any("last third" in w for w in found.warnings)


def test_a_batch_between_three_measured_ones_is_on_their_line() -> None:
    made = record(*[measured(case(b), 0.02 + 0.001 * b) for b in (16, 32, 64)])
    found = row(made, batch_size=48)
    assert found.terms is not None
    assert found.terms.step_s == pytest.approx(0.068, rel=NEAR)
    assert [a.value for a in found.assumptions if a.name == "step at the plan's batch"] == [
        pytest.approx(0.068)
    ]
    beyond = row(made, batch_size=256)
    assert beyond.terms is not None and beyond.time_s is not None and found.time_s is not None
    assert beyond.terms.step_s == pytest.approx(0.276, rel=NEAR)
    wide = math.log(beyond.time_s.high / beyond.time_s.low)
    assert wide > 3 * math.log(found.time_s.high / found.time_s.low)
    assert any("outside those measured" in w for w in beyond.warnings)


def test_the_interval_is_that_of_the_product_of_the_factors() -> None:
    """Visits that differ by s give a t interval; the floor of 1 % comes in quadrature."""
    step = measured(case(100), *[0.1 * math.exp(0.05 * z) for z in (-1.2, -0.4, 0.1, 0.5, 1.0)])
    assert step.wall_s is not None and step.wall_s.predictive.low is not None
    ahead = step.wall_s.predictive
    assert ahead.high is not None and ahead.low is not None
    minutes = math.log(ahead.high / ahead.low) / 2 / 1.6449
    found = row(record(step), samples=1_000_000, epochs=100.0)
    assert found.time_s is not None
    half = math.log(found.time_s.high / found.time_s.low) / 2
    assert half == pytest.approx(1.6449 * math.hypot(minutes, 0.01), rel=0.02)
    assert found.uncertain_by[0].name == "sampling and processes"
    assert found.uncertain_by[0].share_frac == pytest.approx(
        minutes**2 / (minutes**2 + 0.01**2), abs=0.06
    )


def test_the_level_widens_the_interval() -> None:
    narrow, wide = (row(simple(), samples=1_000_000, level=level) for level in (0.5, 0.95))
    assert narrow.time_s is not None and wide.time_s is not None
    assert wide.time_s.level == 0.95
    ratio = math.log(wide.time_s.high / wide.time_s.low) / math.log(
        narrow.time_s.high / narrow.time_s.low
    )
    assert ratio == pytest.approx(1.96 / 0.6745, rel=0.05)


def test_energy_is_the_steps_power_while_it_computes_and_the_idle_one_else() -> None:
    made = simple(0.1, 100, setup_s=100.0, watts=(60.0, 20.0))
    found = row(made)
    assert found.energy_j is not None and found.power_w is not None
    busy, resting = 100.0, 100.0 + 10 * CHECKPOINT_S
    assert found.energy_j.point == pytest.approx(60 * busy + 20 * resting, rel=0.02)
    assert found.power_w.point == pytest.approx(
        (60 * busy + 20 * resting) / (busy + resting), rel=0.02
    )
    assert found.power_w.peak == 70
    assert found.energy_covers == "CPU, not the wall"


def test_the_building_takes_its_share_of_energy_but_not_of_power() -> None:
    made = simple(0.1, 100, watts=(60.0, 20.0))
    bare, roofed = row(made, pue=1.0), row(made, pue=1.5)
    assert bare.energy_j and roofed.energy_j and bare.power_w and roofed.power_w
    assert roofed.energy_j.point == pytest.approx(1.5 * bare.energy_j.point, rel=1e-9)
    assert roofed.power_w.point == bare.power_w.point


def test_a_wall_factor_is_for_the_whole_machine_and_an_assumption() -> None:
    bare = row(simple(0.1, 100, watts=(60.0, 20.0)))
    whole = row(simple(0.1, 100, watts=(60.0, 20.0), wall_factor=1.5))
    assert bare.energy_j and whole.energy_j and whole.power_w
    assert whole.energy_j.point == pytest.approx(1.5 * bare.energy_j.point, rel=1e-9)
    assert whole.power_w.peak == 105
    assert "--wall-factor" in (whole.energy_covers or "")
    assert any("--wall-factor" in a.source for a in whole.assumptions)
    wall = row(simple(0.1, 100, watts=(60.0, 20.0), parts=("wall",)))
    assert wall.energy_covers == "the wall"


def test_without_a_meter_energy_is_null_with_the_reason() -> None:
    found = row(simple())
    assert (found.energy_j, found.power_w) == (None, None)
    assert found.reasons["energy_j"] and found.reasons["power_w"]


def test_co2_needs_a_region_and_is_the_energy_by_its_intensity() -> None:
    made = simple(0.1, 100, watts=(60.0, 20.0))
    nowhere, france = row(made), row(made, region="FR")
    assert nowhere.co2_gco2e is None and "--region" in nowhere.reasons["co2_gco2e"]
    assert france.co2_gco2e is not None and france.energy_j is not None
    (note,) = [a for a in france.assumptions if "grid of" in a.name]
    assert isinstance(note.value, float) and note.date
    assert france.co2_gco2e.point == pytest.approx(
        france.energy_j.point / J_PER_KWH * note.value, rel=0.01
    )


def test_the_making_of_a_device_is_added_where_it_is_asked_for() -> None:
    made = simple(0.1, 100, watts=(60.0, 20.0))
    without, added = (
        row(made, region="FR"),
        row(made, region="FR", money=money(embodied="150")),
    )
    assert without.co2_gco2e and added.co2_gco2e and added.time_s
    share = 150e3 * added.time_s.point / 3600 / (5 * 8760 * 0.7)
    assert added.co2_gco2e.point - without.co2_gco2e.point == pytest.approx(share, rel=0.02)


def test_a_shortcut_takes_its_share_of_a_step_and_its_usual_epochs() -> None:
    file = asked(simple(0.1, 100), shortcuts=("from_scratch", "linear_probe"))
    scratch, probe = file.rows
    assert scratch.terms and probe.terms
    assert probe.terms.step_s == pytest.approx(scratch.terms.step_s / 3, rel=0.02)
    assert (scratch.basis, probe.basis) == ("measured", "modelled")
    assert any("theory" in a.source for a in probe.assumptions)
    usual = row(simple(0.1, 100), shortcuts=("linear_probe",), epochs=None)
    assert usual.epochs == 50
    assert any(a.name == "epochs of linear_probe" for a in usual.assumptions)


def test_cached_features_run_the_backbone_and_the_loader_once() -> None:
    loader_known(0.001)
    found = row(simple(0.1, 100), shortcuts=("cached_features",), evaluation_frac=0.1)
    terms = found.terms_total_s
    assert terms is not None and terms.one_off is not None and terms.loader == 0
    assert terms.one_off == pytest.approx(11_000 * (0.0002 + 0.001), rel=NEAR)


def test_the_curve_has_the_row_at_its_size_and_rises() -> None:
    found = row(simple(0.1, 100, setup_s=20.0, watts=(60.0, 20.0)), curve_sizes=200)
    c = found.curve
    assert c is not None and found.time_s is not None and found.energy_j is not None
    at = c.samples.index(10_000)
    assert (c.time_s[at], c.time_s_low[at], c.time_s_high[at]) == (
        found.time_s.point,
        found.time_s.low,
        found.time_s.high,
    )
    assert c.energy_j[at] == found.energy_j.point
    for numbers in (c.time_s, c.time_s_low, c.time_s_high, c.energy_j):
        known = [n for n in numbers if n is not None]
        assert known == sorted(known) and len(known) == len(c.samples)
    assert (c.samples[0], c.samples[-1]) == (100, 100_000)


def test_the_curve_with_the_steps_held_does_not_grow_with_the_data() -> None:
    found = row(simple(0.1, 100))
    c = found.curve
    assert c is not None
    first, last, at = c.steps_held_time_s[0], c.steps_held_time_s[-1], c.samples.index(10_000)
    assert last == pytest.approx(1000 * 0.1 + CHECKPOINT_S, rel=0.05)
    assert first == pytest.approx(1000 * 0.1 + 1000 * CHECKPOINT_S, rel=0.2)
    assert c.steps_held_time_s[at] == pytest.approx(_time(found), rel=0.01)


def test_an_estimate_is_the_same_each_time() -> None:
    made = simple(0.1, 100, watts=(60.0, 20.0))
    assert row(made) == row(made)


def test_several_processes_that_differ_more_make_a_wider_interval(tmp_path: Path) -> None:
    def half(*means: float) -> float:
        found = row(record(measured(case(100), *means)))
        assert found.time_s is not None
        return math.log(found.time_s.high / found.time_s.low)

    assert half(0.1, 0.11, 0.09, 0.1, 0.1) > 3 * half(0.1, 0.101, 0.099, 0.1, 0.1)


def test_a_short_record_is_as_uncertain_as_it_must_be_and_says_why() -> None:
    brief: Any = simple()
    visits = [fakes.visit_result(case(100), n, 0.1, 0.1) for n in range(2)]
    short = summary.measurement(fakes.planned(case(100)), visits, replace(estimates.LONG, rounds=2))
    told, quiet = row(record(short)), row(brief)
    assert told.time_s and quiet.time_s
    assert math.log(told.time_s.high / told.time_s.low) / 2 > 1.6449 * math.hypot(0.10, 0.06) * 0.95


def test_a_total_is_a_sum_so_a_fitted_step_is_a_mean_too() -> None:
    """One visit in five took half as long again: the mean is 1.1 times the median."""
    skewed = [measured(case(b), *[(0.02 + 0.001 * b) * x for x in SKEWED]) for b in (16, 32, 64)]
    assert {m.verdict for m in skewed} & {"drifting"} == set()
    for batch, median_s in ((64, 0.084), (48, 0.068)):
        found = row(record(*skewed), batch_size=batch)
        assert found.terms is not None
        assert found.terms.step_s == pytest.approx(1.1 * median_s, rel=0.01)


SKEWED = (1.0, 1.0, 1.5, 1.0, 1.0)


def test_a_checkpoint_is_the_weights_and_what_the_optimiser_keeps_of_each() -> None:
    (adamw,) = [a for a in row(simple()).assumptions if a.name == "a checkpoint"]
    assert adamw.value == 10_020_874 * 4 * 3  # two moments
    found = asked(estimates.resnet(), workload="resnet50").rows[0]
    (sgd,) = [a for a in found.assumptions if a.name == "a checkpoint"]
    assert sgd.value == 25_557_032 * 4 * 2  # one


def test_a_curve_of_a_wide_row_is_smooth_at_the_rows_own_size() -> None:
    """The row has more draws than the curve: where they meet there is no step."""
    of = case(4, name="resnet50", shape={"image": 224})
    made = record(measured(of, 10.0))
    found = asked(made, workload="resnet50", on=("aws:p5.4xlarge",), curve_sizes=500).rows[0]
    assert found.curve is not None and found.time_s is not None
    assert found.time_s.high > 2 * found.time_s.low
    for numbers in (found.curve.time_s, found.curve.time_s_low, found.curve.time_s_high):
        known = [n for n in numbers if n is not None]
        assert known == sorted(known) and len(known) == 500
    spot = asked(
        made,
        workload="resnet50",
        on=("aws:p5.4xlarge",),
        purchases=("spot",),
        money=money(spot_usd_per_h=2.0, interruptions="0.05"),
        curve_sizes=100,
    ).rows[0]
    assert spot.curve is not None
    known = [n for n in spot.curve.cost_usd if n is not None]
    assert known == sorted(known) and len(known) == 100


def test_a_disk_that_was_timed_is_no_assumption() -> None:
    speeds = {"read_bytes_per_s": 2e6, "write_bytes_per_s": 1e8}
    loader_known(1e-12, **speeds)
    found = row(simple(), item_bytes=1000.0)
    assert found.terms_total_s is not None
    assert found.terms_total_s.checkpoint == pytest.approx(
        10 * here_way.checkpoint_bytes_of("mlp") / 1e8, rel=0.02
    )
    assert found.terms_total_s.cold == pytest.approx(10_000 * 1000 / 2e6, rel=0.02)
    assert not any(a.name == "speed of the disk" for a in found.assumptions)


def test_a_disk_that_was_not_timed_is_assumed_and_said_to_be() -> None:
    loader_known(1e-12, read_bytes_per_s=2e6)
    assert any(a.name == "speed of the disk" for a in row(simple()).assumptions)


# --- how fast, of what peak ----------------------------------------------------------------------


def test_mfu_is_the_networks_flops_by_the_dense_peak() -> None:
    found = row(resnet(0.1, 64), workload="resnet50").pace
    assert found is not None and found.mfu_frac is not None
    assert found.items_per_s == pytest.approx(640, rel=NEAR) and found.tokens_per_s is None
    # 3 x 8.2 GFLOP an item; the A100's data sheet: 19.5 TFLOP/s in float32
    flops = registry.networks()["resnet50"].workload.work(
        registry.networks()["resnet50"].variant.config, "training", 1
    )
    assert flops == pytest.approx(3 * 8.2e9, rel=0.01) and found.peak_flops_per_s == 19.5e12
    assert found.mfu_frac == pytest.approx(640 * flops / 19.5e12, rel=NEAR)
    assert found.hfu_frac == found.mfu_frac and "dense float32 peak" in found.peak


def test_a_language_model_has_tokens_a_second_of_all_devices() -> None:
    of = on_a_gpu(case(8), name="gpt2_small", shape={"seq": 256}, dtype="bfloat16")
    found = row(record(measured(of, 0.1), devices=(A100,)), workload="gpt2_small").pace
    seq = registry.networks()["gpt2_small"].variant.config["seq"]
    assert found is not None and found.tokens_per_s == pytest.approx(80 * seq, rel=NEAR)
    assert found.peak_flops_per_s == 312e12  # its tensor cores', dense


def test_without_a_peak_or_with_another_step_mfu_is_null_with_the_reason() -> None:
    found = row(simple()).pace
    assert found is not None and found.mfu_frac is None
    assert "no dense float32 peak" in (found.reason or "")
    for way in asked(simple(), shortcuts=("lora",)).rows:
        assert way.pace is not None and way.pace.mfu_frac is None
        assert way.pace.reason == "the step of lora computes something else"


def test_a_scaled_row_faster_than_any_published_training_is_warned_of() -> None:
    rows = asked(resnet(0.0005, 64), workload="resnet50", on=("machine", "aws:p5.48xlarge")).rows
    scaled = next(r for r in rows if r.basis == "scaled")
    assert scaled.pace is not None and (scaled.pace.mfu_frac or 0) > 0.563
    assert any("the scaled step is likely too fast" in w for w in scaled.warnings)
    own = next(r for r in rows if r.basis == "measured")
    assert not any("MFU" in w for w in own.warnings)
