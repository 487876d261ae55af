"""Thirty-two real training runs, each predicted from twenty seconds of it: how far off, how sure.

`python -m bench.validation_runs --out DIR` takes three and a half hours of an idle machine, goes on
where it was stopped, and prints the table; `--table` prints it of what is there. Four
networks, data in memory and on disk, two batch sizes, each twice in a row: the second stretch
predicted by the whole of the first is the floor, what the machine itself allows.
"""

import argparse
import itertools
import math
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from hwbench import stats, validation_file
from hwbench.validation import Validation

NETWORKS = {"resnet18": (8, 16), "vit_tiny": (4, 8), "lstm": (20, 40), "mlp": (128, 512)}
RESIDENCES = ("memory", "disk")
REPEATS = 2
MINUTES, SPREAD_S = 3.0, 180


def plan() -> list[tuple[str, str, int, int]]:
    """Return (network, residence, batch, repeat) in the order of the runs."""
    return [
        (name, where, batch, repeat)
        for name, batches in NETWORKS.items()
        for where, batch in itertools.product(RESIDENCES, batches)
        for repeat in range(REPEATS)
    ]


def path_of(out: Path, name: str, where: str, batch: int, repeat: int) -> Path:
    return out / f"{name}-{where}-{batch}-{repeat}.json"


def run(out: Path, only: int | None) -> None:
    """Run what is missing, in order; `only` one of them."""
    chosen = [plan()[only]] if only is not None else plan()
    for name, where, batch, repeat in chosen:
        path = path_of(out, name, where, batch, repeat)
        if path.exists() and validation_file.load(path).status == "done":
            continue
        command = [
            sys.executable, "-m", "hwbench", "validate", "--workload", name,
            "--batch-size", str(batch), "--minutes", str(MINUTES), "--spread", f"{SPREAD_S}s",
            "--out", str(path), *(["--in-memory"] if where == "memory" else []),
        ]  # fmt: skip
        environment = {**os.environ, "HWBENCH_STATE": str(out / "state")}
        subprocess.run(command, check=False, env=environment, stdout=subprocess.DEVNULL)


def done(out: Path) -> list[tuple[tuple[str, str, int, int], Validation]]:
    """Return the finished runs in their order."""
    found = []
    for key in plan():
        path = path_of(out, *key)
        if path.exists():
            value = validation_file.load(path)
            if value.status == "done":
                found.append((key, value))
    return found


def step_s(value: Validation) -> float:
    """Return the seconds of a step of the real run, its loading included."""
    assert value.outcome is not None
    stretches = [e.stretch for e in value.outcome.epochs]
    return sum(s.wall_s for s in stretches) / sum(s.steps for s in stretches)


def floors(runs: Sequence[tuple[tuple[str, str, int, int], Validation]]) -> list[float]:
    """Return |second / first - 1| of step times, of runs of one loop one after the other."""
    by_key: dict[tuple[str, str, int], dict[int, Validation]] = {}
    for (name, where, batch, repeat), value in runs:
        by_key.setdefault((name, where, batch), {})[repeat] = value
    pairs = [r for r in by_key.values() if len(r) == REPEATS]
    return [abs(step_s(r[1]) / step_s(r[0]) - 1) for r in pairs]


def quantile(values: Sequence[float], q: float) -> float:
    """Return the nearest-rank quantile."""
    return sorted(values)[max(0, math.ceil(q * len(values)) - 1)]


def table(out: Path) -> str:
    """Return the runs as a Markdown table, and what they come to."""
    runs = done(out)
    lines = [
        "| run | predicted | 90 % interval | actual | actual / predicted | inside |",
        "|---|---|---|---|---|---|",
    ]
    errors, widths, inside = [], [], 0
    for (name, where, batch, _), v in runs:
        assert v.outcome is not None and v.ratio is not None
        t = v.total_s
        half = (t.high_s - t.low_s) / 2 / t.point_s
        errors.append(abs(v.ratio - 1))
        widths.append(half)
        inside += bool(v.inside)
        lines.append(
            f"| {name}, {where}, batch {batch} | {t.point_s:.1f} s | ±{half:.1%} |"
            f" {v.outcome.wall_s:.1f} s | {v.ratio:.3f} | {'yes' if v.inside else 'no'} |"
        )
    if not errors:
        return "no run is finished"
    floor = floors(runs) or [math.nan]
    lines += [
        "",
        f"{len(runs)} runs: error {stats.median(errors):.1%} at the median,"
        f" {quantile(errors, 0.9):.1%} at the 90th percentile; inside {inside} of {len(runs)};"
        f" intervals ±{stats.median(widths):.1%} at the median.",
        f"Floor, {len(floor)} pairs of stretches: {stats.median(floor):.1%} at the median,"
        f" {quantile(floor, 0.9):.1%} at the 90th percentile.",
    ]
    return "\n".join(lines)


def main() -> None:
    """Run what is missing, and print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--only", type=int)
    parser.add_argument("--table", action="store_true")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    if not arguments.table:
        run(arguments.out, arguments.only)
    print(table(arguments.out))


if __name__ == "__main__":
    main()
