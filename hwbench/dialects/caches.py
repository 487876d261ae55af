"""Emptying a processor's caches, so that a kernel starts from main memory (scenario `cold`)."""

import os
from collections.abc import Callable
from pathlib import Path

from hwbench.units import BYTES_PER_KIB, BYTES_PER_MIB

LEAST_BYTES = 64 * BYTES_PER_MIB
GPU_BYTES = 512 * BYTES_PER_MIB  # ten times the largest second-level cache known (H200: 50 MiB)
_SYSFS = Path("/sys/devices/system/cpu")
_UNIT = {"K": BYTES_PER_KIB, "M": BYTES_PER_MIB}


def cpus() -> int:
    """Return how many logical processors this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)  # Linux only
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def cache_bytes(sysfs: Path = _SYSFS) -> int | None:
    """Return the size of all data caches of the machine together, None where it is not told.

    Source: Linux, Documentation/ABI/testing/sysfs-devices-system-cpu. A cache that several
    processors share is listed under each of them and counted once.
    """
    found: dict[tuple[str, str], int] = {}
    for cache in sysfs.glob("cpu[0-9]*/cache/index[0-9]*"):
        try:
            kind, level, shared, size = (
                (cache / field).read_text().strip()
                for field in ("type", "level", "shared_cpu_list", "size")
            )
            if kind != "Instruction":
                found[level, shared] = int(size[:-1]) * _UNIT[size[-1]]
        except (OSError, KeyError, ValueError):
            continue
    return sum(found.values()) or None


def flusher(size_bytes: int | None = None, threads: int | None = None) -> Callable[[], None]:
    """Return a function that writes twice the caches' size, from as many threads as processors.

    One thread would leave the other cores' private caches as they are.
    """
    from concurrent.futures import ThreadPoolExecutor

    import numpy as np

    size_bytes = size_bytes or max(LEAST_BYTES, 2 * (cache_bytes() or 0))
    threads = threads or cpus()
    parts = np.array_split(np.zeros(size_bytes // 8, dtype=np.int64), threads)
    pool = ThreadPoolExecutor(threads, thread_name_prefix="flush")

    def flush() -> None:
        for written in [pool.submit(np.add, part, 1, out=part) for part in parts]:
            written.result()

    return flush
