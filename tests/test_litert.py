"""LiteRT: what it computes, what it refuses, and files of the user's own."""

import importlib.util
import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hwbench import edge_agreement, edge_cases, model_naming, own_models, registry, store
from hwbench.cli import status_of
from hwbench.dialects import graph_inputs, litert, litert_session
from hwbench.edge_facts import EDGE, QUANTISED
from hwbench.errors import BadInput, Unavailable
from hwbench.selection import Selection
from tests import fakes
from tests.test_own_models import here
from tests.test_runtimes import NOT_CONVERTED

RUNTIME = registry.runtimes()["litert"]
CASE = replace(fakes.INFERENCE, runtime="litert", batch_size=1, scenario="single_stream")
converts = pytest.mark.skipif(
    importlib.util.find_spec("litert_torch") is None, reason="litert_torch is not installed"
)
runs = pytest.mark.skipif(
    importlib.util.find_spec("ai_edge_litert") is None, reason="ai_edge_litert is not installed"
)


@pytest.fixture(autouse=True)
def _isolated(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    fakes.isolate(monkeypatch, tmp_path)
    monkeypatch.chdir(tmp_path)
    yield
    own_models.forget()


WEIGHTS = np.random.default_rng(3).standard_normal((4, 16)).astype("float32")


def written(path: str, batch: int = 1, kind: str = "FLOAT32") -> str:
    """Write a file of one layer, x W', as a flatbuffer by its schema."""
    schema: Any = importlib.import_module("ai_edge_litert.schema_py_generated")
    flatbuffers: Any = importlib.import_module("flatbuffers")
    buffers = [schema.BufferT(), schema.BufferT()]
    buffers[1].data = WEIGHTS.view("uint8").reshape(-1)
    tensors = []
    for name, shape, buffer in (("x", [batch, 16], 0), ("w", [4, 16], 1), ("y", [batch, 4], 0)):
        tensor = schema.TensorT()
        tensor.name, tensor.shape, tensor.buffer = name, shape, buffer
        tensor.type = getattr(schema.TensorType, kind if name == "x" else "FLOAT32")
        tensors.append(tensor)
    code, operator, graph, model = (
        schema.OperatorCodeT(), schema.OperatorT(), schema.SubGraphT(), schema.ModelT(),
    )  # fmt: skip
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.FULLY_CONNECTED
    operator.inputs, operator.outputs = [0, 1, -1], [2]
    operator.builtinOptionsType = schema.BuiltinOptions.FullyConnectedOptions
    operator.builtinOptions = schema.FullyConnectedOptionsT()
    graph.tensors, graph.inputs, graph.outputs, graph.operators = tensors, [0], [2], [operator]
    model.version, model.operatorCodes, model.subgraphs = 3, [code], [graph]
    model.buffers = buffers
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    Path(path).write_bytes(bytes(builder.Output()))
    return path


# --- what it refuses


@pytest.mark.parametrize(("changes", "reason"), [
    ({"phase": "training", "scenario": "train_step"}, "litert runs inference only"),
    ({"dtype": "float16"}, "networks are not converted to float16 for litert"),
    ({"dtype": "bfloat16"}, "networks are not converted to bfloat16"),
    ({"dtype": "int8"}, "quantised under an edge profile"),
    ({"device": "cuda:0"}, "does not run on cuda:0"),
    ({"dtype": "int8", "options": {EDGE: "phone", QUANTISED: "static"}}, None),
    ({}, None),
])  # fmt: skip
def test_what_it_does_not_run_has_a_reason(changes: dict[str, Any], reason: str | None) -> None:
    found = RUNTIME.supports(replace(CASE, **changes))
    assert found == reason if reason is None else reason in (found or "")


def test_kernels_have_no_form_for_it() -> None:
    gemm = replace(fakes.GEMM, runtime="litert")
    assert "kernels have no form for litert" in (RUNTIME.supports(gemm) or "")
    with pytest.raises(Unavailable, match="kernels have no form"):
        RUNTIME.prepare_kernel(registry.kernels()["gemm"], gemm, None)


def test_a_missing_converter_is_named_with_both_lines_that_install_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("torch")
    monkeypatch.setitem(sys.modules, "litert_torch", None)
    network = registry.networks()["mlp_small"]
    asked = (network.workload, network.variant.config, 1)
    with pytest.raises(Unavailable, match="litert_torch is not installed") as caught:
        litert.export_workload(*asked, "float32", "m.tflite")
    remedy = caught.value.remedy or ""
    assert "pip install 'hwbench-dl[litert" in remedy and "pip install --no-deps" in remedy
    with pytest.raises(Unavailable, match="in float32, not in float16"):
        litert.export_workload(*asked, "float16", "m.tflite")


def test_the_remedy_is_what_the_file_for_make_pins() -> None:
    lines = (Path(__file__).parent.parent / "litert-converter.txt").read_text().splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert pins and all(pin in litert.REMEDY for pin in pins)


def test_edge_profiles_take_it() -> None:
    selection = Selection(edge_profiles=("phone",), runtimes=("onnxruntime", "litert"))
    edge_cases.check(selection)
    found = list(edge_cases.cases(["mlp_small"], selection))
    assert {c.runtime for c in found} == {"onnxruntime", "litert"}
    assert {edge_cases.precision_of(c) for c in found if c.runtime == "litert"} == {
        "float32", "dynamic", "static",
    }  # fmt: skip


# --- what it computes


@runs
@pytest.mark.parametrize("kernels", litert_session.OPTIONS["kernels"])
def test_a_file_computes_what_it_says(kernels: str, capfd: pytest.CaptureFixture[str]) -> None:
    made = litert_session.interpreter(Path(written("m.tflite")), 1, kernels=kernels)
    x = np.random.default_rng(0).standard_normal((1, 16)).astype("float32")
    litert_session.put(made, [x])
    for _ in range(3):  # the inputs stay where they are
        made.invoke()
        (told,) = litert_session.outputs(made)
        np.testing.assert_allclose(made.get_tensor(told["index"]), x @ WEIGHTS.T, rtol=1e-4)
    assert capfd.readouterr() == ("", "")  # XNNPACK's line is kept away


def test_arguments_come_in_their_own_order() -> None:
    names = [f"serving_default_args_{n}" for n in (10, 2, 0, 1)]
    details: list[Mapping[str, Any]] = [{"name": n, "index": i} for i, n in enumerate(names)]
    assert [d["index"] for d in litert_session._ordered(details)] == [2, 3, 1, 0]
    other: list[Mapping[str, Any]] = [{"name": "mask"}, {"name": "ids"}]
    assert litert_session._ordered(other) == other


@runs
def test_a_file_of_ones_own_is_run_as_it_is() -> None:
    written("m.tflite", batch=2)
    (name,) = model_naming.named(["m.tflite"], here)
    facts = own_models.facts_of(name)
    assert facts is not None and (facts.library, facts.batch_size) == ("tflite", 2)
    assert facts.fixed_batch and facts.parameters == 64 and facts.flops is None
    assert facts.flops_reason and facts.inputs[0].shape == (16,)
    run = ["run", "--model", "m.tflite", "--profile", "smoke", "--only", "workload/*",
           "--threads", "1", "--out", "r.json"]  # fmt: skip
    assert status_of(run) == 0
    record = store.load(Path("r.json"))
    (m,) = record.measurements  # by litert, that nobody named, and inference alone
    assert m.status == "ok" and m.runtime == "litert" and m.batch_size == 2
    assert m.checked is not None and "of one's own" in (m.checked.reason or "")
    assert m.work.counted_by.startswith("not counted: the shapes in a .tflite file")


@runs
def test_other_runtimes_do_not_run_it_nor_it_theirs(capsys: pytest.CaptureFixture[str]) -> None:
    written("m.tflite")
    run = ["run", "--model", "m.tflite", "--profile", "smoke", "--only", "workload/*",
           "--runtime", "torch", "--dry-run", "--json"]  # fmt: skip
    assert status_of(run) == 0
    told = json.loads(capsys.readouterr().out)["cases"]
    assert any("torch cannot run it: take --runtime litert" in (c["skip"] or "") for c in told)


def test_a_graph_of_onnx_is_refused_by_it(capsys: pytest.CaptureFixture[str]) -> None:
    onnx = pytest.importorskip("onnx")
    h, kinds = onnx.helper, onnx.TensorProto
    values = [h.make_tensor_value_info(n, kinds.FLOAT, [1, 4]) for n in "xy"]
    graph = h.make_graph([h.make_node("Neg", ["x"], ["y"])], "g", values[:1], values[1:])
    onnx.save(h.make_model(graph, opset_imports=[h.make_opsetid("", 17)], ir_version=8), "n.onnx")
    run = ["run", "--model", "n.onnx", "--edge-profile", "phone", "--profile", "smoke",
           "--runtime", "litert", "--dry-run", "--json"]  # fmt: skip
    assert status_of(run) == 0
    told = json.loads(capsys.readouterr().out)["cases"]
    assert told and all(c["skip"] for c in told)
    if importlib.util.find_spec("ai_edge_litert"):
        assert {c["skip"] for c in told} == {
            "n.onnx is made in onnx: litert cannot run it: take --runtime onnxruntime"
        }


@runs
@pytest.mark.parametrize(("name", "said"), [
    ("cut.tflite", "is no .tflite file that can be used: it is cut off or broken"),
    ("part.tflite", "is no .tflite file that can be used: "),
    ("text.tflite", "is no .tflite file that can be used: it does not begin as"),
    ("half.tflite", "takes x in float16, which is not drawn here"),
    ("odd.tflite", "cannot be run by litert"),
    ("m.tflite@image=3", "leaves no size open"),
    ("gone.tflite", "there is no file gone.tflite"),
])  # fmt: skip
def test_what_is_wrong_with_a_file_is_said(name: str, said: str) -> None:
    data = Path(written("m.tflite")).read_bytes()
    Path("cut.tflite").write_bytes(data[:100])
    Path("part.tflite").write_bytes(data[:-40])
    Path("text.tflite").write_text("a model")
    written("half.tflite", kind="FLOAT16")
    written("odd.tflite", kind="INT32")
    with pytest.raises(BadInput, match=said.replace(".", r"\.")):
        model_naming.named([name], here)


@pytest.mark.parametrize(("name", "kind", "wanted", "noted"), [
    ("ids", "int32", (0, graph_inputs.VOCAB - 1), 1), ("attention_mask", "int64", (1, 1), 0),
    ("token_type_ids", "int64", (0, 1), 0), ("x", "int8", (-128, 127), 0),
    ("x", "uint8", (0, 255), 0), ("x", "bool", (0, 1), 0),
])  # fmt: skip
def test_whole_numbers_are_drawn_from_what_a_name_and_type_tell(
    name: str, kind: str, wanted: tuple[int, int], noted: int
) -> None:
    notes: list[str] = []
    assert graph_inputs.ranges(name, kind, notes) == wanted and len(notes) == noted


# --- what is converted


@converts
@pytest.mark.parametrize("precision", ["dynamic", "static"])
def test_int8_is_held_against_float32(precision: str) -> None:
    from hwbench.dialects import litert_edge

    network = registry.networks()["mlp_small"]
    config = network.variant.config
    litert.export_workload(network.workload, config, 1, "float32", "f.tflite")

    def batches(first: int) -> Iterator[Any]:
        for n in range(first, first + 32):
            yield network.workload.batch(config, 1, np.random.default_rng(n))[0]

    files = Path("f.tflite"), Path("q.tflite")
    litert_edge.quantise(*files, precision, lambda: batches(0))
    found = litert_edge.described(files[1], files[0], precision, "made", 32)
    assert found.opset is None and found.model_bytes < 0.35 * found.float32_bytes
    assert found.calibration_items == (32 if precision == "static" else 0)
    judged = ((inputs, None) for inputs in batches(100))
    told = edge_agreement.agreement(
        litert_edge.runner(files[0]), litert_edge.runner(files[1]), judged, random=True,
        no_labels="none",
    )  # fmt: skip
    assert told.items == 32 and 0 < told.error_frac < 0.1
    static = litert_session.interpreter(files[1], 1)
    for d in (*litert_session.inputs(static), *litert_session.outputs(static)):
        assert d["dtype"] is np.float32  # as of onnxruntime's files
    with pytest.raises(BadInput, match=r"q\.tflite: is quantised already"):
        litert_edge.quantise(files[1], Path("again.tflite"), precision, lambda: batches(0))
    Path("torn.tflite").write_bytes(b"no model")
    with pytest.raises(BadInput, match=r"torn\.tflite: cannot be quantised"):
        litert_edge.quantise(Path("torn.tflite"), files[1], precision, lambda: batches(0))


@converts
@pytest.mark.parametrize(("name", "said"), [
    (NOT_CONVERTED[0], "cannot convert"), (NOT_CONVERTED[1], "to something else: an error of"),
])  # fmt: skip
def test_what_is_not_converted_rightly_is_not_measured(name: str, said: str) -> None:
    network = registry.networks()[name]
    config, size = network.variant.config, network.variant.batch_size
    with pytest.raises(Unavailable, match=said):
        litert.export_workload(network.workload, config, size, "float32", "m.tflite")


@converts
def test_a_run_under_a_profile_beside_onnxruntime(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    run = ["run", "--profile", "smoke", "--edge-profile", "phone", "--model", "resnet18_small",
           "--runtime", "onnxruntime", "--runtime", "litert", "--out", "r.json"]  # fmt: skip
    assert status_of([*run, "--latency-bound", "10s"]) == 0
    out = capsys.readouterr().out
    assert "int8 static, litert" in out and "int8 static, onnxruntime" in out
    found = [m for m in store.load(Path("r.json")).measurements if m.runtime == "litert"]
    assert [m.status for m in found] == ["ok"] * 3
    for m in found:
        assert m.edge is not None and m.edge.model is not None and m.edge.model.opset is None
        assert m.edge.model_memory_bytes is not None and m.checked is not None
        if m.dtype == "float32":
            error = m.checked.max_relative_error
            assert error is not None and error < 1e-4  # against torch in float64
    assert status_of([*run, "--memory", "1MB", "--force"]) == 0
    assert "does not fit: it takes more than" in capsys.readouterr().out
