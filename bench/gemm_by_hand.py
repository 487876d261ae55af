"""The FLOP/s of GEMM as hwbench measures it, against each library called by hand.

Every round asks every library once for both, in turn; a round's ratio is hwbench's best over the
best by hand, so both come from the same seconds of the machine. Both sides are medians of groups
of iterations that take 10 ms or more.
"""

import argparse
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from bench import programs
from bench.figure import Figure, of_ratios, parser, show
from bench.partner import Partner, serve
from hwbench import host, registry, timing
from hwbench.stats import median

ROUNDS = 10
VISIT_S = 0.3
LIBRARIES = ("numpy", *programs.RUNTIMES)


def _numpy(a: Any, b: Any, threads: int) -> Callable[[], Any]:
    return lambda: a @ b


def _torch(a: Any, b: Any, threads: int) -> Callable[[], Any]:
    import torch

    torch.set_num_threads(threads)
    left, right = torch.from_numpy(a), torch.from_numpy(b)
    return lambda: torch.mm(left, right)


def _jax(a: Any, b: Any, threads: int) -> Callable[[], Any]:
    import jax

    product = jax.jit(jax.numpy.matmul)
    left, right = jax.numpy.asarray(a), jax.numpy.asarray(b)
    return lambda: product(left, right).block_until_ready()


def _onnxruntime(a: Any, b: Any, threads: int) -> Callable[[], Any]:
    import onnxruntime
    from onnx import TensorProto, helper

    x, y, z = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, size)
        for name, size in (("x", a.shape), ("y", b.shape), ("z", (a.shape[0], b.shape[1])))
    )
    graph = helper.make_graph([helper.make_node("MatMul", ["x", "y"], ["z"])], "g", [x, y], [z])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return lambda: session.run(None, {"x": a, "y": b})


BY_HAND = {"numpy": _numpy, "torch": _torch, "jax": _jax, "onnxruntime": _onnxruntime}


def by_hand(product: Callable[[], Any], visit_s: float = VISIT_S) -> float:
    """Return the median seconds of a product, in groups of 10 ms for as long as a visit."""
    start = time.perf_counter()
    product()
    loops = int(0.01 / (time.perf_counter() - start)) + 1
    times = []
    began = time.perf_counter()
    while time.perf_counter() - began < visit_s:
        start = time.perf_counter()
        for _ in range(loops):
            product()
        times.append((time.perf_counter() - start) / loops)
    return median(times)


def by_hwbench(program: Any) -> float:
    """Return the median seconds of an iteration, as a record states it."""
    pace = timing.Pace(visit_s=VISIT_S, min_samples=5)
    done = timing.visit(program, pace, time.perf_counter)
    return median([wall_s / loops for loops, wall_s, _ in done.samples])


def _child(library: str, label: str) -> None:
    import numpy as np

    threads = host.environment().cpu.cores
    shape = registry.kernels()["gemm"].shapes[label]
    rng = np.random.default_rng(0)
    a = rng.standard_normal((shape["m"], shape["k"]), dtype=np.float32)
    b = rng.standard_normal((shape["k"], shape["n"]), dtype=np.float32)
    product = BY_HAND[library](a, b, threads)
    program = (
        programs.kernel(library, "gemm", label, threads) if library in programs.RUNTIMES else None
    )
    for _ in range(3):
        product()

    def answer(question: str) -> dict[str, float | None]:
        hand_s = by_hand(product) if question == "hand first" else None
        ours_s = by_hwbench(program) if program else None
        return {"hand": hand_s or by_hand(product), "hwbench": ours_s}

    serve(answer)


def figures(options: argparse.Namespace) -> list[Figure]:
    """Ask every library in every round and compare the best."""
    label = "small" if options.tiny else "large"
    flops = registry.kernels()["gemm"].flops(registry.kernels()["gemm"].shapes[label])
    threads = host.environment().cpu.cores
    with ExitStack() as stack:
        partners = {
            name: stack.enter_context(Partner("gemm_by_hand", threads, name, label))
            for name in LIBRARIES
        }
        rounds = [
            {n: p.ask("hand first" if i % 2 else "hwbench first") for n, p in partners.items()}
            for i in range(2 if options.tiny else ROUNDS)
        ]
    best = of_ratios(
        f"gemm {label}: hwbench's best / the best by hand",
        [_least(r, "hand") / _least(r, "hwbench") for r in rounds],
        ">= 0.97",
        0.97,
        None,
    )
    return [best, *(_speed(name, rounds, flops) for name in LIBRARIES)]


def _least(answers: dict[str, dict[str, float | None]], side: str) -> float:
    """Return the fewest seconds of the round on one side."""
    return min(s for a in answers.values() if (s := a[side]) is not None)


def _speed(name: str, rounds: list[dict[str, dict[str, Any]]], flops: int) -> Figure:
    """Report what the library does on both sides."""
    sides = {
        side: flops / median([r[name][side] for r in rounds]) / 1e9
        for side in ("hwbench", "hand")
        if rounds[0][name][side] is not None
    }
    said = ", ".join(f"{side} {speed:.1f}" for side, speed in sides.items())
    return Figure(name=f"gemm: {name}", measured=f"{said} GFLOP/s")


def main() -> None:
    """Measure, or be the child that does."""
    options = parser(__doc__)
    options.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    options.add_argument("library", nargs="?", help=argparse.SUPPRESS)
    options.add_argument("label", nargs="?", help=argparse.SUPPRESS)
    chosen = options.parse_args()
    if chosen.child:
        _child(chosen.library, chosen.label)
    else:
        show(figures(chosen), chosen.json)


if __name__ == "__main__":
    main()
