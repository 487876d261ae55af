"""hwbench's latency of single inferences against a runtime's own benchmark program, in turn.

Each side of a pair is a process of its own, as a visit of a run is: where memory lies is luck, and
a process that lasted would have its own in every pair.
"""

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.figure import Figure, both_in_turn, of_ratios, parser, show, undisturbed
from hwbench import timing
from hwbench.runtime import Program

NAMES = ("mobilenet_v3_large", "resnet50")
PAIRS = 10
MEDIAN, WITHIN = 50, 0.03
SECONDS = 3
PACE = timing.Pace(visit_s=float(SECONDS), min_samples=5, max_samples=2000, singles=2000)


@dataclass(frozen=True, kw_only=True)
class App:
    """A runtime with its program: `latency_ms(path, threads, percentile)` runs that on a file.

    One that tells the median alone raises SystemExit for another.
    """

    runtime: str
    program: str
    dialect: str  # the module of hwbench.dialects that exports a network for it
    suffix: str
    latency_ms: Callable[[str, int, int], float]


def by_hwbench(program: Program, percentile: int = MEDIAN) -> float:
    """Return a percentile of the milliseconds of single inferences."""
    done = timing.visit(program, PACE, time.perf_counter)
    times = [t.wall_s for t in done.samples if t.loops == 1]
    return 1e3 * statistics.quantiles(times, n=100)[percentile - 1]


def by_process(runtime: str, name: str, threads: int, path: str, percentile: int) -> float:
    """Return `by_hwbench` of a fresh process."""
    code = (
        "import sys; from bench import against_app, programs;"
        " p = programs.single(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]);"
        " print(against_app.by_hwbench(p, int(sys.argv[5])))"
    )
    command = [sys.executable, "-c", code, runtime, name, str(threads), path, str(percentile)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(done.stdout.split()[-1])


def _export(dialect: str, name: str, path: Path) -> None:
    """Export in a process of its own: torch is not beside what is timed."""
    code = (
        "import importlib, sys; from pathlib import Path; from hwbench import registry;"
        " dialect = importlib.import_module('hwbench.dialects.' + sys.argv[1]);"
        " n = registry.networks()[sys.argv[2]];"
        " dialect.export_workload("
        "n.workload, n.variant.config, 1, 'float32', Path(sys.argv[3]))"
    )
    subprocess.run([sys.executable, "-c", code, dialect, name, str(path)], check=True)


def timed(
    app: App, name: str, threads: int, pairs: int, percentile: int
) -> list[tuple[float, float]]:
    """Return the milliseconds by hwbench and by the program of each pair."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"model.{app.suffix}"
        _export(app.dialect, name, path)
        return both_in_turn(
            lambda: by_process(app.runtime, name, threads, str(path), percentile),
            lambda: app.latency_ms(str(path), threads, percentile),
            pairs,
        )


def figure(app: App, name: str, threads: int, pairs: int, percentile: int) -> Figure:
    """Return the figure of a network: by pairs of medians, or what both reach undisturbed."""
    found = timed(app, name, threads, pairs, percentile)
    what = f"{name}, batch 1: latency by hwbench / {app.program}"
    if percentile == MEDIAN:
        return of_ratios(what, [a / b for a, b in found], "within 3 %", 1 - WITHIN, 1 + WITHIN)
    return undisturbed(f"{what}, percentile {percentile}", found, WITHIN)


def main(app: App, about: str | None) -> None:
    """Print them."""
    given = parser(about)
    given.add_argument("--pairs", type=int, default=PAIRS)
    given.add_argument("--threads", type=int, default=2)
    given.add_argument("--only", choices=NAMES, help="one network of them")
    given.add_argument(
        "--percentile", type=int, default=MEDIAN, help="10: what both reach left alone"
    )
    asked = given.parse_args()
    names, pairs = (NAMES[:1], 2) if asked.tiny else (NAMES, asked.pairs)
    names = (asked.only,) if asked.only else names
    found = [figure(app, n, asked.threads, pairs, asked.percentile) for n in names]
    show(found, asked.json)
