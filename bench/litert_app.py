"""hwbench's latency by LiteRT against LiteRT's own `litert-benchmark`, in turn.

`python -m bench.litert_app` (needs `make litert`): the same file and threads, single inferences in
float32 by XNNPACK; the figure is the median of ratios of medians.
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path

from bench import against_app

RUNS = 100
_MEDIAN = re.compile(r"\(median\):\s+([\d.]+) ms")


def by_app(path: str, threads: int, percentile: int) -> float:
    """Return the median milliseconds that litert-benchmark tells; it tells no other percentile."""
    if percentile != against_app.MEDIAN:
        raise SystemExit("litert-benchmark tells the median alone: --percentile 50")
    found = shutil.which("litert-benchmark", path=str(Path(sys.executable).parent))
    if found is None:
        raise SystemExit("litert-benchmark is not installed: make litert")
    command = [found, "--model", path, "--num_threads", str(threads), "--num_runs", str(RUNS)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    told = _MEDIAN.search(done.stdout + done.stderr)
    if done.returncode or told is None:
        raise SystemExit(f"litert-benchmark failed: {done.stdout[-500:]}{done.stderr[-500:]}")
    return float(told[1])


APP = against_app.App(
    runtime="litert", program="litert-benchmark", dialect="litert", suffix="tflite",
    latency_ms=by_app,
)  # fmt: skip

if __name__ == "__main__":
    against_app.main(APP, __doc__)
