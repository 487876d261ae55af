"""hwbench's latency by OpenVINO against OpenVINO's own `benchmark_app`, in turn.

`python -m bench.openvino_app`: the same file, threads, one stream, single inferences in float32;
the figure is the median of ratios of medians.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from bench import against_app

SILENT = "import sys; sys.modules['openvino_telemetry'] = None; "  # nothing is sent


def by_app(path: str, threads: int, percentile: int) -> float:
    """Return a percentile of the milliseconds, as benchmark_app tells it."""
    with tempfile.TemporaryDirectory() as folder:
        command = [
            sys.executable, "-c", SILENT + "from openvino.tools.benchmark.main import main; main()",
            "-m", path, "-d", "CPU", "-api", "sync", "-hint", "none", "-nstreams", "1",
            "-nthreads", str(threads), "-infer_precision", "f32", "-t", str(against_app.SECONDS),
            "-latency_percentile", str(percentile), "-report_type", "no_counters", "-json_stats",
            "-report_folder", folder,
        ]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        reports = list(Path(folder).glob("*.json"))
        if done.returncode or not reports:
            raise SystemExit(f"benchmark_app failed: {done.stdout[-500:]}{done.stderr[-500:]}")
        told = json.loads(reports[0].read_text())
    name = "latency (ms)" if percentile == 50 else f"latency ({percentile} percentile) (ms)"
    return float(told["execution_results"][name])


APP = against_app.App(
    runtime="openvino", program="benchmark_app", dialect="onnx", suffix="onnx", latency_ms=by_app
)

if __name__ == "__main__":
    against_app.main(APP, __doc__)
