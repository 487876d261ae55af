"""Devices as jax sees them, its memory and its threads."""

import importlib
import os
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from hwbench.dialects import caches
from hwbench.dialects.libraries import absent, family, index, load
from hwbench.errors import Unavailable
from hwbench.probed import RuntimeFacts

REMEDY = "pip install 'hwbench-dl[jax]'"
GPU_REMEDY = "pip install 'jax[cuda13]'"
FAMILIES = ("cpu", "cuda", "rocm")


def library() -> Any:
    """Return jax; raise Unavailable when it cannot be imported.

    Unless told otherwise it takes three quarters of a GPU's memory at its first use, also from
    the other runtimes whose processes are measured in turn with this one.
    """
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    return load("jax", REMEDY)


def probe() -> RuntimeFacts:
    """Return what jax can use here; raise Unavailable without it."""
    import warnings

    jax = library()
    with warnings.catch_warnings(record=True) as caught:  # a GPU build that is missing is told so
        warnings.simplefilter("always")
        found = devices(jax)
    details = {
        "jaxlib": jax.lib.__version__,
        "backend": jax.default_backend(),
        "threads": os.environ.get("NPROC", str(caches.cpus())),
        "preallocate": os.environ["XLA_PYTHON_CLIENT_PREALLOCATE"],
    }
    if caught:
        details["warning"] = "; ".join(str(w.message) for w in caught)
    return RuntimeFacts(name="jax", version=jax.__version__, devices=found, details=details)


def devices(jax: Any) -> tuple[str, ...]:
    """Return the names of the devices that are there."""
    return tuple(f"{f}:{i}" if f != "cpu" else f for f in FAMILIES for i in _indices(jax, f))


def _indices(jax: Any, platform: str) -> range:
    """Return the numbers of the devices of `platform`; jax raises when it has no such backend."""
    try:
        found = jax.local_devices(backend=platform)
    except RuntimeError:
        return range(0)
    return range(1 if platform == "cpu" else len(found))


def place(jax: Any, name: str) -> Any:
    """Return the jax device `name`; raise Unavailable when it is not there."""
    found = devices(jax)
    if name not in found:
        raise absent("jax", name, found, GPU_REMEDY if family(name) == "cuda" else None)
    return jax.local_devices(backend=family(name))[index(name)]


def configure(threads: int) -> None:
    """Import jax and check that it has `threads` threads: it reads them only as it starts."""
    library()
    for part in ("flax.linen", "optax"):  # what networks need of it, so that set-up is theirs alone
        with suppress(ImportError):
            importlib.import_module(part)
    told = os.environ.get("NPROC")
    has = int(told) if told and told.isdigit() else caches.cpus()
    if has != threads:
        raise Unavailable(
            f"jax was asked for {threads} threads and started with {has}",
            f"set NPROC={threads} in the environment of the process before it starts",
        )


def flusher(jax: Any, device: Any) -> Callable[[], None]:
    """Return a function that empties the caches of `device`."""
    if device.platform == "cpu":
        return caches.flusher()
    buffer = [jax.device_put(jax.numpy.zeros(caches.GPU_BYTES, dtype="int8"), device)]
    add = jax.jit(lambda values: values + 1, donate_argnums=0)

    def flush() -> None:
        buffer[0] = jax.block_until_ready(add(buffer[0]))

    return flush


def peak_bytes(device: Any) -> int | None:
    """Return the device's peak memory since the process started, None where it is not told."""
    told = device.memory_stats() or {}
    peak = told.get("peak_bytes_in_use")
    return None if peak is None else int(peak)
