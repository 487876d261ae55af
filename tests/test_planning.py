from collections.abc import Mapping
from dataclasses import replace

import pytest

from hwbench import planning, profile, registry
from hwbench.planning import Plan, PlannedCase
from hwbench.probed import RuntimeFacts
from hwbench.selection import Selection
from tests.fakes import FACTS, GEMM, INFERENCE

ABSENT = RuntimeFacts(
    name="jax", why_not="jax is not installed", remedy="pip install 'hwbench-dl[jax]'"
)
CARD = replace(FACTS["torch"], devices=("cpu", "cuda:0"))


def _plan(
    selection: Selection | None = None,
    name: str = "smoke",
    facts: Mapping[str, RuntimeFacts] = FACTS,
) -> Plan:
    return planning.plan(profile.named(name), selection or Selection(), facts, threads=2)


@pytest.mark.parametrize("name", list(profile.profiles()))
def test_every_profile_plans_on_a_machine_without_a_card(name: str) -> None:
    plan = _plan(name=name)
    assert plan.runnable
    assert plan.expected_s > 0
    for planned in plan.cases:
        work = planned.work
        moves_only = planned.case.name in ("h2d_copy", "embedding") and not work.flops_per_iteration
        assert moves_only or (work.flops_per_iteration or 0) > 0
        assert (work.bytes_per_iteration is None) == (planned.case.kind == "workload")
        assert (work.items_per_iteration is None) == (planned.case.kind == "kernel")


def test_nothing_of_smoke_is_skipped_where_all_is_installed() -> None:
    assert [p.case.id for p in _plan().cases if p.skip] == []


def test_a_missing_runtime_is_skipped_with_the_line_that_installs_it() -> None:
    plan = _plan(facts={**FACTS, "jax": ABSENT})
    skipped = {p.case.runtime: p.skip for p in plan.cases if p.skip}
    assert skipped == {"jax": "jax is not installed: pip install 'hwbench-dl[jax]'"}
    assert {c.runtime for c in plan.runnable} == {"torch", "onnxruntime"}


def test_a_machine_with_no_runtime_still_has_a_plan() -> None:
    facts = {n: replace(ABSENT, name=n) for n in FACTS}
    plan = _plan(facts=facts)
    assert plan.cases
    assert plan.runnable == ()
    assert plan.expected_s == 0


def test_a_device_of_another_runtime_is_skipped_and_said() -> None:
    plan = _plan(Selection(devices=("cuda:0",)), facts={**FACTS, "torch": CARD})
    assert {c.runtime for c in plan.runnable} == {"torch"}
    reasons = {p.case.runtime: p.skip for p in plan.cases if p.skip}
    assert reasons["onnxruntime"] == "onnxruntime has no device cuda:0 here, only cpu"


def test_training_asked_of_onnxruntime_is_skipped_and_said() -> None:
    plan = _plan(Selection(runtimes=("onnxruntime",), only=("*training*",)))
    assert plan.runnable == ()
    assert all("does not do training" in (p.skip or "") for p in plan.cases)


def test_a_dtype_that_a_kernel_lacks_is_skipped_and_said() -> None:
    plan = _plan(Selection(dtypes=("int8",), runtimes=("torch",)))
    reasons = {p.case.name: p.skip for p in plan.cases}
    assert reasons["gemm"] is not None and "int8" in reasons["gemm"]
    assert reasons["triad"] is not None and "int8" in reasons["triad"]
    assert reasons["mlp_small"] is not None and "int8" in reasons["mlp_small"]


def test_work_is_the_formula_of_the_plug_in() -> None:
    work = planning.work(GEMM)
    assert work.flops_per_iteration == 2 * 1024**3
    assert work.bytes_per_iteration == 3 * 1024**2 * 4
    assert planning.work(replace(GEMM, dtype="bfloat16")).bytes_per_iteration == 3 * 1024**2 * 2
    assert planning.work(replace(GEMM, phase="backward")).flops_per_iteration == 4 * 1024**3


def test_training_counts_three_forward_passes() -> None:
    forward = planning.work(INFERENCE)
    training = planning.work(replace(INFERENCE, phase="training", scenario="train_step"))
    assert forward.items_per_iteration == 32
    assert forward.flops_per_iteration is not None
    assert training.flops_per_iteration == 3 * forward.flops_per_iteration


def test_the_protocol_is_the_profiles_but_for_what_was_asked() -> None:
    smoke, own = profile.named("smoke"), _plan().protocol
    assert (own.rounds, own.visit_s, own.min_samples) == (smoke.rounds, 0.2, smoke.min_samples)
    assert (own.threads, own.max_seconds, own.fresh_processes) == (2, smoke.max_seconds, False)
    asked = _plan(Selection(processes=7, max_seconds=30.0)).protocol
    assert (asked.rounds, asked.max_seconds, asked.fresh_processes) == (7, 30.0, True)


def test_the_expected_time_grows_with_the_rounds_and_ends_at_the_limit() -> None:
    unlimited = replace(profile.named("smoke"), max_seconds=None)
    three = planning.plan(unlimited, Selection(), FACTS, 2)
    six = planning.plan(replace(unlimited, rounds=6), Selection(), FACTS, 2)
    assert three.expected_s < six.expected_s < 2 * three.expected_s
    assert _plan(Selection(max_seconds=5.0)).expected_s == 5.0


def _trained(*shortcuts: str, runtime: str = "torch") -> list[PlannedCase]:
    """Return the training cases of mlp_small with these shortcuts beside its own step."""
    asked = Selection(models=("mlp_small",), shortcuts=shortcuts, runtimes=(runtime,))
    return [p for p in _plan(asked).cases if p.case.phase == "training"]


def test_shortcuts_are_cases_beside_the_plain_one() -> None:
    plain, probe = _trained("linear_probe", "full_finetune", "linear_probe")
    assert plain.case.options == {}  # full_finetune's step is the network's own
    assert probe.case.id == f"{plain.case.id}/shortcut=linear_probe"
    every = {p.case.way for p in _trained("all")} - {None}
    assert every == {n for n, s in registry.shortcuts().items.items() if s.build is not None}


def test_a_shortcut_that_a_network_or_runtime_lacks_is_skipped_with_the_reason() -> None:
    plain, gan = _trained("gan_augment")
    assert plain.skip is None
    assert "does not learn from images" in (gan.skip or "")
    plain, lora = _trained("lora", runtime="jax")
    assert plain.skip is None
    assert "lora is not written for jax" in (lora.skip or "")


def test_flops_of_a_shortcuts_step_are_not_those_of_the_plain_one() -> None:
    plain, probe = _trained("linear_probe")
    assert plain.work.flops_per_iteration
    assert plain.work.counted_by.startswith("the workload's formula")
    assert probe.work.flops_per_iteration is None
    assert probe.work.counted_by.startswith("not counted: the step of linear_probe")
    protocol = _plan().protocol  # the expected time is then of the plain step
    assert planning.visit_s(probe.case, protocol) == planning.visit_s(plain.case, protocol) > 0
