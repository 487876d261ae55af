"""`--model FILE.onnx`: what is wrong with a file is said in a line, and open sizes are set."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hwbench import edge_agreement, edge_view, model_naming, own_draw, own_models, store
from hwbench.cli import status_of
from hwbench.dialects import onnx_edge, onnx_faults
from hwbench.errors import BadInput
from tests import fakes
from tests.test_own_models import here

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")


@pytest.fixture(autouse=True)
def _own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    fakes.isolate(monkeypatch, tmp_path)
    monkeypatch.chdir(tmp_path)
    yield
    own_models.forget()


def write(path: str, **how: Any) -> Any:
    """Write a product of its input with the unit matrix."""
    h, kinds = onnx.helper, onnx.TensorProto
    shape, kind = how.get("shape", ("n", 4)), how.get("kind", kinds.FLOAT)
    domain, op = how.get("domain", ""), how.get("op", "MatMul")
    given = h.make_tensor_value_info("x", kind, list(shape))
    made = h.make_tensor_value_info("y", kinds.FLOAT, how.get("out", ["n", 4]))
    weights = onnx.numpy_helper.from_array(np.eye(4, dtype="float32"), "w")
    node = h.make_node(op, ["x", "w"], ["y"], domain=domain)
    graph = h.make_graph([node], "g", [given], [made], [weights])
    opsets = [h.make_opsetid("", how.get("opset", 17))]
    opsets += [h.make_opsetid(domain, 1)] if domain else []
    model = h.make_model(graph, opset_imports=opsets, ir_version=8)
    if how.get("outside"):
        tensor = model.graph.initializer[0]
        tensor.ClearField("raw_data")
        tensor.data_location = kinds.EXTERNAL
        for key, value in (("location", how["outside"]), ("offset", "0"), ("length", "64")):
            entry = tensor.external_data.add()
            entry.key, entry.value = key, value
    Path(path).parent.mkdir(exist_ok=True)
    Path(path).write_bytes(model.SerializeToString()[: how.get("cut")])


@pytest.mark.parametrize(("how", "said"), [
    ({"opset": 99}, "needs an opset that onnxruntime"),
    ({"op": "Whirl", "domain": "acme"}, "does not know, acme:Whirl"),
    ({"kind": 8}, "takes x in a type that is not drawn here"),
    ({"kind": 10}, "takes x in float16: give it as float32, of which --edge-profile makes"),
    ({"cut": 40}, "is no ONNX file that can be used"),
    ({"shape": (3, 7), "out": [3, 4]}, "shapes that contradict each other at MatMul"),
    ({"shape": ("n", "k")}, r"shapes that contradict each other at MatMul.*--shape NAME=N"),
    ({"outside": "../secret.bin"}, "points outside the directory"),
    ({"outside": "/etc/hostname"}, "absolute"),
])  # fmt: skip
def test_a_file_that_cannot_be_run_is_said_in_a_line(how: dict[str, Any], said: str) -> None:
    Path("secret.bin").write_bytes(np.eye(4, dtype="float32").tobytes())
    write("in/m.onnx", **how)
    with pytest.raises(BadInput, match=said) as found:
        model_naming.named(["in/m.onnx"], here)
    assert "\n" not in str(found.value)


def test_what_a_file_is_called_says_nothing_of_its_fault() -> None:
    text = "Load model from opset-shape.onnx failed:Fatal error: acme:Whirl(-1) is not a registered"
    assert "acme:Whirl" in onnx_faults.said(f"{text} function/op", "1.32")


def test_a_kernel_that_a_provider_lacks_is_named() -> None:
    text = "NOT_IMPLEMENTED : Could not find an implementation for Conv(11) node with name 'c'"
    assert "without a kernel in onnxruntime's CPU provider, Conv" in onnx_faults.said(text, "1.32")


def test_a_size_that_a_file_leaves_open_is_set(capsys: pytest.CaptureFixture[str]) -> None:
    write("m.onnx", shape=("n", "k"))
    command = ["run", "--model", "m.onnx", "--profile", "smoke", "--only", "workload/*",
               "--out", "r.json"]  # fmt: skip
    assert status_of([*command, "--shape", "k=4"]) == 0
    (m,) = store.load(Path("r.json")).measurements
    assert (m.name, m.status, m.work.flops_per_iteration) == ("m.onnx@k=4", "ok", 32)
    own_models.forget()
    capsys.readouterr()
    assert status_of([*command, "--shape", "q=4"]) == 2
    assert "leaves no size q open: it names k, n" in capsys.readouterr().err
    assert status_of(["run", "--model", "mlp_small", "--shape", "k=4"]) == 2
    assert "name the file by --model FILE.onnx" in capsys.readouterr().err


def test_a_file_is_run_under_an_edge_profile() -> None:
    write("m.onnx")
    command = ["run", "--model", "m.onnx", "--profile", "smoke", "--edge-profile", "phone",
               "--out", "r.json"]  # fmt: skip
    assert status_of(command) == 0
    found = {edge_view.precision(m): m for m in store.load(Path("r.json")).measurements}
    assert {m.status for m in found.values()} == {"ok"}
    static = found["int8 static"].edge
    assert static is not None and static.model is not None
    agreed = static.model.agreement
    # a file's weights may be anybody's: how it agrees is told
    assert agreed is not None and agreed.top1_frac is not None and agreed.accuracy_frac is None
    assert agreed.error_frac < 0.05 and agreed.reason == "no labelled data was given: --data"


@pytest.mark.parametrize(("kind", "dtype", "low", "high"), [
    (2, "uint8", 0, 255), (3, "int8", -128, 127), (6, "int32", 0, 999), (7, "int64", 0, 999),
])  # fmt: skip
def test_whole_numbers_are_drawn_in_the_type_that_a_file_takes(
    kind: int, dtype: str, low: int, high: int
) -> None:
    h, kinds = onnx.helper, onnx.TensorProto
    given = h.make_tensor_value_info("x", kind, ["n", 16])
    made = h.make_tensor_value_info("y", kinds.FLOAT, ["n", 4])
    weights = onnx.numpy_helper.from_array(np.ones((16, 4), dtype="float32"), "w")
    nodes = [
        h.make_node("Cast", ["x"], ["f"], to=kinds.FLOAT),
        h.make_node("MatMul", ["f", "w"], ["y"]),
    ]
    model = h.make_model(
        h.make_graph(nodes, "g", [given], [made], [weights]),
        opset_imports=[h.make_opsetid("", 17)],
        ir_version=8,
    )
    Path("m.onnx").write_bytes(model.SerializeToString())
    (name,) = model_naming.named(["m.onnx"], here)  # which runs it once
    facts = own_models.facts_of(name)
    assert facts is not None
    (told,) = facts.inputs
    assert (told.dtype, told.low, told.high) == (dtype, low, high)
    assert own_draw.drawn(told, 3, np.random.default_rng(0)).dtype == dtype
    batches = [
        (own_draw.drawn(told, 2, np.random.default_rng(n)),) for n in range(8)
    ]  # what int8 is calibrated and judged on
    onnx_edge.quantise(Path("m.onnx"), Path("q.onnx"), "static", lambda: iter(batches))
    agreed = edge_agreement.agreement(
        onnx_edge.runner(Path("m.onnx")),
        onnx_edge.runner(Path("q.onnx")),
        iter([(b, None) for b in batches]),
        random=False,
        no_labels="none",
    )
    assert agreed.items == 16 and agreed.error_frac < 0.05


def test_a_file_that_is_quantised_already_is_not_taken_for_float32() -> None:
    write("m.onnx")
    rng = np.random.default_rng(0)
    batches = [(rng.standard_normal((1, 4), dtype="float32"),) for _ in range(8)]
    onnx_edge.quantise(Path("m.onnx"), Path("q.onnx"), "static", lambda: iter(batches))
    (name,) = model_naming.named(["q.onnx"], here)
    facts = own_models.facts_of(name)
    assert facts is not None and any("quantised already" in note for note in facts.notes)
