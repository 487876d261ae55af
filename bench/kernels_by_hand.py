"""Every kernel at its largest shape: hwbench's figure against the best of the libraries by hand.

Every round asks every library for both, in turn and in alternating order; a round's ratio is the
best time by hand over hwbench's best, so both come from the same seconds of the machine. Medians
of groups of iterations that take 10 ms or more, on both sides. Then what share that is of this
machine's own roofs, measured in the same run: its best matrix product, its triad.
"""

import argparse
import gc
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from typing import Any

from bench import by_hand, programs
from bench.figure import Figure, of_ratios, parser, show
from bench.partner import Partner, serve
from hwbench import host, registry, timing
from hwbench.stats import median

ROUNDS = 10
VISIT_S = 0.4
GROUP_S = 0.01
LIBRARIES = ("numpy", *programs.RUNTIMES)
PEAK, BANDWIDTH = "gemm", "triad"

Round = dict[str, dict[str, float | None]]


def largest(name: str) -> str:
    """Return the label of the largest shape that is measured on a processor."""
    labels = [label for label in registry.kernels()[name].shapes if label != "huge"]
    return labels[-1]


def timed(function: Callable[[], Any], visit_s: float = VISIT_S) -> float:
    """Return the median seconds of a call, in groups of GROUP_S for as long as a visit."""
    function()
    start = time.perf_counter()
    function()
    loops = int(GROUP_S / (time.perf_counter() - start)) + 1
    times: list[float] = []
    began = time.perf_counter()
    while time.perf_counter() - began < visit_s or len(times) < 3:
        start = time.perf_counter()
        for _ in range(loops):
            function()
        times.append((time.perf_counter() - start) / loops)
    return median(times)


def by_hwbench(program: Any) -> float:
    """Return the median seconds of an iteration, as a record states it."""
    pace = timing.Pace(visit_s=VISIT_S, min_samples=3)
    done = timing.visit(program, pace, time.perf_counter)
    return median([t.wall_s / t.loops for t in done.samples])


def _child(library: str, kernel: str, label: str) -> None:
    threads = host.environment().cpu.cores
    shape = registry.kernels()[kernel].shapes[label]

    def hand() -> float | None:
        call = by_hand.call(library, kernel, shape, threads)
        return timed(call) if call else None

    def hwbench() -> float | None:
        if library not in programs.RUNTIMES:
            return None
        return by_hwbench(programs.kernel(library, kernel, label, threads))

    def answer(question: str) -> dict[str, float | None]:
        """Make and time each side in turn: which pages its arrays get is luck, every time anew."""
        sides = {"hand": hand, "hwbench": hwbench}
        order = list(sides) if question == "hand first" else list(sides)[::-1]
        found = {}
        for side in order:
            found[side] = sides[side]()
            gc.collect()
        return found

    serve(answer)


def rounds(kernel: str, label: str, n: int) -> list[Round]:
    """Ask every library about one kernel, `n` times in turn."""
    threads = host.environment().cpu.cores
    with ExitStack() as stack:
        partners = {
            library: stack.enter_context(
                Partner("kernels_by_hand", threads, library, kernel, label)
            )
            for library in LIBRARIES
            if library != "numpy" or by_hand.BY_HAND[kernel].numpy
        }
        orders = ["hand first" if i % 2 else "hwbench first" for i in range(n)]
        return [{name: p.ask(order) for name, p in partners.items()} for order in orders]


def least(answers: Round, side: str) -> float:
    """Return the fewest seconds of the round on one side."""
    return min(s for a in answers.values() if (s := a[side]) is not None)


def figures(options: argparse.Namespace) -> list[Figure]:
    """Measure the roofs first, then the other kernels; a share is of what was measured here."""
    names = [n for n in registry.kernels().items if n in by_hand.BY_HAND]
    wanted = options.names or names
    roofs: dict[str, float] = {}
    found: list[Figure] = []
    for name in sorted({PEAK, BANDWIDTH, *wanted}, key=lambda n: n not in (PEAK, BANDWIDTH)):
        found += _figures(name, roofs, options.tiny)
    return found


def _figures(name: str, roofs: dict[str, float], tiny: bool) -> Iterator[Figure]:
    kernel, label = registry.kernels()[name], "small" if tiny else largest(name)
    answers = rounds(name, label, 2 if tiny else ROUNDS)
    ratios = [least(r, "hand") / least(r, "hwbench") for r in answers]
    shape = kernel.shapes[label]
    flops, moved = kernel.work(shape, "forward", kernel.dtypes[0])
    taken_s = median([least(r, "hwbench") for r in answers])
    if name == PEAK:
        roofs["flops_per_s"] = (flops or 0) / taken_s
    if name == BANDWIDTH:
        roofs["bytes_per_s"] = moved / taken_s
    yield of_ratios(f"{name} {label}: best by hand / hwbench's best", ratios, ">= 0.97", 0.97, None)
    yield Figure(name=f"{name}: share of the roof", measured=_share(flops, moved, taken_s, roofs))
    yield Figure(name=f"{name}: ms by library", measured=_by_library(answers))


def _share(flops: int | None, moved: int, taken_s: float, roofs: dict[str, float]) -> str:
    """Say what share of the measured peak and bandwidth an iteration reached."""
    said = []
    if flops is not None and "flops_per_s" in roofs:
        rate = flops / taken_s
        said.append(f"{rate / 1e9:.3g} GFLOP/s, {rate / roofs['flops_per_s']:.0%} of gemm's")
    if "bytes_per_s" in roofs:
        rate = moved / taken_s
        said.append(f"{rate / 1e9:.3g} GB/s, {rate / roofs['bytes_per_s']:.0%} of triad's")
    return "; ".join(said) or "no roof measured before it"


def _by_library(answers: Sequence[Round]) -> str:
    said = []
    for library in answers[0]:
        sides = [
            f"{1e3 * median([s for r in answers if (s := r[library][side]) is not None]):.3g}"
            for side in ("hwbench", "hand")
            if answers[0][library][side] is not None
        ]
        said.append(f"{library} {' / '.join(sides)}")
    return ", ".join(said) + " (hwbench / by hand)"


def main() -> None:
    """Measure, or be the child that does."""
    options = parser(__doc__)
    options.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    options.add_argument("names", nargs="*", metavar="KERNEL")
    chosen = options.parse_args()
    if chosen.child:
        _child(*chosen.names)
    else:
        show(figures(chosen), chosen.json)


if __name__ == "__main__":
    main()
