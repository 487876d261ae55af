"""`run --runtime-option`: how a runtime executes is a case of its own, asked for by name."""

import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hwbench import registry, runtime_options
from hwbench.case import Case, shown
from hwbench.cli import status_of
from hwbench.errors import Unavailable
from hwbench.run import Options, make_plan
from hwbench.selection import Selection
from tests import fakes
from tests.fakes import FakeCrew

ROOT = Path(__file__).parent.parent
ort = pytest.importorskip("onnxruntime")
from hwbench.dialects import onnx_session  # noqa: E402


@pytest.fixture(autouse=True)
def _isolated(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fakes.isolate(monkeypatch, tmp_path)
    monkeypatch.chdir(tmp_path)


def case(device: str = "cpu", **options: Any) -> Case:
    return Case(
        kind="workload", name="mlp_small", version=1, phase="inference", scenario="single_stream",
        runtime="onnxruntime", device=device, dtype="float32", batch_size=1,
        shape={"width": 128}, options=options,
    )  # fmt: skip


def graph() -> bytes:
    """Return y = relu(relu(x)), which optimisation makes shorter."""
    onnx = pytest.importorskip("onnx")
    h, kind = onnx.helper, onnx.TensorProto.FLOAT
    x, y = (h.make_tensor_value_info(name, kind, [1, 4]) for name in "xy")
    nodes = [h.make_node("Relu", ["x"], ["z"]), h.make_node("Relu", ["z"], ["y"])]
    model = h.make_model(
        h.make_graph(nodes, "g", [x], [y]), opset_imports=[h.make_opsetid("", 17)], ir_version=8
    )
    done: bytes = model.SerializeToString()
    return done


def test_an_option_goes_to_the_runtimes_that_have_it() -> None:
    selection = Selection(
        runtimes=("torch", "onnxruntime"), models=("mlp_small",), runtime_options=("graph=basic",)
    )
    plan = make_plan(Options(profile="smoke", selection=selection), FakeCrew().spawn)
    found = {(c.runtime, c.options.get("graph")) for c in plan.runnable}
    assert found == {("torch", None), ("onnxruntime", "basic")}
    assert any(c.id.endswith("/graph=basic") for c in plan.runnable)
    assert shown({"graph": "basic", "setting": "fused"}) == " graph=basic fused"


@pytest.mark.parametrize(("asked", "said"), [
    (["--runtime-option", "grph=basic"], "no runtime option is named 'grph': did you mean graph"),
    (["--runtime-option", "graph=best"], "is none of its values: disabled, basic, extended, all"),
    (["--runtime-option", "graph"], "is not NAME=VALUE"),
    (["--runtime-option", "graph=all", "--runtime-option", "graph=basic"], "is given twice"),
    (["--runtime-option", "graph=all", "--runtime", "torch"], "torch has no such options"),
])  # fmt: skip
def test_what_no_runtime_takes_is_said(
    asked: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert status_of(["run", "--profile", "smoke", "--dry-run", *asked]) == 2
    assert said in capsys.readouterr().err


def test_they_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert status_of(["list", "runtimes", "--json"]) == 0
    assert "graph=disabled|basic|extended|all" in capsys.readouterr().out


def told(**options: Any) -> Any:
    return onnx_session.session(ort, graph(), case(**options), 2).get_session_options()


def test_a_session_is_made_so() -> None:
    level = ort.GraphOptimizationLevel
    assert told(graph="basic").graph_optimization_level == level.ORT_ENABLE_BASIC
    assert told(graph="disabled").graph_optimization_level == level.ORT_DISABLE_ALL
    assert told().graph_optimization_level == level.ORT_ENABLE_ALL
    assert not told(arena="off").enable_cpu_mem_arena and told().enable_cpu_mem_arena
    assert not told(**{"memory-pattern": "off"}).enable_mem_pattern
    assert told(execution="parallel").execution_mode == ort.ExecutionMode.ORT_PARALLEL
    key = "session.intra_op.allow_spinning"
    assert told(spinning="off").get_session_config_entry(key) == "0"
    # An edge profile's own, unless something else is asked.
    assert told(edge="phone").get_session_config_entry(key) == "0"
    assert told(edge="phone", spinning="on").get_session_config_entry(key) == "1"


def test_a_provider_that_the_package_lacks_is_said_with_what_it_has() -> None:
    assert "QNNExecutionProvider" not in ort.get_available_providers()
    with pytest.raises(Unavailable, match=r"has no QNNExecutionProvider, only .*CPUExecution"):
        onnx_session.session(ort, graph(), case(provider="qnn"), 1)


class FakeOrt:
    """onnxruntime of a build with more providers; `falls_back`: none of them starts."""

    GraphOptimizationLevel = ort.GraphOptimizationLevel
    SessionOptions = ort.SessionOptions

    def __init__(self, providers: list[str], falls_back: bool = False) -> None:
        self.providers, self.falls_back = providers, falls_back
        self.asked: list[Any] = []

    def get_available_providers(self) -> list[str]:
        return [*self.providers, "CPUExecutionProvider"]

    def InferenceSession(self, model: bytes, options: Any, providers: list[Any]) -> Any:
        self.asked, self.options = providers, options
        names = [p[0] if isinstance(p, tuple) else p for p in providers]
        have = names[-1:] if self.falls_back else names

        class Session:
            def get_providers(self) -> list[str]:
                return have

        return Session()


def test_a_provider_is_asked_for_and_never_replaced_in_silence() -> None:
    fake = FakeOrt(["XnnpackExecutionProvider"])
    onnx_session.session(fake, b"", case(provider="xnnpack"), 3)
    assert fake.asked == [
        ("XnnpackExecutionProvider", {"intra_op_num_threads": 3}), "CPUExecutionProvider",
    ]  # fmt: skip
    assert fake.options.intra_op_num_threads == 1  # two pools would stand in each other's way
    onnx_session.session(fake, b"", case(edge="phone"), 2)  # the profile's own order
    assert fake.asked[0][0] == "XnnpackExecutionProvider"
    onnx_session.session(fake, b"", case(), 2)
    assert fake.asked == ["CPUExecutionProvider"]
    with pytest.raises(Unavailable, match="fell back from XnnpackExecutionProvider"):
        onnx_session.session(
            FakeOrt(["XnnpackExecutionProvider"], falls_back=True), b"", case(provider="xnnpack"), 1
        )
    with pytest.raises(Unavailable, match="does not run on cpu"):
        onnx_session.session(
            FakeOrt(["TensorrtExecutionProvider"]), b"", case(provider="tensorrt"), 1
        )


def test_every_runtimes_options_have_values() -> None:
    for runtime in registry.runtimes().items.values():
        assert all(name and values for name, values in runtime.options.items())
    assert list(runtime_options.applied([case()], ())) == [case()]


IN_OPENVINO = """
import sys
from hwbench.runtimes import openvino
from tests.test_runtime_options import case, graph
made = openvino._compiled(
    openvino.library(), graph(), [(1, 4)], case(hint="throughput", pinning="off")
)
print(str(made.get_property("PERFORMANCE_HINT")).upper(), made.get_property("ENABLE_CPU_PINNING"))
"""


def test_openvino_takes_its_own() -> None:
    """In a process of its own: it forks where it is imported, which jax warns of in others."""
    if importlib.util.find_spec("openvino") is None:
        pytest.skip("openvino is not installed")
    done = subprocess.run(
        [sys.executable, "-c", IN_OPENVINO], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert "THROUGHPUT" in done.stdout and done.stdout.split()[-1] == "False", done.stderr
