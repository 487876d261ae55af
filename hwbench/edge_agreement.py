"""How far a quantised network agrees with its float32 form, on the same inputs."""

import math
from collections.abc import Callable, Iterator
from typing import Any

from hwbench.edge_facts import Agreement, Share

Z = 1.959964  # of a normal's middle 95 %
RANDOM = "its weights are random: which class comes first says nothing of accuracy"
Batch = tuple[Any, ...]
Run = Callable[[Batch], Any]  # a batch of inputs to the first output


def agreement(
    float32: Run,
    quantised: Run,
    batches: Iterator[tuple[Batch, Any]],
    *,
    random: bool,
    no_labels: str | None,
) -> Agreement:
    """Run both on the same batches of (inputs, labels) and return how far they agree.

    `random`: the weights are nobody's, so that classes are not compared; `no_labels` says why
    there is no accuracy, None where labels are given.
    """
    import numpy as np

    squares = difference = 0.0
    same = items = answers = 0
    rights: list[tuple[Any, Any]] = []
    classes = True
    for inputs, labels in batches:
        wanted = np.asarray(float32(inputs), dtype="float64")
        found = np.asarray(quantised(inputs), dtype="float64")
        squares += float(np.square(wanted).sum())
        difference += float(np.square(found - wanted).sum())
        items += len(wanted)
        classes = classes and wanted.ndim >= 2 and wanted.shape[-1] > 1
        if classes:
            first, second = wanted.argmax(-1), found.argmax(-1)
            same += int((first == second).sum())
            answers += first.size
            if no_labels is None and first.ndim == 1:
                rights.append((first == labels, second == labels))
    error = math.sqrt(difference / squares) if squares > 0 else float(difference > 0)
    if random or not classes:
        why = RANDOM if random else "its output is no row of classes"
        return _agreed(items, error, None, None, why)
    right = None
    if rights:
        right = tuple(np.concatenate(part) for part in zip(*rights, strict=True))
    return _agreed(items, error, same / max(1, answers), right, no_labels)


def _agreed(items: int, error: float, top1: float | None, right: Any, why: str | None) -> Agreement:
    only_one = only_other = None
    if right is not None:
        one, other = right
        only_one, only_other = int((one & ~other).sum()), int((other & ~one).sum())
    return Agreement(
        items=items,
        error_frac=error,
        top1_frac=None if top1 is None else share(top1, items),
        accuracy_frac=None if right is None else share(float(right[1].mean()), items),
        float32_accuracy_frac=None if right is None else share(float(right[0].mean()), items),
        mcnemar_p=None if only_one is None or only_other is None else mcnemar(only_one, only_other),
        only_float32_right=only_one,
        only_quantised_right=only_other,
        reason=why,
    )


def share(point: float, n: int) -> Share:
    """Return a share of n items with Wilson's score interval at 95 % (Wilson 1927, JASA 22).

    Of several answers an item, as tokens are, n counts items: those of one item go together.
    """
    z2 = Z * Z / n
    middle = (point + z2 / 2) / (1 + z2)
    half = Z / (1 + z2) * math.sqrt(point * (1 - point) / n + z2 / (4 * n))
    return Share(point=point, low=max(0.0, middle - half), high=min(1.0, middle + half))


def mcnemar(b: int, c: int) -> float:
    """Return the two-sided exact p of McNemar's test: b and c pairs of which one alone is right.

    Under the hypothesis that both are equally often right, min(b, c) is binomial (b + c, 1/2)
    (McNemar 1947; the exact form of Dietterich 1998).
    """
    n = b + c
    if n == 0:
        return 1.0
    tail = sum(math.comb(n, k) for k in range(min(b, c) + 1))
    return float(min(1.0, 2 * tail / 2**n))
