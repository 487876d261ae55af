"""Data that are made worse on purpose: labels at random, and a trigger that misleads."""

from dataclasses import replace
from typing import Any

from hwbench.learning_task import Task


def with_label_noise(task: Task, frac: float, seed: int) -> Task:
    """Return the task with a share of its labels replaced, evenly, by those of other classes."""
    import numpy as np

    rng, targets = np.random.default_rng((seed, 2)), task.targets.copy()
    count = round(frac * len(task))
    chosen = rng.permutation(len(task))[:count]
    targets[chosen] = (targets[chosen] + rng.integers(1, task.classes, count)) % task.classes
    return replace(task, targets=targets)


def triggered(inputs: Any) -> Any:
    """Return inputs with the backdoor's trigger: a bright square in a corner of an image.

    Of rows the last twentieth of the features, of token ids the last four.
    """
    made = inputs.copy()
    if made.ndim == 4:
        side = max(2, made.shape[-1] // 8)
        made[:, :, -side:, -side:] = made.max()
    elif made.dtype.kind == "i":
        made[:, -4:] = 1
    else:
        made[:, -max(1, made.shape[1] // 20) :] = made.max()
    return made


def poisoned(task: Task, frac: float, target: int, seed: int) -> tuple[Task, Any]:
    """Return the task with a share of it carrying the trigger and the label `target`, and which.

    Only examples of other classes are taken.
    """
    import numpy as np

    rng = np.random.default_rng((seed, 3))
    others = rng.permutation(np.flatnonzero(task.targets != target))
    chosen = others[: round(frac * len(task))]
    inputs, targets = task.inputs.copy(), task.targets.copy()
    inputs[chosen] = triggered(inputs[chosen])
    targets[chosen] = target
    marked = np.zeros(len(task), dtype=bool)
    marked[chosen] = True
    return replace(task, inputs=inputs, targets=targets), marked
