"""`hwbench shortcuts`: ratios of paired steps, what they are made of, what follows from them."""

import datetime
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hwbench import (
    registry,
    sharing,
    shortcut_finding,
    shortcut_making,
    shortcuts_study,
    shortcuts_view,
    step_ratio,
)
from hwbench.cli import status_of
from hwbench.errors import BadInput, UnknownName
from hwbench.estimate_plan import Request, SearchAsked
from hwbench.measurement import Measurement, Memory, Record
from hwbench.render import digits
from hwbench.shortcut_rows import ShortcutsFile
from hwbench.shortcuts_study import Asked, study
from hwbench.taught import Taught
from tests.estimates import asked as estimated
from tests.estimates import (
    case,
    kept,
    loader_known,
    machine,
    measured,
    of_environment,
    record,
    row,
)

__all__ = ["machine"]  # a fixture

MEASURED = ("linear_probe", "partial_finetune", "lora", "adapters", "cached_features")


def by(name: str, *means_s: float, peak: int = 2 * 1024**3, **taught: Any) -> Measurement:
    """Return the measured step of mlp by a shortcut."""
    found = measured(case(100, options={"shortcut": name}), *means_s)
    facts: dict[str, Any] = {
        "parameters": 1000,
        "trainable_parameters": 10,
        "flops_per_item": 10.0,
        "scratch_flops_per_item": 30.0,
    }
    return replace(
        found,
        taught=Taught(**(facts | taught)),
        memory_peak_bytes=Memory(host=peak, device=None),
    )


def of_steps(*more: Measurement, own: Sequence[float] = (0.1,)) -> Record:
    """Return a record of the network's own step, of inference, and of steps by shortcuts."""
    return record(
        replace(
            measured(case(100), *own), memory_peak_bytes=Memory(host=10 * 1024**3, device=None)
        ),
        measured(case(100, "inference"), 0.02),
        *more,
    )


def compared(made: Record, *names: str, **changes: Any) -> ShortcutsFile:
    """Return the comparison of 10,000 samples of mlp by these shortcuts, from a record."""
    request: dict[str, Any] = {
        "records": kept(Path("given"), made),
        "workload": "mlp",
        "samples": 10_000,
        "evaluation_frac": 0.0,
        "item_bytes": 1e-3,
        "measure": False,
    }
    return study(Asked(estimate=Request(**(request | changes)), shortcuts=names))


def one(file: ShortcutsFile, name: str) -> Any:
    """Return the only row of a shortcut."""
    (found,) = [r for r in file.rows if r.shortcut == name]
    return found


pytestmark = pytest.mark.usefixtures("machine")


def test_the_ratio_of_a_step_is_of_the_rounds_that_visited_both() -> None:
    # the machine is twice as slow in the later rounds: in both, so not in the ratio
    made = of_steps(by("linear_probe", 0.04, 0.04, 0.08, 0.08, 0.08), own=(0.1, 0.1, 0.2, 0.2, 0.2))
    plan = compared(made, "linear_probe").plan
    found = step_ratio.of_record(made, registry.shortcuts()["linear_probe"], plan)
    assert found is not None
    assert found.ratio.point == pytest.approx(0.4) and found.rounds == 5
    assert found.ratio.high / found.ratio.low == pytest.approx(1.02, abs=0.002)  # the least


def test_the_interval_of_a_ratio_is_students_of_the_rounds() -> None:
    scipy = pytest.importorskip("scipy.stats")
    ratios = [0.40, 0.44, 0.38, 0.42, 0.41]
    made = of_steps(by("linear_probe", *[0.1 * r for r in ratios]), own=[0.1] * 5)
    found = step_ratio.of_record(
        made, registry.shortcuts()["linear_probe"], compared(made, "linear_probe").plan
    )
    import numpy as np

    logs = np.log(ratios)
    half = scipy.t.ppf(0.95, 4) * logs.std(ddof=1) / np.sqrt(5)
    assert found is not None
    assert found.ratio.low == pytest.approx(np.exp(logs.mean() - half), rel=1e-6)
    assert found.ratio.high == pytest.approx(np.exp(logs.mean() + half), rel=1e-6)


def test_a_measured_step_takes_the_place_of_theory_in_an_estimate() -> None:
    loader_known(1e-9)
    shared = {"shortcuts": ("from_scratch", "linear_probe"), "epochs": 10.0}
    theory = estimated(of_steps(), **shared).rows[1]
    told = estimated(of_steps(by("linear_probe", 0.05)), **shared).rows[1]
    scratch = estimated(of_steps(), **shared).rows[0]
    assert theory.basis == "modelled" and told.basis == "measured"
    assert told.terms and theory.terms and scratch.terms
    assert told.terms.step_s == pytest.approx(0.5 * scratch.terms.step_s, rel=1e-3)
    assert theory.terms.step_s == pytest.approx(scratch.terms.step_s / 3, rel=0.05)
    assert not [a for a in told.assumptions if a.name == "step of linear_probe"]


def test_a_shortcuts_step_is_never_taken_for_the_networks_own() -> None:
    loader_known(1e-9)
    found = row(of_steps(by("linear_probe", 0.001)), epochs=10.0)
    assert found.terms and found.terms.step_s == pytest.approx(0.1, rel=1e-3)


def test_a_ratio_is_the_product_of_its_factors() -> None:
    loader_known(1e-9)
    file = compared(of_steps(by("linear_probe", 0.05)), "linear_probe")
    probe = one(file, "linear_probe")
    step, epochs, rest = probe.factors
    assert step.times == pytest.approx(2.0, rel=1e-3) and "measured" in step.basis
    assert epochs.times == pytest.approx(90 / 50) and "literature" in epochs.basis
    whole = 1 / probe.ratio_to_scratch.point
    assert step.times * epochs.times * rest.times == pytest.approx(whole, rel=0.02)
    assert probe.measured_to_theory == pytest.approx(0.5 / (10 / 30), rel=1e-3)
    told = " ".join(shortcuts_view.text(file).split())
    assert f"{digits(whole)}x = 2.00x measured step x 1.80x epochs" in told


def test_what_both_share_is_not_in_the_interval_of_their_ratio() -> None:
    loader_known(1e-9)
    noisy = (0.1, 0.13, 0.09, 0.12, 0.1)  # the machine's own ups and downs
    made = of_steps(by("linear_probe", *(s / 2 for s in noisy)), own=noisy)
    probe = one(compared(made, "linear_probe", epochs=10.0), "linear_probe")
    ratio, time = probe.ratio_to_scratch, probe.time_s
    assert (ratio.high - ratio.low) / ratio.point < 0.08
    assert (time.high - time.low) / time.point > 0.3


def test_epochs_given_hold_for_all() -> None:
    loader_known(1e-9)
    file = compared(of_steps(by("linear_probe", 0.05)), "linear_probe", epochs=7.0)
    assert {(r.epochs, r.epochs_basis) for r in file.rows} == {(7.0, "--epochs")}
    longer = compared(of_steps(by("linear_probe", 0.05)), "linear_probe", scratch_epochs=300.0)
    assert one(longer, "from_scratch").epochs == 300 and one(longer, "linear_probe").epochs == 50


def test_what_cannot_be_told_apart_is_a_tie() -> None:
    loader_known(1e-9)
    near = (0.05, 0.052, 0.049, 0.051, 0.05)
    made = of_steps(by("lora", *near), by("adapters", *reversed(near)), by("linear_probe", 0.02))
    file = compared(made, "lora", "adapters", "linear_probe", epochs=10.0)
    assert one(file, "lora").ties == ("adapters",)
    assert one(file, "linear_probe").ties == ()
    assert "a tie in time: " in shortcuts_view.text(file)


def test_where_two_lines_cross() -> None:
    samples = (10, 100, 1000, 10_000)
    steady = tuple(float(n) for n in samples)
    flat = (50.0,) * 4
    assert shortcut_making.crossing(samples, steady, flat) == pytest.approx(50.0)
    assert shortcut_making.crossing(samples, steady, tuple(2 * x for x in steady)) is None
    assert shortcut_making.crossing(samples, steady, (None,) * 4) is None


def test_memory_opens_devices_that_scratch_does_not_fit() -> None:
    loader_known(1e-9)
    file = compared(of_steps(by("linear_probe", 0.05, peak=2 * 1024**3)), "linear_probe")
    assert file.opens and file.no_opens is None
    for o in file.opens:
        assert 2 * 1024**3 <= 0.92 * o.memory_bytes < 10 * 1024**3
        assert o.shortcuts == ("linear_probe",)
    large = compared(of_steps(by("linear_probe", 0.05, peak=11 * 1024**3)), "linear_probe")
    assert not large.opens and large.no_opens


def test_several_tasks_by_each_way_of_sharing() -> None:
    loader_known(1e-9)
    made = of_steps(
        measured(case(100, options={"shortcut": "multitask", "tasks": 3}), 0.11),
        measured(case(100, options={"shortcut": "progressive", "tasks": 3}), 0.18),
        by("lora", 0.08),
    )
    file = compared(made, "lora", tasks=3, epochs=10.0)
    shared = {s.sharing: s for s in file.sharing}
    scratch = one(file, "from_scratch").time_s.point
    assert set(shared) == set(sharing.WAYS)
    times = {k: s.time_s.point / scratch for k, s in shared.items() if s.time_s}
    assert times["separate"] == pytest.approx(3)
    assert times["multitask"] == pytest.approx(1.1, rel=0.03)
    # columns of 1, 1.4 and 1.8 steps
    assert times["progressive"] == pytest.approx(1 + 1.4 + 1.8, rel=0.03)
    assert times["lora"] == pytest.approx(3 * 0.8, rel=0.03)
    own = registry.networks()["mlp"]
    count = own.workload.parameters(own.variant.config)
    assert shared["separate"].parameters == 3 * count
    assert shared["lora"].parameters == count + 3 * 10


def test_columns_that_wait_for_data_cost_no_less_than_separate_networks() -> None:
    loader_known(0.002)  # twice a step from scratch: what a smaller column saves is little
    steps = of_steps(
        measured(case(100, options={"shortcut": "progressive", "tasks": 3}), 0.18),
    )
    file = compared(steps, "progressive", tasks=3, epochs=10.0, sharing=("separate", "progressive"))
    separate, columns = (s.time_s.point for s in file.sharing if s.time_s)
    first, last = (one(file, n).time_s.point for n in ("from_scratch", "progressive"))
    assert separate == pytest.approx(3 * first)
    assert columns == pytest.approx(first + (first + last) / 2 + last, rel=0.01)
    assert columns >= separate


def test_the_first_column_has_the_epochs_of_training_from_scratch() -> None:
    loader_known(1e-9)
    steps = of_steps(
        measured(case(100, options={"shortcut": "progressive", "tasks": 3}), 0.18),
    )
    file = compared(steps, "progressive", tasks=3, scratch_epochs=300.0, sharing=("progressive",))
    (columns,) = file.sharing
    scratch = one(file, "from_scratch").time_s.point
    # 300 epochs of 1 step, then 90 of 1.4 and 90 of 1.8
    assert columns.time_s is not None
    expected = 1 + 0.3 * 1.4 + 0.3 * 1.8
    assert columns.time_s.point / scratch == pytest.approx(expected, rel=0.03)


def test_a_search_is_of_every_way_to_train() -> None:
    loader_known(1e-9)
    asked = SearchAsked(algorithm="random", trials=10)
    file = compared(of_steps(by("linear_probe", 0.05)), "linear_probe", epochs=10.0, search=asked)
    assert file.search is not None and file.search.trials == 10
    for way, whole in zip(file.rows, file.search.rows, strict=True):
        assert (whole.shortcut, whole.instance) == (way.shortcut, way.instance)
        assert whole.scratch.time_s and way.time_s
        assert whole.scratch.time_s.point == pytest.approx(10 * way.time_s.point, rel=0.01)
    told = " ".join(shortcuts_view.text(file).split())
    assert "search by random: 10 trials take 10.0 full runs" in told


def test_a_robust_training_is_a_row_beside_the_shortcuts() -> None:
    loader_known(1e-9)
    noisy = (0.1, 0.13, 0.09, 0.12, 0.1)
    robust = measured(case(100, options={"hardening": "pgd-7"}), *(5 * s for s in noisy))
    made = of_steps(by("linear_probe", *(s / 2 for s in noisy)), robust, own=noisy)
    file = compared(made, "linear_probe", epochs=10.0, hardening="pgd-7")
    assert [r.shortcut for r in file.rows] == ["from_scratch", "linear_probe", "pgd-7"]
    row = one(file, "pgd-7")
    assert row.step_ratio_to_scratch.point == pytest.approx(5) and row.step_basis == "measured"
    assert row.ratio_to_scratch.point == pytest.approx(5, rel=0.02)
    assert row.epochs_basis == "those of from_scratch, by pgd-7"
    # both are draws of the same machine: what it errs by is not in their ratio
    assert (row.ratio_to_scratch.high - row.ratio_to_scratch.low) / 5 < 0.08
    assert any("pgd-7, of training from scratch" in n for n in file.notes)
    with pytest.raises(BadInput, match="--hardening pgd-3"):
        compared(made, "linear_probe", hardening="pgd-3")


def test_further_records_tell_of_the_instances_that_they_were_made_on() -> None:
    loader_known(1e-9)
    rented = of_environment(machine_id="another", cloud_instance="aws:c7i.xlarge")
    elsewhere = record(measured(case(100), 0.02), environment=rented)
    paths = kept(Path("given"), elsewhere, of_steps(by("lora", 0.05)))
    request = Request(
        records=paths, workload="mlp", samples=10_000, epochs=10.0, evaluation_frac=0.0,
        item_bytes=1e-3, measure=False, on=("machine", "aws:c7i.xlarge"),
    )  # fmt: skip
    rows = study(Asked(estimate=request, shortcuts=("lora",))).rows
    told = {(r.instance, r.shortcut): r for r in rows}
    assert told["this machine", "from_scratch"].step_s == pytest.approx(0.1, rel=0.01)
    assert told["aws:c7i.xlarge", "from_scratch"].step_s == pytest.approx(0.02, rel=0.01)
    lora = told["aws:c7i.xlarge", "lora"]
    assert lora.step_s == pytest.approx(0.01, rel=0.02) and lora.step_basis == "carried over"


def in_jax(m: Measurement, **changes: Any) -> Measurement:
    """Return a measurement as it is in jax."""
    return replace(m, id=m.id.replace("/torch/", "/jax/"), runtime="jax", **changes)


def of_both_runtimes() -> Record:
    """Return a record in which jax trains faster, and cannot train by LoRA."""
    lora = by("lora", 0.05)
    why = "lora is not written for jax"
    return of_steps(
        lora,
        in_jax(measured(case(100), 0.01)),
        in_jax(lora, status="skipped", reason=why, wall_s=None),
    )


def test_steps_are_compared_in_the_runtime_that_measured_them() -> None:
    loader_known(1e-9)
    file = compared(of_both_runtimes(), "lora", epochs=10.0)
    assert file.plan.runtime == "torch" and not file.refused
    lora = one(file, "lora")
    assert lora.step_basis == "measured"
    assert lora.step_ratio_to_scratch.point == pytest.approx(0.5, rel=1e-3)
    faster = compared(of_both_runtimes(), "lora", epochs=10.0, runtime="jax")
    assert faster.plan.runtime == "jax"
    assert [(r.shortcut, r.reason) for r in faster.refused] == [
        ("lora", "lora is not written for jax")
    ]


def sought(*records: Record, **changes: Any) -> str:
    """Return whether the steps by LoRA were found in `results` or measured."""
    measuring = of_steps(by("lora", 0.05))
    kept(Path("results"), *records)
    request = Request(workload="mlp", samples=10_000, **changes)
    steps = shortcut_finding.find(
        request, ("lora",), Path("results"), lambda: (measuring, Path("measured.json"))
    )
    return "measured" if steps.path.name == "measured.json" else "found"


def days_old(days: float) -> Record:
    """Return a record of the step by LoRA that is so old."""
    then = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=days)
    return replace(of_steps(by("lora", 0.05)), created_utc=then.isoformat(timespec="seconds"))


@pytest.mark.parametrize(
    ("days", "max_days", "how"), [(2, 7, "found"), (2, 1, "measured"), (20, 30, "found")]
)
def test_a_record_is_as_old_as_it_may_be(days: float, max_days: float, how: str) -> None:
    assert sought(days_old(days), max_age_s=max_days * 86400.0) == how


def test_a_record_of_a_runtime_that_lacks_the_shortcuts_is_not_taken() -> None:
    of_jax = record(*(m for m in of_both_runtimes().measurements if m.runtime == "jax"))
    assert sought(of_jax) == "measured"
    assert sought(of_jax, runtime="jax") == "found"


@pytest.mark.parametrize(
    ("changes", "names", "said"),
    [
        ({"tasks": 1}, (), "--tasks 1: several are 2 to 100"),
        ({"sharing": ("multitask",)}, (), "--sharing is of several tasks"),
        ({"samples": None}, (), "--samples N"),
        ({"samples": 0}, (), "samples"),
        ({"epochs": -1.0}, (), "epochs"),
        ({}, ("linear_prob",), "did you mean linear_probe"),
        ({"tasks": 3, "sharing": ("multitsk",)}, (), "did you mean multitask"),
    ],
)
def test_wrong_use_is_one_clear_line(
    changes: dict[str, Any], names: tuple[str, ...], said: str
) -> None:
    with pytest.raises((BadInput, UnknownName), match=said):
        compared(of_steps(by("linear_probe", 0.05)), *names, **changes)


def test_a_record_without_the_steps_says_how_they_are_measured() -> None:
    with pytest.raises(BadInput, match=r"lacks the steps of mlp by lora: .*--shortcut lora"):
        compared(of_steps(), "lora")


def test_a_shortcut_that_a_network_cannot_take_is_said_and_the_rest_goes_on() -> None:
    loader_known(1e-9)
    file = compared(of_steps(by("linear_probe", 0.05)), "linear_probe", "gan_augment")
    assert [r.shortcut for r in file.rows] == ["from_scratch", "linear_probe"]
    (refused,) = file.refused
    assert refused.shortcut == "gan_augment" and "does not learn from images" in refused.reason


def test_one_that_could_not_be_measured_has_its_reason() -> None:
    loader_known(1e-9)
    failed = replace(
        by("lora", 0.05), status="skipped", reason="peft is not installed", wall_s=None
    )
    file = compared(of_steps(by("linear_probe", 0.05), failed), "linear_probe", "lora")
    assert [(r.shortcut, r.reason) for r in file.refused] == [("lora", "peft is not installed")]


def test_the_command_prints_the_table_keeps_the_file_and_exits_zero(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    loader_known(1e-9)
    monkeypatch.setenv("COLUMNS", "80")
    made = of_steps(*(by(n, 0.02 + 0.01 * i) for i, n in enumerate(MEASURED)))
    (path,) = kept(Path("given"), made)
    asked = ["shortcuts", str(path), "--workload", "mlp", "--samples", "10k", "--no-measure"]
    asked += ["--item-bytes", "1", *(x for n in MEASURED for x in ("--shortcut", n))]
    assert status_of([*asked, "--out", "kept.json"]) == 0
    out = capsys.readouterr().out
    assert "linear_probe" in out and max(map(len, out.splitlines())) <= 80
    assert status_of([*asked, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    kept_file = json.loads(Path("kept.json").read_text())
    assert told["schema"] == kept_file["schema"] == "hwbench.shortcuts/1"
    wanted = {"shortcut", "instance", "time_s", "energy_j", "cost_usd", "co2_gco2e", "one_off_s"}
    wanted |= {"step_s", "step_ratio_to_scratch", "theory_ratio", "memory_peak_bytes", "epochs"}
    wanted |= {"trainable_parameters", "epochs_basis", "ratio_to_scratch", "crossover_samples"}
    assert wanted <= set(told["rows"][0])
    assert status_of([*asked[:-2], "--shortcut", "nonsense"]) == 2


def test_cautions_say_what_the_figures_do_not() -> None:
    assert any("not equal accuracy" in c for c in shortcuts_study.CAUTIONS)
