"""Learning curves: the error on the test set against the training samples, a line a shortcut."""

import csv
import io
from collections.abc import Iterator, Sequence

from hwbench.chart import Axis, Chart, Mark, Region, Series
from hwbench.chart_kind import ChartKind, Given
from hwbench.errors import BadInput
from hwbench.learned import LearnedCurve

HEADER = ("shortcut", "samples", "seed", "accuracy", "train_accuracy", "train_s", "kind")
LEAST_ERROR = 5e-4  # where an error of none is drawn: a logarithm has no zero


def make(given: Sequence[Given]) -> tuple[Chart, ...]:
    """Return a panel for each file."""
    return tuple(_chart(g) for g in given)


def numbers(given: Sequence[Given]) -> str:
    """Return the points of all curves, and the fitted ones with their bands, a line each."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(HEADER)
    for curve in (c for g in given for c in _curves(g)):
        for p in curve.points:
            row = (p.samples, p.seed, p.accuracy, p.train_accuracy, f"{p.train_s:.4f}")
            writer.writerow((curve.shortcut, *row, "trained"))
        fit = curve.fit
        for n, *errors in (
            zip(fit.samples, fit.error, fit.low, fit.high, strict=True) if fit else ()
        ):
            for kind, error in zip(("fit", "high", "low"), errors, strict=True):
                writer.writerow((curve.shortcut, n, "", f"{1 - error:.6f}", "", "", kind))
    return text.getvalue()


def _curves(given: Given) -> tuple[LearnedCurve, ...]:
    if not given.value.curves:
        raise BadInput(
            f"{given.path}: holds no learning curve: make it with `hwbench shortcuts --learn --out`"
        )
    found: tuple[LearnedCurve, ...] = given.value.curves
    return found


def _chart(given: Given) -> Chart:
    curves, file = _curves(given), given.value
    largest = max(p.samples for c in curves for p in c.points)
    target = next((c.to_target.accuracy for c in curves if c.to_target), None)
    first = curves[0]
    data = file.learning.data.name if file.learning else "data"
    marks = () if target is None else (Mark(text=f"target: {target:.4g} right", y=1 - target),)
    ordered = sorted(curves, key=lambda c: _at(c, largest))
    return Chart(
        title=f"{file.plan.workload} on {data}: error against training samples",
        x=Axis(label="training samples", format="count"),
        y=Axis(label="error on the test set", format="plain"),
        series=tuple(s for c in ordered for s in _series(c, largest)),
        marks=marks,
        regions=(Region(text="beyond the data", axis="x", beyond=largest),),
        notes=(
            f"{len({p.seed for p in first.points})} seeds, {first.n_test} test examples of"
            f" {first.classes} classes",
            "a mark a training; bands: 90 %, of the three with the least error",
            "dashed: beyond the data",
        ),
    )


def _at(curve: LearnedCurve, samples: int) -> float:
    """Return the mean error of a curve's trainings at a size, or at the nearest below."""
    sizes = [p.samples for p in curve.points if p.samples <= samples]
    found = [1 - p.accuracy for p in curve.points if p.samples == max(sizes)]
    return sum(found) / len(found)


def _series(curve: LearnedCurve, largest: int) -> Iterator[Series]:
    """Yield a curve's trainings and its line: fitted, or else through their means."""
    name = curve.shortcut
    yield Series(
        name=name,
        x=tuple(p.samples for p in curve.points),
        y=tuple(max(LEAST_ERROR, 1 - p.accuracy) for p in curve.points),
        style="points",
    )
    fit = curve.fit
    if fit is None:
        sizes = sorted({p.samples for p in curve.points})
        yield Series(
            name=name, x=tuple(sizes), y=tuple(max(LEAST_ERROR, _at(curve, n)) for n in sizes)
        )
        return
    known = sum(n <= largest for n in fit.samples)
    error, low, high = (
        tuple(max(LEAST_ERROR, v) for v in of) for of in (fit.error, fit.low, fit.high)
    )
    inside, beyond = slice(0, known), slice(max(0, known - 1), None)
    yield Series(
        name=name, x=fit.samples[inside], y=error[inside], low=low[inside], high=high[inside]
    )
    if len(fit.samples) > known:
        yield Series(name=name, x=fit.samples[beyond], y=error[beyond], style="dashed")


CHART = ChartKind(
    name="learning",
    summary="the error on the test set against the training samples, by shortcut",
    takes=("shortcuts",),
    make=make,
    numbers=numbers,
)
