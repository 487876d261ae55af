"""hwbench's latency by OpenVINO against OpenVINO's own `benchmark_app`, in turn.

`python -m bench.openvino_app`: the same file, threads, one stream, single inferences in float32;
the figure is the median of ratios of medians.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from bench.figure import Figure, in_turn, of_ratios, parser, show
from hwbench import timing
from hwbench.runtime import Program

NAMES = ("mobilenet_v3_large", "resnet50")
PAIRS = 10
SECONDS = 3
SILENT = "import sys; sys.modules['openvino_telemetry'] = None; "  # nothing is sent
PACE = timing.Pace(visit_s=float(SECONDS), min_samples=5, max_samples=2000, singles=2000)


def by_app(path: str, threads: int) -> float:
    """Return the median milliseconds that benchmark_app tells."""
    with tempfile.TemporaryDirectory() as folder:
        command = [
            sys.executable, "-c", SILENT + "from openvino.tools.benchmark.main import main; main()",
            "-m", path, "-d", "CPU", "-api", "sync", "-hint", "none", "-nstreams", "1",
            "-nthreads", str(threads), "-infer_precision", "f32", "-t", str(SECONDS),
            "-report_type", "no_counters", "-json_stats", "-report_folder", folder,
        ]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        reports = list(Path(folder).glob("*.json"))
        if done.returncode or not reports:
            raise SystemExit(f"benchmark_app failed: {done.stdout[-500:]}{done.stderr[-500:]}")
        told = json.loads(reports[0].read_text())
    return float(told["execution_results"]["latency (ms)"])


def by_hwbench(program: Program) -> float:
    """Return the median milliseconds of single inferences, as benchmark_app's is."""
    done = timing.visit(program, PACE, time.perf_counter)
    return 1e3 * statistics.median(t.wall_s for t in done.samples if t.loops == 1)


def by_process(runtime: str, name: str, threads: int, path: str) -> float:
    """Return `by_hwbench` of a process of its own, as a visit is and as the app is.

    Where memory lies is a process's luck: one that lasted would have it in every pair.
    """
    code = (
        "import sys; from bench import openvino_app, programs;"
        " p = programs.single(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]);"
        " print(openvino_app.by_hwbench(p))"
    )
    command = [sys.executable, "-c", code, runtime, name, str(threads), path]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(done.stdout.split()[-1])


def _export(name: str, path: Path) -> None:
    """Export in a process of its own: torch is not beside what is timed."""
    code = (
        "import sys; from pathlib import Path; from hwbench import registry;"
        " from hwbench.dialects import onnx; n = registry.networks()[sys.argv[1]];"
        " onnx.export_workload(n.workload, n.variant.config, 1, 'float32', Path(sys.argv[2]))"
    )
    subprocess.run([sys.executable, "-c", code, name, str(path)], check=True)


def ratios(name: str, threads: int, pairs: int) -> list[float]:
    """Return hwbench / benchmark_app of each pair."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        _export(name, path)
        return in_turn(
            lambda: by_process("openvino", name, threads, str(path)),
            lambda: by_app(str(path), threads),
            pairs,
        )


def figures(threads: int, pairs: int, names: Sequence[str] = NAMES) -> list[Figure]:
    """Return a figure for each network."""
    return [
        of_ratios(
            f"{name}, batch 1: latency by hwbench / benchmark_app",
            ratios(name, threads, pairs),
            "within 3 %",
            0.97,
            1.03,
        )
        for name in names
    ]


def main() -> None:
    """Print them."""
    given = parser(__doc__)
    given.add_argument("--pairs", type=int, default=PAIRS)
    given.add_argument("--threads", type=int, default=2)
    asked = given.parse_args()
    if asked.tiny:
        show(figures(asked.threads, 2, NAMES[:1]), asked.json)
        return
    show(figures(asked.threads, asked.pairs), asked.json)


if __name__ == "__main__":
    main()
