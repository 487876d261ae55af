"""Edge profiles: what a run is held to, what int8 does to an answer, what is scaled."""

import json
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from hwbench import (
    edge_agreement,
    edge_facts,
    edge_figures,
    edge_limits,
    edge_view,
    host,
    model_naming,
    own_models,
    registry,
    store,
)
from hwbench.asking import Asking
from hwbench.case import Case
from hwbench.child import ChildFailed
from hwbench.cli import status_of
from hwbench.edge_facts import EDGE, Agreement, EdgeModel
from hwbench.measurement import Measurement
from hwbench.progress import Silent
from hwbench.run_terms import EdgeTerms
from tests import fakes
from tests.test_own_models import here
from tests.test_torch_loop import photographs

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
from hwbench.dialects import onnx_edge  # noqa: E402


@pytest.fixture(autouse=True)
def _isolated(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    fakes.isolate(monkeypatch, tmp_path)
    monkeypatch.chdir(tmp_path)
    yield
    own_models.forget()


MODEL = EdgeModel(
    precision="static", opset=17, model_bytes=5_000_000, float32_bytes=20_000_000,
    depthwise_frac=0.0, calibration="generated", calibration_items=8, agreement=None,
)  # fmt: skip


def test_every_profile_is_whole_and_says_where_it_is_from() -> None:
    found = edge_facts.profiles()
    assert {"phone", "drone", "raspberry-pi-5", "raspberry-pi-4", "jetson-orin-nano"} <= set(found)
    for p in found.values():
        assert p.source and p.date.year >= 2026 and set(p.precisions) <= set(edge_facts.PRECISIONS)
        assert p.load_w is None or p.idle_w is None or p.load_w > p.idle_w > 0
        for share in (p.utilisation_frac, p.depthwise_utilisation_frac):
            assert share is not None and 0 < share[0] < share[1] <= 1
        int8, float32 = (p.peak_flops_per_s.get(k) for k in ("int8", "float32"))
        assert int8 is None or float32 is None or int8 > float32


def test_a_projection_is_its_closed_form() -> None:
    p = edge_facts.profile("jetson-orin-nano")
    found = edge_figures.on_device(p, MODEL, 8_000_000_000, 10.0)
    assert isinstance(found, edge_facts.OnDevice)
    assert found.latency_s.low == pytest.approx(8e9 / (20e12 * 0.3))
    assert found.latency_s.high == pytest.approx(8e9 / (20e12 * 0.1))
    assert found.latency_s.point == pytest.approx(
        math.sqrt(found.latency_s.low * found.latency_s.high)
    )
    assert found.energy_j is not None
    assert found.energy_j.point == pytest.approx(10.0 * found.latency_s.point)  # 15 less 5 W
    assert found.keeps_up_frac == 1.0 and found.battery_h is None
    slow = edge_figures.on_device(p, MODEL, 8_000_000_000, 450.0)
    assert isinstance(slow, edge_facts.OnDevice)
    share = (math.log(1 / 450) - math.log(8e9 / 6e12)) / math.log(3)
    assert slow.keeps_up_frac == pytest.approx(share)
    deep = edge_figures.on_device(p, replace(MODEL, depthwise_frac=0.3), 8_000_000_000)
    assert isinstance(deep, edge_facts.OnDevice)
    assert deep.latency_s.high == pytest.approx(8e9 / (20e12 * 0.03))
    for model, flops, why in (
        (replace(MODEL, precision="dynamic"), 10**9, "dynamic int8"),
        (MODEL, None, "FLOPs are not known"),
    ):
        assert why in str(edge_figures.on_device(p, model, flops))
    pi = edge_facts.profile("raspberry-pi-4")
    assert "no peak in int8" in str(edge_figures.on_device(pi, MODEL, 10**9))


@pytest.mark.parametrize(("wh", "hover_w", "more_w", "lost"), [
    (77.0, 100.0, 15.0, 0.13), (18.96, 33.0, 7.0, 0.17),  # the published examples
])  # fmt: skip
def test_a_drone_loses_flight_time_to_its_computer(
    wh: float, hover_w: float, more_w: float, lost: float
) -> None:
    p = replace(
        edge_facts.profile("drone"),
        battery_wh=wh,
        hover_w=hover_w,
        idle_w=more_w - 1,
        load_w=more_w,
    )
    found = edge_figures.on_device(p, MODEL, 10**13)  # always busy
    assert isinstance(found, edge_facts.OnDevice)
    assert found.flight_lost_frac is not None and found.battery_h is not None
    assert found.flight_lost_frac.point == pytest.approx(lost, abs=0.006)
    assert found.battery_h.point == pytest.approx(wh / (hover_w + more_w))


@pytest.mark.parametrize(("b", "c"), [(0, 0), (1, 0), (5, 5), (2, 9), (30, 12), (0, 20)])
def test_mcnemars_p_is_the_binomials(b: int, c: int) -> None:
    stats = pytest.importorskip("scipy.stats")
    wanted = stats.binomtest(b, b + c).pvalue if b + c else 1.0
    assert edge_agreement.mcnemar(b, c) == pytest.approx(wanted)


@pytest.mark.parametrize(("hits", "n"), [(0, 10), (7, 10), (128, 128), (119, 128)])
def test_a_share_has_wilsons_interval(hits: int, n: int) -> None:
    stats = pytest.importorskip("scipy.stats")
    wanted = stats.binomtest(hits, n).proportion_ci(0.95, "wilson")
    found = edge_agreement.share(hits / n, n)
    assert (found.low, found.high) == pytest.approx((wanted.low, wanted.high), abs=1e-6)


def linear(path: str, classes: int = 4, features: int = 16, spread: float = 0.0) -> None:
    """Write a linear classifier whose classes are the largest of its first features."""
    weights = np.eye(features, classes, dtype="float32") * 3 + spread * (
        np.random.default_rng(5).standard_normal((features, classes)).astype("float32")
    )
    h, kinds = onnx.helper, onnx.TensorProto
    graph = h.make_graph(
        [h.make_node("MatMul", ["x", "w"], ["y"])], "g",
        [h.make_tensor_value_info("x", kinds.FLOAT, ["n", features])],
        [h.make_tensor_value_info("y", kinds.FLOAT, ["n", classes])],
        [onnx.numpy_helper.from_array(weights, "w")],
    )  # fmt: skip
    model = h.make_model(graph, opset_imports=[h.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, path)


def agreed(path: str, batches: Iterator[Any], **more: Any) -> Agreement:
    one, other = (onnx_edge.runner(Path(p)) for p in ("f.onnx", path))
    return edge_agreement.agreement(one, other, batches, **more)


def items(count: int, seed: int) -> list[tuple[Any, Any]]:
    """Return batches whose label is the class that the linear classifier gives."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        x = rng.standard_normal((1, 16)).astype("float32")
        found.append(((x,), x[:, :4].argmax(-1)))
    return found


def test_float16_is_half_the_size_and_nearly_the_same() -> None:
    linear("f.onnx", classes=64, features=512, spread=0.1)
    onnx_edge.quantise(Path("f.onnx"), Path("h.onnx"), "float16", lambda: iter(()))
    assert onnx_edge.size_of(Path("h.onnx")) < 0.52 * onnx_edge.size_of(Path("f.onnx"))
    rng = np.random.default_rng(0)
    given = [((rng.standard_normal((1, 512)).astype("float32"),), None) for _ in range(20)]
    told = agreed("h.onnx", iter(given), random=False, no_labels="none")
    assert 0 < told.error_frac < 1e-3
    assert told.top1_frac is not None and told.top1_frac.point == 1.0
    found = onnx_edge.described(Path("h.onnx"), Path("f.onnx"), "float16", None, 0)
    assert (found.opset, found.calibration_items, found.depthwise_frac) == (17, 0, 0.0)


@pytest.mark.parametrize("precision", ["dynamic", "static"])
def test_int8_is_held_against_float32_on_the_same_items(precision: str) -> None:
    linear("f.onnx")
    onnx_edge.quantise(
        Path("f.onnx"), Path("q.onnx"), precision, lambda: (i for i, _ in items(64, 1))
    )
    kinds = {n.op_type for n in onnx.load("q.onnx").graph.node}
    assert kinds & ({"MatMulInteger"} if precision == "dynamic" else {"QuantizeLinear"})
    told = agreed("q.onnx", iter(items(200, 2)), random=False, no_labels=None)
    assert told.items == 200 and 0 < told.error_frac < 0.03
    assert told.top1_frac is not None and told.top1_frac.point > 0.95
    assert told.float32_accuracy_frac is not None and told.float32_accuracy_frac.point == 1.0
    assert told.accuracy_frac is not None and told.only_quantised_right == 0
    wrong = round(200 * (1 - told.accuracy_frac.point))
    assert told.only_float32_right == wrong
    assert told.mcnemar_p == pytest.approx(edge_agreement.mcnemar(wrong, 0))
    bare = agreed("q.onnx", iter(items(20, 3)), random=True, no_labels="none")
    assert (bare.top1_frac, bare.accuracy_frac, bare.reason) == (None, None, edge_agreement.RANDOM)


def run(*more: str) -> int:
    command = ["run", "--profile", "smoke", "--model", "resnet18_small", "--out", "r.json"]
    return status_of([*command, "--force", *more])


def of(path: str = "r.json") -> dict[str, Measurement]:
    return {
        f"{m.runtime_options['edge']} {edge_view.precision(m)}": m
        for m in store.load(Path(path)).measurements
    }


def test_a_run_under_profiles(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("torch")
    pytest.importorskip("onnxscript")
    assert (
        run("--edge-profile", "phone", "--edge-profile", "mcu-class", "--latency-bound", "10s") == 0
    )
    out = capsys.readouterr().out
    found = of()
    assert list(found) and set(found) == {
        "phone float32", "phone int8 dynamic", "phone int8 static", "mcu-class int8 static",
    }  # fmt: skip
    threads = min(2, host.environment().cpu.cores)
    for name in ("phone float32", "phone int8 dynamic", "phone int8 static"):
        m = found[name]
        assert m.status == "ok" and m.batch_size == 1 and m.scenario == "single_stream"
        assert m.edge is not None and m.edge.model is not None
        assert (m.edge.threads, m.edge.latency_bound_s) == (threads, 10.0)
        assert m.edge.model_memory_bytes is not None and edge_view.fits(m) is not False
        assert m.edge.cold_start_s is not None and m.edge.cold_start_s > 0
        assert m.edge.on_device is not None or m.edge.no_device
    plain, static = found["phone float32"], found["phone int8 static"]
    assert plain.edge is not None and plain.edge.model is not None
    assert plain.checked is not None and plain.checked.max_relative_error is not None
    assert static.edge is not None and static.edge.model is not None
    model = static.edge.model
    assert model.model_bytes < 0.6 * model.float32_bytes == 0.6 * plain.edge.model.model_bytes
    assert model.agreement is not None and 0 < model.agreement.error_frac < 0.5
    assert model.agreement.reason == edge_agreement.RANDOM and model.calibration_items == 128
    mcu = found["mcu-class int8 static"]
    assert mcu.status == "skipped" and "no process" in (mcu.reason or "")
    assert mcu.edge is not None and mcu.edge.model is not None and mcu.edge.on_device is not None
    assert "resnet18_small as on phone" in out and "its weights are random" in out
    for m in (plain, static):
        assert m.edge is not None
        operators = m.edge.operators
        assert sum(o.share_frac for o in operators) == pytest.approx(1.0)
        assert [o.seconds for o in operators] == sorted(
            (o.seconds for o in operators), reverse=True
        )
        assert {o.provider for o in operators} == {"CPUExecutionProvider"}
    assert "Conv" in {o.operator for o in plain.edge.operators}
    assert status_of(["plot", "operators", "r.json"]) == 0
    drawn = capsys.readouterr().out
    assert "operators of resnet18_small as on phone" in drawn and "Conv" in drawn
    assert status_of(["run", "--resume", "r.json"]) == 0  # all is there
    assert status_of(["report", "r.json", "-o", "r.html"]) == 0
    page = Path("r.html").read_text()
    assert (
        "On a small device" in page and "int8 static" in page and "its weights are random" in page
    )
    again = of()["phone int8 static"].edge
    assert again == static.edge
    store.save(replace(store.load(Path("r.json")), measurements=()), Path("empty.json"))
    assert status_of(["plot", "operators", "empty.json"]) == 2
    late = replace(plain, status="skipped", reason="not visited: the run ended before its turn")
    assert (edge_view.fits(late), edge_view.able(late)) == (None, "-")
    assert (edge_view.fits(mcu), edge_view.able(mcu)) == (False, "no")
    capsys.readouterr()
    assert run("--edge-profile", "phone", "--memory", "1MB") == 0
    assert all("does not fit" in (m.reason or "") for m in of().values())
    assert "does not fit: it takes more than the 0.9537 MiB" in capsys.readouterr().out


def test_the_users_data_calibrate_and_judge(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("PIL.Image")
    pytest.importorskip("torch")
    photographs(Path("photos"), {"a": 12, "b": 9, "c": 3})
    (name,) = model_naming.named([_classifier()], here)
    own_models.forget()
    more = ["--edge-profile", "raspberry-pi-4", "--data", "photos"]
    command = ["run", "--profile", "smoke", "--model", "net.py:make", "--out", "r.json", *more]
    assert status_of(command) == 0
    m = of()["raspberry-pi-4 int8 static"]
    assert m.edge is not None and m.edge.model is not None and m.name == name
    model = m.edge.model
    assert model.calibration_items == 12 and "24 image files" in (model.calibration or "")
    agreed = model.agreement
    assert agreed is not None and agreed.items == 12 and agreed.reason is None
    assert agreed.top1_frac is not None and agreed.accuracy_frac is not None
    assert agreed.mcnemar_p is not None
    assert "right" in capsys.readouterr().out
    protocol = store.load(Path("r.json")).protocol
    assert protocol.edge is not None and protocol.edge.data == "photos"
    assert status_of(["run", "--profile", "smoke", "--model", "mlp_small", *more]) == 2
    assert "takes rows" in capsys.readouterr().err


def _classifier() -> str:
    Path("net.py").write_text(
        "import torch\ndef make():\n"
        "    m = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU(),"
        " torch.nn.AdaptiveAvgPool2d(2), torch.nn.Flatten(), torch.nn.Linear(16, 3))\n"
        "    return m, torch.rand(2, 3, 24, 24)\n"
    )
    return "net.py:make"


@pytest.mark.parametrize(("more", "said"), [
    (["--edge-profile", "phne"], "no edge profile is named 'phne': did you mean phone?"),
    (["--edge-profile", "phone", "--batch-size", "4"], "--batch-size: an edge profile says that"),
    (["--edge-profile", "phone", "--runtime", "jax"], "edge profiles are of onnxruntime"),
    (["--edge-profile", "phone", "--scenario", "offline"], "--scenario: an edge profile says"),
    (["--memory", "512MB"], "--memory is of an edge profile"),
    (["--rate", "5"], "--rate is of an edge profile"),
    (["--edge-profile", "phone", "--memory", "many"], "is no size of memory"),
    (["--edge-profile", "phone", "--data", "nowhere"], "no such file or folder"),
])  # fmt: skip
def test_what_does_not_go_with_a_profile_is_said(
    more: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*more, "--dry-run") == 2
    assert said in capsys.readouterr().err


def test_profiles_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert status_of(["list", "edge-profiles", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert "drone" in json.dumps(told)


def test_a_file_that_cannot_be_quantised_says_so() -> None:
    Path("torn.onnx").write_bytes(b"no model")
    with pytest.raises(Exception, match=r"torn\.onnx: cannot be prepared"):
        onnx_edge.quantise(Path("torn.onnx"), Path("q.onnx"), "static", lambda: iter(()))


def test_limits_are_the_profiles_or_those_asked() -> None:
    phone = edge_facts.profile("phone")
    network = registry.networks()["resnet18_small"]
    edge = Case(
        kind="workload", name=network.name, version=1, phase="inference", runtime="onnxruntime",
        scenario="single_stream", device="cpu", dtype="float32", batch_size=1,
        options={"edge": "phone"},
    )  # fmt: skip
    own = replace(fakes.PROTOCOL, edge=EdgeTerms())
    asked = replace(own, edge=EdgeTerms(memory_bytes=5, latency_bound_s=0.5, threads=1))
    assert edge_limits.memory_bytes(edge, own) == phone.memory_bytes
    assert edge_limits.memory_bytes(edge, asked) == 5
    assert edge_limits.latency_bound_s(edge, own) == phone.latency_bound_s
    assert edge_limits.latency_bound_s(edge, asked) == 0.5
    assert edge_limits.threads(edge, asked) == 1


@pytest.mark.parametrize(("without_limit", "reason", "fits"), [
    ("runs", "the process was killed by signal 11 (SIGSEGV)", False),
    ("crashes", "the process was killed by signal 11 (SIGSEGV)", None),
    ("runs", "the process ended with exit status 1; its last line: no such operator", None),
])  # fmt: skip
def test_a_crash_under_a_limit_is_for_want_of_memory_if_without_it_the_case_runs(
    without_limit: str, reason: str, fits: bool | None
) -> None:
    of = Case(
        kind="workload", name="mlp_small", version=1, phase="inference", scenario="single_stream",
        runtime="onnxruntime", device="cpu", dtype="float32", batch_size=1,
        options={EDGE: "phone"},
    )  # fmt: skip
    limits: list[int | None] = []

    def ask(verb: str, request: Any, *_: Any) -> Any:
        limits.append(request.model_limit_bytes)
        if request.model_limit_bytes is not None or without_limit == "crashes":
            raise ChildFailed("crashed", reason)
        return SimpleNamespace(ok=True)

    crew = SimpleNamespace(
        member=lambda case: SimpleNamespace(number=0, ask=ask),
        threads=lambda case: 1,
        memory_limit=lambda case: None,
        model_limit=lambda case: 10**6,
        lose=lambda case: None,
        result=lambda reply: fakes.visit_result(of, 0, 0.1),
    )
    prepared = SimpleNamespace(
        blocked=lambda case: None,
        paths=lambda case: {"check_batch": None},
        edge_model=lambda case: None,
    )
    asking = Asking(
        protocol=fakes.PROTOCOL,
        crew=crew,  # type: ignore[arg-type]
        preparation=prepared,  # type: ignore[arg-type]
        progress=Silent(),
        clock=lambda: 0.0,
        run_start=0.0,
        left_s=lambda: None,
    )
    found = asking.visit(of, 0, check=False)
    assert found.status == "failed" and reason in (found.reason or "")
    assert ((found.reason or "").startswith("does not fit: it takes more")) is (fits is False)
    assert (found.code == "unavailable") is (fits is False)
    assert limits[0] == 10**6 and limits[1:] == ([None] if "SIGSEGV" in reason else [])
