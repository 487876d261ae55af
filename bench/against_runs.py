"""How often `run --against` calls equal sides different, and finds one that is 5 % slower.

`python -m bench.against_runs --out DIR` runs small networks, training and inference, against a copy
of this checkout, and against one in which every timed loop takes 5 % longer; goes on where it was
stopped, and prints the verdicts. `--table` prints those that are there.
"""

import argparse
import collections
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from hwbench import compare
from hwbench.compare import Options

ROOT = Path(__file__).parent.parent
NETWORKS = (
    "mlp_small", "lstm_small", "resnet18_small", "mobilenet_v3_large_small", "vit_tiny_small",
    "bert_base_small", "gpt2_small_small", "dcgan_small",
)  # fmt: skip
SLOWER = 0.05
_PLAIN = "    program.wait(result)\n    return clock() - start, start\n"
_SLOW = f"""    program.wait(result)
    end = clock() + {SLOWER} * (clock() - start)
    while clock() < end:
        pass
    return clock() - start, start
"""


def checkout(place: Path, *, slow: bool) -> Path:
    """Lay out a copy of this checkout, as it is or slowed; return where."""
    made = place / ("slower" if slow else "same")
    for name in ("hwbench", "kernels"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, made / name, ignore=ignored)
    if slow:
        timing = made / "hwbench" / "timing.py"
        text = timing.read_text(encoding="utf-8")
        assert _PLAIN in text, "timing.take_sample is not what it was: adapt the slow copy"
        timing.write_text(text.replace(_PLAIN, _SLOW), encoding="utf-8")
    return made


def run(out: Path, name: str, side: Path, rounds: int | None) -> Path:
    """Run both sides of one kind, or go on with it; return the record."""
    path = out / f"{name}.json"
    command = [sys.executable, "-m", "hwbench", "run"]
    if path.exists():
        command += ["--resume", str(path)]
    else:
        models = [x for n in NETWORKS for x in ("--model", n)]
        command += ["--profile", "quick", "--only", "workload/*", "--runtime", "torch"]
        command += models
        command += ["--processes", str(rounds)] if rounds else []
        command += ["--against", str(side)]
        command += ["--max-seconds", "3600"]  # all rounds, whatever the profile allows
        command += ["--out", str(path), "--force"]
    subprocess.run(command, check=False, stdout=subprocess.DEVNULL)
    return path


def verdicts(path: Path) -> collections.Counter[str]:
    """Return how many cases have each verdict."""
    done = compare.compare(Options(records=(str(path),)))
    return collections.Counter(p.verdict for p in done.pairs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--rounds", type=int, help="of every case; left out: hwbench's own rule")
    parser.add_argument("--times", type=int, default=3, help="runs of each kind")
    parser.add_argument("--table", action="store_true")
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    print("| other side | comparisons | faster | slower | same | ambiguous |")
    print("|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as scratch:
        for slow in (False, True):
            side = checkout(Path(scratch), slow=slow)
            total: collections.Counter[str] = collections.Counter()
            for n in range(asked.times):
                path = asked.out / f"{side.name}-{n}.json"
                if not asked.table:
                    run(asked.out, path.stem, side, asked.rounds)
                if path.exists():
                    total += verdicts(path)
            told = [str(total[v]) for v in ("faster", "slower", "same", "ambiguous")]
            print(f"| {side.name} | {total.total()} | {' | '.join(told)} |")


if __name__ == "__main__":
    main()
