"""Whether `advise --data` tells a training bound by its loader from one bound by compute.

`python -m bench.loader_bound` generates data of ten kinds, large photographs for small networks and
small ones for large networks, and asks of each what it is bound by and how many processes should
load. A second, exhaustive search with twice the rounds says how far the advised number is from the
best there is.
"""

import argparse
import os
import statistics
from typing import NamedTuple

from hwbench import data_made, host, loader_search, paired_steps, registry, training_choice
from hwbench.child import Child
from hwbench.dataset import Loading
from hwbench.loop import LoopCase
from hwbench.progress import Silent


class Kind(NamedTuple):
    """A network at a batch, photographs of so many pixels, and what its training must wait for."""

    workload: str
    batch_size: int
    width: int
    height: int
    bound: str


KINDS = (
    Kind("resnet18_small", 16, 1600, 1200, "loader"),
    Kind("resnet18_small", 32, 1000, 750, "loader"),
    Kind("mobilenet_v3_large_small", 16, 1600, 1200, "loader"),
    Kind("vit_tiny_small", 16, 1200, 900, "loader"),
    Kind("resnet50_small", 16, 1600, 1200, "loader"),
    Kind("resnet18", 8, 120, 90, "compute"),
    Kind("resnet50", 4, 160, 120, "compute"),
    Kind("vit_tiny", 8, 100, 75, "compute"),
    Kind("mobilenet_v3_large", 8, 80, 60, "compute"),
    Kind("resnet18", 4, 500, 375, "compute"),
)
ITEMS = 64
BLOCKS = 6


def synthetic_s(kind: Kind, threads: int) -> float:
    """Return the seconds of a step on made inputs."""
    case = training_choice.choose(None, kind.workload, "torch", batch_size=kind.batch_size).case
    side = paired_steps.opened(case, 0, threads, 2, Child, lambda: None)
    try:
        return statistics.median(side.block() for _ in range(BLOCKS))
    finally:
        side.end()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=host.environment().cpu.cores)
    threads = parser.parse_args().threads
    told = near = 0
    for kind in KINDS:
        network = registry.networks()[kind.workload]
        dataset = data_made.dataset_for(network, ITEMS, (kind.width, kind.height))
        case = LoopCase(
            workload=kind.workload,
            runtime="torch",
            device="cpu",
            dtype="float32",
            batch_size=kind.batch_size,
            loading=Loading(dataset=dataset, residence="disk"),
        )
        step_s = synthetic_s(kind, threads)
        workers = loader_search.counts(os.cpu_count() or 1)
        asked = [
            loader_search.search(
                case, dataset, step_s, threads, workers, Silent(), Child, rounds=rounds
            )
            for rounds in (loader_search.ROUNDS, 2 * loader_search.ROUNDS)
        ]
        first, second = asked
        by = {r.workers: r.step_s for r in second.rows}
        over = by[first.advised] / min(by.values()) - 1
        told, near = told + (first.bound == kind.bound), near + (over <= 0.10)
        best = next(r for r in first.rows if r.workers == first.advised)
        print(
            f"{kind.workload} batch {kind.batch_size}, {kind.width} x {kind.height}: bound by"
            f" {first.bound} ({'right' if first.bound == kind.bound else 'WRONG'}); step"
            f" {step_s:.3g} s, loader {best.batch_s:.3g} s a batch; {first.advised} workers,"
            f" {over:+.1%} of the best",
            flush=True,
        )
    print(f"told apart: {told} of {len(KINDS)}; within 10 % of the best: {near} of {len(KINDS)}")


if __name__ == "__main__":
    main()
