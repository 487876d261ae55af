"""Looks for duplicates, leakage from the test set, and imbalance in data to learn from.

Exact duplicates by a hash of the bytes; images that look alike by a difference hash of 64 bits
(brightness falls or rises from one pixel of an 8 x 9 picture to the next), two bits apart at most.
"""

import hashlib
from typing import TYPE_CHECKING, Any

from hwbench.quality_found import Quality

if TYPE_CHECKING:
    from hwbench.learning_task import Task

ALIKE_BITS = 2
MOST = 20_000  # examples whose pictures are held against each other: it grows with their square
_BLOCK = 512


def quality_of(pool: "Task", test: "Task") -> Quality:
    """Return what was found in a training pool and its test set."""
    import numpy as np

    ours, theirs = digests(pool.inputs), digests(test.inputs)
    first: dict[bytes, int] = {}
    again, conflicts = 0, 0
    for i, digest in enumerate(ours):
        if digest in first:
            again += 1
            conflicts += int(pool.targets[i] != pool.targets[first[digest]])
        else:
            first[digest] = i
    leaked = np.array([digest in first for digest in theirs])
    near = alike = None
    if pool.inputs.ndim == 4 and len(pool) <= MOST:
        a, b = pictures(pool.inputs), pictures(test.inputs)
        near = _alike_within(a) - again
        alike = int((_alike_across(b, a) & ~leaked).sum())
    counts = np.bincount(pool.targets, minlength=pool.classes)
    share = counts[counts > 0] / counts.sum()
    return Quality(
        duplicates=again,
        near_duplicates=None if near is None else max(0, near),
        leaked=int(leaked.sum()),
        leaked_frac=float(leaked.mean()),
        alike_in_test=alike,
        conflicts=conflicts,
        imbalance=float(counts.max() / max(1, counts.min())),
        effective_classes=float(np.exp(-(share * np.log(share)).sum())),
        classes=pool.classes,
    )


def digests(inputs: Any) -> list[bytes]:
    """Return a hash of each example's bytes."""
    return [hashlib.blake2b(x.tobytes(), digest_size=16).digest() for x in inputs]


def pictures(images: Any) -> Any:
    """Return the difference hash of images (n, c, h, w): 64 booleans each."""
    import numpy as np

    grey = images.mean(axis=1)
    small = grey[:, _cells(grey.shape[1], 8)][:, :, _cells(grey.shape[2], 9)]
    return np.diff(small, axis=2).reshape(len(images), -1) > 0


def _cells(length: int, count: int) -> Any:
    import numpy as np

    return ((np.arange(count) + 0.5) * length / count).astype(int)


def _alike_within(hashes: Any) -> int:
    """Return how many have an earlier one that is alike."""
    import numpy as np

    found = 0
    for start in range(0, len(hashes), _BLOCK):
        block = hashes[start : start + _BLOCK]
        apart = _apart(block, hashes[: start + len(block)])
        later = np.arange(apart.shape[1])[None] >= (start + np.arange(len(block)))[:, None]
        found += int(((apart <= ALIKE_BITS) & ~later).any(axis=1).sum())
    return found


def _alike_across(these: Any, those: Any) -> Any:
    import numpy as np

    blocks = range(0, len(these), _BLOCK)
    return np.concatenate(
        [(_apart(these[i : i + _BLOCK], those) <= ALIKE_BITS).any(axis=1) for i in blocks]
    )


def _apart(a: Any, b: Any) -> Any:
    """Return in how many bits each of `a` differs from each of `b`."""
    x, y = a.astype("float32"), b.astype("float32")
    return x.sum(1)[:, None] + y.sum(1)[None] - 2 * (x @ y.T)
