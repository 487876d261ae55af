"""`hwbench inspect`: a step taken apart, held to what is known of its network."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

from hwbench import inspect, inspect_view, own_models, registry, tree_file
from hwbench.case import Case
from hwbench.child import ChildFailed
from hwbench.cli import status_of
from hwbench.errors import BadInput, Unavailable
from hwbench.inspected import SCHEMA, Inspection, Profiled
from hwbench.protocol import Reply
from tests import fakes

torch = pytest.importorskip("torch")
from hwbench.dialects import torch_described, torch_product, torch_profile  # noqa: E402
from hwbench.model_spec import parse  # noqa: E402

ROOT = Path(__file__).parent.parent


@pytest.fixture(autouse=True)
def _isolated(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    fakes.isolate(monkeypatch, tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(torch_product, "GEMMS", (64, 128))
    monkeypatch.setattr(torch_profile, "STEPS", 3)
    yield
    own_models.forget()


def taken_apart(name: str, batch_size: int = 4) -> Profiled:
    network = registry.networks()[name]
    case = Case(
        kind="workload", name=name, version=network.workload.version, phase="training",
        scenario="train_step", runtime="torch", device="cpu", dtype="float32",
        batch_size=batch_size,
    )  # fmt: skip
    memory = torch_profile.HostMemory(begin=lambda: None, peak=lambda: 7)
    return torch_profile.profiled(
        network.workload, network.variant.config, case, np.random.default_rng(0), memory
    )


@pytest.mark.parametrize("name", ["mlp_small", "resnet18_small", "lstm_small", "bert_base_small"])
def test_the_layers_hold_all_that_the_formula_counts(name: str) -> None:
    found = taken_apart(name)
    network = registry.networks()[name]
    counted = sum(layer.flops for layer in found.layers)
    whole = 4 * network.workload.flops(network.variant.config)
    if name == "bert_base_small":  # the products of attention are no layer's
        assert 0.8 * whole < counted < whole
    else:
        assert counted == whole
    assert found.parameters == network.workload.parameters(network.variant.config)
    assert found.phases.step_s > 0 and found.phases.steps == 3
    assert sum(k.share_frac for k in found.kinds) == pytest.approx(1.0)
    seconds = [k.seconds for k in found.kinds]
    assert seconds == sorted(seconds, reverse=True) and found.memory.peak_bytes == 7
    kinds = {k.kind for k in found.kinds}
    main = {"resnet18_small": "convolution", "mlp_small": "matrix product"}
    assert {main.get(name, "matrix product"), "optimiser", "loss"} <= kinds
    assert found.gemm_flops_per_s > 0 and found.gemm_size in (64, 128)


def test_memory_is_counted() -> None:
    Path("net.py").write_text(
        "import torch\ndef make():\n"
        "    m = torch.nn.Sequential(torch.nn.Linear(10, 50), torch.nn.ReLU(),"
        " torch.nn.Linear(50, 4))\n"
        "    m[0].weight.requires_grad_(False)\n    return m, torch.randn(8, 10)\n"
    )
    facts = torch_described.facts(parse("net.py:make"), "net:make", False)
    own_models.adopt(facts)
    found = taken_apart("net:make", 8).memory
    weights = 10 * 50 + 50 + 50 * 4 + 4
    assert found.weights_bytes == 4 * weights
    assert found.gradients_bytes == 4 * (weights - 500)
    # AdamW: two moments of what is trained, and a counter for each tensor
    assert found.optimizer_bytes == 2 * found.gradients_bytes + 4 * 3
    # kept: the rectified (8 x 50), log-probabilities (8 x 4), labels and a number or two
    least = 4 * 8 * (50 + 4) + 8 * 8
    assert least <= found.activations_bytes <= least + 4 * 8 * 10 + 64
    assert taken_apart("net:make", 16).memory.activations_bytes > 1.9 * found.activations_bytes


@pytest.mark.parametrize("name, kind", [
    ("aten::convolution_backward", "convolution"), ("aten::mkldnn_convolution", "convolution"),
    ("aten::addmm", "matrix product"), ("aten::native_layer_norm", "normalisation"),
    ("aten::_scaled_dot_product_flash_attention_for_cpu", "attention"),
    ("aten::native_batch_norm_backward", "normalisation"), ("aten::_log_softmax", "loss"),
    ("aten::max_pool2d_with_indices", "pooling"), ("aten::gelu_backward", "activation"),
    ("aten::copy_", "copies and layout"), ("aten::embedding_dense_backward", "embedding"),
    ("aten::add", "other"), ("mkldnn_rnn_layer", "recurrence"), ("aten::topk", "other"),
    ("aten::_to_copy", "copies and layout"), ("aten::normal_", "other"),
    ("aten::mm", "matrix product"),
    ("aten::scatter_add_", "other"), ("aten::linalg_vector_norm", "normalisation"),
])  # fmt: skip
def test_operators_are_of_a_kind(name: str, kind: str) -> None:
    assert torch_profile.kind_of(name) == kind


def test_what_is_no_single_loss_is_not_taken_apart(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(Unavailable, match="several losses in turn"):
        taken_apart("dcgan_small")
    assert status_of(["inspect", "--workload", "dcgan_small"]) == 2
    assert "several losses in turn" in capsys.readouterr().err
    assert status_of(["inspect"]) == 2
    assert status_of(["inspect", "--workload", "mlp_small", "--dtype", "float12"]) == 2


class Dies:
    number = 0

    def ask(self, verb: str, request: Any, timeout_s: float, tick: Any = None) -> Reply:
        raise ChildFailed("crashed", "the process was killed by signal 9 (SIGKILL)")

    def end(self) -> None:
        """End."""


def test_a_child_that_dies_is_said() -> None:
    def spawn(number: int, threads: int, environment: Mapping[str, str]) -> Dies:
        return Dies()

    with pytest.raises(BadInput, match="cannot be trained here: the process was killed"):
        inspect.inspect(inspect.Options(workload="mlp_small"), spawn=spawn)


def test_the_command_and_its_figure(capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["inspect", "--workload", "resnet18_small", "--threads", "1", "--out", "i.json"]
    assert status_of(asked) == 0
    out = capsys.readouterr().out
    assert "MFU" in out and "convolution" in out and "backward" in out and "for each image" in out
    told = json.loads(Path("i.json").read_text())
    published = json.loads((ROOT / "docs" / "inspection.schema.json").read_text())
    jsonschema.validate(told, published)
    found = tree_file.load(Inspection, SCHEMA, Path("i.json"))
    assert inspect_view.text(found).strip() == out.strip()
    rate = 3 * (found.flops_per_item or 0) * found.batch_size / found.found.phases.step_s
    assert found.mfu_frac == pytest.approx(rate / found.found.gemm_flops_per_s)
    assert status_of(["plot", "layers", "i.json"]) == 0
    assert "Conv2d" in capsys.readouterr().out
    assert status_of(["plot", "layers", "i.json", "-o", "l.svg"]) == 0
    assert status_of(["plot", "cost", "i.json"]) == 2
