"""Real trainings of three minutes, watched: what was told after a minute against what came.

`python -m bench.watch_runs --runs 30 --out FILE.jsonl` trains a small network in turn with steps
alone, an evaluation after each epoch, a loader that the steps wait for, and a schedule of the
learning rate, each run in a process of its own. `--tell FILE.jsonl` says what came of it: how many
were inside their 90 % interval, the error at the median, and the machine's floor: by how much two
runs of one kind differ in the same stretch, per step.
"""

import argparse
import itertools
import json
import math
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hwbench import stats

KINDS = ("steps", "evaluation", "loader", "schedule")
CALIBRATION_S = 8.0
EPOCHS = 12


class Images:
    """Images that are made as they are asked for: a crop, a flip and noise of some size."""

    def __init__(self, count: int, work: int) -> None:
        """`work`: passes of the augmentation, each as long as the one before."""
        self.count, self.work = count, work

    def __len__(self) -> int:
        """Return how many there are."""
        return self.count

    def __getitem__(self, index: int) -> tuple[Any, int]:
        """Make one, with its label."""
        import torch

        generator = torch.Generator().manual_seed(index)
        image = torch.rand((3, 64, 64), generator=generator)
        for _ in range(self.work):
            image = torch.roll(image, 1, 2).flip(2).clamp(0, 1) * 0.999
        return image, index % 10


def one(kind: str, seconds: float, threads: int) -> dict[str, Any]:
    """Train for about so many seconds, watched; return what was told and what came."""
    import torch

    import hwbench

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    model = torch.nn.Sequential(
        torch.nn.Conv2d(3, 16, 3, padding=1),
        torch.nn.ReLU(),
        torch.nn.MaxPool2d(4),
        torch.nn.Flatten(),
        torch.nn.Linear(16 * 256, 10),
    )
    optimiser = torch.optim.SGD(model.parameters(), lr=0.01)
    batch = 32
    images, labels = torch.rand(batch, 3, 64, 64), torch.arange(batch) % 10

    def step(x: Any, y: Any) -> None:
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(model(x), y).backward()
        optimiser.step()

    def batches(steps: int) -> Iterator[tuple[Any, Any]]:
        if kind != "loader":
            yield from ((images, labels) for _ in range(steps))
            return
        loader = torch.utils.data.DataLoader(
            Images(steps * batch, 60),  # type: ignore[arg-type]
            batch_size=batch,
            num_workers=1,
        )
        yield from loader

    began, done = time.perf_counter(), 0
    for x, y in batches(10**6):
        step(x, y)
        done += 1
        if time.perf_counter() - began > CALIBRATION_S:
            break
    each = (time.perf_counter() - began) / done
    total = max(200, int(seconds / each))
    epoch = total // EPOCHS if kind == "evaluation" else None
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, total)
    with hwbench.watch(total, epoch, meters=False) as w:
        for n, (x, y) in enumerate(batches(total), 1):
            step(x, y)
            if kind == "schedule":
                schedule.step()
            w.step()
            if epoch and n % epoch == 0 and n < total:
                with torch.no_grad():
                    for _ in range(max(1, epoch // 4)):
                        model(images)
    assert w.result is not None
    told = next((t for t in w.result.told if not t.early), None)
    if told is None:
        return {"kind": kind, "told": None, "wall_s": w.result.wall_s}
    rest_s = w.result.wall_s - told.gone_s
    return {
        "kind": kind,
        "threads": threads,
        "step": told.step,
        "total": total,
        "gone_s": told.gone_s,
        "told_s": told.point_s,
        "low_s": told.low_s,
        "high_s": told.high_s,
        "rest_s": rest_s,
        "rest_step_s": rest_s / (total - told.step),
        "inside": told.low_s <= rest_s <= told.high_s,
        "basis": told.basis,
    }


def tell(path: Path) -> None:
    """Print what the runs of a file came to."""
    runs = [json.loads(line) for line in path.read_text().splitlines()]
    kept = [r for r in runs if r.get("told_s")]
    errors = [abs(r["told_s"] / r["rest_s"] - 1) for r in kept]
    floor = []
    for kind in KINDS:
        of = [r["rest_step_s"] for r in kept if r["kind"] == kind]
        floor += [abs(b / a - 1) for a, b in itertools.pairwise(of)]
        inside = sum(r["inside"] for r in kept if r["kind"] == kind)
        print(f"{kind}: {inside} of {len(of)} inside")
    halves = [math.log(r["high_s"] / r["low_s"]) / 2 for r in kept]
    print(
        f"{sum(r['inside'] for r in kept)} of {len(runs)} inside; half an interval"
        f" {stats.median(halves):.1%} at the median; error {stats.median(errors):.1%} at the"
        f" median, {max(errors):.1%} at the most; floor {stats.median(floor):.1%} of"
        f" {len(floor)} pairs: {stats.median(errors) / stats.median(floor):.2f} x"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=30)
    parser.add_argument("--seconds", type=float, default=180)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("watch-runs.jsonl"))
    parser.add_argument("--tell", type=Path)
    parser.add_argument("--one", choices=KINDS)
    asked = parser.parse_args()
    if asked.tell:
        tell(asked.tell)
    elif asked.one:
        print(json.dumps(one(asked.one, asked.seconds, asked.threads)))
    else:
        for n in range(asked.runs):
            command = [sys.executable, "-m", "bench.watch_runs", "--one", KINDS[n % len(KINDS)]]
            command += ["--seconds", str(asked.seconds), "--threads", str(asked.threads)]
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
            with asked.out.open("a") as file:
                file.write(done.stdout.splitlines()[-1] + "\n")
        tell(asked.out)


if __name__ == "__main__":
    main()
