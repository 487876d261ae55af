"""The memory of this process: its limit, and the most that it held."""

import sys
from contextlib import suppress
from pathlib import Path


def limit_memory(limit_bytes: int | None) -> None:
    """Make an allocation beyond `limit_bytes` fail in this process, not kill another one."""
    if limit_bytes is None or not sys.platform.startswith("linux"):
        return
    import resource

    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_DATA, (limit_bytes, resource.RLIM_INFINITY))


def data_bytes() -> int | None:
    """Return what RLIMIT_DATA counts of this process now; None where the system does not tell."""
    return _status("VmData")


def resident_bytes() -> int | None:
    """Return the resident memory of this process now; None where the system does not tell."""
    return _status("VmRSS")


def _status(key: str) -> int | None:
    with suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith(f"{key}:"):
                return int(line.split()[1]) * 1024
    return None


def reset_peak() -> None:
    """Start the peak of this process's resident memory anew (proc(5), clear_refs)."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def peak_bytes() -> int | None:
    """Return the peak resident memory of this process since the last reset."""
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


class ModelMemory:
    """What a model takes beside the library that runs it, and its limit under an edge profile."""

    def __init__(self) -> None:
        """Begin without a model."""
        self._library_bytes: int | None = None  # resident before it was loaded

    def hold(self, limit_bytes: int) -> None:
        """Hold what is taken from now on to `limit_bytes`."""
        self._library_bytes = resident_bytes()
        held = data_bytes()
        if held is not None:
            limit_memory(held + limit_bytes)

    def of(self, peak: int | None) -> int | None:
        """Return what the model took of a process's `peak`; None where none is held."""
        if self._library_bytes is None or peak is None:
            return None
        return max(0, peak - self._library_bytes)
