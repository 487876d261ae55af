"""`hwbench memory`: bytes by recipe against what was published, activations against a real step."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hwbench import memory_needs, memory_plan, memory_view, registry
from hwbench.cli import status_of
from hwbench.errors import BadInput, UnknownName
from hwbench.memory_needs import RECIPES, Counted
from hwbench.memory_plan import Options
from tests import fakes
from tests.test_serving import OneChild

GB = 1e9
GIB = 1024**3


@pytest.fixture(autouse=True)
def _isolated(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fakes.isolate(monkeypatch, tmp_path)
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(("recipe", "parameters", "adapters", "published_gb", "rel"), [
    ("full-mixed", 7e9, 0, 112, 0.001),  # 16 bytes a parameter: ZeRO (arXiv:1910.02054), 3.1
    ("full-mixed", 1.5e9, 0, 24, 0.001),  # its own example: GPT-2 of 1.5 B needs 24 GB
    ("lora", 175e9, 4.7e6, 350, 0.002),  # GPT-3 by LoRA: 350 GB (arXiv:2106.09685, section 4.2)
    ("full-bfloat16", 65e9, 0, 780, 0.001),  # LLaMA 65B: more than 780 GB (arXiv:2305.14314)
    ("inference", 70.6e9, 0, 141, 0.01),  # Llama 3 70B in bfloat16: 141 GB of files
])  # fmt: skip
def test_bytes_are_the_published_ones(
    recipe: str, parameters: float, adapters: float, published_gb: float, rel: float
) -> None:
    _, weights, training = memory_needs.fixed(RECIPES[recipe], parameters, adapters)
    assert (weights + training) / GB == pytest.approx(published_gb, rel=rel)


def test_a_model_of_65_b_in_four_bits_fits_48_gb() -> None:
    trained, weights, training = memory_needs.fixed(RECIPES["qlora"], 65.2e9, 0.2e9)
    assert 33 * GB < weights + training < 48 * GB  # arXiv:2305.14314: a single 48 GB GPU
    assert trained == 0.2e9


@pytest.mark.parametrize("name", [
    "gpt2_small_small", "bert_base_small", "vit_tiny_small", "llama_1b_small", "mlp_small",
])  # fmt: skip
def test_activations_are_those_that_a_real_step_keeps(name: str) -> None:
    torch = pytest.importorskip("torch")
    from hwbench.dialects import torch_memory
    from hwbench.dialects.torch import network
    from hwbench.dialects.torch_tensors import tensors

    net = registry.networks()[name]
    workload, config = net.workload, net.variant.config
    model = network(torch, workload, config).train()
    inputs, labels = workload.batch(config, 3, np.random.default_rng(0))
    *given, targets = tensors(torch, (*inputs, labels), "float32", torch.device("cpu"))
    own = {t.untyped_storage().data_ptr() for t in (*model.parameters(), *model.buffers())}
    kept: dict[int, Any] = {}

    def pack(tensor: Any) -> Any:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
        logits = model(*given)
        torch.nn.functional.cross_entropy(logits.flatten(0, -2), targets.flatten())
    real = sum(s.nbytes() for s in kept.values())
    assert torch_memory.kept_bytes(workload, config, 3) == pytest.approx(real, rel=0.005)


COUNTED = Counted(
    kept_bytes={"float32": 2 * GIB, "bfloat16": GIB},
    block_bytes={"float32": 2 * GIB // 4, "bfloat16": GIB // 4},
    adapter_parameters=100_000,
    reason=None,
)


def needs(**asked: Any) -> dict[str, memory_needs.Need]:
    options = Options(workload="llama_8b", devices=("H100-SXM-80GB",), **asked)
    return {n.recipe: n for n in memory_plan.plan(options, spawn=OneChild(COUNTED)).needs}


def test_what_fits_where_is_arithmetic() -> None:
    found = needs()
    lora = found["lora"]
    parameters = registry.networks()["llama_8b"].workload.parameters(
        registry.networks()["llama_8b"].variant.config
    )
    assert lora.trained_parameters == 32 * 100_000
    assert lora.fixed_bytes == 2 * parameters + 16 * 32 * 100_000
    assert lora.item_bytes == GIB + 32 * GIB // 4
    # checkpointed: the rest, the input of each block, and one block
    assert lora.checkpointed_bytes == GIB + 32 * 512 * 4096 * 2 + GIB // 4
    (fit,) = lora.fits
    room = memory_needs.USABLE_FRAC * fit.memory_bytes - lora.fixed_bytes
    assert fit.micro_batch == int(room // lora.item_bytes) > 0
    assert fit.checkpointed == int(room // lora.checkpointed_bytes) > fit.micro_batch
    (full,) = found["full-mixed"].fits
    assert full.micro_batch == 0 == full.checkpointed
    each = memory_needs.USABLE_FRAC * full.memory_bytes - found["full-mixed"].checkpointed_bytes  # type: ignore[operator]
    assert full.sharded_over == -(-found["full-mixed"].fixed_bytes // each)
    assert found["inference"].item_bytes is None and found["inference"].training_bytes == 0


def test_what_is_not_counted_is_null_with_its_reason() -> None:
    said = Counted(
        kept_bytes={}, block_bytes={}, adapter_parameters=100, reason="activations: no number"
    )
    options = Options(workload="qwen_moe_30b_a3b", recipes=("full-mixed",))
    found = memory_plan.plan(options, spawn=OneChild(said))
    (need,) = found.needs
    assert need.item_bytes is None and need.checkpointed_bytes is None
    assert found.reason == "activations: no number"
    assert all(f.reason and f.sharded_over for f in need.fits)
    assert "activations: no number" in memory_view.text(found)


def test_the_cache_of_a_token_is_that_of_its_keys_and_values() -> None:
    nets = registry.networks()
    # 32 layers, 8 heads of 128, keys and values, two bytes: 128 KiB
    assert memory_plan.cache_bytes_per_token(nets["llama_8b"]) == 2 * 32 * 8 * 128 * 2 == 131_072
    assert memory_plan.cache_bytes_per_token(nets["gpt2_small"]) == 2 * 12 * 768 * 2
    assert memory_plan.cache_bytes_per_token(nets["resnet18"]) is None


@pytest.mark.parametrize(("options", "error", "said"), [
    (Options(workload="gpt2_small", seq=5000), BadInput, "has 1024 positions"),
    (Options(workload="resnet18", seq=50), BadInput, "takes no sequences"),
    (Options(workload="gpt2_small", recipes=("lorra",)), UnknownName, "did you mean lora"),
    (Options(workload="gpt2_small", devices=("H100",)), UnknownName, "H100"),
    (Options(workload="gpt5"), UnknownName, "gpt"),
])  # fmt: skip
def test_what_cannot_be_asked_is_said(options: Options, error: type, said: str) -> None:
    with pytest.raises(error, match=said):
        memory_plan.plan(options, spawn=OneChild(COUNTED))


def test_the_command_counts_a_model_larger_than_this_machine(
    capsys: pytest.CaptureFixture[str],
) -> None:
    pytest.importorskip("torch")
    command = ["memory", "llama_70b", "--seq", "1024", "--on", "H100-SXM-80GB"]
    assert status_of([*command, "--out", "m.json"]) == 0
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= 100 and "70.6 B parameters, 80 blocks" in text
    told = json.loads(Path("m.json").read_text())
    mixed = next(n for n in told["needs"] if n["recipe"] == "full-mixed")
    assert mixed["fixed_bytes"] == 16 * 70_553_706_496
    # By hand, in widths of two bytes a token: what both normalisations and their products take (4),
    # queries, keys and values as attention has them (3), its answer and that as the product takes
    # it (2), gate, up, silu and their product at 3.5 widths each (14): 23 at the least, 46 bytes.
    block = mixed["item_bytes"] / 80 / (1024 * 8192)
    assert 46 <= block < 60
