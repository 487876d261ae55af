"""What an estimate costs against sums by hand: rented, interrupted, reserved, owned, hosted."""

import datetime
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hwbench import checkpointing, presets
from hwbench.errors import BadInput
from hwbench.estimated import Row
from hwbench.units import J_PER_KWH
from tests.estimates import CHECKPOINT_S, asked, money, resnet, row, simple
from tests.estimates import machine as machine

pytestmark = pytest.mark.usefixtures("machine")
DAY_STEPS = {"epochs": None, "steps": 864_000}  # a day of steps of 0.1 s


def _usd(found: Row) -> float:
    assert found.cost_usd is not None, found.reasons
    return found.cost_usd.point


def _time(found: Row) -> float:
    assert found.time_s is not None, found.reasons
    return found.time_s.point


def _catalog(folder: Path, **fields: Any) -> Path:
    """Write a company's own prices: one machine of its own."""
    usual: dict[str, Any] = {
        "provider": "own",
        "sku": "box",
        "usd_per_h": 2.0,
        "accelerator": "A100-SXM-80GB",
        "n_accelerators": 1,
        "vcpus": 8,
        "memory_bytes": 32 * 1024**3,
        "source": "our contract",
        "date": datetime.date.today().isoformat(),
    }
    made = usual | fields
    path = folder / "own.csv"
    path.write_text(",".join(made) + "\n" + ",".join(str(v) for v in made.values()) + "\n")
    return path


def test_this_machine_rented_costs_its_hours() -> None:
    found = row(simple(), **DAY_STEPS, purchases=("on-demand",), money=money(usd_per_h=3.0))
    assert _usd(found) == pytest.approx(3.0 * _time(found) / 3600, rel=0.01)
    assert found.price is not None
    assert (found.price.usd_per_h, found.price.source) == (3.0, "--usd-per-h")
    assert found.price.age_days == 0
    assert found.cost_terms is not None and found.cost_terms.electricity_usd == 0


def test_a_price_that_is_said_has_no_spread_of_its_own() -> None:
    found = row(simple(), **DAY_STEPS, purchases=("on-demand",), money=money(usd_per_h=3.0))
    assert found.cost_usd and found.time_s
    assert math.log(found.cost_usd.high / found.cost_usd.low) == pytest.approx(
        math.log(found.time_s.high / found.time_s.low), rel=0.02
    )


def test_without_a_price_the_cost_is_null_with_the_reason() -> None:
    found = row(simple(), purchases=("on-demand",))
    assert found.cost_usd is None and found.price is None
    assert "--usd-per-h" in found.reasons["cost_usd"]


def test_an_owned_machine_costs_its_electricity_and_its_share_of_the_purchase() -> None:
    made = simple(0.1, 100, watts=(60.0, 20.0))
    common = {**DAY_STEPS, "electricity_usd_per_kwh": 0.30, "pue": 1.0}
    bare = row(made, **common)
    assert bare.purchase == "owned" and bare.energy_j is not None
    assert _usd(bare) == pytest.approx(bare.energy_j.point / J_PER_KWH * 0.30, rel=0.01)
    said = money(purchase_usd=10_000.0, residual_frac=0.3, years=3.0, utilisation_frac=0.5)
    bought = row(made, **common, money=said)
    hours = _time(bought) / 3600
    amortised = 7000 / 3 / (8760 * 0.5) * hours
    waiting = 0.02 * 0.30 * hours  # an idle hour for each useful one
    assert _usd(bought) == pytest.approx(_usd(bare) + amortised + waiting, rel=0.01)
    assert bought.cost_terms is not None
    assert bought.cost_terms.amortisation_usd == pytest.approx(amortised, rel=0.01)


def test_a_purchase_price_alone_is_not_the_whole_cost_of_owning() -> None:
    found = row(simple(), money=money(purchase_usd=1000.0))
    assert found.cost_usd is None
    assert "--electricity-usd-per-kwh" in found.reasons["cost_usd"]
    no_meter = row(simple(), electricity_usd_per_kwh=0.2)
    assert no_meter.cost_usd is None and "energy" in no_meter.reasons["cost_usd"]


def test_reserved_hours_are_paid_whether_used_or_not() -> None:
    found = row(
        simple(),
        **DAY_STEPS,
        purchases=("reserved",),
        money=money(usd_per_h=9.0, reserved_usd_per_h=2.0, utilisation_frac=0.5),
    )
    assert _usd(found) == pytest.approx(4.0 * _time(found) / 3600, rel=0.01)
    assert found.price is not None and found.price.source == "--reserved-usd-per-h"
    off = row(
        simple(),
        **DAY_STEPS,
        purchases=("reserved",),
        money=money(usd_per_h=9.0, reserved_discount_frac=0.4, utilisation_frac=1.0),
    )
    assert _usd(off) == pytest.approx(5.4 * _time(off) / 3600, rel=0.01)


def test_a_spot_machine_takes_what_interruptions_cost_on_average() -> None:
    said = money(usd_per_h=3.0, spot_usd_per_h=1.0, interruptions="0.5", restart_s=180.0)
    plan = {"epochs": None, "steps": 8_640_000}  # ten days: 120 interruptions even out
    found = row(simple(), **plan, purchases=("spot",), money=said)
    alone = row(simple(), **plan)
    assert alone.terms_total_s and found.terms_total_s
    useful = _time(alone) - (alone.terms_total_s.checkpoint or 0)
    told = checkpointing.expected(useful, CHECKPOINT_S, 180.0, 0.5)
    assert _time(found) == pytest.approx(told.total_s, rel=0.02)
    assert found.terms_total_s.preemption == pytest.approx(told.preemption_s, rel=0.15)
    assert _usd(found) == pytest.approx(_time(found) / 3600, rel=0.02)
    assert found.price is not None and found.price.source == "--spot-usd-per-h"
    assert any(a.name == "interruptions" and a.value == 0.5 for a in found.assumptions)
    assert "interruptions" in [s.name for s in found.uncertain_by]


def test_work_that_was_lost_drew_its_power() -> None:
    made = simple(0.1, 100, watts=(60.0, 20.0))
    said = money(spot_usd_per_h=1.0, usd_per_h=2.0, interruptions="0.5", restart_s=0.0)
    plan = {"epochs": None, "steps": 8_640_000}
    found = row(made, **plan, purchases=("spot",), money=said)
    assert found.energy_j is not None and found.terms_total_s is not None
    saving = found.terms_total_s.checkpoint or 0.0
    busy = _time(found) - saving
    assert found.energy_j.point == pytest.approx(60 * busy + 20 * saving, rel=0.02)


def test_a_rate_by_the_name_of_a_preset_carries_its_source() -> None:
    said = money(usd_per_h=3.0, spot_usd_per_h=1.0, interruptions="rare")
    found = row(simple(), purchases=("spot",), money=said)
    (note,) = [a for a in found.assumptions if a.name == "interruptions"]
    assert (note.value, note.source) == (
        presets.interruption("rare").value,
        presets.interruption("rare").source,
    )


def test_a_run_that_is_never_done_is_null_and_says_why(machine: Path) -> None:
    said = money(usd_per_h=3.0, spot_usd_per_h=1.0, interruptions="59", restart_s=7200.0)
    file = asked(
        simple(0.1, 100, watts=(60.0, 20.0)),
        region="FR",
        purchases=("spot", "on-demand"),
        money=said,
    )
    never, done = file.rows
    for name in ("time_s", "energy_j", "power_w", "cost_usd", "co2_gco2e"):
        assert getattr(never, name) is None and "never done" in never.reasons[name]
        assert getattr(done, name) is not None and name not in done.reasons
    assert never.curve is not None and set(never.curve.time_s) == {None}
    assert never.terms_total_s is not None and never.terms_total_s.preemption is None
    assert file.best.by_time is not None and file.best.by_time.row == 1
    assert 0 not in file.best.by_time.indistinguishable
    assert not never.pareto and done.pareto


def test_a_hosted_service_is_paid_by_its_tokens() -> None:
    from tests.estimates import case, measured, record

    of = case(8, name="gpt2_small", shape={"seq": 128})
    made = record(measured(of, 1.0))
    common = {
        "workload": "gpt2_small",
        "samples": None,
        "tokens": 1_280_000,
        "purchases": ("hosted",),
    }
    file = asked(made, **common, epochs=3.0, money=money(usd_per_mtoken=4.0))
    found = file.rows[-1]
    assert (found.instance, found.time_s) == ("hosted", None)
    assert _usd(found) == pytest.approx(3 * 1.28 * 4.0)
    assert found.reasons["time_s"] and "cost_usd" not in found.reasons
    by_steps = asked(made, **common, epochs=None, steps=100, money=money(usd_per_mtoken=4.0))
    assert _usd(by_steps.rows[-1]) == pytest.approx(100 * 8 * 128 / 1e6 * 4.0)


def test_a_hosted_service_by_the_hour_takes_the_time_of_the_machine_it_is_likened_to() -> None:
    found = row(simple(), **DAY_STEPS, purchases=("hosted",), money=money(hosted_usd_per_h=5.0))
    assert (found.instance, found.purchase) == ("this machine", "hosted")
    assert _usd(found) == pytest.approx(5.0 * _time(found) / 3600, rel=0.01)


def test_a_hosted_service_without_a_price_or_tokens_is_null_with_the_reason() -> None:
    for said in (money(), money(usd_per_mtoken=1.0)):
        found = asked(simple(), purchases=("hosted",), money=said).rows[-1]
        assert found.cost_usd is None and found.reasons["cost_usd"]


def _box(folder: Path, fields: dict[str, Any], **changes: Any) -> Row:
    """Return the row of a rented A100, the very card of the record."""
    path = _catalog(folder, **fields)
    common = {"workload": "resnet50", "on": ("own:box",), "catalog": path}
    (found,) = asked(resnet(0.1, 64), **(common | changes)).rows
    return found


@pytest.mark.parametrize("billing_s", [3600, 1])
def test_an_instance_is_billed_in_whole_units(machine: Path, billing_s: int) -> None:
    plan = {"samples": 10_000_000, "epochs": None, "steps": 100_000}
    found = _box(machine, {"granularity_s": billing_s}, **plan)
    h = (180 + 10_000 + (found.terms_total_s.checkpoint or 0)) / 3600  # type: ignore[union-attr]
    assert _time(found) == pytest.approx(h * 3600, rel=0.01)
    billed = math.ceil(h) if billing_s == 3600 else h
    assert _usd(found) == pytest.approx(2.0 * billed, rel=0.02)
    assert found.cost_terms is not None
    assert (found.cost_terms.electricity_usd, found.cost_terms.amortisation_usd) == (0, 0)


def test_the_least_that_is_billed_is_billed(machine: Path) -> None:
    found = _box(machine, {"granularity_s": 1, "minimum_s": 7200}, epochs=None, steps=10)
    assert _usd(found) == pytest.approx(4.0, rel=0.01)


def test_storage_is_paid_for_the_time_of_the_run(machine: Path) -> None:
    small, large = (_box(machine, {}, item_bytes=b) for b in (1.0, 1e6))
    assert large.time_s and large.cost_terms and small.cost_terms
    gb = 10_000 * 1e6 / 1e9
    expected = gb * large.time_s.point / 3600 / 730 * presets.storage("gp3").value
    assert large.cost_terms.storage_usd is not None and small.cost_terms.storage_usd is not None
    more = large.cost_terms.storage_usd - small.cost_terms.storage_usd
    assert more == pytest.approx(expected, rel=0.05)


def test_a_list_price_is_a_cause_of_the_costs_spread(machine: Path) -> None:
    found = _box(machine, {"date": "2024-01-01"}, samples=1_000_000)
    assert "price of own" in [s.name for s in found.cost_uncertain_by]
    assert "price of own" not in [s.name for s in found.uncertain_by]


def test_a_price_is_frozen_with_its_date_and_warns_when_it_is_old(machine: Path) -> None:
    fresh = _box(machine, {})
    assert fresh.price is not None and fresh.price.age_days == 0
    assert not any("dated" in w for w in fresh.warnings)
    day = datetime.date.today() - datetime.timedelta(days=200)
    found = _box(machine, {"date": day.isoformat()})
    assert found.price is not None
    assert (found.price.as_of, found.price.usd_per_h) == (day.isoformat(), 2.0)
    assert found.price.age_days in (200, 201)
    assert any("instances update" in w for w in found.warnings)


def test_a_wrong_line_of_a_catalogue_is_named_and_the_rest_is_kept(machine: Path) -> None:
    path = _catalog(machine)
    path.write_text(path.read_text() + "own,broken,-1,,,,,x,2026-11-01\n")
    file = asked(simple(), on=("own:*",), catalog=path)
    assert [r.instance for r in file.rows] == ["own:box"]
    assert any("own.csv:3" in n and "usd_per_h" in n for n in file.notes)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"samples": 0}, "--samples must be above 0, found 0"),
        ({"samples": -5}, "--samples must be above 0, found -5"),
        ({"epochs": 0.0}, "--epochs must be above 0"),
        ({"epochs": math.nan}, "--epochs must be above 0"),
        ({"epochs": None, "steps": -1}, "--steps must be above 0"),
        ({"budget_usd": 0.0}, "--budget must be above 0"),
        ({"electricity_usd_per_kwh": -0.1}, "--electricity-usd-per-kwh must be 0 or more"),
        ({"electricity_usd_per_kwh": math.nan}, "--electricity-usd-per-kwh must be 0 or more"),
        ({"pue": 0.9}, "--pue is at least 1"),
        ({"level": 1.0}, "--level lies above 0"),
        ({"batch_size": 20_000}, "a batch of 20000 is larger than the dataset of 10000 samples"),
        ({"on": ("aws:p5.48xlargee",)}, "did you mean aws:p5.48xlarge"),
        ({"region": "Frankreich"}, "no region is named 'Frankreich'"),
        ({"purchases": ("stolen",)}, "no purchase option is named 'stolen'"),
        ({"shortcuts": ("linear_prob",)}, "did you mean linear_probe"),
        ({"workload": "mpl"}, "no workload is named 'mpl': did you mean mlp"),
        ({"epochs": None}, "how long from_scratch trains is missing"),
        ({"steps": 5}, "--epochs and --steps"),
        ({"samples": None}, "the size of the data is missing"),
        ({"solve": "samples"}, "needs a limit"),
        ({"target_accuracy": 0.9}, "--target-accuracy and --curve go together"),
        ({"tokens": 5}, "--samples and --tokens"),
        ({"samples": None, "tokens": 500}, "--tokens: mlp takes no tokens"),
        ({"data": Path("nowhere")}, "--data nowhere: there is no such file"),
    ],
)
def test_what_cannot_be_asked_is_refused_in_one_line(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(BadInput) as refused:
        asked(simple(), **changes)
    assert told in str(refused.value) and "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"usd_per_h": 0.0}, "--usd-per-h must be above 0"),
        ({"spot_usd_per_h": -1.0}, "--spot-usd-per-h must be above 0"),
        ({"purchase_usd": -5.0}, "--purchase-usd must be above 0"),
        ({"usd_per_mtoken": 0.0}, "--usd-per-mtoken must be above 0"),
        ({"reserved_discount_frac": 1.0}, "--reserved-discount is at least 0 and below 1"),
        ({"residual_frac": 1.5}, "--residual is at least 0 and below 1"),
        ({"interest_frac": -0.1}, "--interest must be 0 or more"),
        ({"utilisation_frac": 0.0}, "--utilisation lies above 0"),
        ({"interruptions": "frequently"}, "--interruptions"),
        ({"interruptions": "-1"}, "--interruptions is a rate an hour"),
        ({"storage": "tape"}, "no storage preset is named 'tape'"),
        ({"embodied": "-3"}, "--embodied -3"),
        ({"embodied": "much"}, "--embodied much"),
    ],
)
def test_a_price_that_cannot_be_is_refused_in_one_line(said: dict[str, Any], told: str) -> None:
    usual = {"usd_per_h": 2.0, "spot_usd_per_h": 1.0}
    with pytest.raises(BadInput) as refused:
        asked(simple(), purchases=("spot",), money=money(**(usual | said)))
    assert told in str(refused.value) and "\n" not in str(refused.value)


def test_costs_of_a_curve_are_those_of_its_times() -> None:
    found = row(simple(), purchases=("on-demand",), money=money(usd_per_h=3.6))
    assert found.curve is not None
    times, costs = np.array(found.curve.time_s), np.array(found.curve.cost_usd)
    assert costs == pytest.approx(times / 1000, rel=0.01, abs=0.002)
