"""ONNX Runtime: forward passes of ONNX graphs, on its CPU and CUDA execution providers."""

import json
import os
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hwbench.case import Case
from hwbench.dialects import caches, onnx_session, refusals
from hwbench.dialects.libraries import family, index, load
from hwbench.dialects.placing import placed
from hwbench.dialects.rounding import storage, to_storage, widened
from hwbench.edge_facts import QUANTISED, OperatorTime
from hwbench.errors import Unavailable
from hwbench.kernel import Kernel
from hwbench.probed import RuntimeFacts
from hwbench.runtime import Answer, Program, Runtime
from hwbench.workload import Config, Workload

REMEDY = "pip install 'hwbench-dl[onnx]'"
PROFILED = 12  # inferences, of whose nodes the medians are added up

# Its own choice of threads does not look at the processors that the process may use.
_threads: list[int | None] = [None]


def library() -> Any:
    """Return onnxruntime; raise Unavailable when it cannot be imported."""
    return load("onnxruntime", REMEDY)


def probe() -> RuntimeFacts:
    """Return the version, devices and providers of onnxruntime."""
    ort = library()
    details = {
        "providers": ", ".join(ort.get_available_providers()),
        "not in this package": ", ".join(
            p for p in onnx_session.KNOWN if p not in ort.get_available_providers()
        ),
        "threads": str(_threads[0] or caches.cpus()),
    }
    return RuntimeFacts(
        name="onnxruntime",
        version=ort.__version__,
        devices=onnx_session.devices(ort),
        details=details,
    )


def supports(case: Case) -> str | None:
    """Return why onnxruntime never runs `case`, or None."""
    if case.phase in ("backward", "training"):
        return "onnxruntime here runs inference only"
    if case.dtype == "bfloat16":
        return "onnxruntime has few bfloat16 operators, and none on its CPU provider"
    return refusals.common(case, "onnxruntime", tuple(onnx_session.DEVICES))


def configure(threads: int) -> None:
    """Import the library and keep the threads of one operation, for the sessions to come."""
    library()
    load("onnx", REMEDY)
    _threads[0] = threads


def prepare_kernel(kernel: Kernel, case: Case, rng: Any) -> Program:
    """Make a kernel's graph ready."""
    if kernel.build_onnx is None:
        raise Unavailable(f"kernel {kernel.name} has no ONNX form")
    load("onnx", REMEDY)
    model = kernel.build_onnx(case.shape, storage(case.dtype)).SerializeToString()
    inputs_at = "cpu" if kernel.host_inputs else case.device
    return _program(model, case, lambda rng: kernel.inputs(case.shape, rng), rng, inputs_at)


def prepare_workload(
    workload: Workload, config: Config, case: Case, rng: Any, export: str | None = None
) -> Program:
    """Make a network ready from the file `export`."""
    if export is None:
        raise Unavailable(f"{workload.name} was not exported to ONNX for onnxruntime")

    def draw(rng: Any) -> Any:
        return workload.batch(config, case.batch_size or 1, rng)[0]

    return _program(export, case, draw, rng, case.device)


def _program(
    model: bytes | str, case: Case, draw: Callable[..., Any], rng: Any, inputs_at: str
) -> Program:
    """Bind inputs (on `inputs_at`) and outputs (on the device) once: a step copies nothing more."""
    ort = library()
    session = _session(ort, model, case)
    place = (family(inputs_at), index(inputs_at))

    taken = "float32" if QUANTISED in case.options else case.dtype  # what int8 networks take

    def rounded(rng: Any) -> list[Any]:
        return [to_storage(v, taken) for v in draw(rng)]

    drawn = rounded(rng)
    if place[0] == "cpu":  # where the value is no copy, but the array itself
        drawn = [placed(v, n) for n, v in enumerate(drawn)]
    inputs = [ort.OrtValue.ortvalue_from_numpy(v, *place) for v in drawn]
    binding, outputs = _bound(session, inputs, (family(case.device), index(case.device)))

    # A binding takes an input that lies elsewhere to the device at once, so binding it is the copy.
    names = [node.name for node in session.get_inputs()] if inputs_at != case.device else []

    def step() -> Any:
        for name, value in zip(names, inputs, strict=False):
            binding.bind_ortvalue_input(name, value)
        session.run_with_iobinding(binding)
        return outputs

    def renew(rng: Any) -> None:
        for value, fresh in zip(inputs, rounded(rng), strict=True):
            value.update_inplace(fresh)

    def answer(steps: int) -> Answer:
        return Answer(inputs=_arrays(inputs), outputs=_arrays(step()))

    return Program(
        step=step,
        wait=lambda result: None,  # a run returns when the device has finished it
        renew=renew,
        answer=answer,
        flush=_flusher(ort, case) if case.scenario == "cold" else None,
        operators=lambda: _operators(ort, model, case, inputs),
    )


def _operators(
    ort: Any, model: bytes | str, case: Case, inputs: list[Any]
) -> tuple[OperatorTime, ...]:
    """Return the seconds of each kind of operator in an inference, by onnxruntime's own profile."""
    with tempfile.TemporaryDirectory() as folder:
        session = _session(ort, model, case, profiled=os.path.join(folder, "p"))
        given = {
            node.name: value.numpy()
            for node, value in zip(session.get_inputs(), inputs, strict=True)
        }
        for _ in range(PROFILED):
            session.run(None, given)
        events = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
    return _by_operator(events)


def _by_operator(events: list[dict[str, Any]]) -> tuple[OperatorTime, ...]:
    """Add up the medians of each node's runs, by operator and provider."""
    runs: dict[tuple[str, str, str], list[float]] = {}
    for event in events:
        told = event.get("args", {})
        if event.get("cat") == "Node" and str(event.get("name", "")).endswith("_kernel_time"):
            key = (str(event["name"]), str(told.get("op_name")), str(told.get("provider")))
            runs.setdefault(key, []).append(float(event["dur"]) * 1e-6)
    found: dict[tuple[str, str], list[float]] = {}
    for (_, operator, provider), took in runs.items():
        found.setdefault((operator, provider), []).append(statistics.median(took))
    whole = sum(map(sum, found.values())) or 1.0
    rows = [
        OperatorTime(
            operator=operator,
            provider=provider,
            seconds=sum(took),
            share_frac=sum(took) / whole,
            calls=len(took),
        )
        for (operator, provider), took in found.items()
    ]
    return tuple(sorted(rows, key=lambda r: -r.seconds))


def _session(ort: Any, model: bytes | str, case: Case, profiled: str = "") -> Any:
    threads = _threads[0] or caches.cpus()
    return onnx_session.session(ort, model, case, threads, profiled=profiled)


def _bound(session: Any, inputs: list[Any], place: tuple[str, int]) -> Any:
    """Return (binding, outputs) with the outputs' memory taken once."""
    binding = session.io_binding()
    for node, value in zip(session.get_inputs(), inputs, strict=True):
        binding.bind_ortvalue_input(node.name, value)
    for node in session.get_outputs():
        binding.bind_output(node.name, *place)
    session.run_with_iobinding(binding)  # it finds the shapes and takes the memory
    outputs = binding.get_outputs()
    binding.clear_binding_outputs()
    for node, value in zip(session.get_outputs(), outputs, strict=True):
        binding.bind_ortvalue_output(node.name, value)
    return binding, outputs


def _arrays(values: list[Any]) -> tuple[Any, ...]:
    """Return OrtValues as NumPy arrays of their own, in float64 or int64."""
    return tuple(widened(v.numpy()) for v in values)


def _flusher(ort: Any, case: Case) -> Callable[[], None]:
    """Return a function that empties the caches: on a GPU it negates a large array."""
    if case.device == "cpu":
        return caches.flusher()
    import numpy as np
    from onnx import TensorProto, helper

    n = caches.GPU_BYTES // 4
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [n]) for name in "xy")
    graph = helper.make_graph([helper.make_node("Neg", ["x"], ["y"])], "flush", [x], [y])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    session = _session(ort, model.SerializeToString(), case)
    place = (family(case.device), index(case.device))
    buffer = [ort.OrtValue.ortvalue_from_numpy(np.zeros(n, dtype=np.float32), *place)]
    binding, _ = _bound(session, buffer, place)
    return lambda: session.run_with_iobinding(binding)


RUNTIME = Runtime(
    name="onnxruntime",
    dialect="onnx",
    library="onnxruntime",
    remedy=REMEDY,
    summary="ONNX Runtime, graphs exported from torch",
    phases=("forward", "inference"),
    supports=supports,
    probe=probe,
    configure=configure,
    prepare_kernel=prepare_kernel,
    prepare_workload=prepare_workload,
    needs_export=True,
    options=onnx_session.OPTIONS,
)
