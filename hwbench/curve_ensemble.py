"""Several families of learning curves together, weighted by how well each told the largest size.

No form is right for all curves (Viering and Loog 2022). Each family is fitted to all sizes but the
largest and predicts it; its weight is the likelihood of what was found, by the spread of prediction
and finding (docs/methodology.md, learning curves).
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from hwbench import learning_curve, montecarlo
from hwbench.curve_file import Point
from hwbench.errors import BadInput
from hwbench.estimate_figures import Figure
from hwbench.learned import BackTest
from hwbench.learning_curve import LEAST_SIZES, Fit
from hwbench.values import Values

FAMILIES: tuple[Literal["power", "logarithm", "arctan"], ...] = ("power", "logarithm", "arctan")
LEAST_SD = 1e-3  # of an error: below it a family would be right by luck
LEVEL = 0.9
DRAWS = 1000


@dataclass(frozen=True, kw_only=True)
class Ensemble:
    """The fits of all families with their weights, and the back-test where there could be one."""

    fits: tuple[Fit, ...]
    weights: tuple[float, ...]
    backtest: BackTest | None

    @property
    def best(self) -> Fit:
        """Return the fit of the most weight."""
        return max(zip(self.weights, self.fits, strict=True), key=lambda pair: pair[0])[1]

    def error_draws(self, samples: Values, n: int, rng: Values) -> Values:
        """Return `n` draws of the error at each size, (n, sizes): of each family its share."""
        import numpy as np

        parts = [
            _picked(fit.error_draws(samples), count, rng)
            for fit, count in zip(self.fits, _counts(self.weights, n), strict=True)
        ]
        return np.concatenate([p for p in parts if len(p)])

    def needed(self, accuracy: float, n: int, rng: Values) -> learning_curve.Needed:
        """Return the samples that an accuracy takes: draws of all families, each its share."""
        import numpy as np

        counts = _counts(self.weights, n)
        told = [learning_curve.samples_for(f, accuracy, max(1, c), rng) for f, c in
                zip(self.fits, counts, strict=True)]  # fmt: skip
        draws = np.concatenate([t.draws[:c] for t, c in zip(told, counts, strict=True)])
        odds = float(np.isfinite(draws).mean())
        finite = draws[np.isfinite(draws)]
        at = max(range(len(told)), key=lambda i: counts[i])
        point = float(np.median(finite)) if len(finite) else None
        return learning_curve.Needed(
            point=point,
            draws=draws,
            odds=odds,
            reason=told[at].reason,
            warnings=told[at].warnings,
        )


def fitted(points: Sequence[Point], classes: int, n_test: int, seed: int = 0) -> Ensemble:
    """Return the ensemble of the points; raise BadInput where no family can be fitted.

    A family that cannot be fitted is left out.
    """
    found: dict[str, Fit] = {}
    problem: BadInput | None = None
    for name in FAMILIES:
        try:
            found[name] = learning_curve.fit(
                points, classes=classes, n_test=n_test, family=name, seed=seed
            )
        except BadInput as e:
            problem = problem or e
    if not found:
        assert problem is not None
        raise problem
    told = _told(points, tuple(found), classes, n_test, seed)
    weights = _weights(tuple(found), told)
    fits = tuple(found.values())
    return Ensemble(
        fits=fits, weights=weights, backtest=_backtest(points, told, weights, tuple(found), seed)
    )


@dataclass(frozen=True, kw_only=True)
class _Told:
    """What the families said of the largest size, by the smaller ones; draws by family."""

    samples: int
    actual: float
    sd: float
    draws: dict[str, Values]


def _told(
    points: Sequence[Point], names: Sequence[str], classes: int, n_test: int, seed: int
) -> _Told | None:
    """Return the predictions of the largest size, None where too few sizes are left for that."""
    import numpy as np

    largest = max(p.samples for p in points)
    less = [p for p in points if p.samples < largest]
    if len({p.samples for p in less}) < LEAST_SIZES:
        return None
    at = [1 - p.accuracy for p in points if p.samples == largest]
    draws: dict[str, Values] = {}
    for name in FAMILIES:
        if name not in names:
            continue
        try:
            fit = learning_curve.fit(less, classes=classes, n_test=n_test, family=name, seed=seed)
        except BadInput:
            continue
        draws[name] = fit.error_draws(np.array([float(largest)]))[:, 0]
    if not draws:
        return None
    mean = sum(at) / len(at)
    p = min(max(mean, 0.5 / n_test), 1 - 0.5 / n_test)
    between = float(np.var(at, ddof=1)) / len(at) if len(at) > 1 else 0.0
    sd = max(LEAST_SD, (p * (1 - p) / n_test + between) ** 0.5)
    return _Told(samples=largest, actual=mean, sd=sd, draws=draws)


def _weights(names: Sequence[str], told: _Told | None) -> tuple[float, ...]:
    """Return the weight of each family: equal ones where nothing could be held out."""
    import numpy as np

    if told is None:
        return tuple(1 / len(names) for _ in names)
    logs = []
    for name in names:
        draws = told.draws.get(name)
        if draws is None:
            logs.append(-np.inf)
            continue
        variance = told.sd**2 + float(np.var(draws))
        miss = told.actual - float(np.median(draws))
        logs.append(-0.5 * (miss * miss / variance + np.log(variance)))
    likelihood = np.exp(np.array(logs) - max(logs))
    return tuple(float(w) for w in likelihood / likelihood.sum())


def _backtest(
    points: Sequence[Point],
    told: _Told | None,
    weights: Sequence[float],
    names: Sequence[str],
    seed: int,
) -> BackTest | None:
    """Return whether the largest size was inside what the smaller ones told of it.

    The families count alike there: their weights have seen the answer.
    """
    import numpy as np

    if told is None:
        return None
    rng = np.random.default_rng((seed, 7))
    each = max(1, DRAWS // len(told.draws))
    drawn = np.concatenate([_picked(d, each, rng) for d in told.draws.values()])
    drawn = np.clip(drawn + told.sd * rng.standard_normal(len(drawn)), 0.0, 1.0)
    found = montecarlo.interval(drawn, LEVEL)
    return BackTest(
        samples=told.samples,
        predicted=Figure(point=found.point, low=found.low, high=found.high, level=LEVEL),
        actual=min(1.0, max(0.0, told.actual)),
        inside=bool(found.low <= told.actual <= found.high),
    )


def _counts(weights: Sequence[float], n: int) -> list[int]:
    """Return how many of `n` draws each family has: they add up to `n`."""
    bounds = [0.0]
    for w in weights:
        bounds.append(bounds[-1] + w)
    marks = [round(n * b / bounds[-1]) for b in bounds]
    return [b - a for a, b in itertools.pairwise(marks)]


def _picked(draws: Values, count: int, rng: Values) -> Values:
    """Return `count` of the draws, evenly."""
    import numpy as np

    return draws[np.resize(rng.permutation(len(draws)), count)]
