"""How long `hwbench --help` and `hwbench list` take, against Python that imports click alone."""

import argparse
import subprocess
import sys
import time

from bench.figure import Figure, of_ratios, parser, show

PAIRS = 15
HEAVY = ("numpy", "torch", "jax", "flax", "onnx", "onnxruntime", "matplotlib", "pynvml", "rich")
BARE = ("-c", "import click")
SCRIPT = "from hwbench.cli import main; main()"  # what the installed command does
LOADED = (
    "import sys; from hwbench.cli import status_of; status_of(sys.argv[1:]); "
    f"print(*[m for m in {HEAVY!r} if m in sys.modules], file=sys.stderr)"
)


def took_s(*arguments: str) -> float:
    """Return the seconds that one Python takes from start to end."""
    start = time.perf_counter()
    subprocess.run([sys.executable, *arguments], stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - start


def figures(options: argparse.Namespace) -> list[Figure]:
    """Measure both commands in pairs, A B B A, and look at what they load."""
    found = []
    for command in (("--help",), ("list",)):
        name = " ".join(("hwbench", *command))
        took_s("-c", SCRIPT, *command), took_s(*BARE)  # files into the cache
        ratios = [_pair(command, i % 2 == 0) for i in range(2 if options.tiny else PAIRS)]
        found.append(of_ratios(f"{name} / import click", ratios, "<= 2", None, 2.0))
        loaded = _loaded(command)
        shown = loaded or "none"
        found.append(
            Figure(name=f"{name}: heavy modules", measured=shown, target="none", met=not loaded)
        )
    return found


def _pair(command: tuple[str, ...], ours_first: bool) -> float:
    if ours_first:
        ours_s = took_s("-c", SCRIPT, *command)
        return ours_s / took_s(*BARE)
    bare_s = took_s(*BARE)
    return took_s("-c", SCRIPT, *command) / bare_s


def _loaded(command: tuple[str, ...]) -> str:
    """Return the heavy modules that a command has loaded by its end."""
    done = subprocess.run(
        [sys.executable, "-c", LOADED, *command], capture_output=True, text=True, check=True
    )
    return done.stderr.strip()


def main() -> None:
    """Measure."""
    chosen = parser(__doc__).parse_args()
    show(figures(chosen), chosen.json)


if __name__ == "__main__":
    main()
