"""What else used the machine while a visit was timed: other processes' CPU time, and steal.

Read from /proc/stat before and after, so the timed region itself is not touched. Where there is no
/proc nothing is known and nothing is said.
"""

import os
from dataclasses import dataclass
from pathlib import Path

DISTURBING_CORES = 0.10  # of a core taken by others or stolen: above it samples are flagged


@dataclass(frozen=True, kw_only=True)
class Usage:
    """CPU seconds since boot: all processes', the hypervisor's, and this process's own."""

    clock_s: float
    busy_s: float
    steal_s: float
    own_s: float


def usage(clock_s: float, root: Path = Path("/")) -> Usage | None:
    """Read the counters at `clock_s`, or None where the machine has none."""
    try:
        first = (root / "proc/stat").read_text().split("\n", 1)[0].split()
    except OSError:
        return None
    tick = os.sysconf("SC_CLK_TCK")
    # user nice system idle iowait irq softirq steal (proc(5)); guest is counted in user.
    fields = [int(x) / tick for x in first[1:9]]
    if len(fields) < 8:
        return None
    own = os.times()
    return Usage(
        clock_s=clock_s,
        busy_s=sum(fields[:3]) + sum(fields[5:7]),
        steal_s=fields[7],
        own_s=own.user + own.system,
    )


def disturbance(before: Usage | None, after: Usage | None) -> str | None:
    """Say in words what took CPU time between two readings, or None if nothing much did."""
    if before is None or after is None or after.clock_s - before.clock_s < 0.1:
        return None  # below 0.1 s the 10 ms ticks of /proc/stat say nothing
    wall_s = after.clock_s - before.clock_s
    others = (after.busy_s - before.busy_s - (after.own_s - before.own_s)) / wall_s
    steal = (after.steal_s - before.steal_s) / wall_s
    parts = []
    if others > DISTURBING_CORES:
        parts.append(f"other processes used {others:.2f} cores")
    if steal > DISTURBING_CORES:
        parts.append(f"the hypervisor took {steal:.2f} cores")
    return "; ".join(parts) or None
