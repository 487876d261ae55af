"""Twelve real trainings by shortcuts, each predicted from twenty seconds of it: how far off.

`python -m bench.shortcut_runs --out DIR` takes an hour and a quarter of an idle machine, goes on
where it was stopped, and prints the table; `--table` prints it of what is there. Six shortcuts on
two networks. Beside them the floor: pairs of stretches of three minutes of one training, one after
the other, that `bench.validation_runs` has left (`--floor DIR`).
"""

import argparse
import itertools
import math
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from bench import validation_runs
from hwbench import stats, validation_file
from hwbench.validation import Validation

NETWORKS = {"resnet18": 8, "vit_tiny": 8}
SHORTCUTS = (
    "partial_finetune",
    "linear_probe",
    "cached_features",
    "lora",
    "adapters",
    "distillation",
)
MINUTES, SPREAD_S = 3.0, 180

Key = tuple[str, str]


def plan() -> list[Key]:
    """Return (network, shortcut) in the order of the runs."""
    return list(itertools.product(NETWORKS, SHORTCUTS))


def path_of(out: Path, network: str, shortcut: str) -> Path:
    return out / f"{network}-{shortcut}.json"


def run(out: Path, only: int | None) -> None:
    """Run what is missing, in order; `only` one of them."""
    for network, shortcut in [plan()[only]] if only is not None else plan():
        path = path_of(out, network, shortcut)
        if path.exists() and validation_file.load(path).status == "done":
            continue
        command = [
            sys.executable, "-m", "hwbench", "validate", "--workload", network, "--shortcut",
            shortcut, "--batch-size", str(NETWORKS[network]), "--minutes", str(MINUTES),
            "--spread", f"{SPREAD_S}s", "--in-memory", "--out", str(path),
        ]  # fmt: skip
        environment = {**os.environ, "HWBENCH_STATE": str(out / "state")}
        subprocess.run(command, check=False, env=environment, stdout=subprocess.DEVNULL)


def done(out: Path) -> list[tuple[Key, Validation]]:
    """Return the finished runs in their order."""
    found = [(key, path_of(out, *key)) for key in plan()]
    loaded = [(key, validation_file.load(path)) for key, path in found if path.exists()]
    return [(key, v) for key, v in loaded if v.status == "done"]


def table(out: Path, floor: Sequence[float]) -> str:
    """Return the runs as a Markdown table, and what they come to beside the floor."""
    lines = [
        "| training | predicted | 90 % interval | actual | actual / predicted | inside |",
        "|---|---|---|---|---|---|",
    ]
    errors, inside = [], 0
    for (network, shortcut), v in done(out):
        assert v.outcome is not None and v.ratio is not None
        t = v.total_s
        errors.append(abs(v.ratio - 1))
        inside += bool(v.inside)
        lines.append(
            f"| {network}, {shortcut} | {t.point_s:.1f} s |"
            f" ±{(t.high_s - t.low_s) / 2 / t.point_s:.1%} | {v.outcome.wall_s:.1f} s |"
            f" {v.ratio:.3f} | {'yes' if v.inside else 'no'} |"
        )
    if not errors:
        return "no run is finished"
    known = stats.median(list(floor)) if floor else math.nan
    lines += [
        "",
        f"{len(errors)} runs: error {stats.median(errors):.1%} at the median; inside {inside};"
        f" floor {known:.1%} ({len(floor)} pairs): {stats.median(errors) / known:.2f} times it"
        " (wanted: at most 1.5)",
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--only", type=int, help="one run, by its number in the plan")
    parser.add_argument("--table", action="store_true", help="measure nothing")
    parser.add_argument("--floor", type=Path, default=Path("results/validations"))
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    if not asked.table:
        run(asked.out, asked.only)
    pairs = (
        validation_runs.floors(validation_runs.done(asked.floor)) if asked.floor.is_dir() else []
    )
    print(table(asked.out, pairs))


if __name__ == "__main__":
    main()
