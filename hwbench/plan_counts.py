"""How many steps, evaluations and checkpoints a plan has, over sizes of the dataset."""

import math
from dataclasses import dataclass

from hwbench.estimated import Plan
from hwbench.values import Values


@dataclass(frozen=True, kw_only=True)
class Counts:
    """Counts over sizes of the dataset (arrays of floats); an epoch may be a part of one."""

    samples: Values
    epochs: Values
    steps: Values
    evaluated: Values  # items run over without learning, in all
    checkpoints: Values


def counts(
    plan: Plan,
    global_batch: int,
    samples: Values,
    *,
    steps_held: bool = False,
    epochs: Values | None = None,
) -> Counts:
    """Return the counts for each of `samples` (or of `epochs`, which then stand for the plan's).

    Epochs held at E: ceil(N / B) E steps. Steps held (`--steps`, or those of the plan's own size):
    the epochs fall as the data grow. An evaluation and a checkpoint follow each epoch begun.
    """
    import numpy as np

    n = np.asarray(samples, dtype=np.float64)
    an_epoch = np.ceil(n / global_batch)
    if epochs is not None:
        epochs = np.asarray(epochs, dtype=np.float64)
        n, an_epoch = np.broadcast_arrays(n, an_epoch + 0 * epochs)
        steps = np.ceil(an_epoch * epochs)
    elif plan.steps is not None or steps_held:
        steps = np.full_like(n, plan_steps(plan, global_batch))
        epochs = steps / an_epoch
    else:
        assert plan.epochs is not None
        epochs = np.full_like(n, plan.epochs)
        steps = np.ceil(an_epoch * epochs)
    begun = np.maximum(1.0, np.ceil(epochs - 1e-9))
    return Counts(
        samples=n,
        epochs=epochs,
        steps=steps,
        evaluated=begun * np.ceil(n * plan.evaluation_frac),
        checkpoints=begun,
    )


def plan_steps(plan: Plan, global_batch: int) -> int:
    """Return the steps of the plan at its own size."""
    if plan.steps is not None:
        return plan.steps
    assert plan.epochs is not None
    return math.ceil(math.ceil(plan.samples / global_batch) * plan.epochs)


def sizes(samples: int, count: int) -> tuple[int, ...]:
    """Return `count` sizes from a hundredth to ten times `samples`, itself among them."""
    if count < 2:
        return (samples,)
    low, high = max(1.0, samples / 100), samples * 10.0
    step = (high / low) ** (1 / (count - 1))
    found = {round(low * step**i) for i in range(count)}
    nearest = min(found, key=lambda s: abs(math.log(s / samples)))
    return tuple(sorted(found - {nearest} | {samples}))
