"""The time of an iteration against its batch: t = a + b B, in pieces where the data say so.

a is what a step costs whatever its batch (launches, the optimiser), 1 / b the throughput in the
limit. Relative errors count, so the weights are 1 / t^2. A further piece has two coefficients and a
place, 3 ln n by Schwarz (1978) in units of the points' own variances; 5 ln n are asked, so that of
straight lines with noise 2 to 4 % are split and not 13 %. Caches that overflow and waves of a GPU's
blocks make such pieces.
"""

import math
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

from hwbench.batch import BatchChoice, BatchFit, BatchSegment
from hwbench.measurement import Measurement

Family = tuple[str, str, str, str, str]  # name, phase, runtime, device, dtype

LEAST = 3  # batch sizes: a line through two has no error
LEAST_OF_PIECE = 2
PENALTY = 5.0  # times ln n, for each further piece
ERROR_FRAC = 0.01  # the least that a point is believed to err by
TWO_SIDED_95 = 1.96


class Point(NamedTuple):
    """The time of an iteration at a batch size, and its relative standard error."""

    batch_size: int
    wall_s: float
    error_frac: float


class Line(NamedTuple):
    """t = a + b B; `misfit` is the sum of its squared errors in units of the points' own."""

    a_s: float
    b_s: float
    misfit: float


def line(points: Sequence[Point]) -> Line:
    """Return the weighted least squares of at least two batch sizes."""
    weights = [1 / (p.wall_s * max(p.error_frac, ERROR_FRAC)) ** 2 for p in points]
    total = sum(weights)
    centre_b = sum(w * p.batch_size for w, p in zip(weights, points, strict=True)) / total
    centre_t = sum(w * p.wall_s for w, p in zip(weights, points, strict=True)) / total
    pairs = list(zip(weights, points, strict=True))
    b = sum(w * (p.batch_size - centre_b) * (p.wall_s - centre_t) for w, p in pairs) / sum(
        w * (p.batch_size - centre_b) ** 2 for w, p in pairs
    )
    a = centre_t - b * centre_b
    return Line(a, b, sum(w * (a + b * p.batch_size - p.wall_s) ** 2 for w, p in pairs))


def pieces(points: Sequence[Point]) -> tuple[BatchSegment, ...]:
    """Return the lines of least misfit and penalty; `points` are of distinct sizes, in order."""
    penalty = PENALTY * math.log(len(points))

    @cache
    def best(end: int) -> tuple[float, tuple[BatchSegment, ...]]:
        """Return (misfit and penalties, segments) of the points before `end`."""
        if end == 0:
            return -penalty, ()
        found = []
        for start in range(end - LEAST_OF_PIECE + 1):
            if start == 0 or start >= LEAST_OF_PIECE:
                piece, (cost, before) = points[start:end], best(start)
                made = line(piece)
                segment = BatchSegment(
                    smallest=piece[0].batch_size,
                    largest=piece[-1].batch_size,
                    a_s=made.a_s,
                    b_s=made.b_s,
                )
                found.append((cost + penalty + made.misfit, (*before, segment)))
        return min(found, key=lambda f: f[0])

    return best(len(points))[1]


def seconds_at(segments: Sequence[BatchSegment], batch_size: float) -> float:
    """Return the time of an iteration: between two segments, on the line from one to the other."""
    before = [s for s in segments if s.smallest <= batch_size] or [segments[0]]
    here = before[-1]
    after = [s for s in segments if s.smallest > here.largest]
    if batch_size <= here.largest or not after:
        return here.a_s + here.b_s * batch_size
    start, stop = here.largest, after[0].smallest
    share = (batch_size - start) / (stop - start)
    low, high = here.a_s + here.b_s * start, after[0].a_s + after[0].b_s * stop
    return low + share * (high - low)


def fits(measurements: Sequence[Measurement]) -> tuple[BatchFit, ...]:
    """Return the fit of each network in each phase that was measured at 3 batch sizes or more.

    The record's own cases where they are enough, else the tries of `--batch-size auto`.
    """
    families: dict[Family, list[Measurement]] = {}
    for m in measurements:
        if m.kind == "workload" and m.serving is None and not m.runtime_options:
            key = (m.name, m.phase, m.runtime, m.device, m.dtype)
            families.setdefault(key, []).append(m)
    found = []
    for key, members in families.items():
        measured = _distinct([p for m in members if (p := _point(m)) is not None])
        tried = _distinct([p for m in members if m.batch for p in _tried(m.batch)])
        if len(measured) >= LEAST:
            found.append(_fit(key, measured, "the cases of this record"))
        elif len(tried) >= LEAST:
            found.append(_fit(key, tried, "the short tries of --batch-size auto"))
    return tuple(found)


def _point(m: Measurement) -> Point | None:
    if m.wall_s is None or m.batch_size is None or m.status != "ok":
        return None
    half = (m.wall_s.high - m.wall_s.low) / 2 / m.wall_s.point
    return Point(m.batch_size, m.wall_s.point, half / TWO_SIDED_95)


def _tried(choice: BatchChoice) -> list[Point]:
    return [
        Point(t.batch_size, t.wall_s, t.error_frac or ERROR_FRAC)
        for t in choice.tried
        if t.fits and t.wall_s is not None
    ]


def _distinct(points: Sequence[Point]) -> list[Point]:
    return sorted({p.batch_size: p for p in points}.values())


def _fit(key: Family, points: Sequence[Point], basis: str) -> BatchFit:
    name, phase, runtime, device, dtype = key
    segments = pieces(points)
    missed = [seconds_at(segments, p.batch_size) / p.wall_s - 1 for p in points]
    last = segments[-1]
    steady = last.a_s > 0 and last.b_s > 0
    return BatchFit(
        name=name,
        phase=phase,
        runtime=runtime,
        device=device,
        dtype=dtype,
        segments=segments,
        n=len(points),
        residual_frac=math.sqrt(sum(e * e for e in missed) / len(points)),
        half_speed_batch=last.a_s / last.b_s if steady else None,
        basis=f"{len(points)} batch sizes: {basis}",
    )
