"""Memory and CPU time that this process may use: the machine's, or less by its control group.

A limit may sit at the group of the process or at any group above it, and in a container the
file system often shows only the innermost one: all that exist are read and the least counts.
Sources: Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/memory.rst of Linux.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from hwbench import sysfs
from hwbench.sysfs import ROOT
from hwbench.units import BYTES_PER_KIB

# cgroup v1 writes "no limit" as the largest multiple of the page size below 2**63.
_V1_NO_LIMIT = 1 << 60


@dataclass(frozen=True, kw_only=True)
class _Files:
    """The names of what is asked of the memory controller."""

    limit: str
    usage: str
    reclaimable: str  # the line of memory.stat with file pages that can be dropped


_V1 = _Files(
    limit="memory.limit_in_bytes",
    usage="memory.usage_in_bytes",
    reclaimable="total_inactive_file",
)
_V2 = _Files(limit="memory.max", usage="memory.current", reclaimable="inactive_file")


def memory_bytes(root: Path = ROOT) -> int | None:
    """Return the memory of the machine or the least limit of a control group, or None."""
    physical = _meminfo_bytes(root, "MemTotal") or sysfs.sysctl_integer("hw.memsize")
    known = [n for n in (physical or _psutil_bytes("total"), memory_limit_bytes(root)) if n]
    return min(known, default=None)


def available_memory_bytes(root: Path = ROOT) -> int | None:
    """Return the memory that can be taken now without swapping or being killed, or None."""
    free = _meminfo_bytes(root, "MemAvailable")
    known = [_psutil_bytes("available") if free is None else free, *_remaining_bytes(root)]
    return min((n for n in known if n is not None), default=None)


def memory_limit_bytes(root: Path = ROOT) -> int | None:
    """Return the least memory limit of a control group, or None where there is none."""
    limits = [limit for folder, files in _memory_groups(root) if (limit := _limit(folder, files))]
    return min(limits, default=None)


def cpu_quota(root: Path = ROOT) -> float | None:
    """Return how many CPUs' worth of time the control groups allow (1.5), or None if all."""
    quotas = [_v2_quota(folder) for folder in _groups(root, None)]
    quotas += [_v1_quota(folder) for folder in _groups(root, "cpu")]
    return min((q for q in quotas if q is not None), default=None)


def limited_cpu_groups(root: Path = ROOT) -> Iterator[Path]:
    """Yield the control groups that limit this process's CPU time; `cpu.stat` counts the stops."""
    yield from (g for g in _groups(root, None) if _v2_quota(g) is not None)
    yield from (g for g in _groups(root, "cpu") if _v1_quota(g) is not None)


def _remaining_bytes(root: Path) -> Iterator[int]:
    """Yield for each limited group what is left of it; file pages that can go count as left."""
    for folder, files in _memory_groups(root):
        limit, used = _limit(folder, files), sysfs.integer(folder / files.usage)
        if limit is not None and used is not None:
            yield max(0, limit - used + _reclaimable_bytes(folder, files))


def _reclaimable_bytes(folder: Path, files: _Files) -> int:
    for line in (sysfs.text(folder / "memory.stat") or "").splitlines():
        name, _, value = line.partition(" ")
        if name == files.reclaimable and value.isdecimal():
            return int(value)
    return 0


def _limit(folder: Path, files: _Files) -> int | None:
    limit = sysfs.integer(folder / files.limit)  # `max`, the v2 word for none, is no number
    return limit if limit is not None and 0 < limit < _V1_NO_LIMIT else None


def _v2_quota(folder: Path) -> float | None:
    quota, _, period = (sysfs.text(folder / "cpu.max") or "").partition(" ")
    return _ratio(quota, period)


def _v1_quota(folder: Path) -> float | None:
    quota = sysfs.text(folder / "cpu.cfs_quota_us") or ""  # -1 is none
    return _ratio(quota, sysfs.text(folder / "cpu.cfs_period_us") or "")


def _ratio(quota: str, period: str) -> float | None:
    if not (quota.isdecimal() and period.isdecimal() and int(period)):
        return None
    ratio = int(quota) / int(period)
    return ratio if math.isfinite(ratio) and ratio > 0 else None


def _memory_groups(root: Path) -> Iterator[tuple[Path, _Files]]:
    for folder in _groups(root, "memory"):
        yield folder, _V1
    for folder in _groups(root, None):
        yield folder, _V2


def _groups(root: Path, controller: str | None) -> Iterator[Path]:
    """Yield the group of this process and those above it; `controller` None means version 2."""
    mount = root / "sys/fs/cgroup"
    mounts = [mount / controller] if controller else [mount, mount / "unified"]
    own = PurePosixPath(_own_group(root, controller))
    for base in filter(Path.is_dir, mounts):
        for group in (own, *own.parents):
            folder = base / str(group).lstrip("/")
            if folder.is_dir():
                yield folder


def _own_group(root: Path, controller: str | None) -> str:
    """Return this process's group from lines such as `4:memory:/a` (v1) and `0::/a` (v2)."""
    for line in (sysfs.text(root / "proc/self/cgroup") or "").splitlines():
        number, _, rest = line.partition(":")
        names, _, group = rest.partition(":")
        if controller in names.split(",") if controller else number == "0":
            return "/" + group.lstrip("/").replace("..", ".")
    return "/"


def _meminfo_bytes(root: Path, name: str) -> int | None:
    for block in sysfs.fields(root / "proc/meminfo"):
        number = block.get(name, "").removesuffix(" kB")
        if number.isdecimal():
            return int(number) * BYTES_PER_KIB
    return None


def _psutil_bytes(name: str) -> int | None:
    """Return a field of psutil's virtual memory, for systems without /proc/meminfo."""
    import psutil

    try:
        return int(getattr(psutil.virtual_memory(), name))
    except (OSError, AttributeError, NotImplementedError, RuntimeError, ValueError):
        return None
