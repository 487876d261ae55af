"""Every runtime computes what the references say, and is honest about what it cannot run."""

import itertools
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from hwbench import registry
from hwbench.case import Case
from hwbench.check import kernel_error, output_error
from hwbench.dialects import caches, rounding, torch_device, torch_tensors
from hwbench.dialects import litert as litert_dialect
from hwbench.dialects import onnx as onnx_dialect
from hwbench.dialects import torch as torch_dialect
from hwbench.errors import Unavailable
from hwbench.registry import Network
from hwbench.runtime import Program, Runtime
from hwbench.units import BYTES_PER_KIB, TOLERANCE
from tests.networks import OTHER_SIZES

RUNTIMES = registry.runtimes().items
KERNELS = registry.kernels().items
SMALL = {
    n.name: n
    for n in registry.networks().items.values()
    if n.variant is n.workload.variants.get("small") and n.workload.name not in OTHER_SIZES
}
QUICK = [name for name in RUNTIMES if name != "torch-compile"]  # it compiles for seconds a case
LOSS_TOLERANCE = 1e-3
# By litert_torch 0.10: routes that depend on values, and a single head of keys and values.
NOT_CONVERTED = ("qwen_moe_30b_a3b_small", "llama_8b_small")

# torch calls its own deprecated function: nothing to be done here.
pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit.script_method` is deprecated")


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Keep torch to one thread: beside other processes, small operations on more wait and spin."""
    torch = pytest.importorskip("torch")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def kernel_case(runtime: str, kernel: str, phase: str = "forward", **changes: Any) -> Case:
    shape = next(iter(KERNELS[kernel].shapes.values()))
    facts = {"device": "cpu", "dtype": "float32", "scenario": "hot", "shape": shape, **changes}
    return Case(kind="kernel", name=kernel, version=1, phase=phase, runtime=runtime, **facts)


def network_case(runtime: str, network: Network, phase: str, **changes: Any) -> Case:
    facts = {"device": "cpu", "dtype": "float32", "scenario": "offline", **changes}
    batch_size = network.variant.batch_size
    return Case(
        kind="workload",
        name=network.name,
        version=1,
        phase=phase,
        runtime=runtime,
        batch_size=batch_size,
        **facts,
    )


def usable(name: str) -> Runtime:
    """Return the runtime, or skip the test where its library is not installed."""
    runtime = RUNTIMES[name]
    try:
        runtime.probe()
    except Unavailable as e:
        pytest.skip(str(e))
    return runtime


def prepared_kernel(runtime: Runtime, case: Case) -> Program:
    if runtime.supports(case):
        pytest.skip(str(runtime.supports(case)))
    return runtime.prepare_kernel(KERNELS[case.name], case, np.random.default_rng(1))


def prepared_network(runtime: Runtime, network: Network, case: Case, folder: Path) -> Program:
    if runtime.supports(case):
        pytest.skip(str(runtime.supports(case)))
    export = str(folder / "network.onnx") if runtime.needs_export else None
    if export:
        if runtime.dialect == "tflite":
            pytest.importorskip("litert_torch")
            if network.name in NOT_CONVERTED:
                pytest.skip("litert_torch does not convert it: tests/test_litert.py")
        dialect: Any = {"onnx": onnx_dialect, "tflite": litert_dialect}[runtime.dialect]
        config, batch_size = network.variant.config, network.variant.batch_size
        dialect.export_workload(network.workload, config, batch_size, case.dtype, export)
    rng = np.random.default_rng(5)
    return runtime.prepare_workload(network.workload, network.variant.config, case, rng, export)


def reference(network: Network, phase: str, steps: int = 1) -> Any:
    config, batch_size = network.variant.config, network.variant.batch_size
    return torch_dialect.reference_workload(network.workload, config, phase, batch_size, 5, steps)


# --- what they compute


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16", "int8"])
@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("runtime", QUICK)
def test_a_kernel_computes_its_reference_and_does_so_on_fresh_inputs(
    runtime: str, kernel: str, dtype: str
) -> None:
    if dtype not in KERNELS[kernel].dtypes:
        pytest.skip(f"{kernel} has no {dtype}")
    case = kernel_case(runtime, kernel, dtype=dtype)
    same_on_fresh_inputs(usable(runtime), case)


@pytest.mark.parametrize("kernel", [k.name for k in KERNELS.values() if k.backward_flops])
@pytest.mark.parametrize("runtime", QUICK)
def test_a_backward_pass_gives_the_gradients_and_does_so_on_fresh_inputs(
    runtime: str, kernel: str
) -> None:
    same_on_fresh_inputs(usable(runtime), kernel_case(runtime, kernel, "backward"))


@pytest.mark.parametrize("phase", ["forward", "backward"])
def test_torch_compile_computes_the_same(phase: str) -> None:
    same_on_fresh_inputs(usable("torch-compile"), kernel_case("torch-compile", "gemm", phase))


def same_on_fresh_inputs(runtime: Runtime, case: Case) -> None:
    try:
        program = prepared_kernel(runtime, case)
    except Unavailable as e:
        pytest.skip(str(e))  # a dtype that the library refuses on this device
    before, kernel = program.answer(1), KERNELS[case.name]
    program.wait(program.step())
    program.renew(np.random.default_rng(2))
    after = program.answer(1)
    for answer in (before, after):
        error = kernel_error(kernel, case.shape, case.phase, answer)
        assert error <= TOLERANCE[case.dtype]
    for old, new in zip(before.inputs, after.inputs, strict=True):
        assert old.shape == new.shape
        assert (old != new).mean() > 0.9


@pytest.mark.parametrize("network", SMALL)
@pytest.mark.parametrize("runtime", QUICK)
def test_a_network_infers_the_logits_of_its_reference(
    runtime: str, network: str, tmp_path: Path
) -> None:
    plugin, net = usable(runtime), SMALL[network]
    case = network_case(runtime, net, "inference")
    program = prepared_network(plugin, net, case, tmp_path)
    before = program.answer(1)
    assert output_error(before.outputs, reference(net, "inference")) <= TOLERANCE["float32"]
    program.wait(program.step())
    program.renew(np.random.default_rng(6))
    after = program.answer(1)
    assert after.outputs[0].shape == before.outputs[0].shape
    assert not np.allclose(after.outputs[0], before.outputs[0])


@pytest.mark.parametrize("network", SMALL)
@pytest.mark.parametrize("runtime", QUICK)
def test_a_network_learns_as_its_reference_does(runtime: str, network: str, tmp_path: Path) -> None:
    plugin, net = usable(runtime), SMALL[network]
    case = network_case(runtime, net, "training", scenario="train_step")
    program = prepared_network(plugin, net, case, tmp_path)
    losses = program.answer(3).outputs
    assert output_error(losses, reference(net, "training", 3)) <= LOSS_TOLERANCE
    program.renew(np.random.default_rng(6))
    program.wait(program.step())
    (after,) = program.answer(1).outputs
    assert np.isfinite(after).all()


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("runtime", QUICK)
def test_a_network_infers_in_half_precision(runtime: str, dtype: str, tmp_path: Path) -> None:
    plugin, net = usable(runtime), SMALL["mlp_small"]
    case = network_case(runtime, net, "inference", dtype=dtype)
    outputs = prepared_network(plugin, net, case, tmp_path).answer(1).outputs
    error = output_error(outputs, reference(net, "inference"))
    assert TOLERANCE["float32"] < error <= TOLERANCE[dtype]  # it is half, and it is right


@pytest.mark.parametrize("runtime", ["torch", "jax"])
def test_a_network_learns_in_bfloat16_with_float32_weights(runtime: str, tmp_path: Path) -> None:
    plugin, net = usable(runtime), SMALL["mlp_small"]
    case = network_case(runtime, net, "training", dtype="bfloat16", scenario="train_step")
    losses = prepared_network(plugin, net, case, tmp_path).answer(3).outputs
    error = output_error(losses, reference(net, "training", 3))
    assert 1e-6 < error <= TOLERANCE["bfloat16"]


def test_only_a_cold_case_gets_something_to_empty_the_caches() -> None:
    runtime = usable("torch")
    assert prepared_kernel(runtime, kernel_case("torch", "triad")).flush is None
    cold = prepared_kernel(runtime, kernel_case("torch", "triad", scenario="cold"))
    assert cold.flush is not None
    cold.flush()


# --- what they refuse


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_every_runtime_finds_the_processor(runtime: str) -> None:
    facts = usable(runtime).probe()
    assert facts.name == runtime
    assert facts.version
    assert "cpu" in facts.devices


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"dtype": "tf32"}, "TF32"),
        ({"phase": "backward", "dtype": "int8"}, "integers have no gradient|inference only"),
        ({"device": "npu:0"}, "does not run on npu:0"),
    ],
)
@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_case_is_refused_with_its_reason(
    runtime: str, changes: dict[str, Any], reason: str
) -> None:
    refused = RUNTIMES[runtime].supports(kernel_case(runtime, "gemm", **changes))
    assert refused is not None
    assert any(part in refused for part in reason.split("|"))


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_float16_training_is_refused_everywhere(runtime: str) -> None:
    case = network_case(runtime, SMALL["mlp_small"], "training", dtype="float16")
    assert RUNTIMES[runtime].supports(case)


@pytest.mark.parametrize("runtime", [r for r in RUNTIMES if r not in ("openvino", "litert")])
def test_float32_and_tf32_run_on_nvidia(runtime: str) -> None:
    for dtype in ("float32", "tf32"):
        case = kernel_case(runtime, "gemm", device="cuda:1", dtype=dtype)
        assert RUNTIMES[runtime].supports(case) is None


def test_openvino_tells_nobody_what_it_reads(tmp_path: Path) -> None:
    code = (
        "import os, sys, socket\n"
        "forks = []\n"
        "os.register_at_fork(before=lambda: forks.append(1))\n"
        "from hwbench.runtimes import openvino as plugin\n"
        "ov = plugin.library()\n"
        "ov.Core().compile_model(ov.Core().read_model(sys.argv[1]), 'CPU')\n"
        "assert sys.modules['openvino_telemetry'] is None and not forks\n"
    )
    usable("openvino")
    usable("onnxruntime")
    graph = KERNELS["gemm"].build_onnx
    assert graph is not None
    path = tmp_path / "m.onnx"
    path.write_bytes(graph({"m": 8, "n": 8, "k": 8}, "float32").SerializeToString())
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_onnxruntime_only_infers() -> None:
    runtime = RUNTIMES["onnxruntime"]
    for phase in ("forward", "backward"):
        refused = runtime.supports(kernel_case("onnxruntime", "gemm", phase))
        assert refused == (None if phase == "forward" else "onnxruntime here runs inference only")


@pytest.mark.parametrize("runtime", QUICK)
def test_a_device_that_is_not_there_is_named(runtime: str) -> None:
    case = kernel_case(runtime, "gemm", device="cuda:99")
    with pytest.raises(Unavailable, match="cuda:99"):
        usable(runtime).prepare_kernel(KERNELS["gemm"], case, np.random.default_rng(1))


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_library_that_is_not_installed_is_named_with_its_remedy(
    runtime: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugin = RUNTIMES[runtime]
    monkeypatch.setitem(sys.modules, plugin.library, None)  # Python's own mark of "not there"
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    with pytest.raises(Unavailable, match="pip install 'hwbench-dl") as caught:
        plugin.probe()
    assert caught.value.remedy == plugin.remedy


def test_a_library_that_breaks_at_import_is_told_from_one_that_is_absent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hwbench.dialects.libraries import load

    (tmp_path / "broken_framework.py").write_text("raise OSError('libcudart.so.13: not found')")
    (tmp_path / "lame_framework.py").write_text("import a_module_that_is_nowhere")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(Unavailable, match=r"fails at import \(OSError: libcudart"):
        load("broken_framework", "pip install it")
    with pytest.raises(Unavailable, match="needs a_module_that_is_nowhere"):
        load("lame_framework", "pip install it")


def test_torch_compile_without_a_compiler_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(Unavailable, match="compiler"):
        RUNTIMES["torch-compile"].probe()


# --- threads, precision, clocks


def test_jax_refuses_a_number_of_threads_that_it_did_not_start_with(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("NPROC", "3")
    RUNTIMES["jax"].configure(3)
    with pytest.raises(Unavailable, match="asked for 2 threads and started with 3"):
        RUNTIMES["jax"].configure(2)
    monkeypatch.delenv("NPROC")
    RUNTIMES["jax"].configure(caches.cpus())


@pytest.fixture
def kept_threads() -> Iterator[None]:
    torch = pytest.importorskip("torch")
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)
    RUNTIMES["onnxruntime"].configure(caches.cpus())


@pytest.mark.usefixtures("kept_threads")
def test_threads_are_as_configured() -> None:
    from hwbench.runtimes import onnxruntime as plugin

    usable("onnxruntime")
    for name in ("torch", "onnxruntime"):
        RUNTIMES[name].configure(1)
        assert usable(name).probe().details["threads"] == "1"
    case = kernel_case("onnxruntime", "gemm")
    gemm = registry.kernels()["gemm"].build_onnx
    assert gemm is not None
    model = gemm(case.shape, "float32").SerializeToString()
    options = plugin._session(plugin.library(), model, case).get_session_options()
    assert (options.intra_op_num_threads, options.inter_op_num_threads) == (1, 1)


class FakeEvent:
    """A CUDA event on a clock that a test turns."""

    clock_ms = 0.0

    def __init__(self, enable_timing: bool) -> None:
        assert enable_timing
        self.at_ms: float | None = None
        self.known = False

    def record(self) -> None:
        self.at_ms = FakeEvent.clock_ms

    def synchronize(self) -> None:
        self.known = True

    def elapsed_time(self, end: "FakeEvent") -> float:
        assert end.known, "read before the GPU had come to it"
        assert self.at_ms is not None and end.at_ms is not None
        return end.at_ms - self.at_ms


def test_the_event_timer_counts_seconds_of_the_loops_alone() -> None:
    synchronised: list[float] = []

    def step() -> None:
        FakeEvent.clock_ms += 250.0

    def synchronize() -> None:
        FakeEvent.clock_ms += 1000.0  # earlier work, which must not be counted
        synchronised.append(FakeEvent.clock_ms)

    cuda = SimpleNamespace(Event=FakeEvent, synchronize=synchronize)
    timer = torch_device.event_timer(cuda, step)
    assert timer(3) == pytest.approx(0.75)
    assert timer(1) == pytest.approx(0.25)
    assert len(synchronised) == 2


class FakeTorch:
    """torch's switches for float32 products, and nothing else."""

    def __init__(self) -> None:
        self.matmul = "?"
        self.backends = SimpleNamespace(cudnn=SimpleNamespace(allow_tf32=None))

    def set_float32_matmul_precision(self, precision: str) -> None:
        self.matmul = precision

    @property
    def now(self) -> tuple[str, Any]:
        return self.matmul, self.backends.cudnn.allow_tf32


def test_each_program_keeps_its_precision_when_two_run_in_turn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch_device, "_precision", [None])
    torch, cuda = FakeTorch(), SimpleNamespace(type="cuda")
    exact = torch_device.precise(torch, lambda: torch.now, cuda, "float32")
    coarse = torch_device.precise(torch, lambda: torch.now, cuda, "tf32")
    for _ in range(2):
        assert exact() == ("highest", False)
        assert coarse() == ("high", True)


def test_float32_stays_float32_in_torch() -> None:
    torch = pytest.importorskip("torch")
    prepared_kernel(usable("torch"), kernel_case("torch", "gemm"))
    assert torch.get_float32_matmul_precision() == "highest"
    assert torch.backends.cudnn.allow_tf32 is False


def test_a_jax_program_is_traced_in_the_precision_of_its_case() -> None:
    jax = pytest.importorskip("jax")
    from hwbench.dialects import jax as jax_dialect

    wanted = {"float32": "highest", "tf32": "tensorfloat32", "bfloat16": None}
    for dtype, precision in wanted.items():
        case = kernel_case("jax", "gemm", device="cuda:0", dtype=dtype)
        with jax_dialect.precision(jax, case.dtype, case.device):
            assert jax.config.jax_default_matmul_precision == precision


def test_onnxruntime_counts_the_gpus_that_the_driver_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hwbench.dialects import onnx_session as plugin

    for name in ("nvidia0", "nvidia1", "nvidiactl", "nvidia-uvm"):
        (tmp_path / name).touch()
    names = [plugin.DEVICES["cuda"], plugin.DEVICES["cpu"]]
    ort = SimpleNamespace(get_available_providers=lambda: names)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert plugin.devices(ort, tmp_path) == ("cpu", "cuda:0", "cuda:1")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    assert plugin.devices(ort, tmp_path) == ("cpu", "cuda:0")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    assert plugin.devices(ort, tmp_path) == ("cpu",)
    names.pop(0)
    assert plugin.devices(ort, tmp_path) == ("cpu",)


# --- rounding and caches


def test_inputs_are_rounded_to_the_dtype() -> None:
    values = np.array([0.1, -1.0, 100.0])
    assert rounding.to_storage(values, "int8").tolist() == [2, -16, 127]
    assert rounding.to_storage(values, "float16").dtype == np.float16
    assert rounding.to_storage(values, "tf32").dtype == np.float32
    labels = np.array([3, 4])
    assert rounding.to_storage(labels, "float16").dtype == labels.dtype


@pytest.mark.parametrize("runtime", ["torch", "jax"])
def test_the_reference_gets_the_inputs_as_rounded(runtime: str) -> None:
    case = kernel_case(runtime, "triad", dtype="bfloat16")
    (b, _) = prepared_kernel(usable(runtime), case).answer(1).inputs
    mantissa, _ = np.frexp(b)
    assert np.array_equal(mantissa * 256, np.rint(mantissa * 256))  # 8 significant bits
    assert b.dtype == np.float64


def test_a_cache_that_processors_share_is_counted_once(tmp_path: Path) -> None:
    for cpu, private in ((0, "0"), (1, "1")):
        levels = [("Data", "1", "32K", private), ("Instruction", "1", "64K", private)]
        levels += [("Unified", "2", "1024K", private), ("Unified", "3", "32M", "0-1")]
        for i, (kind, level, size, shared) in enumerate(levels):
            folder = tmp_path / f"cpu{cpu}" / "cache" / f"index{i}"
            folder.mkdir(parents=True)
            facts = {"type": kind, "level": level, "size": size, "shared_cpu_list": shared}
            for name, text in facts.items():
                (folder / name).write_text(text + "\n")
    kib = 2 * (32 + 1024) + 32 * 1024
    assert caches.cache_bytes(tmp_path) == kib * BYTES_PER_KIB


def test_caches_that_are_not_told_are_unknown(tmp_path: Path) -> None:
    assert caches.cache_bytes(tmp_path) is None


def test_a_flush_writes_every_byte_of_its_buffer(monkeypatch: pytest.MonkeyPatch) -> None:
    buffer = np.zeros(1000, dtype=np.int64)
    monkeypatch.setattr(np, "zeros", lambda n, dtype: buffer[:n])
    flush = caches.flusher(size_bytes=8000, threads=3)
    flush()
    flush()
    assert (buffer == 2).all()


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_torch_arrays_on_the_processor_begin_at_offsets_of_their_own(dtype: str) -> None:
    torch = pytest.importorskip("torch")
    drawn = [np.full((700, 700), n, dtype="float32") for n in range(4)]
    placed = torch_tensors.tensors(torch, [*drawn, np.arange(3)], dtype, torch.device("cpu"))
    offsets = sorted(t.data_ptr() % 4096 for t in placed)
    assert all(b - a >= 64 for a, b in itertools.pairwise(offsets))
    assert [float(t.float().mean()) for t in placed[:4]] == [0.0, 1.0, 2.0, 3.0]
    assert placed[4].tolist() == [0, 1, 2] and placed[4].dtype == torch.int64
    placed[0].fill_(9.0)
    assert drawn[0].max() == 0.0  # a program owns what it changes


def test_onnxruntime_reads_arrays_that_begin_at_offsets_of_their_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ort = pytest.importorskip("onnxruntime")
    bound: list[Any] = []
    own = ort.OrtValue.ortvalue_from_numpy

    def kept(array: Any, *place: Any) -> Any:
        bound.append(own(array, *place))
        return bound[-1]

    monkeypatch.setattr(ort.OrtValue, "ortvalue_from_numpy", kept)
    runtime = RUNTIMES["onnxruntime"]
    runtime.configure(1)
    case = kernel_case("onnxruntime", "triad")
    runtime.prepare_kernel(KERNELS["triad"], case, np.random.default_rng(0))
    offsets = [value.data_ptr() % 4096 for value in bound]
    assert len(offsets) == 2 and abs(offsets[1] - offsets[0]) >= 64
