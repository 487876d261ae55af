"""OpenVINO: forward passes of ONNX graphs on processors, by Intel's kernels (x86 and ARM)."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hwbench.case import Case
from hwbench.dialects import caches, refusals
from hwbench.dialects.libraries import absent, load
from hwbench.dialects.placing import placed
from hwbench.dialects.rounding import storage, to_storage, widened
from hwbench.edge_facts import QUANTISED
from hwbench.errors import Unavailable, one_line
from hwbench.kernel import Kernel
from hwbench.probed import RuntimeFacts
from hwbench.runtime import Answer, Program, Runtime
from hwbench.workload import Config, Workload

REMEDY = "pip install 'hwbench-dl[openvino]'"
_threads: list[int | None] = [None]
# What `--runtime-option NAME=VALUE` sets; the first value is the default.
OPTIONS = {"hint": ("latency", "throughput"), "pinning": ("on", "off")}


def library() -> Any:
    """Return openvino; raise Unavailable when it cannot be imported.

    Its telemetry, which tells of each network that is read, is kept out: hwbench sends nothing.
    """
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    return load("openvino", REMEDY)


def probe() -> RuntimeFacts:
    """Return the version of openvino and its processor's name."""
    core = library().Core()
    if "CPU" not in core.available_devices:
        raise absent("openvino", "cpu", tuple(core.available_devices), REMEDY)
    details = {
        "processor": str(core.get_property("CPU", "FULL_DEVICE_NAME")),
        "capabilities": ", ".join(core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")),
        "threads": str(_threads[0] or caches.cpus()),
    }
    version = library().__version__.partition("-")[0]
    return RuntimeFacts(name="openvino", version=version, devices=("cpu",), details=details)


def supports(case: Case) -> str | None:
    """Return why openvino never runs `case`, or None."""
    if case.phase in ("backward", "training"):
        return "openvino runs inference only"
    if case.dtype in ("bfloat16", "float16"):
        return f"openvino's processor plug-in takes {case.dtype} files and computes in another type"
    return refusals.common(case, "openvino", ("cpu",))


def configure(threads: int) -> None:
    """Import the library and keep the threads of one operation, for the networks to come."""
    library()
    load("onnx", "pip install 'hwbench-dl[onnx]'")
    _threads[0] = threads


def prepare_kernel(kernel: Kernel, case: Case, rng: Any) -> Program:
    """Make a kernel's graph ready."""
    if kernel.build_onnx is None or kernel.host_inputs:
        raise Unavailable(f"kernel {kernel.name} has no form for openvino")
    model = kernel.build_onnx(case.shape, storage(case.dtype)).SerializeToString()
    return _program(model, case, lambda rng: kernel.inputs(case.shape, rng), rng)


def prepare_workload(
    workload: Workload, config: Config, case: Case, rng: Any, export: str | None = None
) -> Program:
    """Make a network ready from the file `export`."""
    if export is None:
        raise Unavailable(f"{workload.name} was not exported to ONNX for openvino")

    def draw(rng: Any) -> Any:
        return workload.batch(config, case.batch_size or 1, rng)[0]

    return _program(Path(export), case, draw, rng)


def _program(model: bytes | Path, case: Case, draw: Callable[..., Any], rng: Any) -> Program:
    """Bind inputs to arrays of this process: a step copies nothing."""
    ov = library()
    taken = "float32" if QUANTISED in case.options else case.dtype  # what int8 networks take

    def rounded(rng: Any) -> list[Any]:
        return [to_storage(v, taken) for v in draw(rng)]

    inputs = [placed(v, n) for n, v in enumerate(rounded(rng))]
    request = _compiled(ov, model, [v.shape for v in inputs], case).create_infer_request()
    for n, value in enumerate(inputs):
        request.set_input_tensor(n, ov.Tensor(value, shared_memory=True))

    def step() -> Any:
        request.start_async()  # `infer` would copy the outputs each time
        request.wait()
        return request

    def renew(rng: Any) -> None:
        for value, fresh in zip(inputs, rounded(rng), strict=True):
            value[...] = fresh

    def answer(steps: int) -> Answer:
        outputs = tuple(widened(t.data.copy()) for t in step().output_tensors)
        return Answer(inputs=tuple(widened(v.copy()) for v in inputs), outputs=outputs)

    return Program(
        step=step,
        wait=lambda result: None,  # an inference returns when it is done
        renew=renew,
        answer=answer,
        flush=caches.flusher() if case.scenario == "cold" else None,
    )


def _compiled(ov: Any, model: bytes | Path, shapes: list[Any], case: Case) -> Any:
    """Return the network compiled for these shapes; raise Unavailable for what it lacks.

    The precision is stated: by itself it computes float32 networks in bfloat16 where the processor
    can.
    """
    if case.device != "cpu":
        raise absent("openvino", case.device, ("cpu",), REMEDY)
    core = ov.Core()
    settings: dict[str, Any] = {
        "INFERENCE_NUM_THREADS": _threads[0] or caches.cpus(),
        "NUM_STREAMS": 1,
        "PERFORMANCE_HINT": str(case.options.get("hint", "latency")).upper(),
        "INFERENCE_PRECISION_HINT": "f32",
    }
    if "pinning" in case.options:
        settings["ENABLE_CPU_PINNING"] = case.options["pinning"] == "on"
    try:
        read = core.read_model(model=model if isinstance(model, bytes) else str(model))
        if any(i.partial_shape.is_dynamic for i in read.inputs):
            read.reshape({i: list(s) for i, s in zip(range(len(shapes)), shapes, strict=True)})
        return core.compile_model(read, "CPU", settings)
    except RuntimeError as e:
        if "alloc" in str(e).lower():
            raise
        raise Unavailable(f"openvino cannot compile {case.name}: {one_line(str(e))[-200:]}") from e


RUNTIME = Runtime(
    name="openvino",
    dialect="onnx",
    library="openvino",
    remedy=REMEDY,
    summary="OpenVINO, graphs exported from torch, on processors",
    phases=("forward", "inference"),
    supports=supports,
    probe=probe,
    configure=configure,
    prepare_kernel=prepare_kernel,
    prepare_workload=prepare_workload,
    needs_export=True,
    options=OPTIONS,
    default=False,
)
