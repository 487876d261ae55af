"""From the times of passes to how they grow: with a prompt, and of each batch with its context.

Least squares of relative errors with no coefficient below zero, since no pass grows quicker by more
work. With three of them every set of those that are not zero is tried, which is exact.
"""

import itertools
import math
from collections.abc import Sequence

from hwbench.tokens import DecodeFit, DecodeLine, DecodePoint, PrefillFit, PrefillPoint


def prefill(points: Sequence[PrefillPoint], times: Sequence[float]) -> PrefillFit:
    """Return the fit of a prompt's time; `times` are of the points, in seconds."""
    rows = [(1.0, float(p.tokens), float(p.tokens) ** 2) for p in points]
    (a, b, c), residual = _solved(rows, times)
    return PrefillFit(a_s=a, b_s=b, c_s=c, residual_frac=residual)


def decode(points: Sequence[DecodePoint], times: Sequence[float]) -> DecodeFit:
    """Return the lines of a pass's time; `times` are of the points, in seconds."""
    lines, misses = [], []
    for size in sorted({p.batch_size for p in points}):
        mine = [(p, t) for p, t in zip(points, times, strict=True) if p.batch_size == size]
        rows = [(1.0, float(p.context)) for p, _ in mine]
        (a, c), residual = _solved(rows, [t for _, t in mine])
        lines.append(DecodeLine(batch_size=size, a_s=a, c_s=c))
        misses.append(residual)
    return DecodeFit(lines=tuple(lines), residual_frac=max(misses))


def _solved(
    rows: Sequence[tuple[float, ...]], times: Sequence[float]
) -> tuple[tuple[float, ...], float]:
    """Return coefficients and the root of the mean square of the relative errors."""
    import numpy as np

    matrix = np.array(rows) / np.array(times)[:, None]
    scale = np.abs(matrix).max(axis=0)  # columns differ by many orders of magnitude
    matrix, ones = matrix / scale, np.ones(len(times))
    best, least = np.zeros(len(scale)), float(len(times))
    columns = range(len(scale))
    for kept in (k for n in columns for k in itertools.combinations(columns, n + 1)):
        part = np.linalg.lstsq(matrix[:, kept], ones, rcond=None)[0]
        misfit = float(np.square(matrix[:, kept] @ part - ones).sum())
        if (part >= 0).all() and misfit < least * (1 - 1e-12):
            best, least = np.zeros(len(scale)), misfit
            best[list(kept)] = part
    return tuple(float(x) for x in best / scale), math.sqrt(least / len(times))
