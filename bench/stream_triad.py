"""hwbench's triad on torch against a C STREAM triad compiled on the spot, in GB/s.

Both count 3 elements an iteration, as STREAM does, on arrays of the same size and type.
"""

import argparse
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from bench import kernels_by_hand, programs
from bench.figure import Figure, of_ratios, parser, show
from bench.partner import Partner, serve
from hwbench import host, registry
from hwbench.stats import median
from hwbench.units import ITEM_BYTES

PAIRS = 10
PASSES = 9
SOURCE = Path(__file__).with_name("triad.c")
FLAGS = ("-O3", "-march=native", "-fopenmp")
TITLE = "triad: torch by hwbench / C by STREAM's rules"


def compiled(folder: Path) -> tuple[Path | None, str]:
    """Return the program, or None and why there is none."""
    compiler = os.environ.get("CC") or shutil.which("cc")
    if compiler is None:
        return None, "skipped: there is no C compiler (cc)"
    program = folder / "triad"
    made = subprocess.run(
        [compiler, *FLAGS, str(SOURCE), "-o", str(program)], capture_output=True, text=True
    )
    if made.returncode:
        said = made.stderr.strip().splitlines() or ["no message"]
        return None, f"skipped: {compiler} {' '.join(FLAGS)} fails: {said[-1]}"
    return program, ""


def in_c(program: Path, n: int, threads: int) -> float:
    """Return the median seconds of a pass of the C program, the first pass left out."""
    done = subprocess.run(
        [str(program), str(n), str(PASSES + 1)],
        env={**os.environ, "OMP_NUM_THREADS": str(threads)},
        capture_output=True,
        text=True,
        check=True,
    )
    return median([float(line) for line in done.stdout.split()][1:])


def figures(options: argparse.Namespace) -> list[Figure]:
    """Measure both in turn, A B B A."""
    label = "medium" if options.tiny else "large"
    n = registry.kernels()["triad"].shapes[label]["n"]
    threads = host.environment().cpu.cores
    with tempfile.TemporaryDirectory() as folder:
        program, why_not = compiled(Path(folder))
        if program is None:
            return [Figure(name=TITLE, measured=why_not)]
        with Partner("stream_triad", threads, label) as partner:
            torch_s, c_s = [], []
            for i in range(2 if options.tiny else PAIRS):
                if i % 2:
                    c_s.append(in_c(program, n, threads))
                torch_s.append(partner.ask("visit"))
                if not i % 2:
                    c_s.append(in_c(program, n, threads))
    return [
        of_ratios(TITLE, [c / t for c, t in zip(c_s, torch_s, strict=True)], "-", None, None),
        _speed("torch by hwbench", torch_s, n),
        _speed("C", c_s, n),
    ]


def _speed(name: str, walls_s: Sequence[float], n: int) -> Figure:
    moved_bytes = 3 * n * ITEM_BYTES["float32"]
    return Figure(name=f"triad: {name}", measured=f"{moved_bytes / median(walls_s) / 1e9:.1f} GB/s")


def _child(label: str) -> None:
    program = programs.kernel("torch", "triad", label, host.environment().cpu.cores)
    serve(lambda question: kernels_by_hand.by_hwbench(program))


def main() -> None:
    """Measure, or be the child that does."""
    options = parser(__doc__)
    options.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    options.add_argument("label", nargs="?", help=argparse.SUPPRESS)
    chosen = options.parse_args()
    if chosen.child:
        _child(chosen.label)
    else:
        show(figures(chosen), chosen.json)


if __name__ == "__main__":
    main()
