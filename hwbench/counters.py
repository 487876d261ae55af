"""The counters that tell what a machine did to a program: /proc, sysfs and getrusage.

What a system does not tell is None. Each reading costs some ten microseconds: the files of /proc
stay open, and are read in one call each.
"""

import os
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

from hwbench import cgroup, cpu, sysfs
from hwbench.sysfs import ROOT
from hwbench.units import HZ_PER_KHZ

TICK_S = 1 / (os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100)
_CPUS = "sys/devices/system/cpu"
_LARGEST = 1 << 16  # more than any of these files has on machines of some hundred CPUs


@dataclass(frozen=True, kw_only=True)
class Usage:
    """CPU seconds since boot: all processes', the hypervisor's, and this process's own."""

    clock_s: float
    busy_s: float
    steal_s: float
    own_s: float


class Own(NamedTuple):
    """What this process and its children that ended used: CPU seconds, and how often it lost it."""

    cpu_s: float
    involuntary: int


class Reading(NamedTuple):
    """All fast counters at one moment; None is what the system does not tell."""

    clock_s: float
    busy_s: float | None
    steal_s: float | None
    own: Own | None
    swapped_pages: int | None
    quota_stops: int | None


class Slow(NamedTuple):
    """What changes slowly or costs more to ask: clocks and counts of throttling."""

    clock_hz: float | None
    throttle_events: int | None


def usage(clock_s: float, root: Path = ROOT) -> Usage | None:
    """Read the counters of all CPUs at `clock_s`, or None where the machine has none."""
    found, own = _busy(_read(root / "proc/stat"), None), own_usage()
    if found is None or own is None:
        return None
    return Usage(clock_s=clock_s, busy_s=found[0], steal_s=found[1], own_s=own.cpu_s)


def own_usage() -> Own | None:
    """Return what this process used (getrusage(2)); Windows does not tell."""
    try:
        from resource import RUSAGE_CHILDREN, RUSAGE_SELF, getrusage
    except ImportError:
        return None
    mine, children = getrusage(RUSAGE_SELF), getrusage(RUSAGE_CHILDREN)
    used_s = mine.ru_utime + mine.ru_stime + children.ru_utime + children.ru_stime
    return Own(used_s, mine.ru_nivcsw)


class Counters:
    """The counters of the CPUs that this process may use."""

    def __init__(self, root: Path = ROOT, own: Callable[[], Own | None] = own_usage) -> None:
        """Find out which files this machine has."""
        self.root, self._own = root, own
        usable, every = cpu.usable_cpus(), os.cpu_count() or 1
        self.cpus = sorted(usable)
        self._chosen = None if len(usable) >= every else {b"cpu%d" % n for n in usable}
        self._stat, self._vmstat = root / "proc/stat", root / "proc/vmstat"
        self._quotas = [g / "cpu.stat" for g in cgroup.limited_cpu_groups(root)]
        self._clocks = [p for p in self._of_cpus("cpufreq/scaling_cur_freq") if p.exists()]
        self._throttles = [
            p
            for folder in self._of_cpus("thermal_throttle")
            for p in sorted(folder.glob("*_throttle_count"))
        ]

    def _of_cpus(self, name: str) -> Iterator[Path]:
        return (self.root / f"{_CPUS}/cpu{n}/{name}" for n in self.cpus)

    def read(self, clock_s: float) -> Reading:
        """Return the fast counters."""
        busy_s, steal_s = _busy(_read(self._stat), self._chosen) or (None, None)
        memory = _read(self._vmstat)
        swapped = [_line(memory, b"pswpin"), _line(memory, b"pswpout")]
        stops = [n for p in self._quotas if (n := _line(_read(p), b"nr_throttled")) is not None]
        return Reading(
            clock_s=clock_s,
            busy_s=busy_s,
            steal_s=steal_s,
            own=self._own(),
            swapped_pages=None if None in swapped else sum(n for n in swapped if n),
            quota_stops=sum(stops) if stops else None,
        )

    def slow(self, threads: int) -> Slow:
        """Return the clock of the slowest of the `threads` fastest CPUs: others may idle."""
        clocks = sorted((khz for p in self._clocks if (khz := sysfs.integer(p))), reverse=True)
        counts = [n for p in self._throttles if (n := sysfs.integer(p)) is not None]
        return Slow(
            clock_hz=clocks[:threads][-1] * HZ_PER_KHZ if clocks else None,
            throttle_events=sum(counts) if counts else None,
        )

    def base_hz(self) -> float | None:
        """Return the base clock as sysfs has it, of the slowest kind of CPU here, or None."""
        known = [k for p in self._of_cpus("cpufreq/base_frequency") if (k := sysfs.integer(p))]
        return min(known) * HZ_PER_KHZ if known else None


@cache  # open for as long as the process lives: a handful of files
def _opened(path: Path) -> int | None:
    try:
        return os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
    except OSError:
        return None


def _read(path: Path) -> bytes | None:
    """Return the file anew from its beginning, without opening it again."""
    file = _opened(path)
    if file is None:
        return None
    try:
        return os.pread(file, _LARGEST, 0)
    except OSError:
        return None


def _line(text: bytes | None, name: bytes) -> int | None:
    """Return the number behind `name` in lines of a name and a number."""
    if text is None:
        return None
    start = 0 if text.startswith(name + b" ") else text.find(b"\n" + name + b" ") + 1
    if start == 0 and not text.startswith(name + b" "):
        return None
    number = text[start:].split(None, 2)[1]
    return int(number) if number.isdigit() else None


def _busy(text: bytes | None, chosen: Collection[bytes] | None) -> tuple[float, float] | None:
    """Return (busy, stolen) seconds since boot, of all CPUs or of those `chosen` by name."""
    if text is None:
        return None
    busy = steal = 0.0
    found = False
    for line in text.split(b"\n"):
        if not line.startswith(b"cpu"):
            break
        words = line.split()
        if words[0] not in (chosen or (b"cpu",)):
            continue
        if len(words) < 9:
            return None  # a kernel that counts less
        # user nice system idle iowait irq softirq steal (proc(5)); guest is counted in user.
        ticks = [int(w) for w in words[1:9]]
        busy += sum(ticks[:3]) + sum(ticks[5:7])
        steal += ticks[7]
        found = True
        if chosen is None:
            break
    return (busy * TICK_S, steal * TICK_S) if found else None
