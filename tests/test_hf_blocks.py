"""Models of transformers by their configuration: held to sense, told without building, cut."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hwbench import blocks, memory_plan, model_naming, model_spec, own_models, registry
from hwbench.errors import BadInput
from hwbench.memory_plan import Options
from hwbench.model_facts import ModelFacts
from tests import fakes
from tests.test_own_models import here

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
from hwbench.dialects import torch_outline  # noqa: E402

LLAMA = {
    "model_type": "llama", "architectures": ["LlamaForCausalLM"], "dtype": "bfloat16",
    "hidden_size": 32, "num_hidden_layers": 6, "num_attention_heads": 4, "num_key_value_heads": 2,
    "intermediate_size": 64, "vocab_size": 100, "max_position_embeddings": 64,
}  # fmt: skip
GPT2 = {
    "model_type": "gpt2", "architectures": ["GPT2LMHeadModel"],
    "n_embd": 32, "n_layer": 4, "n_head": 2, "vocab_size": 100, "n_positions": 64,
}  # fmt: skip
BERT = {
    "model_type": "bert", "architectures": ["BertForSequenceClassification"],
    "hidden_size": 32, "num_hidden_layers": 4, "num_attention_heads": 4,
    "intermediate_size": 64, "vocab_size": 100,
}  # fmt: skip
# Every third block attends to all, the others to a window.
GEMMA = {
    **LLAMA, "model_type": "gemma3_text", "architectures": ["Gemma3ForCausalLM"], "head_dim": 8,
    "sliding_window": 8, "layer_types": ["sliding_attention", "sliding_attention",
    "full_attention"] * 2,
}  # fmt: skip
MIXTURE = {
    **LLAMA, "model_type": "qwen3_moe", "architectures": ["Qwen3MoeForCausalLM"], "head_dim": 8,
    "num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16,
}  # fmt: skip


@pytest.fixture(autouse=True)
def _own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    fakes.isolate(monkeypatch, tmp_path)
    monkeypatch.chdir(tmp_path)
    yield
    own_models.forget()


def saved(config: dict[str, Any], name: str = "net") -> str:
    """Write a configuration; return its spec."""
    Path(name).mkdir(exist_ok=True)
    (Path(name) / "config.json").write_text(json.dumps(config))
    return f"hf:./{name}@seq=16"


def facts(spec: str, outlined: bool, room_bytes: int | None = None) -> ModelFacts:
    """Return what is found of a model in this process."""
    parsed = model_spec.parse(spec)
    return torch_outline.facts(parsed, parsed.name, False, outlined, room_bytes)


# --- what is no network --------------------------------------------------------------------------


@pytest.mark.parametrize(("changes", "said"), [
    ({"hidden_size": None}, "says no hidden_size, and 4096, which transformers takes"),
    ({"num_hidden_layers": None}, "says no num_hidden_layers"),
    ({"num_attention_heads": 5}, r"5 heads do not divide|attention heads \(5\)"),
    ({"num_key_value_heads": 3}, "3 heads of keys and values do not divide its 4 heads"),
    ({"num_hidden_layers": 0}, "num_hidden_layers 0: a positive number"),
    ({"vocab_size": "many"}, r"configuration|vocab_size"),
    ({"model_type": None}, "when its configuration was read"),
    ({"model_type": "no-such"}, "when its configuration was read"),
])  # fmt: skip
def test_a_configuration_that_lacks_or_contradicts_is_said(
    changes: dict[str, Any], said: str
) -> None:
    made = {k: v for k, v in {**LLAMA, **changes}.items() if v is not None}
    with pytest.raises(BadInput, match=said) as caught:
        facts(saved(made), outlined=True)
    assert "\n" not in str(caught.value) and "hf:./net" in str(caught.value)


def test_kinds_of_blocks_for_other_numbers_of_them_are_said() -> None:
    with pytest.raises(BadInput, match=r"layer_types"):
        facts(saved({**GEMMA, "layer_types": ["full_attention"] * 5}), outlined=True)


def test_a_file_that_is_no_json_and_a_sequence_beyond_the_positions_are_said() -> None:
    saved(LLAMA)
    with pytest.raises(BadInput, match="takes at most 64 tokens, 65 were asked"):
        facts("hf:./net@seq=65", outlined=True)
    Path("net/config.json").write_text("{not json")
    with pytest.raises(BadInput, match="when its configuration was read"):
        facts("hf:./net", outlined=True)


def test_names_of_a_type_for_its_sizes_count_as_said() -> None:
    assert facts(saved(GPT2), outlined=True).config["layers"] == 4  # n_layer


# --- told without building -----------------------------------------------------------------------


@pytest.mark.parametrize("config", [LLAMA, GPT2, BERT, GEMMA], ids=lambda c: c["model_type"])
def test_what_is_told_by_the_configuration_is_what_is_built(config: dict[str, Any]) -> None:
    spec = saved(config)
    told, built = facts(spec, outlined=True), facts(spec, outlined=False)
    assert told.notes[-1] == "told by its configuration, not built"
    assert replace(told, fingerprint="", notes=()) == replace(built, fingerprint="", notes=())
    assert told.kind == "transformer" and told.config["width"] == 32
    assert ("kv_heads" in told.config) == (config is not BERT)


def test_weights_are_of_float32_whatever_the_configuration_was_saved_in() -> None:
    facts(saved(LLAMA), outlined=False)
    (name,) = model_naming.named([saved(LLAMA)], here)
    workload = registry.networks()[name].workload
    model = workload.build_torch(registry.networks()[name].variant.config)
    assert {p.dtype for p in model.parameters()} == {torch.float32}


def test_one_that_does_not_fit_is_told_and_not_built(monkeypatch: pytest.MonkeyPatch) -> None:
    from hwbench.dialects import torch_described

    monkeypatch.setattr(torch_described, "facts", lambda *a: pytest.fail("it was built"))
    huge = {**LLAMA, "num_hidden_layers": 80, "hidden_size": 8192, "intermediate_size": 28672,
            "num_attention_heads": 64, "num_key_value_heads": 8, "vocab_size": 128256}  # fmt: skip
    found = facts(saved(huge), outlined=False, room_bytes=24 * 10**9)
    # Llama 3 70B: 70,553,706,496 parameters (its model card says 70.6 B)
    assert found.parameters == 70_553_706_496
    assert found.stack is not None and found.stack.layers == 80


def test_a_mixture_of_experts_is_counted_by_the_experts_that_are_active() -> None:
    found = facts(saved(MIXTURE), outlined=True)
    assert found.stack is not None and found.flops is not None
    d, seq, layers = 32, 16, 6
    attention = 2 * d * (4 * 8) + 2 * d * (2 * 8) + 2 * seq * 4 * 8  # q, o; k, v; scores and values
    experts = 2 * 3 * d * 16 + 4 * d  # two of four, and the router
    assert found.flops == 2 * seq * (layers * (attention + experts) + d * 100)


# --- by blocks -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("config", "depths"), [
    (LLAMA, (2, 4)), (GPT2, (1, 3)), (BERT, (1, 2)), (GEMMA, (3,)), (MIXTURE, (2,)),
], ids=lambda c: c["model_type"] if isinstance(c, dict) else "")  # fmt: skip
def test_a_cut_is_the_model_with_its_first_blocks(
    config: dict[str, Any], depths: tuple[int, ...]
) -> None:
    (name,) = model_naming.named([saved(config)], here, outlined=True)
    for depth in depths:
        cut = registry.networks()[f"{name}@layers={depth}"]
        model = cut.workload.build_torch(cut.variant.config)
        assert sum(p.numel() for p in model.parameters()) == cut.workload.parameters(
            cut.variant.config
        )
        known = own_models.facts_of(cut.name)
        assert known is not None and known.flops == cut.workload.flops(cut.variant.config)
        alone = facts(saved({**config, **_fewer(config, depth)}, "alone"), outlined=True)
        assert (alone.parameters, alone.flops) == (known.parameters, known.flops)


def _fewer(config: dict[str, Any], depth: int) -> dict[str, Any]:
    names = {"n_layer" if "n_layer" in config else "num_hidden_layers": depth}
    kinds = config.get("layer_types")
    return {**names, "layer_types": kinds[:depth]} if kinds else names


def test_blocks_of_several_kinds_are_cut_by_the_row() -> None:
    (name,) = model_naming.named([saved(GEMMA)], here, outlined=True)
    with pytest.raises(BadInput, match="repeat by 3: it cannot be cut to 2, but to 3, 6"):
        registry.networks()[f"{name}@layers=2"]
    assert blocks.cuts([name], (blocks.AUTO,), 10**12) == (
        f"{name}@layers=3",
        f"{name}@layers=6",
    )


def test_a_first_block_of_its_own_is_of_the_fixed_part() -> None:
    """The line through cuts of one block and more holds: all have it."""
    (name,) = model_naming.named([saved({**MIXTURE, "mlp_only_layers": [0]})], here, outlined=True)
    for depth in (1, 4):
        cut = registry.networks()[f"{name}@layers={depth}"]
        model = cut.workload.build_torch(cut.variant.config)
        count = sum(p.numel() for p in model.parameters())
        assert count == cut.workload.parameters(cut.variant.config)


def test_blocks_that_are_not_alike_are_not_cut() -> None:
    mixed = {**MIXTURE, "mlp_only_layers": [0, 1]}  # the first two have no experts
    (name,) = model_naming.named([saved(mixed)], here, outlined=True)
    with pytest.raises(BadInput, match="not made of blocks that are alike"):
        registry.networks()[f"{name}@layers=2"]


def test_a_cut_can_be_named_and_its_record_names_the_whole() -> None:
    spec = saved(LLAMA)
    (name,) = model_naming.named([f"{spec}@layers=2"], here)
    assert name == "hf:net@seq=16@layers=2"
    assert own_models.spec_of(name) == f"{spec}@layers=2"
    (whole,) = own_models.known([name])
    assert whole.name == "hf:net@seq=16" and whole.stack is not None
    with pytest.raises(BadInput, match="has 6 blocks: it cannot be cut to 9"):
        model_naming.named([f"{spec}@layers=9"], here)


def test_memory_is_told_of_a_model_of_transformers() -> None:
    saved(LLAMA)
    found = memory_plan.plan(Options(workload="hf:./net", seq=32), spawn=here)
    assert (found.layers, found.seq, found.reason) == (6, 32, None)
    # keys and values of 2 heads of 8 in bfloat16, in 6 blocks
    assert found.cache_bytes_per_token == 2 * 6 * 2 * 8 * 2
    need = next(n for n in found.needs if n.recipe == "lora")
    # rank 8 beside q, o (32 to 32), k, v (32 to 16) and three of the MLP (32 to 64)
    assert need.trained_parameters == 6 * 8 * (2 * 64 + 2 * 48 + 3 * 96)
    assert need.item_bytes is not None and need.item_bytes > 0
    with pytest.raises(BadInput, match=r"models of transformers by their configuration"):
        memory_plan.plan(Options(workload="timm:resnet18"), spawn=here)
