"""What is learnt from: examples of a task, split into a pool to train on and a test."""

from dataclasses import dataclass, replace
from typing import Any

from hwbench.quality_found import Quality

TEST_FRAC = 0.3


@dataclass(frozen=True, kw_only=True)
class Task:
    """Examples of one task: `inputs` as the network takes them, `targets` int64 from 0."""

    inputs: Any
    targets: Any
    classes: int
    names: tuple[str, ...]

    def __len__(self) -> int:
        """Return the number of examples."""
        return len(self.targets)

    def at(self, indices: Any) -> "Task":
        """Return the examples at these indices."""
        return replace(self, inputs=self.inputs[indices], targets=self.targets[indices])


@dataclass(frozen=True, kw_only=True)
class Study:
    """A pool to train on, a test set, and what is known of both; `source` is to pretrain on."""

    name: str
    train: Task
    test: Task
    source: Task | None
    source_test: Task | None
    quality: Quality
    what: str
    cautions: tuple[str, ...]


def split(task: Task, test_frac: float, seed: int) -> tuple[Task, Task]:
    """Return (pool, test): of each class its share, at least two of either."""
    import numpy as np

    rng, test = np.random.default_rng(seed), []
    for c in range(task.classes):
        own = rng.permutation(np.flatnonzero(task.targets == c))
        test.append(own[: min(len(own) - 2, max(2, round(test_frac * len(own))))])
    chosen = np.concatenate(test)
    rest = np.setdiff1d(np.arange(len(task)), chosen)
    return task.at(rest), task.at(np.sort(chosen))


def subset(task: Task, samples: int, seed: int) -> Task:
    """Return `samples` examples, of each class its share; of one seed the larger hold the smaller.

    Each class has one at least.
    """
    return task.at(order(task, seed)[:samples])


def order(task: Task, seed: int) -> Any:
    """Return all indices in an order of which every beginning has the classes' shares."""
    import numpy as np

    rng = np.random.default_rng((seed, 1))
    rank = np.empty(len(task))
    for c in range(task.classes):
        own = np.flatnonzero(task.targets == c)
        places = (np.arange(len(own)) + rng.random()) / len(own)
        rank[own] = places[np.argsort(rng.random(len(own)))]
    firsts = [np.flatnonzero(task.targets == c) for c in range(task.classes)]
    for own in firsts:  # one of each class comes before everything else
        rank[own[np.argmin(rank[own])]] = -rng.random()
    return np.argsort(rank, kind="stable")
