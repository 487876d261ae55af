"""hwbench's latency under ONNX Runtime against a bare loop over `InferenceSession`, I/O bound.

`python -m bench.edge_latency`: the same file, the same threads, pairs in turn (A B B A): a visit
as `hwbench run` makes it, and a loop as anyone would write it. The figure is the median of ratios.
"""

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench import programs
from bench.figure import Figure, in_turn, of_ratios, parser, show
from hwbench import registry, timing
from hwbench.dialects import onnx as exporting
from hwbench.runtime import Program

NAMES = ("mobilenet_v3_large", "resnet50")
PAIRS = 12
PACE = timing.Pace(visit_s=1.5, min_samples=5)
WARMUP = 5


def bare(path: str, threads: int, network: registry.Network) -> Any:
    """Return a function that runs so many inferences and gives the seconds of one."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    inputs, _ = network.workload.batch(network.variant.config, 1, np.random.default_rng(0))
    binding = session.io_binding()
    for node, value in zip(session.get_inputs(), inputs, strict=True):
        binding.bind_ortvalue_input(node.name, ort.OrtValue.ortvalue_from_numpy(value))
    for node in session.get_outputs():
        binding.bind_output(node.name)
    session.run_with_iobinding(binding)
    results = binding.get_outputs()
    binding.clear_binding_outputs()
    for node, value in zip(session.get_outputs(), results, strict=True):
        binding.bind_ortvalue_output(node.name, value)

    def run(count: int) -> float:
        for _ in range(WARMUP):
            session.run_with_iobinding(binding)
        start = time.perf_counter()
        for _ in range(count):
            session.run_with_iobinding(binding)
        return (time.perf_counter() - start) / count

    return run


def by_hwbench(program: Program) -> tuple[float, int]:
    """Return (seconds of an inference, how many) of one visit."""
    done = timing.visit(program, PACE, time.perf_counter)
    count = sum(t.loops for t in done.samples)
    return sum(t.wall_s for t in done.samples) / count, count


def ratios(name: str, threads: int, pairs: int) -> list[float]:
    """Return hwbench / bare of each pair."""
    network = registry.networks()[name]
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "model.onnx")
        exporting.export_workload(network.workload, network.variant.config, 1, "float32", path)
        program = programs.single("onnxruntime", name, threads, path)
        loop = bare(path, threads, network)
        _, count = by_hwbench(program)
        return in_turn(lambda: by_hwbench(program)[0], lambda: loop(count), pairs)


def figures(threads: int, pairs: int, names: Sequence[str] = NAMES) -> list[Figure]:
    """Return a figure for each network."""
    return [
        of_ratios(
            f"{name}, batch 1: latency by hwbench / a bare loop",
            ratios(name, threads, pairs),
            "within 2 %",
            0.98,
            1.02,
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
        show(figures(asked.threads, 2, ("resnet18_small",)), asked.json)
        return
    show(figures(asked.threads, asked.pairs), asked.json)


if __name__ == "__main__":
    main()
