"""hwbench's latency by LiteRT against LiteRT's own `litert-benchmark`, in turn.

`python -m bench.litert_app` (needs `make litert`): the same file and threads, single inferences in
float32 by XNNPACK; the figure is the median of ratios of medians.
"""

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from bench.figure import Figure, in_turn, of_ratios, parser, show
from bench.openvino_app import by_process

NAMES = ("mobilenet_v3_large", "resnet50")
PAIRS = 10
RUNS = 100
_MEDIAN = re.compile(r"\(median\):\s+([\d.]+) ms")


def by_app(path: str, threads: int) -> float:
    """Return the median milliseconds that litert-benchmark tells."""
    found = shutil.which("litert-benchmark", path=str(Path(sys.executable).parent))
    if found is None:
        raise SystemExit("litert-benchmark is not installed: make litert")
    command = [found, "--model", path, "--num_threads", str(threads), "--num_runs", str(RUNS)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    told = _MEDIAN.search(done.stdout + done.stderr)
    if done.returncode or told is None:
        raise SystemExit(f"litert-benchmark failed: {done.stdout[-500:]}{done.stderr[-500:]}")
    return float(told[1])


def _export(name: str, path: Path) -> None:
    """Convert in a process of its own: torch is not beside what is timed."""
    code = (
        "import sys; from pathlib import Path; from hwbench import registry;"
        " from hwbench.dialects import litert; n = registry.networks()[sys.argv[1]];"
        " litert.export_workload(n.workload, n.variant.config, 1, 'float32', Path(sys.argv[2]))"
    )
    subprocess.run([sys.executable, "-c", code, name, str(path)], check=True)


def ratios(name: str, threads: int, pairs: int) -> list[float]:
    """Return hwbench / litert-benchmark of each pair."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.tflite"
        _export(name, path)
        return in_turn(
            lambda: by_process("litert", name, threads, str(path)),
            lambda: by_app(str(path), threads),
            pairs,
        )


def figures(threads: int, pairs: int, names: Sequence[str] = NAMES) -> list[Figure]:
    """Return a figure for each network."""
    return [
        of_ratios(
            f"{name}, batch 1: latency by hwbench / litert-benchmark",
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
