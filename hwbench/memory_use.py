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
