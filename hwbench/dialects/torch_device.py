"""Devices as torch sees them: which there are, their clock, their precision, their memory."""

import warnings
from collections.abc import Callable, Sequence
from typing import Any

from hwbench.dialects import caches
from hwbench.dialects.libraries import absent, load
from hwbench.probed import RuntimeFacts

REMEDY = "pip install 'hwbench-dl[torch]'"
FAMILIES = ("cpu", "cuda", "mps", "xpu")
S_PER_MS = 1e-3  # CUDA events count milliseconds

# The precision that is set in this process now; None: not set yet.
_precision: list[str | None] = [None]


def library() -> Any:
    """Return torch; raise Unavailable when it cannot be imported."""
    return load("torch", REMEDY)


def probe(name: str) -> RuntimeFacts:
    """Return what torch can use here, under the runtime's `name`; raise Unavailable without it."""
    torch = library()
    with warnings.catch_warnings(record=True) as caught:  # an old driver is told by a warning
        warnings.simplefilter("always")
        found = devices(torch)
    cuda = torch.version.cuda or "built without CUDA"
    details = {"cuda": "; ".join([cuda, *(str(w.message) for w in caught)])}
    if torch.version.hip:
        details["hip"] = torch.version.hip  # ROCm's devices answer to the name cuda
    if torch.backends.cudnn.is_available():
        details["cudnn"] = str(torch.backends.cudnn.version())
    details["threads"] = str(torch.get_num_threads())
    return RuntimeFacts(name=name, version=torch.__version__, devices=found, details=details)


def devices(torch: Any) -> tuple[str, ...]:
    """Return the names of the devices that are there."""
    found = ["cpu"]
    if torch.cuda.is_available():
        found += [f"cuda:{i}" for i in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        found.append("mps")
    if hasattr(torch, "xpu") and torch.xpu.is_available():
        found += [f"xpu:{i}" for i in range(torch.xpu.device_count())]
    return tuple(found)


def in_host_memory(tensors: Sequence[Any], device: Any) -> tuple[Any, ...]:
    """Return tensors of the processor, page-locked where `device` then copies them faster."""
    return tuple(t.pin_memory() if device.type == "cuda" else t for t in tensors)


def place(torch: Any, name: str) -> Any:
    """Return the torch.device `name`, made current; raise Unavailable when it is not there."""
    found = devices(torch)
    if name not in found:
        raise absent("torch", name, found, None)
    device = torch.device(name)
    if device.type == "cuda":
        torch.cuda.init()  # the memory counters are there only after it
        torch.cuda.set_device(device)
        torch.cuda.reset_peak_memory_stats(device)
    return device


def set_precision(torch: Any, dtype: str) -> None:
    """Make float32 products exact, or TF32 for the dtype `tf32`, in the whole process.

    These are the older switches: under the newer `fp32_precision` ones torch.compile stops with
    an error in torch 2.9 and 2.10 (pytorch issue 166387). Some versions warn of them.
    """
    if _precision[0] == dtype:
        return
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Please use the new API settings to control TF32")
        torch.set_float32_matmul_precision("high" if dtype == "tf32" else "highest")
        torch.backends.cudnn.allow_tf32 = dtype == "tf32"
    _precision[0] = dtype


def precise(torch: Any, step: Callable[[], Any], device: Any, dtype: str) -> Callable[[], Any]:
    """Return `step` so that it runs in the precision of `dtype` whatever ran before it.

    Only CUDA devices have the choice, and only for float32 data.
    """
    set_precision(torch, dtype)
    if device.type != "cuda" or dtype not in ("float32", "tf32"):
        return step

    def in_precision() -> Any:
        if _precision[0] != dtype:
            set_precision(torch, dtype)
        return step()

    return in_precision


def waiter(torch: Any, device: Any) -> Callable[[Any], None]:
    """Return the wait of a program: a processor has finished when the call returns."""
    if device.type == "cuda":
        return lambda result: torch.cuda.synchronize(device)
    if device.type == "mps":
        return lambda result: torch.mps.synchronize()
    if device.type == "xpu":
        return lambda result: torch.xpu.synchronize(device)
    return lambda result: None


def event_timer(cuda: Any, step: Callable[[], Any]) -> Callable[[int], float]:
    """Return a timer that counts the seconds of `loops` steps on the GPU's own clock.

    `cuda` is torch.cuda, or what has its Event and synchronize.
    """
    start, end = cuda.Event(enable_timing=True), cuda.Event(enable_timing=True)

    def timer(loops: int) -> float:
        cuda.synchronize()
        start.record()
        for _ in range(loops):
            step()
        end.record()
        end.synchronize()
        return float(start.elapsed_time(end)) * S_PER_MS

    return timer


def flusher(torch: Any, device: Any) -> Callable[[], None]:
    """Return a function that empties the caches of `device`."""
    if device.type == "cpu":
        return caches.flusher()
    buffer = torch.empty(caches.GPU_BYTES, dtype=torch.int8, device=device)
    wait = waiter(torch, device)

    def flush() -> None:
        wait(buffer.zero_())

    return flush


def peak_bytes(torch: Any, device: Any) -> Callable[[], int | None]:
    """Return the reader of the device's peak memory since the case was placed."""
    if device.type != "cuda":
        return lambda: None
    return lambda: int(torch.cuda.max_memory_allocated(device))
