"""`--model SPEC`: a model of the user's own, found out, run, and what is wrong with it."""

import importlib
import json
import re
import subprocess
import sys
import warnings
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hwbench import (
    codec,
    data_found,
    model_naming,
    model_spec,
    own_draw,
    own_models,
    planning,
    protocol,
    registry,
    resuming,
    step_source,
    store,
    worker,
)
from hwbench.case import Case
from hwbench.child import Child
from hwbench.cli import status_of
from hwbench.errors import BadInput, HwbenchError
from hwbench.measurement import Record
from hwbench.model_facts import ModelFacts
from hwbench.step_source import Wanted
from tests import fakes

torch = pytest.importorskip("torch")
from hwbench.dialects import torch as dialect  # noqa: E402
from hwbench.dialects import torch_described, torch_models  # noqa: E402
from hwbench.dialects.torch_flops import counted  # noqa: E402

CONV = """
import torch
def make():
    model = torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 3, groups=1), torch.nn.ReLU(), torch.nn.Conv2d(8, 8, 3, groups=8),
        torch.nn.Dropout(0.5), torch.nn.Flatten(), torch.nn.Linear(8 * 12 * 12, 5),
    )
    return model, torch.randn(4, 3, 16, 16)
"""


@pytest.fixture(autouse=True)
def _own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    fakes.isolate(monkeypatch, tmp_path)
    monkeypatch.chdir(tmp_path)
    yield
    own_models.forget()


def written(body: str, name: str = "net.py") -> str:
    """Write a file of the user's; return the spec of its `make`."""
    Path(name).write_text(body)
    return f"{name}:make"


def described(spec: str) -> ModelFacts:
    """Return what a model is, found out in this process."""
    parsed = model_spec.parse(spec)
    return torch_described.facts(parsed, parsed.name, pretrained=False)


class Here:
    """A child that answers in this process."""

    number = 0

    def ask(self, verb: str, request: Any, timeout_s: float, tick: Any = None) -> protocol.Reply:
        answers: list[str] = []
        line = json.dumps({"do": verb, "request": codec.encode(request)})
        worker.serve([line], answers.append)
        return codec.decode(protocol.Reply, json.loads(answers[0]))

    def end(self) -> None:
        """End."""


def here(number: int, threads: int, environment: Mapping[str, str]) -> Here:
    return Here()


def test_what_it_is_is_found_by_running_it() -> None:
    found = described(written(CONV))
    assert found.name == "net:make" and found.batch_size == 4
    assert found.parameters == (3 * 9 * 8 + 8) + (9 * 8 + 8) + (8 * 144 * 5 + 5)
    # 2 x outputs x weights of each: dense, depthwise, linear
    assert found.flops == 2 * (8 * 14 * 14 * 27 + 8 * 12 * 12 * 9 + 8 * 144 * 5)
    assert found.activation_numbers == 8 * 14 * 14 + 8 * 12 * 12 + 5
    assert found.config == {"image": 16, "channels": 3, "classes": 5}
    assert (found.loss, found.optimizer.name, found.item) == ("cross_entropy", "adamw", "image")
    assert found.targets.high == 4 and "cross-entropy" in found.notes[0]
    again = described("net.py:make")
    assert (again.version, again.fingerprint) == (found.version, found.fingerprint)
    written(CONV.replace("8 * 12 * 12, 5", "8 * 12 * 12, 6"))
    other = described("net.py:make")
    assert other.version != found.version and other.fingerprint != found.fingerprint
    written(CONV.replace("return model", "model[0].weight.data.mul_(2)\n    return model"))
    scaled = described("net.py:make")  # as fast, and another answer
    assert scaled.version == found.version and scaled.fingerprint != found.fingerprint


@pytest.mark.parametrize("name", ["lstm_small", "bert_base_small", "mobilenet_v3_large_small",
                                  "vit_tiny_small", "gpt2_small_small"])  # fmt: skip
def test_the_counter_agrees_with_the_formulas_of_the_workloads(name: str) -> None:
    network = registry.networks()[name]
    workload, config = network.workload, network.variant.config
    model = dialect.network(torch, workload, config).eval()
    drawn, _ = workload.batch(config, 3, np.random.default_rng(0))
    inputs = [torch.from_numpy(np.ascontiguousarray(x)) for x in drawn]
    with torch.no_grad():
        total = counted(torch, lambda: model(*inputs)).total
    assert total == 3 * workload.flops(config)


@pytest.mark.parametrize("name, parameters_m, gmacs", [
    ("coat_lite_tiny", 5.72, 1.6), ("resnet10t", 5.44, 0.7), ("vit_tiny_patch16_224", 5.72, 1.26),
])  # fmt: skip
def test_models_of_timm_are_as_it_says(name: str, parameters_m: float, gmacs: float) -> None:
    if find_spec("timm") is None:
        pytest.skip("timm is not installed")
    sides = {"resnet10t": "@image=176"}
    found = described(f"timm:{name}{sides.get(name, '')}")
    assert found.parameters / 1e6 == pytest.approx(parameters_m, abs=0.0051)
    assert found.flops is not None
    assert found.flops / 2e9 == pytest.approx(gmacs, rel=0.01, abs=0.0051)
    assert found.item == "image" and found.config["classes"] == 1000
    with pytest.raises(BadInput, match="did you mean"):
        described("timm:resnet19")


def test_models_of_transformers_by_their_configuration() -> None:
    transformers = pytest.importorskip("transformers")
    small = {"hidden_size": 64, "num_hidden_layers": 3, "num_attention_heads": 4,
             "intermediate_size": 256, "vocab_size": 500, "num_labels": 4}  # fmt: skip
    config = transformers.BertConfig(
        architectures=["BertForSequenceClassification"], **small, id2label={}
    )
    config.num_labels = 4
    config.save_pretrained("tiny")
    found = described("hf:tiny@seq=32")
    # Narayanan et al. 2021: 24 s l h^2 + 4 s^2 l h, with the pooler and the classifier
    layers, width, seq = 3, 64, 32
    closed = layers * (24 * seq * width**2 + 4 * seq**2 * width) + 2 * (64 * 64 + 64 * 4)
    assert found.flops == closed
    assert found.config == {"seq": 32, "vocab": 500, "classes": 4} and found.item == "sequence"
    assert found.name == "hf:tiny@seq=32" and found.inputs[0].name == "input_ids"
    assert described("hf:tiny/config.json@seq=32").name == "hf:tiny@seq=32"
    with pytest.raises(HwbenchError, match=r"not in this machine's cache.*hf:PATH"):
        described("hf:no-such-model")
    with pytest.raises(BadInput, match="at most 512 tokens"):
        described("hf:tiny@seq=4096")
    logits = transformers.GPT2Config(n_layer=1, n_embd=32, n_head=2, vocab_size=100)
    logits.save_pretrained("causal")
    causal = described("hf:causal@seq=16")
    assert causal.targets.shape == (16,) and causal.targets.high == 99


OWN = """
import torch
def make():
    model = torch.nn.Linear(6, 3)
    return {
        "model": model,
        "inputs": {"input": torch.randn(8, 6)},
        "targets": torch.randn(8, 3),
        "loss": lambda output, targets: (output - targets).abs().mean(),
        "optimizer": lambda parameters: torch.optim.SGD(parameters, lr=0.5),
        "item": "row",
    }
"""


def test_its_own_loss_and_optimiser_train_it() -> None:
    spec = written(OWN)
    facts = described(spec)
    assert (facts.loss, facts.optimizer.own, facts.optimizer.said) == ("own", True, "SGD")
    network = own_models.adopt(facts)
    case = training(network)
    program = dialect.prepare_workload(
        network.workload, network.variant.config, case, np.random.default_rng(7)
    )
    answer = program.answer(3)
    # by hand: the same weights, inputs and targets, three steps of plain gradient descent
    model = torch_models.build({}, spec).module
    (inputs,), targets = network.workload.batch({}, 8, np.random.default_rng(7))
    weight, bias = model.weight.detach().double().numpy(), model.bias.detach().double().numpy()
    losses = []
    for _ in range(3):
        gap = inputs @ weight.T + bias - targets
        losses.append(np.abs(gap).mean())
        slope = np.sign(gap) / gap.size
        weight, bias = weight - 0.5 * slope.T @ inputs, bias - 0.5 * slope.sum(0)
    assert answer.outputs[0] == pytest.approx(losses, rel=1e-5)


def training(network: registry.Network, version: int | None = None) -> Case:
    return Case(
        kind="workload",
        name=network.name,
        version=version or network.workload.version,
        phase="training",
        scenario="train_step",
        runtime="torch",
        device="cpu",
        dtype="float32",
        batch_size=network.variant.batch_size,
        shape=network.variant.shape,
    )


@pytest.mark.parametrize("body, loss, said", [
    ("return torch.nn.Conv2d(2, 3, 3), torch.randn(2, 2, 9, 9)", "squares", "mean square"),
    ("return torch.nn.LSTM(4, 8, batch_first=True), torch.randn(3, 5, 4)", "squares",
     "mean square"),
    ("return {'model': torch.nn.Linear(3, 1), 'inputs': torch.randn(4, 3),"
     " 'targets': torch.randn(4, 1)}", "own", "output less targets"),
    ("m = torch.nn.Linear(3, 4)\n    return m, torch.randn(4, 3), None,"
     " torch.optim.Adam(m.parameters(), lr=0.1)", "cross_entropy", "cross-entropy"),
])  # fmt: skip
def test_a_bare_model_can_be_trained(body: str, loss: str, said: str) -> None:
    facts = described(written(f"import torch\ndef make():\n    {body}\n"))
    assert facts.loss == loss and said in facts.notes[0]
    network = own_models.adopt(facts)
    program = dialect.prepare_workload(
        network.workload, network.variant.config, training(network), np.random.default_rng(7)
    )
    before, *_, after = program.answer(30).outputs[0]
    assert after < before


BAD = {
    "raises": ("def make():\n    raise OSError('no disk')", "OSError: no disk (net.py:2)"),
    "exits": ("import sys\ndef make():\n    sys.exit(3)", "SystemExit: 3 (net.py:3)"),
    "syntax": ("def make(:\n  pass", "is no Python"),
    "import": ("import nowhere_at_all\ndef make(): pass", "imports nowhere_at_all"),
    "no such": ("def build(): pass", "has no make"),
    "near": ("def makes(): pass", "did you mean makes?"),
    "arguments": ("def make(depth, width=3): pass", "needs arguments (depth)"),
    "None": ("def make(): return None", "returned None for a model"),
    "a number": ("def make(): return 3", "returned an int for a model"),
    "no inputs": ("import torch\ndef make(): return torch.nn.Linear(2, 2)", "without inputs"),
    "a long tuple": ("def make(): return 1, 2, 3, 4, 5", "a tuple of 5"),
    "an unknown key": ("def make(): return {'model': 1, 'net': 2}", "a dict that has net"),
    "wrong inputs": (
        "import torch\ndef make(): return torch.nn.Linear(2, 2), [3]", "gives input 0 as int"),
    "batches": (
        "import torch\ndef make(): return torch.nn.Bilinear(2, 2, 2), (torch.ones(2, 2),"
        " torch.ones(3, 2))", "different batches: 2, 3"),
    "does not run": (
        "import torch\ndef make(): return torch.nn.Linear(2, 2), torch.ones(4, 3)",
        "when it was run on its inputs, it raised RuntimeError"),
    "labels": (
        "import torch\ndef make(): return torch.nn.Linear(2, 2), torch.ones(4, 2),"
        " torch.nn.functional.mse_loss", "no targets were given"),
    "a loss of two": (
        "import torch\ndef make(): return torch.nn.Linear(2, 2), torch.ones(4, 2),"
        " lambda output: output", "not one number"),
    "a constant loss": (
        "import torch\ndef make(): return torch.nn.Linear(2, 2), torch.ones(4, 2),"
        " lambda output: torch.ones(())", "nothing can be trained"),
    "infinite": (
        "import torch\ndef make(): return torch.nn.Linear(2, 2), torch.ones(4, 2),"
        " lambda output: output.sum() / 0", "a loss of"),
    "an optimiser": (
        "import torch\ndef make(): return torch.nn.Linear(2, 2), torch.ones(4, 2), None,"
        " lambda parameters: 3", "which has no step"),
}  # fmt: skip


@pytest.mark.parametrize("what", BAD)
def test_what_is_wrong_with_a_factory_is_said_in_a_line(what: str) -> None:
    body, said = BAD[what]
    with pytest.raises(BadInput) as told:
        model_naming.named([written(body)], here)
    assert said in str(told.value) and "--model net.py:make" in str(told.value)
    assert "\n" not in str(told.value) and told.value.exit_code == 2


def test_a_factory_that_never_ends_is_ended(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(model_naming, "LIMIT_S", 2.0)
    spec = written("def make():\n    while True: pass")
    assert status_of(["run", "--model", spec, "--dry-run"]) == 2
    assert "did not return within 2 s" in capsys.readouterr().err


@pytest.mark.parametrize("spec, said", [
    ("net.py:make", "there is no file net.py"), ("here.py", "names no factory"),
    ("net", "no workload is named"), ("a b:c", "is not a model"),
    ("lost.onnx", "no file lost.onnx"),
    ("timm:resnet18@size=3", "'size=3' is not a size"), ("timm:resnet18@image=0", "not a size"),
])  # fmt: skip
def test_what_names_no_model_is_refused(
    spec: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert status_of(["run", "--model", spec, "--dry-run"]) == 2
    err = capsys.readouterr().err
    assert said in err and "Traceback" not in err


def test_names_of_cases_hold_no_folder() -> None:
    Path("deep").mkdir()
    Path("deep/net.py").write_text("")
    assert model_spec.parse("deep/net.py:make").name == "net:make"
    assert model_spec.parse("hf:org/name").name == "hf:org-name"
    assert model_spec.parse("pack.age.mod:fn").name == "pack.age.mod:fn"
    assert model_spec.parse("lightning:pack.mod:Class").name == "lightning:pack.mod:Class"
    written(CONV)
    Path("deep/net.py").write_text(CONV)
    model_naming.named(["net.py:make"], here)
    with pytest.raises(BadInput, match="goes by the same name"):
        model_naming.named(["deep/net.py:make"], here)


def test_children_know_what_the_command_line_named(monkeypatch: pytest.MonkeyPatch) -> None:
    (name,) = model_naming.named([written(CONV)], here)
    told = own_models.environment()
    own_models.forget()
    assert name not in registry.networks().items and own_models.environment() == {}
    monkeypatch.setenv(own_models.ENVIRONMENT, told[own_models.ENVIRONMENT])
    own_models.from_environment()
    network = registry.networks()[name]
    assert network.workload.own and network.workload.parameters({}) > 0
    drawn, _ = network.workload.batch({}, 7, np.random.default_rng(0))
    assert drawn[0].shape == (7, 3, 16, 16) and drawn[0].dtype == np.float32


def test_drawn_values_are_of_the_kind_that_was_given() -> None:
    written(
        "import torch\nclass M(torch.nn.Module):\n"
        "    def __init__(self):\n        super().__init__(); self.e = torch.nn.Embedding(9, 4)\n"
        "    def forward(self, tokens, mask, keep): return self.e(tokens) * mask[..., None]\n"
        "def make():\n    tokens = torch.tensor([[0, 8, 3], [1, 2, 3]])\n"
        "    return M(), {'tokens': tokens, 'mask': torch.full((2, 3), 5.0),"
        " 'keep': torch.ones(2, 3, dtype=torch.bool)}\n"
    )
    facts = described("net.py:make")
    tokens, mask, keep = (own_draw.drawn(t, 1000, np.random.default_rng(0)) for t in facts.inputs)
    assert set(np.unique(tokens)) == set(range(9)) and (mask == 5).all()
    assert keep.dtype == np.bool_ and keep.all()
    assert [t.name for t in facts.inputs] == ["tokens", "mask", "keep"]


def test_it_runs_and_its_record_says_what_it_was(capsys: pytest.CaptureFixture[str]) -> None:
    spec = written(CONV)
    run = ["run", "--model", spec, "--profile", "smoke", "--only", "workload/*", "--runtime",
           "torch", "--threads", "1", "--out", "r.json"]  # fmt: skip
    assert status_of(run) == 0
    err = capsys.readouterr().err
    assert "net:make: Sequential of net.py, 6,069 parameters" in err
    record = store.load(Path("r.json"))
    by_phase = {m.phase: m for m in record.measurements}
    inference, trained = by_phase["inference"], by_phase["training"]
    assert inference.checked is not None and inference.checked.reference is not None
    assert trained.checked is not None and "no reference" in (trained.checked.reason or "")
    (model,) = record.models
    assert inference.work.flops_per_iteration == 4 * (model.flops or 0)
    assert inference.work.counted_by.startswith("torch's counter")
    assert model.spec == spec and trained.version == model.version
    own_models.forget()
    no_code_is_run_from_a_record(record, capsys)


def no_code_is_run_from_a_record(record: Record, capsys: pytest.CaptureFixture[str]) -> None:
    """A record names a spec; nobody follows it."""
    written("raise SystemExit('run!')")
    assert status_of(["compare", "r.json", "r.json"]) == 0
    assert status_of(["report", "r.json", "-o", "r.html"]) == 0
    assert status_of(["run", "--resume", "r.json"]) == 2
    assert "give --model SPEC again" in capsys.readouterr().err
    wanted = Wanted(workload="net:make")
    assert step_source.candidates(record, wanted)
    # the file holds another model by now: what was measured is not of it
    written(CONV.replace("12 * 12, 5", "12 * 12, 9"))
    model_naming.named(["net.py:make"], here)
    assert not step_source.candidates(record, wanted)
    assert status_of(["run", "--resume", "r.json", "--model", "net.py:make"]) == 2
    assert "not the model any more" in capsys.readouterr().err
    assert resuming.interrupted(Path("r.json"))[0].models == record.models


def test_an_estimate_of_it_starts_from_its_step(capsys: pytest.CaptureFixture[str]) -> None:
    body = "return torch.nn.Linear(20, 7), torch.randn(64, 20)"
    spec = written(f"import torch\ndef make():\n    {body}\n")
    run = ["run", "--model", spec, "--profile", "smoke", "--only", "*/training/*", "--runtime",
           "torch", "--threads", "1", "--out", "r.json"]  # fmt: skip
    assert status_of(run) == 0
    capsys.readouterr()
    asked = ["estimate", "r.json", "--model", spec, "--samples", "10k", "--epochs", "2", "--json"]
    assert status_of(asked) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["rows"][0]["time_s"]["point"] > 0 and told["plan"]["workload"] == "net:make"
    assert status_of(["estimate", "--samples", "10k"]) == 2
    assert status_of(["validate", "--workload", "mlp", "--model", "net.py:make"]) == 2
    assert "give one of them" in capsys.readouterr().err


def test_a_file_of_onnx_is_run_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    written(CONV)
    model, inputs = torch_models.build({}, "net.py:make").module.eval(), torch.randn(2, 3, 16, 16)
    flops = described("net.py:make").flops
    batch = torch.export.Dim("batch")
    for path, shapes in (("any.onnx", ({0: batch},)), ("two.onnx", None)):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.onnx.export(
                model, (inputs,), path, dynamo=True, dynamic_shapes=shapes, verbose=False
            )
    capsys.readouterr()
    for path, size in (("any.onnx", 1), ("two.onnx", 2)):
        run = ["run", "--model", path, "--profile", "smoke", "--only", "workload/*", "--threads",
               "1", "--out", f"{path}.json"]  # fmt: skip
        assert status_of(run) == 0
        record = store.load(Path(f"{path}.json"))
        (done,) = record.measurements  # onnxruntime alone, inference alone
        assert done.status == "ok" and done.batch_size == size and done.runtime == "onnxruntime"
        assert record.models[0].flops == flops
        assert done.work.counted_by.startswith("the shapes in the ONNX graph")
    capsys.readouterr()
    wrong = ["run", "--model", "two.onnx", "--profile", "smoke", "--only", "workload/*",
             "--batch-size", "4", "--dry-run", "--json"]  # fmt: skip
    assert status_of(wrong) == 0
    (planned,) = json.loads(capsys.readouterr().out)["cases"]
    assert planned["skip"] == "two.onnx takes batches of 2 only"
    Path("cut.onnx").write_bytes(Path("any.onnx").read_bytes()[:200])
    with pytest.raises(BadInput, match="is no ONNX file that can be used"):
        model_naming.named(["cut.onnx"], here)


def test_a_model_of_one_batch_size_says_so() -> None:
    written(
        "import torch\nclass M(torch.nn.Linear):\n"
        "    def forward(self, x): return super().forward(x.reshape(6, 4))\n"
        "def make(): return M(4, 2), torch.randn(6, 4)\n"
    )
    facts = described("net.py:make")
    assert facts.fixed_batch and facts.notes[-1] == "it takes batches of 6 only"
    assert not described(written(CONV)).fixed_batch


def test_a_batch_normalisation_binds_no_batch_and_frozen_weights_no_count() -> None:
    written(
        "import torch\ndef make():\n"
        "    m = torch.nn.Sequential(torch.nn.Linear(4, 6), torch.nn.BatchNorm1d(6),"
        " torch.nn.Linear(6, 3))\n    m[0].weight.requires_grad_(False)\n"
        "    return m, torch.randn(2, 4)\n"
    )
    facts = described("net.py:make")
    assert not facts.fixed_batch
    assert facts.flops == 2 * (24 + 18) and facts.training_flops is None
    network = own_models.adopt(facts)
    work = planning.work(training(network))
    assert work.flops_per_iteration is None
    assert described(written(CONV)).training_flops == 3 * (described("net.py:make").flops or 0)


FLAX = """
import flax.linen as nn, numpy as np
class Net(nn.Module):
    @nn.compact
    def __call__(self, x, train: bool = False):
        x = nn.relu(nn.Conv(8, (3, 3), padding="VALID")(x))
        x = nn.Conv(8, (3, 3), feature_group_count=8, padding="VALID")(x)
        x = nn.BatchNorm(use_running_average=not train)(x)
        x = nn.Dropout(0.1, deterministic=not train)(x)
        return nn.Dense(5)(x.reshape((len(x), -1)))
def make(): return Net(), np.random.rand(4, 16, 16, 3).astype("float32")
class Field(nn.Module):
    @nn.compact
    def __call__(self, x): return nn.ConvTranspose(2, (3, 3))(x)
def field(): return Field(), np.random.rand(2, 8, 8, 3).astype("float32")
"""


def test_what_is_measured_for_an_answer_is_named_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    written(CONV)
    asked: list[Any] = []

    def run(options: Any, *rest: Any) -> Any:
        asked.append(model_naming.named(options.selection.models, here))
        raise BadInput("far enough")

    monkeypatch.setattr("hwbench.run.run", run)
    monkeypatch.setattr("hwbench.child.Child", here)
    for verb in ("estimate", "shortcuts"):
        plan = [verb, "--model", "net.py:make", "--samples", "1k"]
        assert status_of([*plan, "--epochs", "1"] if verb == "estimate" else plan) == 2
        own_models.forget()
    assert asked == [("net:make",), ("net:make",)]


REGRESSION = """
import torch
class Two(torch.nn.Module):
    def __init__(self):
        super().__init__(); self.layer = torch.nn.Linear(16, 3)
    def forward(self, x, mask): return self.layer(x) * mask
def plain(): return {"model": torch.nn.Linear(16, 3), "inputs": torch.randn(8, 16),
                     "targets": torch.randn(8, 3)}
def own(): return {**plain(), "loss": lambda output, targets: (output - targets).abs().mean()}
def two(): return Two(), (torch.randn(8, 16), torch.rand(8, 1))
"""


@pytest.mark.parametrize("name", ["plain", "own", "two"])
def test_targets_and_inputs_that_data_do_not_give_are_drawn(name: str) -> None:
    from hwbench.dialects.torch_loop import TorchLoop
    from tests.test_torch_loop import case_of

    Path("reg.py").write_text(REGRESSION)
    np.save("rows.npy", np.random.default_rng(0).standard_normal((20, 16)).astype("float32"))
    network = own_models.adopt(described(f"reg.py:{name}"))
    dataset = data_found.dataset_at(Path("rows.npy"), network)
    config = network.variant.config
    loop = TorchLoop(network.workload, config, case_of(network.name, dataset, 8), 1)
    done = loop.epoch()
    assert (done.steps, done.items) == (3, 20) and done.loss is not None  # 8, 8 and 4
    assert (loop.evaluate(1, lambda s: False) is None) == (name != "two")


PLAIN = """
import flax.linen as nn, numpy as np
class Net(nn.Module):
    @nn.compact
    def __call__(self, x): return nn.Dense(5)(nn.relu(nn.Dense(16)(x)))
def make(): return Net(), np.random.rand(4, 8).astype("float32")
"""


def test_a_model_in_flax_is_run_by_jax(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("flax")
    Path("flaxnet.py").write_text(FLAX)
    names = model_naming.named(["flaxnet.py:make", "flaxnet.py:field"], here)
    found, field = (own_models.facts_of(n) for n in names)
    assert found is not None and field is not None
    # 2 x outputs x weights of each: dense, depthwise, linear
    assert found.flops == 2 * (8 * 14 * 14 * 27 + 8 * 12 * 12 * 9 + 8 * 144 * 5)
    assert found.parameters == (27 * 8 + 8) + (9 * 8 + 8) + (2 * 8) + (8 * 144 * 5 + 5)
    assert (found.loss, field.loss, found.batch_size) == ("cross_entropy", "squares", 4)
    assert any("run without" in note for note in found.notes)
    own_models.forget()
    run = ["run", "--model", "flaxnet.py:make", "--model", "flaxnet.py:field", "--profile", "smoke",
           "--only", "workload/*", "--threads", "1", "--out", "r.json"]  # fmt: skip
    assert status_of(run) == 0
    done = store.load(Path("r.json")).measurements
    assert [(m.runtime, m.status) for m in done] == [("jax", "ok")] * 4
    Path("plain.py").write_text(PLAIN)
    probe = ["run", "--model", "plain.py:make", "--profile", "smoke", "--only", "*probe*",
             "--runtime", "jax", "--shortcut", "linear_probe", "--out", "p.json"]  # fmt: skip
    assert status_of(probe) == 0
    (probed,) = store.load(Path("p.json")).measurements
    assert probed.taught is not None and probed.taught.trainable_parameters == 16 * 5 + 5
    for verb in ("inspect", "advise"):
        assert status_of([verb, "--model", "flaxnet.py:make"]) == 2
        assert "is made in jax: torch cannot train it" in capsys.readouterr().err


FLAX_OWN = """
import flax.linen as nn, jax.numpy as jnp, numpy as np, optax
class Net(nn.Module):
    @nn.compact
    def __call__(self, x): return {"mean": nn.Dense(3)(x), "sd": nn.Dense(3)(x)}
def loss(output, targets):
    return (jnp.square((output["mean"] - targets) / (1 + output["sd"] ** 2))).mean()
x, y = np.random.rand(6, 8).astype("float32"), np.random.rand(6, 3).astype("float32")
def make(): return {"model": Net(), "inputs": x, "targets": y, "loss": loss,
                    "optimizer": optax.sgd(0.5), "item": "row"}
def numbers(): return {"model": nn.Dense(3), "inputs": x, "targets": y}
def rows(): return nn.Dense(3), x, (lambda output, targets: output), optax.adam(1e-3)
def opt(): return nn.Dense(3), x, (lambda output: output.sum()), "sgd"
def bad(): return {"model": nn.Dense(3), "inputs": x, "targets": y, "loss": lambda o, t: o - t}
def few(): return {"model": nn.Dense(3), "inputs": x, "targets": y[:2], "loss": loss}
"""


def _losses(facts: ModelFacts) -> list[float]:
    """Return the losses of three steps as hwbench's jax takes them."""
    from hwbench.dialects import jax as dialect

    network = registry.networks()[facts.name]
    case = Case(
        kind="workload", name=facts.name, version=facts.version, phase="training", runtime="jax",
        scenario="train_step", device="cpu", dtype="float32", batch_size=6, shape={},
    )  # fmt: skip
    program = dialect.prepare_workload(
        network.workload, network.variant.config, case, np.random.default_rng(1)
    )
    return list(program.answer(3).outputs[0])


def _flax_by_hand(facts: ModelFacts) -> list[float]:
    """Return the losses of three steps of FLAX_OWN's network, written as a user writes them."""
    import jax
    import optax

    flaxown = importlib.import_module("flaxown")
    network = registry.networks()[facts.name]
    (x,), y = network.workload.batch(network.variant.config, 6, np.random.default_rng(1))
    adapted = network.workload.build_flax(network.variant.config, "float32")
    params = adapted.init(jax.random.key(0), x)["params"]["module"]
    model = flaxown.Net()
    losses = []
    for _ in range(3):
        loss, slopes = jax.value_and_grad(lambda p: flaxown.loss(model.apply({"params": p}, x), y))(
            params
        )
        params = optax.apply_updates(params, jax.tree.map(lambda g: -0.5 * g, slopes))
        losses.append(float(loss))
    return losses


def test_a_flax_model_is_trained_by_its_own_loss_and_optimiser() -> None:
    pytest.importorskip("flax")
    Path("flaxown.py").write_text(FLAX_OWN)
    model_naming.named(["flaxown.py:make", "flaxown.py:numbers"], here)
    found, numbers = (own_models.facts_of(f"flaxown:{n}") for n in ("make", "numbers"))
    assert found is not None and numbers is not None
    assert (found.loss, found.item, found.targets.shape) == ("own", "row", (3,))
    assert (found.optimizer.name, found.optimizer.own) == ("sgd", True)
    assert (found.optimizer.moments, found.optimizer.learning_rate) == (0, None)
    assert (numbers.loss, numbers.optimizer.own) == ("own", False)
    assert numbers.notes == ("no loss was given: the mean square of output less targets",)
    assert _losses(found) == pytest.approx(_flax_by_hand(found), rel=1e-4)
    for name, said in (
        ("rows", "its loss takes more than the output"),
        ("opt", "gives a str for an optimiser, which has no init and update"),
        ("bad", "has a loss that gives float32 of shape (6, 3), not one number"),
        ("few", "gives targets that are not as many as its inputs"),
    ):
        with pytest.raises(BadInput, match=re.escape(said)):
            model_naming.named([f"flaxown.py:{name}"], here)


LIGHTNING = """
import lightning, torch
class Net(lightning.LightningModule):
    def __init__(self):
        super().__init__(); self.save_hyperparameters(); self.layer = torch.nn.Linear(4, 2)
    def forward(self, x): return self.layer(x)
    def training_step(self, batch, index):
        x, y = batch
        loss = ((self(x) - y) ** 2).sum()
        self.log("train_loss", loss)
        return {"loss": loss}
    def configure_optimizers(self):
        optimizer = torch.optim.SGD(self.parameters(), lr=0.01)
        return [optimizer], [torch.optim.lr_scheduler.StepLR(optimizer, 1)]
    def train_dataloader(self):
        data = torch.utils.data.TensorDataset(torch.randn(20, 4), torch.randn(20, 2))
        return torch.utils.data.DataLoader(data, batch_size=6)
"""


@pytest.mark.skipif(find_spec("torchvision") is None, reason="torchvision is not installed")
@pytest.mark.parametrize("first", ["let_torchvision_import", "when_torchvision_is_imported"])
def test_torchvision_is_imported_whoever_asks_for_it_first(first: str) -> None:
    code = (
        "from hwbench.dialects import torch_vision as v\n"
        "v.when_torchvision_is_imported()\n"
        f"v.{first}()\n"
        "import gc; gc.collect()\n"
        "import torchvision\n"
        "v.let_torchvision_import()\n"
        "assert torchvision.models.resnet18() is not None\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(find_spec("lightning") is None, reason="Lightning is not installed")
def test_a_lightning_module_is_trained_by_its_own_step(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("litmodel.py").write_text(LIGHTNING)
    monkeypatch.syspath_prepend(str(Path.cwd()))
    monkeypatch.delitem(sys.modules, "litmodel", raising=False)
    facts = described("lightning:litmodel:Net")
    assert facts.loss == "own" and facts.optimizer.said == "SGD" and facts.batch_size == 6
    network = own_models.adopt(facts)
    program = dialect.prepare_workload(
        network.workload, network.variant.config, training(network), np.random.default_rng(7)
    )
    first, *_, last = program.answer(20).outputs[0]
    assert last < first


def test_a_real_child_says_what_a_user_s_code_did(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(BadInput, match=r"it raised ValueError: no \(net.py:2\)"):
        model_naming.named([written("def make():\n    raise ValueError('no')")], Child)
    with pytest.raises(BadInput, match="killed by signal 9"):
        body = "import os, signal\ndef make():\n    os.kill(os.getpid(), signal.SIGKILL)"
        model_naming.named([written(body)], Child)
