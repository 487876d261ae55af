"""How often `compare` calls two records of the same code different; what change it can find.

`python -m bench.sequential_runs --out DIR` makes `--records` records of small networks one after
the other, or goes on with them, and compares each with the next; then each with the next as if that
had taken longer by some factors. `--table` prints what those that are there say, `--of FILE...`
what other records do, in their order: those of `bench.against_runs`, by their plain cases.
"""

import argparse
import collections
import itertools
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from bench.against_runs import NETWORKS
from hwbench import compare, store
from hwbench.compare import Options
from hwbench.measurement import Measurement, Predictive, Wall

FACTORS = (1.0, 1.05, 1.1, 1.2, 1.3, 1.5)


def run(path: Path) -> None:
    """Make a record, or go on with it."""
    command = [sys.executable, "-m", "hwbench", "run"]
    if path.exists():
        command += ["--resume", str(path)]
    else:
        models = [x for n in NETWORKS for x in ("--model", n)]
        command += ["--profile", "quick", "--only", "workload/*", "--runtime", "torch", *models]
        command += ["--processes", "5", "--max-seconds", "1800", "--out", str(path), "--force"]
    subprocess.run(command, check=False, stdout=subprocess.DEVNULL)


def slower(m: Measurement, factor: float) -> Measurement:
    """Return a measurement as if all had taken longer."""
    assert m.wall_s is not None
    samples = tuple(replace(s, wall_s=s.wall_s * factor) for s in m.samples)
    return replace(m, samples=samples, wall_s=_slower(m.wall_s, factor))


def _slower(wall: Wall, factor: float) -> Wall:
    ahead = wall.predictive
    hours = ahead.hours
    later = Predictive(
        low=ahead.low and ahead.low * factor,
        high=ahead.high and ahead.high * factor,
        level=ahead.level,
        basis=ahead.basis,
        hours=hours and replace(hours, low=hours.low * factor, high=hours.high * factor),
    )
    ends = {k: getattr(wall, k) * factor for k in ("point", "low", "high", "mean")}
    return replace(wall, **ends, predictive=later)


def verdicts(base: Path, other: Path, factor: float) -> collections.Counter[str]:
    """Return how many cases have each verdict."""
    made = store.load(other)
    changed = tuple(slower(m, factor) if m.wall_s else m for m in made.measurements)
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / other.name
        store.save(replace(made, measurements=changed), path)
        done = compare.compare(Options(records=(str(base), str(path))))
    return collections.Counter(p.verdict for p in done.pairs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("sequential"))
    parser.add_argument("--records", type=int, default=6)
    parser.add_argument("--table", action="store_true")
    parser.add_argument("--of", nargs="+", type=Path, help="hold these records against each other")
    asked = parser.parse_args()
    paths = asked.of or [asked.out / f"r{n}.json" for n in range(asked.records)]
    if not asked.of and not asked.table:
        asked.out.mkdir(parents=True, exist_ok=True)
        for path in paths:
            run(path)
    there = [p for p in paths if p.exists()]
    print("| the next record | comparisons | faster | slower | same | ambiguous |")
    print("|---|---|---|---|---|---|")
    for factor in FACTORS:
        total: collections.Counter[str] = collections.Counter()
        for base, other in itertools.pairwise(there):
            total += verdicts(base, other, factor)
        told = [str(total[v]) for v in ("faster", "slower", "same", "ambiguous")]
        what = "as it is" if factor == 1 else f"{factor - 1:.0%} slower"
        print(f"| {what} | {total.total()} | {' | '.join(told)} |")


if __name__ == "__main__":
    main()
