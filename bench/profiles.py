"""How long the profiles take on this machine, and how much memory the parent of a run uses.

References and ONNX exports are made anew, in a cache of this program's own: it is the first run
of a fresh clone that is timed. The parent's memory is its own; its children are counted apart.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.figure import Figure, parser, show
from hwbench import store
from hwbench.measurement import Record

LIMITS_S = {"smoke": 60.0, "quick": 300.0}
SMOKE_CASES = 25
PARENT_BYTES = 200 * 10**6
RUN = """
import json, resource, sys
from hwbench.cli import status_of
from hwbench.visiting import peak_bytes
status = status_of(sys.argv[2:])
children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
facts = {"status": status, "parent": peak_bytes(), "children": children}
open(sys.argv[1], "w").write(json.dumps(facts))
"""


def measured(profile: str, folder: Path) -> tuple[Record, float, dict[str, int]]:
    """Run a profile; return the record, its wall time, and {status, parent, children} in bytes."""
    out, facts = folder / f"{profile}.json", folder / "facts.json"
    arguments = ("run", "--profile", profile, "--out", str(out))
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(facts), *arguments],
        env={
            **os.environ,
            "HWBENCH_CACHE": str(folder / "cache"),
            "HWBENCH_STATE": str(folder / "state"),
        },
        stdout=subprocess.DEVNULL,
    )
    took_s = time.perf_counter() - start
    if done.returncode or not out.exists():
        raise RuntimeError(f"hwbench {' '.join(arguments)} left no record (see above)")
    return store.load(out), took_s, json.loads(facts.read_text())


def of_profile(profile: str) -> list[Figure]:
    """Return the figures of one profile."""
    with tempfile.TemporaryDirectory() as folder:
        record, took_s, facts = measured(profile, Path(folder))
    limit_s = LIMITS_S[profile]
    found = [
        Figure(
            name=f"{profile}: wall time, nothing cached",
            measured=f"{took_s:.1f} s",
            target=f"< {limit_s:.0f} s",
            met=took_s < limit_s,
        ),
        Figure(
            name=f"{profile}: parent's peak memory",
            measured=f"{facts['parent'] / 1e6:.0f} MB (a child's: {facts['children'] / 1e6:.0f})",
            target=f"< {PARENT_BYTES / 1e6:.0f} MB",
            met=facts["parent"] < PARENT_BYTES,
        ),
    ]
    return [*found, _cases(profile, record), _visits(profile, record)]


def _cases(profile: str, record: Record) -> Figure:
    """Count the cases by status."""
    statuses = [m.status for m in record.measurements]
    counts = {s: statuses.count(s) for s in ("ok", "failed", "skipped")}
    limited = profile == "smoke"
    return Figure(
        name=f"{profile}: cases",
        measured=", ".join(f"{n} {s}" for s, n in counts.items() if n),
        target=f"<= {SMOKE_CASES}, none failed" if limited else "none failed",
        met=not counts["failed"] and (not limited or len(statuses) <= SMOKE_CASES),
    )


def _visits(profile: str, record: Record) -> Figure:
    """Count the visits that were made of those planned."""
    done = sum(m.visits.done for m in record.measurements)
    planned = sum(m.visits.planned for m in record.measurements)
    return Figure(
        name=f"{profile}: visits made of those planned",
        measured=f"{done} of {planned}",
        target="all",
        met=done == planned,
    )


def figures(options: argparse.Namespace) -> list[Figure]:
    """Run smoke, and quick where it is asked for."""
    names = ("smoke", "quick") if options.quick else ("smoke",)
    return [f for name in names for f in of_profile(name)]


def main() -> None:
    """Measure."""
    options = parser(__doc__)
    options.add_argument("--quick", action="store_true", help="the profile quick too: 5 minutes")
    chosen = options.parse_args()
    show(figures(chosen), chosen.json)


if __name__ == "__main__":
    main()
