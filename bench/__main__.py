"""`python -m bench`: every program here in turn, one table of figures at the end.

Figures are ratios within one run wherever they can be: nothing here fails for being slow. Exit
status 1 means that a program did not work, not that a target was missed. Two loops of threads on
cores that a third process wants may differ by any factor: what else runs is a figure of its own.
"""

import importlib.util
import json
import subprocess
import sys
import time

from bench.figure import Figure, parser, show
from hwbench import counters, signs

LOOK_S = 1.0
PROGRAMS: tuple[str, ...] = (
    "coverage",
    "energy",
    "startup",
    "load_record",
    "overhead",
    "kernels_by_hand",
    "stream_triad",
    "profiles",
    "scaling",
    "estimate_speed",
)
if importlib.util.find_spec("mlperf_loadgen"):  # the extra `loadgen`
    PROGRAMS += ("loadgen_check",)


def figures(program: str, *arguments: str) -> list[Figure]:
    """Run one program and return its figures, or one that says that it failed."""
    print(f"bench.{program} ...", file=sys.stderr, flush=True)
    done = subprocess.run(
        [sys.executable, "-m", f"bench.{program}", "--json", *arguments],
        stdout=subprocess.PIPE,
        text=True,
    )
    if done.returncode:
        return [Figure(name=program, measured=f"failed with status {done.returncode}", met=False)]
    return [Figure(**fields) for fields in json.loads(done.stdout)]


def others_cores() -> float | None:
    """Return how many cores other processes and the hypervisor use while nothing here runs."""
    before = counters.usage(time.perf_counter())
    time.sleep(LOOK_S)
    after = counters.usage(time.perf_counter())
    if before is None or after is None:
        return None
    used_s = after.busy_s - before.busy_s - (after.own_s - before.own_s)
    return (used_s + after.steal_s - before.steal_s) / (after.clock_s - before.clock_s)


def quietness(looks: list[float | None]) -> Figure:
    """Return the figure of what else ran, by the most that was seen before any program."""
    seen = [cores for cores in looks if cores is not None]
    limit = signs.DISTURBING_CORES
    return Figure(
        name="others' load before each program, at most",
        measured=f"{max(seen):.2f} cores" if seen else "not told by this system",
        target=f"<= {limit:.2f} cores",
        met=max(seen) <= limit if seen else None,
    )


def main() -> int:
    """Run all, or those that are named."""
    options = parser(__doc__)
    options.add_argument("--quick", action="store_true", help="the profile quick too: 5 minutes")
    options.add_argument("programs", nargs="*", metavar="PROGRAM", help=", ".join(PROGRAMS))
    chosen = options.parse_args()
    unknown = [p for p in chosen.programs if p not in PROGRAMS]
    if unknown:
        options.error(f"no program is named {unknown[0]!r}: there are {', '.join(PROGRAMS)}")
    found: list[Figure] = []
    looks = []
    for program in chosen.programs or PROGRAMS:
        tiny = ["--tiny"] if chosen.tiny else []
        quick = ["--quick"] if chosen.quick and program == "profiles" else []
        looks.append(others_cores())
        found += figures(program, *tiny, *quick)
    show([quietness(looks), *found], chosen.json)
    return int(any(f.measured.startswith("failed with") for f in found))


if __name__ == "__main__":
    sys.exit(main())
