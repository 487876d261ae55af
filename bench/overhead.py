"""hwbench's time per iteration against a bare loop over the same callable, in one process.

A visit's mean (all samples' seconds over all their iterations) stands against one pair of clock
readings round as many iterations. Mean against mean: a median on one side alone would call the
machine's own noise hwbench's. Pairs go A B B A, so that a drift favours neither side, and they are
many and short: 12 of half a second spread over 0.83..1.16 on a shared machine, too wide for 2 %.

And what the engine takes for itself: the share of a visit as long as `standard` has it that passed
outside the program, the watch for interference and all statistics of the visit included.
"""

import argparse
import gc
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench import programs
from bench.figure import Figure, of_ratios, parser, show
from bench.partner import Partner, serve
from hwbench import host, interference, timing
from hwbench.runtime import Program
from hwbench.stats import median

WARMUP = 3  # iterations: the figure is of the steady state, and a visit warms up too
PAIRS = {"gemm": 100, "network": 20}
PACES = {
    "gemm": timing.Pace(visit_s=0.15, min_samples=5),
    "network": timing.Pace(visit_s=0.8, min_samples=5),
}
VISITS = 5  # of the engine's own share
STANDARD = timing.Pace(visit_s=2.5, min_samples=5, sample_s=0.125, max_samples=20)


def by_hwbench(program: Program, pace: timing.Pace) -> tuple[float, int]:
    """Return (seconds per iteration, iterations) of one visit."""
    done = timing.visit(program, pace, time.perf_counter)
    iterations = sum(t.loops for t in done.samples)
    return sum(t.wall_s for t in done.samples) / iterations, iterations


def bare(program: Program, iterations: int) -> float:
    """Return seconds per iteration of a loop as anyone would write it, warmed up as they would."""
    step, wait = program.step, program.wait
    for _ in range(WARMUP):
        wait(step())
    start = time.perf_counter()
    for _ in range(iterations):
        result = step()
    wait(result)
    return (time.perf_counter() - start) / iterations


def ratios(program: Program, pace: timing.Pace, pairs: int) -> list[float]:
    """Return hwbench / bare of each pair; a first visit warms up and counts the iterations."""
    _, iterations = by_hwbench(program, pace)
    found = []
    for n in range(pairs):
        if n % 2:
            theirs = bare(program, iterations)
            ours, _ = by_hwbench(program, pace)
        else:
            ours, _ = by_hwbench(program, pace)
            theirs = bare(program, iterations)
        found.append(ours / theirs)
    return found


def engine_share(program: Program, threads: int) -> float:
    """Return the share of a visit outside the program; the clock readings round it count too."""
    inside_s = 0.0

    def step() -> Any:
        nonlocal inside_s
        start = time.perf_counter()
        result = program.step()
        program.wait(result)
        inside_s += time.perf_counter() - start
        return result

    timed = replace(program, step=step, wait=lambda result: None)
    start = time.perf_counter()
    watch = interference.Watch(time.perf_counter, threads, "cpu")
    timing.visit(timed, STANDARD, time.perf_counter, watch)
    watch.conditions()
    return 1 - inside_s / (time.perf_counter() - start)


def figures(options: argparse.Namespace) -> list[Figure]:
    """Measure each runtime in a child of its own."""
    found = []
    tiny = ("--tiny",) if options.tiny else ()
    threads = host.environment().cpu.cores
    with tempfile.TemporaryDirectory() as folder:
        model = str(Path(folder) / "model.onnx")
        with Partner("overhead", threads, "torch", model, *tiny) as maker:
            maker.ask("export")
        for runtime in programs.RUNTIMES:
            arguments = (runtime, model, "--device", options.device, *tiny)
            with Partner("overhead", threads, *arguments) as partner:
                for what, name in _names(options.tiny).items():
                    found.append(_figure(runtime, name, partner.ask(what)))
                if options.device == "cpu":
                    found.append(_engine(runtime, partner.ask("engine")))
    return found


def _figure(runtime: str, name: str, measured: Sequence[float]) -> Figure:
    title = f"overhead: {name}, {runtime}, hwbench / bare"
    return of_ratios(title, measured, "0.98..1.02", 0.98, 1.02)


def _engine(runtime: str, shares: Sequence[float]) -> Figure:
    return Figure(
        name=f"engine: its own share of a visit, {runtime}",
        measured=f"{median(shares):.2%}, {max(shares):.2%} at most, of {len(shares)}",
        target="< 1 %",
        met=median(shares) < 0.01,
    )


def _names(tiny: bool) -> dict[str, str]:
    """Return what is measured: the kernel's shape and the network."""
    network = "resnet18_small" if tiny else "resnet18"
    return {"gemm": f"gemm {'small' if tiny else 'large'}", "network": f"{network} inference"}


def _child(options: argparse.Namespace) -> None:
    threads = host.environment().cpu.cores
    names = _names(options.tiny)

    def answer(question: str) -> object:
        network = names["network"].split()[0]
        if question == "export":
            return programs.export(network, Path(options.model))
        if question == "engine":
            label = names["gemm"].split()[1]
            program = programs.kernel(options.runtime, "gemm", label, threads, options.device)
            gc.freeze()  # as a child does when its library is there
            return [engine_share(program, threads) for _ in range(1 if options.tiny else VISITS)]
        if question == "gemm":
            label = names["gemm"].split()[1]
            program = programs.kernel(options.runtime, "gemm", label, threads, options.device)
        else:
            program = programs.inference(
                options.runtime, network, threads, options.model, options.device
            )
        return ratios(program, PACES[question], 2 if options.tiny else PAIRS[question])

    serve(answer)


def main() -> None:
    """Measure, or be the child that does."""
    options = parser(__doc__)
    options.add_argument("--device", default="cpu")
    options.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    options.add_argument("runtime", nargs="?", help=argparse.SUPPRESS)
    options.add_argument("model", nargs="?", help=argparse.SUPPRESS)
    chosen = options.parse_args()
    if chosen.child:
        _child(chosen)
    else:
        show(figures(chosen), chosen.json)


if __name__ == "__main__":
    main()
