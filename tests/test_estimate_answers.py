"""Which row is best, what keeps to a limit, what a target takes, what owning saves."""

import json
import math
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hwbench import break_even
from hwbench.costing import Owned
from hwbench.errors import BadInput
from hwbench.estimated import EstimateFile, Row
from hwbench.measurement import Memory
from tests.estimates import (
    A100,
    CPU,
    asked,
    case,
    kept,
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

pytestmark = pytest.mark.usefixtures("machine")
GPUS = ("aws:p4de.24xlarge", "aws:g5.xlarge", "aws:p5.4xlarge", "aws:g6.xlarge")


def _gpus(**changes: Any) -> EstimateFile:
    usual: dict[str, Any] = {
        "workload": "resnet50",
        "samples": 1_280_000,
        "epochs": 90.0,
        "on": GPUS,
    }
    return asked(resnet(0.1, 64), **(usual | changes))


def test_scaled_rows_say_what_they_are_scaled_by() -> None:
    for found in _gpus().rows:
        assert found.basis == "scaled" and found.time_s is not None
        (note,) = [a for a in found.assumptions if a.name == "step"]
        assert "A100" in note.source
        (power,) = [a for a in found.assumptions if a.name == "power"]
        assert "TDP" in power.source
        assert found.energy_covers and "modelled" in found.energy_covers


def test_several_devices_share_the_steps_and_lose_a_little() -> None:
    eight = next(r for r in _gpus().rows if r.instance == "aws:p4de.24xlarge")
    assert eight.devices == ("A100-SXM-80GB",) * 8
    assert eight.batch_size == 512 and eight.n_steps == 90 * 2500
    assert eight.terms is not None
    (lost,) = [a for a in eight.assumptions if a.name == "efficiency of scaling"]
    assert isinstance(lost.value, float) and 0.7 < lost.value < 1
    assert eight.terms.step_s == pytest.approx(0.1 / lost.value, rel=0.01)
    assert any("8 devices" in s.name for s in eight.uncertain_by)


def test_from_a_processor_to_a_gpu_no_accuracy_was_measured_and_that_is_said() -> None:
    of = case(4, name="resnet50", shape={"image": 224})
    made, plan = record(measured(of, 10.0)), {"samples": 1_000_000, "on": ("aws:g5.xlarge",)}
    file = asked(made, workload="resnet50", **plan)
    assert any("no accuracy measured for scaling from a CPU" in w for w in file.rows[0].warnings)
    assert file.rows[0].time_s is not None
    wide = math.log(file.rows[0].time_s.high / file.rows[0].time_s.low) / 2
    assert wide > 1.6449 * 0.45


def test_of_several_records_each_instance_is_scaled_from_the_nearest_device(machine: Path) -> None:
    of = case(4, name="resnet50", shape={"image": 224})
    mine = record(measured(of, 10.0))
    there = replace(simple().environment, machine_id="another")
    paths = kept(Path("both"), mine, replace(resnet(0.1, 64), environment=there))
    on = ("aws:g5.xlarge", "aws:p4de.24xlarge", "aws:c7i.8xlarge")
    rows = asked(paths, workload="resnet50", on=on, samples=1_280_000, epochs=90.0).rows
    for found in rows[:2]:
        (note,) = [a for a in found.assumptions if a.name == "step"]
        assert "A100" in note.source and found.batch_size in (64, 512)
        assert not any("from a CPU" in w for w in found.warnings)
    # From the processor, then: this one's has no data sheet, and its record no kernels.
    assert rows[2].basis is None and "A100" not in rows[2].reasons["time_s"]


def test_an_instance_with_a_record_of_its_own_is_measured(machine: Path) -> None:
    theirs = replace(
        resnet(0.05, 64),
        environment=replace(
            simple().environment, machine_id="another", cloud_instance="aws:p4de.24xlarge"
        ),
    )
    paths = kept(Path("both"), resnet(0.1, 64), theirs)
    file = asked(paths, workload="resnet50", on=GPUS, samples=1_280_000, epochs=90.0)
    bases = {r.instance: r.basis for r in file.rows}
    assert bases.pop("aws:p4de.24xlarge") == "measured"
    assert set(bases.values()) == {"scaled"}
    own = next(r for r in file.rows if r.basis == "measured")
    assert own.terms is not None and own.terms.step_s == pytest.approx(0.05, rel=0.01)
    assert any(a.name == "starting the instance" for a in own.assumptions)


def test_a_device_without_a_data_sheet_has_null_figures_and_the_reason(machine: Path) -> None:
    path = machine / "odd.csv"
    path.write_text(
        "provider,sku,usd_per_h,accelerator,n_accelerators,source,date\n"
        "own,odd,1.5,Frobnicator 9,1,a contract,2026-11-01\n"
    )
    (found,) = asked(resnet(), workload="resnet50", on=("own:odd",), catalog=path).rows
    for name in ("time_s", "power_w", "energy_j", "cost_usd", "co2_gco2e"):
        assert getattr(found, name) is None and "Frobnicator 9" in found.reasons[name]
    assert found.basis is None and found.price is not None


def test_what_one_device_does_not_hold_is_sharded_over_all_that_do() -> None:
    """ZeRO 3: weights, gradients and moments are divided, at 1.5 times the communication."""
    of = on_a_gpu(case(8), name="gpt2_xl", shape={"seq": 256}, dtype="bfloat16")
    big, fixed = measured(of, 1.0), 16 * 1_557_611_200  # 24.9 GB of GPT-2 XL in float32 and AdamW

    def eight(activations: int) -> Row:
        held = Memory(host=10**9, device=fixed + activations)
        made = record(replace(big, memory_peak_bytes=held), devices=(CPU, A100))
        rows = asked(made, workload="gpt2_xl", samples=10_000, on=("aws:p4d.24xlarge",)).rows
        (found,) = rows
        return found

    plain, sharded, never = eight(2 * 10**9), eight(20 * 10**9), eight(50 * 10**9)
    assert (plain.fits_memory, sharded.fits_memory, never.fits_memory) == (True, True, False)
    shares = [
        float(a.value or 0)
        for r in (plain, sharded)
        for a in r.assumptions
        if a.name == "efficiency of scaling"
    ]
    assert 1 / shares[1] - 1 == pytest.approx(1.5 * (1 / shares[0] - 1))
    (told,) = [a for a in sharded.assumptions if a.name == "efficiency of scaling"]
    assert "sharded" in told.source and "arXiv:1910.02054" in told.source
    assert plain.time_s is not None and sharded.time_s is not None
    assert sharded.time_s.high / sharded.time_s.low > plain.time_s.high / plain.time_s.low


def test_what_does_not_fit_is_neither_best_nor_on_the_front() -> None:
    of = on_a_gpu(case(512), name="resnet50", shape={"image": 224})
    big = measured(of, 1.0)
    assert big.memory_peak_bytes is not None
    big = replace(big, memory_peak_bytes=replace(big.memory_peak_bytes, device=70 * 1024**3))
    file = asked(record(big, devices=(CPU, A100)), workload="resnet50", samples=100_000, on=GPUS)
    small = next(n for n, r in enumerate(file.rows) if r.instance == "aws:g5.xlarge")
    assert file.rows[small].fits_memory is False and not file.rows[small].pareto
    assert any("--batch-size" in w for w in file.rows[small].warnings)
    for winner in (file.best.by_time, file.best.by_cost, file.best.by_energy):
        assert winner is not None
        assert small != winner.row and small not in winner.indistinguishable


def test_the_best_rows_are_those_of_the_smallest_medians() -> None:
    file = _gpus()
    fastest = min(range(4), key=lambda n: file.rows[n].time_s.point)  # type: ignore[union-attr]
    cheapest = min(range(4), key=lambda n: file.rows[n].cost_usd.point)  # type: ignore[union-attr]
    assert file.best.by_time is not None and file.best.by_cost is not None
    assert file.best.by_time.row == fastest and file.best.by_cost.row == cheapest
    assert 0 < file.best.by_cost.probability <= 1
    assert file.rows[fastest].pareto and file.rows[cheapest].pareto


def test_rows_that_cost_the_same_cannot_be_told_apart(machine: Path) -> None:
    path = machine / "twins.csv"
    head = "provider,sku,usd_per_h,vcpus,accelerator,n_accelerators,source,date\n"
    twin = "own,{},2.0,8,A100-SXM-80GB,1,a contract,2026-11-01\n"
    path.write_text(head + twin.format("one") + twin.format("two"))
    file = asked(resnet(), workload="resnet50", on=("own:*",), catalog=path)
    assert file.best.by_cost is not None
    assert file.best.by_cost.probability == pytest.approx(0.5, abs=0.05)
    assert len(file.best.by_cost.indistinguishable) == 1


def test_pareto_rows_are_those_that_no_other_beats_in_both() -> None:
    rows = _gpus(on=("aws:*",)).rows
    able = [r for r in rows if r.time_s and r.cost_usd and r.fits_memory is not False]
    for r in rows:
        beaten = r not in able or any(
            o.time_s.point <= r.time_s.point  # type: ignore[union-attr]
            and o.cost_usd.point <= r.cost_usd.point  # type: ignore[union-attr]
            and (o.time_s.point, o.cost_usd.point)  # type: ignore[union-attr]
            != (r.time_s.point, r.cost_usd.point)  # type: ignore[union-attr]
            for o in able
        )
        assert r.pareto == (not beaten)


def test_the_cheapest_that_keeps_to_the_limits_is_named() -> None:
    loose = _gpus(deadline_s=1e8)
    assert loose.best.by_cost is not None
    assert loose.answer[0].startswith("the cheapest that keeps to the deadline with 90%: ")
    assert loose.best.by_cost.instance in loose.answer[0]
    assert all(r.meets_deadline and r.deadline_chance == 1 for r in loose.rows)


def test_where_none_does_the_nearest_is_named() -> None:
    strict = _gpus(deadline_s=60.0, budget_usd=0.01)
    fastest = min(strict.rows, key=lambda r: r.time_s.point)  # type: ignore[union-attr]
    only_time = _gpus(deadline_s=60.0)
    assert only_time.answer[0].startswith("none keeps to the deadline with 90%; the nearest is ")
    assert fastest.instance in only_time.answer[0] and "in time with 0%" in only_time.answer[0]
    assert all(r.meets_deadline is False and r.meets_budget is False for r in strict.rows)
    cheapest = min(strict.rows, key=lambda r: r.cost_usd.point)  # type: ignore[union-attr]
    assert cheapest.instance in _gpus(budget_usd=0.01).answer[0]


def test_a_limit_is_kept_at_the_level_and_not_at_the_median() -> None:
    first = row(simple(), samples=1_000_000)
    assert first.time_s is not None
    at_median = row(simple(), samples=1_000_000, deadline_s=first.time_s.point)
    assert at_median.deadline_chance == pytest.approx(0.5, abs=0.01)
    assert at_median.meets_deadline is False
    assert row(simple(), samples=1_000_000, deadline_s=first.time_s.high).meets_deadline is True


@pytest.mark.parametrize("level", [0.5, 0.9])
def test_the_most_samples_for_a_limit_are_kept_and_one_more_step_is_not(level: float) -> None:
    asking = {"deadline_s": 5000.0, "level": level}
    file = asked(simple(), **asking, solve="samples", samples=None)
    assert any("no --samples" in n for n in file.notes)
    (found,) = file.solved
    assert found.value is not None and found.what == "samples"
    assert row(simple(), samples=int(found.value), **asking).meets_deadline is True
    assert row(simple(), samples=int(found.value * 1.001) + 100, **asking).meets_deadline is False


def test_the_most_epochs_for_a_budget_are_kept_and_one_more_is_not() -> None:
    asking = {
        "purchases": ("on-demand",),
        "money": money(usd_per_h=3.6),
        "budget_usd": 1.0,
    }
    (found,) = asked(simple(), **asking, solve="epochs", epochs=None).solved
    assert found.value is not None
    assert 60 < found.value < 100  # of 10.024 s each, for 1,000 s with 90 %
    assert row(simple(), epochs=found.value, **asking).meets_budget is True
    assert row(simple(), epochs=found.value + 1, **asking).meets_budget is False


def test_the_smallest_batch_that_is_fast_enough() -> None:
    made = record(*[measured(case(b), 0.02 + 0.001 * b) for b in (16, 32, 64, 128)])
    asking = {"samples": 128_000, "epochs": 1.0, "level": 0.5}
    # 128,000 / B x (0.02 + 0.001 B): 208 s at 32, 168 s at 64, 148 s at 128, and a checkpoint
    for deadline_s, least in ((200.0, 64), (210.0, 32), (150.0, 128)):
        (found,) = asked(made, **asking, deadline_s=deadline_s, solve="batch-size").solved
        assert found.value == least
    (never,) = asked(made, **asking, deadline_s=20.0, solve="batch-size").solved
    assert never.value is None and never.reason is not None and "16 to 128" in never.reason


def test_what_cannot_be_solved_says_why() -> None:
    (none,) = asked(simple(), deadline_s=1e-3, solve="samples").solved
    assert none.value is None and none.reason == "not even one batch keeps to the limits"
    (priceless,) = asked(simple(), budget_usd=5.0, solve="samples").solved
    assert priceless.value is None and priceless.reason
    (alone,) = asked(simple(), deadline_s=5.0, solve="batch-size").solved
    assert alone.value is None and "one batch alone" in (alone.reason or "")


def _curve(folder: Path, c: float = 0.05) -> Path:
    points = [
        {"samples": n, "accuracy": 1 - (2.0 * n**-0.4 + c), "seed": s, "epochs": 20.0}
        for n in (100, 200, 400, 800, 1600, 3200)
        for s in range(3)
    ]
    path = folder / "curve.json"
    path.write_text(json.dumps({"points": points, "classes": 10, "n_test": 10_000}))
    return path


def test_a_target_takes_the_samples_and_epochs_of_its_curve(machine: Path) -> None:
    asking = {"samples": None, "epochs": None, "curve": _curve(machine), "target_accuracy": 0.90}
    file = asked(simple(), **asking)
    assert file.target is not None and file.target.samples is not None
    needed = (2.0 / 0.05) ** (1 / 0.4)  # of error 0.10 with 0.05 that stays
    assert file.plan.samples == pytest.approx(needed, rel=0.15)
    assert file.target.samples.low < needed < file.target.samples.high
    assert file.plan.epochs == 20
    assert file.target.odds > 0.9
    (found,) = file.rows
    assert found.uncertain_by[0].name == "samples that the target needs"
    assert found.curve is not None
    known = [t for t in found.curve.time_s if t is not None]
    assert known == sorted(known)


def test_a_target_beyond_the_curve_is_refused(machine: Path) -> None:
    path = _curve(machine, c=0.2)
    with pytest.raises(BadInput, match=r"--target-accuracy 0\.95: .* no number of samples"):
        asked(simple(), samples=None, epochs=None, curve=path, target_accuracy=0.95)


def test_confirming_names_the_commands_and_their_price() -> None:
    argv = ("hwbench", "estimate", "--workload", "resnet50", "--confirm", "2", "--on", "aws:g5 *")
    file = _gpus(confirm=2, argv=argv)
    *each, last = file.confirm
    assert len(each) == 2 and last.instance == "all of them"
    prices = {r.instance: r.price.usd_per_h for r in file.rows if r.price}
    for one in each:
        assert one.usd == pytest.approx(prices[one.instance] * (600 + 180) / 3600)
        words = shlex.split(one.commands[0])
        assert words[:2] == ["hwbench", "run"] and "--max-seconds" in words
        assert words[words.index("--batch-size") + 1] == "64"
    assert last.usd == pytest.approx(sum(c.usd or 0 for c in each))
    again = shlex.split(last.commands[1])
    assert "--confirm" not in again and "2" not in again and "aws:g5 *" in again
    assert again[-2:] == ["--records", "results"]


def test_break_even_is_against_the_cheapest_that_is_rented() -> None:
    said = money(usd_per_h=2.0, purchase_usd=10_000.0, residual_frac=0.3, years=3.0)
    made = simple(0.1, 100, watts=(400.0, 100.0))
    file = asked(
        made,
        samples=1_000_000,
        purchases=("owned", "on-demand"),
        electricity_usd_per_kwh=0.25,
        pue=1.0,
        money=said,
    )
    owned = Owned(
        purchase_usd=10_000.0,
        residual_usd=3000.0,
        years=3.0,
        utilisation_frac=0.7,
        opex_usd_per_year=0.0,
        electricity_usd_per_kwh=0.25,
        pue=1.0,
        idle_w=100.0,
    )
    hours = break_even.break_even_hours(owned, 2.0, 400.0).value
    share = break_even.break_even_utilisation(owned, 2.0, 400.0).value
    assert hours == pytest.approx(7000 / 1.9, rel=1e-6)
    told = dict(line.split(": ", 1) for line in file.break_even[1:])
    assert float(told["in hours of its own use"].split()[0].replace(",", "")) == pytest.approx(
        hours, rel=0.01
    )
    assert float(told["in utilisation"].split()[0]) == pytest.approx(share, rel=0.01)
    samples = float(
        told["in samples of this training, bought for it alone"].split()[0].replace(",", "")
    )
    # 10 epochs of 0.001 s a sample: 1.9 USD an hour are saved
    assert samples == pytest.approx(7000 / 1.9 * 3600 / 0.01, rel=0.02)
    assert asked(made, purchases=("on-demand",), money=said).break_even == ()


def test_a_processor_whose_cores_nobody_states_has_no_time(machine: Path) -> None:
    path = machine / "own.csv"
    path.write_text(
        "provider,sku,usd_per_h,cpu,vcpus,vcpus_per_core,source,date\n"
        "own,said,1.5,AMD EPYC 7763,16,2,a contract,2026-11-01\n"
        "own,none,1.5,AMD EPYC 7763,,,a contract,2026-11-01\n"
    )
    on = ("own:said", "own:none")
    said, none = asked(resnet(0.1, 64), workload="resnet50", on=on, catalog=path).rows
    assert said.time_s is not None
    assert none.time_s is None and none.cost_usd is None
    assert "how many cores the instance has is not known" in none.reasons["time_s"]


def test_cores_that_nobody_states_are_an_assumption_and_never_one(machine: Path) -> None:
    path = machine / "own.csv"
    path.write_text(
        "provider,sku,usd_per_h,accelerator,n_accelerators,vcpus,vcpus_per_core,source,date\n"
        "own,said,1.5,A100-SXM-80GB,1,16,1,a contract,2026-11-01\n"
        "own,half,1.5,A100-SXM-80GB,1,16,,a contract,2026-11-01\n"
        "own,none,1.5,A100-SXM-80GB,1,,,a contract,2026-11-01\n"
    )
    loader_known(0.001, workload="resnet50")
    on = ("own:said", "own:half", "own:none")
    said, half, none = asked(resnet(0.1, 64), workload="resnet50", on=on, catalog=path).rows
    loaders = [next(a for a in r.assumptions if a.name == "loader") for r in (said, half, none)]
    assert loaders[0].value == pytest.approx(0.001 / 16)
    assert loaders[1].value == pytest.approx(0.001 / 8)
    assert loaders[2].value is None and "cores" in loaders[2].source
    guessed = [any(a.name == "cores of a virtual CPU" for a in r.assumptions) for r in (said, half)]
    assert guessed == [False, True]
    assert none.terms is not None and none.terms.loader_s is None
    assert said.energy_covers is not None and "without the DRAM" in said.energy_covers
