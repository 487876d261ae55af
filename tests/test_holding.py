"""What does not fit is said before anything is built: weights alone that are too large."""

from dataclasses import replace

import pytest

from hwbench import holding, planning, profile, registry, training_choice
from hwbench.case import SHORTCUT, Case
from hwbench.errors import BadInput
from hwbench.selection import Selection
from tests.fakes import FACTS

GB = 10**9
CARD = {"cpu": 256 * GB, "cuda:0": 80 * GB}


def case(name: str, phase: str = "inference", device: str = "cpu", dtype: str = "float32") -> Case:
    network = registry.networks()[name]
    return Case(
        kind="workload",
        name=name,
        version=network.workload.version,
        phase=phase,
        scenario="train_step" if phase == "training" else "single_stream",
        runtime="torch",
        device=device,
        dtype=dtype,
        batch_size=1,
        shape=network.variant.shape,
    )


def test_the_bytes_needed_and_present_are_told() -> None:
    told = holding.too_large(case("llama_70b"), {"cpu": 24 * GB})
    assert told and told.startswith(
        "needs 282 GB for its weights, the machine has 24.0 GB: --blocks"
    )
    told = holding.too_large(case("llama_8b", "training"), {"cpu": 64 * GB})
    assert told and told.startswith(
        "needs 128 GB for its weights, gradients and moments, the machine has 64.0 GB: --blocks"
    )


@pytest.mark.parametrize(
    ("name", "phase", "dtype", "fits"),
    [
        ("llama_8b", "inference", "float32", True),  # 32 GB
        ("llama_8b", "training", "bfloat16", False),  # 128 GB: autocast keeps float32 weights
        ("llama_1b", "training", "bfloat16", True),  # 20 GB
        ("qwen_moe_30b_a3b", "inference", "float32", False),  # 122 GB
        ("qwen_moe_30b_a3b", "inference", "bfloat16", True),  # 61 GB, all experts
        ("llama_70b", "inference", "bfloat16", False),  # 141 GB
    ],
)
def test_a_card_holds_the_cases_own_format(name: str, phase: str, dtype: str, fits: bool) -> None:
    told = holding.too_large(case(name, phase, "cuda:0", dtype), CARD)
    assert (told is None) == fits
    assert fits or "cuda:0 has 80.0 GB" in str(told)


def test_a_host_must_hold_the_float32_weights_of_a_card() -> None:
    half = case("qwen_moe_30b_a3b", device="cuda:0", dtype="bfloat16")
    told = holding.too_large(half, {**CARD, "cpu": 64 * GB})
    assert told and told.startswith("needs 122 GB for its weights in float32, made there first,")


def test_a_shortcut_needs_its_weights_and_no_more_is_known() -> None:
    plain = case("llama_8b", "training")
    assert holding.too_large(plain, {"cpu": 40 * GB})
    lora = replace(plain, options={SHORTCUT: "lora"})
    assert holding.too_large(lora, {"cpu": 40 * GB}) is None


def test_memory_that_is_not_known_holds_anything() -> None:
    assert holding.too_large(case("llama_70b", device="mps"), {}) is None


def test_the_full_profile_skips_what_a_small_machine_cannot_hold() -> None:
    asked = Selection(only=("workload/*",))
    plan = planning.plan(profile.named("full"), asked, FACTS, 2, (), {"cpu": 24 * GB})
    skipped = {p.case.name for p in plan.cases if "GB for its weights" in (p.skip or "")}
    assert skipped == {"gpt2_xl", "llama_8b", "llama_70b", "qwen_moe_30b_a3b"}
    assert not {"llama_8b", "llama_70b", "qwen_moe_30b_a3b"} & {c.name for c in plan.runnable}
    # 25 GB with gradients and moments; 6 GB without
    assert {c.phase for c in plan.runnable if c.name == "gpt2_xl"} == {"inference"}


def test_a_verb_that_trains_refuses_what_cannot_be_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(holding, "here", lambda: {"cpu": 24 * GB})
    with pytest.raises(BadInput, match="llama_70b cannot be trained here: it needs 1,129 GB"):
        training_choice.choose(None, "llama_70b")
    assert training_choice.choose(None, "llama_70b_small").workload == "llama_70b_small"


def test_the_memory_of_this_machine_is_known() -> None:
    assert holding.here()["cpu"] > GB / 4
