"""Sessions of ONNX Runtime: their options, and the execution providers that they ask for.

A provider of a small device or an accelerator is in a build of onnxruntime of its own. It is asked
for by name and never in silence: a session that the library would run elsewhere is refused.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hwbench.case import Case
from hwbench.dialects.libraries import absent, family, index
from hwbench.edge_facts import EDGE, profile
from hwbench.errors import Unavailable

GPU_REMEDY = "pip uninstall onnxruntime; pip install onnxruntime-gpu"
DEVICES = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
ERRORS_ONLY = 3  # log_severity_level
PROVIDERS = {
    "tensorrt": "TensorrtExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
    "xnnpack": "XnnpackExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
    "qnn": "QNNExecutionProvider",
    "nnapi": "NnapiExecutionProvider",
}
# Beside the device's own, in a build that has them.
KNOWN = (DEVICES["cuda"], *PROVIDERS.values())
ON_GPU = ("tensorrt",)
GRAPH = {
    "disabled": "ORT_DISABLE_ALL",
    "basic": "ORT_ENABLE_BASIC",
    "extended": "ORT_ENABLE_EXTENDED",
    "all": "ORT_ENABLE_ALL",
}
# What `--runtime-option NAME=VALUE` sets, the values that each takes.
OPTIONS: Mapping[str, tuple[str, ...]] = {
    "provider": tuple(PROVIDERS),
    "graph": tuple(GRAPH),
    "spinning": ("on", "off"),
    "arena": ("on", "off"),
    "memory-pattern": ("on", "off"),
    "execution": ("sequential", "parallel"),
}
_SPINNING = "session.intra_op.allow_spinning"


def devices(ort: Any, nodes: Path = Path("/dev")) -> tuple[str, ...]:
    """Return the devices that its providers can use.

    It does not count GPUs itself: on Linux the driver's device nodes do.
    """
    if DEVICES["cuda"] not in ort.get_available_providers():
        return ("cpu",)
    count = sum(1 for node in nodes.glob("nvidia*") if re.fullmatch(r"nvidia\d+", node.name))
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        count = min(count, len([v for v in visible.split(",") if v.strip() not in ("", "-1")]))
    return ("cpu", *(f"cuda:{i}" for i in range(count)))


def session(ort: Any, model: bytes | str, case: Case, threads: int, *, profiled: str = "") -> Any:
    """Return a session; raise Unavailable when it would run elsewhere than asked.

    `profiled` is where its own profile is written, by what its file begins with.
    """
    found = devices(ort)
    if case.device not in found:
        raise absent("onnxruntime", case.device, found, GPU_REMEDY)
    wanted = _wanted(ort, case)
    asked = PROVIDERS[wanted] if wanted else DEVICES[family(case.device)]
    options = _options(ort, case, threads)
    if wanted == "xnnpack":  # its threads are its own: onnxruntime's would stand in their way
        options.intra_op_num_threads = 1
        options.add_session_config_entry(_SPINNING, "0")
    if profiled:
        options.enable_profiling, options.profile_file_prefix = True, profiled
    try:
        made = ort.InferenceSession(
            model, options, providers=_providers(ort, case, wanted, threads)
        )
    except Exception as e:
        if type(e).__name__ == "NotImplemented":  # in a C++ module without a public path
            raise Unavailable(f"{asked} lacks an operator in {case.dtype}: {e}") from e
        raise
    if made.get_providers()[0] != asked:
        raise Unavailable(
            f"onnxruntime fell back from {asked} to {made.get_providers()[0]}",
            "install the versions of its libraries that its release notes name",
        )
    return made


def _wanted(ort: Any, case: Case) -> str | None:
    """Return the provider beside the device's own: the one asked, or the edge profile's first here.

    Raises Unavailable for one that was asked and is not in this package.
    """
    have = ort.get_available_providers()
    asked = case.options.get("provider")
    if asked is not None:
        if PROVIDERS[str(asked)] not in have:
            raise Unavailable(
                f"this package of onnxruntime has no {PROVIDERS[str(asked)]}, only"
                f" {', '.join(have)}",
                "install the build of onnxruntime that has it",
            )
        if (asked in ON_GPU) != (family(case.device) == "cuda"):
            raise Unavailable(f"{PROVIDERS[str(asked)]} does not run on {case.device}")
        return str(asked)
    if EDGE in case.options:
        order = profile(str(case.options[EDGE])).providers
        return next((p for p in order if PROVIDERS.get(p) in have), None)
    return None


def _options(ort: Any, case: Case, threads: int) -> Any:
    """Return library defaults but for threads, chatter, an edge profile, and what was asked."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = ERRORS_ONLY
    asked = {k: str(v) for k, v in case.options.items() if k in OPTIONS}
    if EDGE in case.options:
        edge = profile(str(case.options[EDGE]))
        asked = {"arena": _word(edge.arena), "spinning": _word(edge.spinning), **asked}
    if "graph" in asked:
        level = getattr(ort.GraphOptimizationLevel, GRAPH[asked["graph"]])
        options.graph_optimization_level = level
    if "arena" in asked:
        options.enable_cpu_mem_arena = asked["arena"] == "on"
    if "memory-pattern" in asked:
        options.enable_mem_pattern = asked["memory-pattern"] == "on"
    if "spinning" in asked:
        options.add_session_config_entry(_SPINNING, str(int(asked["spinning"] == "on")))
    if asked.get("execution") == "parallel":  # branches of the graph side by side
        options.execution_mode = ort.ExecutionMode.ORT_PARALLEL
        options.inter_op_num_threads = threads
    return options


def _word(value: bool) -> str:
    return "on" if value else "off"


def _providers(ort: Any, case: Case, wanted: str | None, threads: int) -> list[Any]:
    """Return the providers to ask for; on a GPU, TF32 only where the case says so."""
    own: list[Any] = [DEVICES["cpu"]]
    if case.device != "cpu":
        if hasattr(ort, "preload_dlls"):
            ort.preload_dlls()  # CUDA's libraries from where pip has put them
        settings = {"device_id": index(case.device), "use_tf32": int(case.dtype == "tf32")}
        own = [(DEVICES["cuda"], settings), DEVICES["cpu"]]
    if wanted is None:
        return own
    more: dict[str, Any] = {"intra_op_num_threads": threads} if wanted == "xnnpack" else {}
    if wanted == "tensorrt":
        more = {"device_id": index(case.device), "trt_fp16_enable": case.dtype == "float16"}
    return [(PROVIDERS[wanted], more), *own]
