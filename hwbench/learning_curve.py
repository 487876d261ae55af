"""How the error falls with the samples, and how many a target needs, with its odds.

A curve is fitted to the accuracies at growing sizes, its uncertainty found by parametric bootstrap:
points are drawn round the curve as they scatter and fitted again (Efron and Tibshirani 1993,
An introduction to the bootstrap, ch. 6).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from hwbench.curve_file import Point
from hwbench.curve_fitting import FAMILIES, Coefficients, least_squares
from hwbench.errors import BadInput
from hwbench.values import Values, plain

LEAST_SIZES = 4  # for three parameters
NEAR_CHANCE = 0.9  # of the error of guessing: above it the power law has not begun
ASSUMED_TEST = 1000  # examples, for how small an error of 0 may be in truth
MISSED = 3.0  # times the variance that the points have of their own: 5 % by chance, of 2 or 3
FINE, WIDE = 4.0, 16.0  # times the largest size: an extrapolation trusted, and no more than a guide


@dataclass(frozen=True, kw_only=True)
class Size:
    """A size of the data set: the mean error of its seeds, and the standard error of that."""

    samples: int
    error: float
    sd: float
    seeds: int


@dataclass(frozen=True, kw_only=True)
class Fit:
    """A fitted curve: `parameters` (a, c and the shape's: b of the power law) and draws of them."""

    family: str
    parameters: Mapping[str, float]
    draws: Mapping[str, Values]
    sizes: tuple[Size, ...]
    warnings: tuple[str, ...] = ()

    def error_at(self, samples: Values) -> Values:
        """Return the error of the fitted curve, an array as `samples` is."""
        return plain(_error(self.family, self.parameters, samples))

    def error_draws(self, samples: Values) -> Values:
        """Return the drawn curves' errors at one size or an array of them: draws first."""
        import numpy as np

        sizes = np.asarray(samples, dtype=np.float64)
        turned = {k: v.reshape(-1, *(1,) * sizes.ndim) for k, v in self.draws.items()}
        return _error(self.family, turned, sizes)


@dataclass(frozen=True, kw_only=True)
class Needed:
    """How many samples reach a target: the curve's answer, or None with the reason, and draws.

    A draw is infinite where its floor lies above the target; `odds` is the share that is not.
    """

    point: float | None
    draws: Values
    odds: float
    reason: str | None = None
    warnings: tuple[str, ...] = field(default=())


def fit(
    points: Sequence[Point],
    *,
    classes: int | None = None,
    n_test: int | None = None,
    family: Literal["power", "logarithm", "arctan"] = "power",
    n_draws: int = 1000,
    seed: int = 0,
) -> Fit:
    """Fit a curve to the points, weighted by how they scatter, with `n_draws` bootstrapped ones.

    The variance of an error p is p (1 - p) (1 / n_test + k / seeds), k what the seeds show; the
    misfit counts as well (`_with_misfit`). Sizes near chance (an error above
    0.9 of that of guessing) are left out. Raises BadInput where fewer than 4 sizes remain or the
    error does not fall.
    """
    import numpy as np

    groups = _groups(points, classes)
    sizes, freedom = _spread(groups, n_test)
    known = freedom > 0
    n = np.array([s.samples for s in sizes], dtype=np.float64)
    errors = np.array([s.error for s in sizes])
    sds = np.array([s.sd for s in sizes])
    form = FAMILIES[family]
    found = least_squares(form, n, errors[None, :], 1 / sds**2)
    left = len(sizes) - (2 if form.shape_name is None else 3)
    scatter = float(found.misfit[0]) / left
    sds, freedom = _with_misfit(sds, freedom, scatter, left)
    curve = _named(found, family, 0)
    rng = np.random.default_rng(seed)
    drawn = _redrawn(_error(family, curve, n), sds, freedom, n_draws, rng)
    again = least_squares(form, n, drawn, 1 / np.maximum(sds, 1e-12) ** 2)
    return Fit(
        family=family,
        parameters=curve,
        draws=_named(again, family, None),
        sizes=tuple(
            Size(samples=s.samples, error=s.error, sd=float(d), seeds=s.seeds)
            for s, d in zip(sizes, sds, strict=True)
        ),
        warnings=_told(points, groups, scatter if known else 0.0),
    )


def _groups(points: Sequence[Point], classes: int | None) -> dict[int, list[float]]:
    """Return the errors by size, in order, those near chance left out."""
    groups: dict[int, list[float]] = {}
    for p in sorted(points, key=lambda p: p.samples):
        groups.setdefault(p.samples, []).append(1 - p.accuracy)
    most = NEAR_CHANCE * (1 - 1 / classes) if classes else 1.0
    kept = {n: e for n, e in groups.items() if sum(e) / len(e) <= most}
    if len(kept) < LEAST_SIZES:
        gone = len(groups) - len(kept)
        near = f" ({gone} more are near chance)" if gone else ""
        raise BadInput(
            f"a learning curve needs {LEAST_SIZES} sizes of the data set, found {len(kept)}{near}:"
            " learn with more of them, each twice the last"
        )
    _falls(kept)
    return kept


def _falls(groups: Mapping[int, Sequence[float]]) -> None:
    """Raise BadInput where the largest size errs no less than the smallest."""
    least, most = min(groups), max(groups)
    first, last = (sum(groups[n]) / len(groups[n]) for n in (least, most))
    if last >= first:
        raise BadInput(
            f"the error does not fall with the samples ({first:.3g} at {least:,}, {last:.3g} at"
            f" {most:,}): no curve can be fitted, learn with more samples"
        )


def _spread(groups: Mapping[int, Sequence[float]], n_test: int | None) -> tuple[list[Size], int]:
    """Return the sizes with their standard errors, and from how many degrees of freedom these are.

    k is pooled over the sizes; without seeds or a test set's size all are relative (freedom 0).
    """
    floor = 0.5 / (n_test or ASSUMED_TEST)
    means = {n: sum(e) / len(e) for n, e in groups.items()}
    unit = {n: (p := min(max(m, floor), 1 - floor)) * (1 - p) for n, m in means.items()}
    freedom = sum(len(e) - 1 for e in groups.values())
    squares = sum((e - means[n]) ** 2 / unit[n] for n, es in groups.items() for e in es)
    k = squares / freedom if freedom else 0.0
    test = 1 / n_test if n_test else 0.0
    known = k > 0 or test > 0
    sizes = [
        Size(
            samples=n,
            error=means[n],
            sd=(unit[n] * (test + k / len(e) if known else 1.0)) ** 0.5,
            seeds=len(e),
        )
        for n, e in groups.items()
    ]
    return sizes, (freedom or 1000) if known else 0


def _with_misfit(sds: Values, freedom: int, scatter: float, left: int) -> tuple[Values, int]:
    """Return the standard errors, and their degrees of freedom, with what the misfit adds.

    Without seeds it is all that is known. Else both are pooled; where the curve clearly misses the
    points its form is wrong, and the misfit alone counts.
    """
    if freedom == 0:
        return sds * scatter**0.5, left
    pooled = (freedom + left * scatter) / (freedom + left)
    return sds * max(pooled, scatter if scatter > MISSED else 0.0) ** 0.5, freedom + left


def _redrawn(curve: Values, sds: Values, freedom: int, n_draws: int, rng: Values) -> Values:
    """Return errors round the curve: Student's, since the standard errors are estimated."""
    import numpy as np

    scale = np.sqrt(freedom / rng.chisquare(freedom, size=(n_draws, 1)))
    drawn = curve + sds * scale * rng.standard_normal((n_draws, len(sds)))
    return np.clip(drawn, 0.0, 1.0)


def _told(
    points: Sequence[Point], groups: Mapping[int, Sequence[float]], scatter: float
) -> tuple[str, ...]:
    told = []
    near = sorted({p.samples for p in points} - set(groups))
    if near:
        told.append(f"left out as near chance: {', '.join(f'{n:,}' for n in near)} samples")
    if min(len(e) for e in groups.values()) < 3:
        told.append("fewer than 3 seeds at a size: their scatter is poorly known")
    if len(groups) == LEAST_SIZES:
        told.append(f"{LEAST_SIZES} sizes carry 3 parameters: 6 to 8 would be better")
    if scatter > MISSED:
        told.append("the curve misses the points by more than they scatter: its form may be wrong")
    return tuple(told)


def _named(found: Coefficients, family: str, row: int | None) -> dict[str, Values]:
    """Return the coefficients by their names, of one row or of all."""
    shape = FAMILIES[family].shape_name
    values = {"a": found.a, "c": found.c} | ({shape: found.shape} if shape else {})
    return values if row is None else {k: float(v[row]) for k, v in values.items()}


def _error(family: str, p: Mapping[str, Values], samples: Values) -> Values:
    form = FAMILIES[family]
    shape = p[form.shape_name] if form.shape_name else 1.0
    return p["c"] + p["a"] * form.basis(samples, shape)


def _samples(family: str, p: Mapping[str, Values], error: float) -> Values:
    """Return N of the error, N* = (a / (e* - c))^(1 / b) for the power law; infinite below c."""
    import numpy as np

    form = FAMILIES[family]
    shape = p[form.shape_name] if form.shape_name else 1.0
    above = np.asarray(error - p["c"], dtype=np.float64)
    reachable = (above > 0) | (not form.floored)
    with np.errstate(over="ignore"):
        g = np.where(reachable, above, 1.0) / p["a"]
        return np.where(reachable, np.maximum(1.0, form.inverse(g, shape)), np.inf)


def samples_for(fit: Fit, target_accuracy: float, n_draws: int, rng: Values) -> Needed:
    """Return how many samples reach the accuracy, with `n_draws` draws of the number.

    `rng` is a numpy.random.Generator, which picks among the bootstrapped curves. Raises BadInput
    unless 0 < target < 1.
    """
    import numpy as np

    if not 0 < target_accuracy < 1:
        raise BadInput(
            f"a target accuracy lies between 0 and 1, not at {target_accuracy:g}: 0.95 is 95 %"
        )
    error = 1 - target_accuracy
    drawn = _samples(fit.family, fit.draws, error)
    chosen = rng.permutation(np.resize(rng.permutation(len(drawn)), n_draws))
    odds = float(np.isfinite(drawn).mean())
    point = float(_samples(fit.family, fit.parameters, error))
    if not np.isfinite(point):
        reason = (
            f"the curve levels off at an accuracy of {1 - fit.parameters['c']:.4g}, below"
            f" {target_accuracy:g}; the odds that it can be reached are {odds:.0%}"
        )
        return Needed(point=None, draws=drawn[chosen], odds=odds, reason=reason)
    told = [t for t in (trust(fit, point), _doubt(odds)) if t]
    return Needed(point=point, draws=drawn[chosen], odds=odds, warnings=tuple(told))


def _doubt(odds: float) -> str | None:
    return f"may be unreachable: the odds are {odds:.0%}" if odds < 0.95 else None


def trust(fit: Fit, samples: float) -> str | None:
    """Return what is to be thought of the curve at a size beyond the measured ones; None: fine."""
    largest, smallest = fit.sizes[-1].samples, fit.sizes[0].samples
    times = samples / largest
    if times > WIDE:
        return f"{times:.3g} times the largest size measured: no more than an order of magnitude"
    if times > FINE:
        return f"{times:.3g} times the largest size measured: the interval is too narrow"
    if samples < smallest:
        return f"below the smallest size measured ({smallest:,}): the curve is not known there"
    return None


def times_the_samples(b: Values, excess_frac: Values = 0.5) -> Values:
    """Return how many times the samples bring the excess error to `excess_frac`: f^(-1 / b)."""
    return excess_frac ** (-1 / b)
