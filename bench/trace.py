"""A trace: every training step of some networks, for hours, as this machine runs them.

    python -m bench.trace FILE.csv --hours 2 --threads 1 --cpu 1

The networks take turns of half a second in one process, so that all of them see the same hours. A
line is (network, seconds since the start, seconds of the step); `bench.drift` reads it and holds
predictions from a short measurement against what came after.
"""

import argparse
import os
import time
from pathlib import Path

from bench import programs

NETWORKS = ("mlp:128", "resnet18:1", "vit_tiny:1")  # dense, convolutions, attention
TURN_S = 0.5


def record(path: Path, networks: tuple[str, ...], hours: float, threads: int) -> None:
    """Run the training steps in turns and append each to `path`."""
    made = {}
    for name in networks:
        network, _, batch = name.partition(":")
        made[name] = programs.training("torch", network, threads, int(batch))
    for program in made.values():
        for _ in range(3):
            program.wait(program.step())
    began = time.perf_counter()
    with path.open("w", encoding="utf-8", buffering=1) as file:
        file.write("network,start_s,step_s\n")
        while time.perf_counter() - began < hours * 3600:
            for name, program in made.items():
                lines, turn = [], time.perf_counter()
                while time.perf_counter() - turn < TURN_S:
                    start = time.perf_counter()
                    program.wait(program.step())
                    lines.append(f"{name},{start - began:.4f},{time.perf_counter() - start:.6f}\n")
                file.write("".join(lines))


def main() -> None:
    """Record a trace."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("path", type=Path)
    options.add_argument("--hours", type=float, default=2.0)
    options.add_argument("--threads", type=int, default=2)
    options.add_argument("--cpu", type=int, help="run on this processor alone (Linux)")
    options.add_argument("--network", action="append", metavar="NAME:BATCH")
    chosen = options.parse_args()
    if chosen.cpu is not None:
        os.sched_setaffinity(0, {chosen.cpu})
    record(chosen.path, tuple(chosen.network or NETWORKS), chosen.hours, chosen.threads)


if __name__ == "__main__":
    main()
