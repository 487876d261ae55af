"""Twenty separate runs of five cases: do the predictive intervals hold the other runs' means?

    python -m bench.repeat_runs FOLDER [--runs 20] [--disturb]

Each run is `hwbench run` as a user types it, and leaves its record in FOLDER; those that are there
already are not made again. For each case and each pair of runs: does the 90 % predictive interval
of one hold the mean of the other?

With `--disturb` runs alternate, and in every second one another process loads one core half of the
time: of each kind, how many samples are flagged, and how far the medians of the disturbed runs lie
from those of the undisturbed ones beside them.
"""

import argparse
import contextlib
import itertools
import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from bench.figure import Figure, show
from hwbench import stats, store
from hwbench.measurement import Measurement, Record

CASES = (
    "kernel/gemm/forward/hot/torch/cpu/float32/-/m=1024,*",
    "kernel/layer_norm/forward/hot/torch/*",
    "kernel/triad/forward/hot/torch/*/n=1048576",
    "workload/mlp/training/*/torch/*",
    "workload/resnet18/inference/*/onnxruntime/*",
)
ON_S, OFF_S = 2.0, 2.0  # of the process that disturbs


def run(path: Path, profile: str, rounds: int, threads: int) -> Record:
    """Make one run as a user would, and return its record."""
    only = [word for glob in CASES for word in ("--only", glob)]
    models = ["--model", "mlp", "--model", "resnet18"]
    command = [sys.executable, "-m", "hwbench", "run", "--profile", profile, *only, *models]
    command += ["--processes", str(rounds), "--threads", str(threads), "--out", str(path)]
    own = {**os.environ, "HWBENCH_STATE": str(path.parent / "state")}
    subprocess.run(
        command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=own
    )
    return store.load(path)


def load(on_s: float, off_s: float) -> None:
    """Keep one core busy for `on_s`, leave it for `off_s`, for ever."""
    while True:
        until = time.monotonic() + on_s
        while time.monotonic() < until:
            sum(range(10_000))
        time.sleep(off_s)


@contextlib.contextmanager
def disturbing(wanted: bool) -> Iterator[None]:
    """Have another process load one core half of the time, if it is wanted."""
    if not wanted:
        yield
        return
    other = multiprocessing.get_context("spawn").Process(
        target=load, args=(ON_S, OFF_S), daemon=True
    )
    other.start()
    try:
        yield
    finally:
        other.kill()


def made(options: argparse.Namespace) -> list[Record]:
    """Return the records of all runs, those that are on disk already read from there."""
    options.folder.mkdir(parents=True, exist_ok=True)
    records = []
    for n in range(options.runs):
        path = options.folder / f"run-{n:02d}.json"
        if path.exists():
            records.append(store.load(path))
            continue
        with disturbing(options.disturb and n % 2 == 1):
            records.append(run(path, options.profile, options.rounds, options.threads))
        print(f"run {n} of {options.runs}: {records[-1].duration_s:.0f} s", file=sys.stderr)
    return records


def by_case(records: Sequence[Record]) -> Mapping[str, list[Measurement]]:
    """Return the measurements of each case, one a run."""
    found: dict[str, list[Measurement]] = {}
    for record in records:
        for m in record.measurements:
            if m.wall_s is not None:
                found.setdefault(m.id, []).append(m)
    return found


def coverage(records: Sequence[Record]) -> list[Figure]:
    """Return for each case, and for all, how often an interval held another run's mean."""
    found, pooled = [], {"minutes": [0, 0], "hours": [0, 0]}
    for name, measured in by_case(records).items():
        held = {"minutes": 0, "hours": 0}
        pairs = list(itertools.permutations(measured, 2))
        for one, other in pairs:
            assert one.wall_s is not None and other.wall_s is not None
            told, mean = one.wall_s.predictive, other.wall_s.mean
            for horizon, bounds in (("minutes", told), ("hours", told.hours)):
                if bounds is not None and bounds.low is not None and bounds.high is not None:
                    held[horizon] += bounds.low <= mean <= bounds.high
        means = [m.wall_s.mean for m in measured if m.wall_s]
        wide = [m.wall_s.predictive.high / m.wall_s.mean - 1 for m in measured if m.wall_s]  # type: ignore[operator]
        for horizon in pooled:
            pooled[horizon][0] += held[horizon]
            pooled[horizon][1] += len(pairs)
        found.append(
            Figure(
                name=_short(name),
                measured=(
                    f"held {held['minutes'] / len(pairs):.0%}"
                    f" (for hours {held['hours'] / len(pairs):.0%}) of {len(pairs)};"
                    f" +{stats.median(wide):.1%}; runs' means spread"
                    f" {stats.standard_deviation(means) / stats.median(means):.1%}"
                ),
            )
        )
    for horizon, (held_all, all_pairs) in pooled.items():
        share = held_all / all_pairs
        name = f"all cases: the 90 % predictive interval for {horizon} held another run's mean"
        said = f"{share:.1%} of {all_pairs} pairs of {len(records)} runs"
        found.append(Figure(name=name, measured=said, target=">= 85 %", met=share >= 0.85))
    return found


def disturbance(records: Sequence[Record]) -> list[Figure]:
    """Return how many samples were flagged, and how far the medians moved."""
    found = []
    quiet, loaded = by_case(records[0::2]), by_case(records[1::2])
    for name in quiet:
        shares = [_flagged(quiet[name]), _flagged(loaded.get(name, []))]
        calm = [m.wall_s.point for m in quiet[name] if m.wall_s]
        moved = [m.wall_s.point for m in loaded.get(name, []) if m.wall_s]
        between = max(calm) / min(calm) - 1
        shift = stats.median(moved) / stats.median(calm) - 1
        found.append(
            Figure(
                name=_short(name),
                measured=(
                    f"flagged {shares[0]:.0%} undisturbed, {shares[1]:.0%} disturbed; median moved"
                    f" {shift:+.1%}, undisturbed runs differ by {between:.1%}"
                ),
                target="moves no more than they differ",
                met=abs(shift) <= between,
            )
        )
    return found


def _flagged(measured: Sequence[Measurement]) -> float:
    samples = [s for m in measured for s in m.samples]
    return sum(s.disturbed is not None for s in samples) / max(1, len(samples))


def _short(name: str) -> str:
    return "/".join(name.split("/")[1:5:1])


def main() -> None:
    """Make the runs that are missing and print the figures."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("folder", type=Path)
    options.add_argument("--runs", type=int, default=20)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--threads", type=int, default=2)
    options.add_argument("--profile", default="standard")
    options.add_argument("--disturb", action="store_true")
    options.add_argument("--json", action="store_true")
    chosen = options.parse_args()
    records = made(chosen)
    show(disturbance(records) if chosen.disturb else coverage(records), chosen.json)


if __name__ == "__main__":
    main()
