"""A real training loop over torch's DataLoader, whatever computes the steps: its parts, timed."""

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

from hwbench.loop import Drained, Evaluated, LoopCase, Stretch

BLOCK_S = 10.0  # the mean of so long is kept of a long stretch, to see how the speed moves


class LoaderLoop(ABC):
    """What a loop does beside its framework: `step` and `judged` are the framework's."""

    case: LoopCase
    loader: Any  # gives batches of (inputs, targets)
    coming: Iterator[Any] | None = None

    @abstractmethod
    def step(self, batch: Any) -> Any:
        """Train on a batch; return its loss, which may be still to come."""

    @abstractmethod
    def wait(self, loss: Any) -> None:
        """Wait until a loss is there."""

    @abstractmethod
    def judging(self) -> AbstractContextManager[Any] | None:
        """Return what an evaluation runs in; None where nothing can be judged."""

    @abstractmethod
    def judged(self, batch: Any) -> tuple[float, int]:
        """Return how many of a batch are right, of how many."""

    def stretch(self, enough: Callable[[int, float], bool], *, endless: bool = True) -> Stretch:
        """Train until `enough(steps, seconds)`; `endless` goes on into the next epoch.

        Without it an epoch is one pass over the data from its start. Workers begin anew in each
        stretch: what they read ahead in a pause would come for nothing.
        """
        clock, waited, steps, items = time.perf_counter, 0.0, 0, 0
        first_s: float | None = None
        first_wait_s = 0.0
        blocks: list[float] = []
        began = block_began = asked = clock()
        coming = self.coming if endless and not self.case.loading.workers else None
        coming = iter(self.loader) if coming is None else coming
        block_steps, loss = 0, None
        while True:
            batch = next(coming, None)
            if batch is None:
                if not endless:
                    break
                coming = iter(self.loader)
                continue
            waited += clock() - asked
            loss = self.step(batch)
            steps, block_steps, items = steps + 1, block_steps + 1, items + len(batch[0])
            if first_s is None:
                self.wait(loss)
                first_s, first_wait_s = clock() - began, waited
            now = clock()
            if now - block_began >= BLOCK_S:
                blocks.append((now - block_began) / block_steps)
                block_began, block_steps = now, 0
            if enough(steps, now - began):
                break
            asked = now
        self.coming = coming if endless else None
        self.wait(loss)
        return Stretch(
            steps=steps,
            items=items,
            wall_s=clock() - began,
            first_step_s=first_s or 0.0,
            loader_wait_s=waited,
            first_wait_s=first_wait_s,
            blocks_s=tuple(blocks),
            loss=_finite(loss),
        )

    def epoch(self) -> Stretch:
        """Train one pass over the data."""
        return self.stretch(lambda steps, wall_s: False, endless=False)

    def evaluate(self, batches: int | None, enough: Callable[[float], bool]) -> Evaluated | None:
        """Run the network over `batches` batches without learning; None where it has no judge."""
        judging = self.judging()
        if judging is None:
            return None
        clock, began, done, right, seen = time.perf_counter, time.perf_counter(), 0, 0.0, 0
        with judging:
            for batch in self.loader:
                found, of = self.judged(batch)
                right, seen, done = right + found, seen + of, done + 1
                if done == batches or enough(clock() - began):
                    break
        return Evaluated(
            batches=done,
            wall_s=clock() - began,
            accuracy_frac=right / max(1, seen),
        )

    def drain(self, enough: Callable[[int, float], bool]) -> Drained:
        """Take items from the loader alone, nothing trained."""
        cpu, clock, items = cpu_s, time.perf_counter, 0
        loader = iter(self.loader)
        first = next(loader)  # starting the workers is no reading
        began, used = clock(), cpu()
        while not enough(items, clock() - began):
            batch = next(loader, None)
            if batch is None:
                loader = iter(self.loader)
                continue
            items += len(batch[0])
        del first
        return Drained(items=items, wall_s=clock() - began, cpu_s=cpu() - used)


def _finite(loss: Any) -> float | None:
    """Return the loss as a number, None where it has none or has grown beyond all of them."""
    value = math.nan if loss is None else float(loss)
    return value if math.isfinite(value) else None


def cpu_s() -> float:
    """Return the CPU seconds of this process and the workers it has started."""
    import psutil

    own = psutil.Process()
    total = sum(own.cpu_times()[:2])
    for child in own.children(recursive=True):
        try:
            total += sum(child.cpu_times()[:2])
        except psutil.Error:  # it ended meanwhile
            continue
    return float(total)
