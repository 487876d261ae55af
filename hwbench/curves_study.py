"""From trainings to a learning curve, and what a target takes: samples, time, energy, money."""

from collections.abc import Sequence

from hwbench import curve_ensemble, montecarlo
from hwbench.curve_ensemble import DRAWS, LEVEL, Ensemble
from hwbench.curve_file import Point
from hwbench.errors import BadInput
from hwbench.estimate_figures import Figure
from hwbench.learned import LearnedCurve, LearnedFit, LearnedPoint, ToTarget
from hwbench.learning_curve import trust
from hwbench.units import S_PER_H
from hwbench.values import Values

GRID = 40  # sizes of a fitted curve that are kept
BEYOND = 4.0  # times the largest size that the kept curve reaches to
LEAST_TIME_LOG = 0.05  # of a training's time against its samples


def check_target(accuracy: float, classes: int) -> None:
    """Raise BadInput for a target that nobody misses, or that nobody reaches."""
    if not accuracy < 1:
        raise BadInput(
            f"--target-accuracy {accuracy:g}: no error at all is no target; 0.99 is 99 %"
        )
    if accuracy <= 1 / classes:
        raise BadInput(
            f"--target-accuracy {accuracy:g}: guessing among {classes} classes gets"
            f" {1 / classes:.3g}"
        )


def curve(
    shortcut: str,
    points: Sequence[LearnedPoint],
    *,
    classes: int,
    n_test: int,
    one_off_s: float = 0.0,
    target: float | None = None,
    usd_per_h: float | None = None,
    no_energy: str = "no meter measures here",
    seed: int = 0,
) -> LearnedCurve:
    """Return the curve of a shortcut's trainings, fitted, and what the target takes by it."""
    import numpy as np

    told = [Point(samples=p.samples, accuracy=p.accuracy, seed=p.seed) for p in points]
    found, why = None, None
    try:
        found = curve_ensemble.fitted(told, classes, n_test, seed)
    except BadInput as e:
        why = str(e)
    to_target, no_target = None, why
    if target is None:
        no_target = "no --target-accuracy was given"
    elif found is not None:
        rng = np.random.default_rng((seed, 11))
        to_target, no_target = _to_target(
            found, points, target, one_off_s, usd_per_h, no_energy, rng
        )
    return LearnedCurve(
        shortcut=shortcut,
        classes=classes,
        n_test=n_test,
        one_off_s=one_off_s,
        points=tuple(points),
        fit=None if found is None else _kept(found, points, seed),
        no_fit=why,
        backtest=None if found is None else found.backtest,
        to_target=to_target,
        no_target=no_target,
    )


def _kept(found: Ensemble, points: Sequence[LearnedPoint], seed: int) -> LearnedFit:
    import numpy as np

    low, high = min(p.samples for p in points), max(p.samples for p in points)
    sizes = np.unique(np.round(np.geomspace(low, high * BEYOND, GRID)))
    draws = found.error_draws(sizes, DRAWS, np.random.default_rng((seed, 5)))
    band = montecarlo.interval(np.clip(draws, 0.0, 1.0), LEVEL)
    names = [f.family for f in found.fits]
    return LearnedFit(
        family=found.best.family,
        parameters={k: float(v) for k, v in found.best.parameters.items()},
        weights=dict(zip(names, found.weights, strict=True)),
        samples=tuple(int(n) for n in sizes),
        error=tuple(float(v) for v in band.point),
        low=tuple(float(v) for v in band.low),
        high=tuple(float(v) for v in band.high),
        warnings=found.best.warnings,
    )


def _to_target(
    found: Ensemble,
    points: Sequence[LearnedPoint],
    target: float,
    one_off_s: float,
    usd_per_h: float | None,
    no_energy: str,
    rng: Values,
) -> tuple[ToTarget | None, str | None]:
    """Return what the target takes, or why it is not reached."""
    import numpy as np

    needed = found.needed(target, DRAWS, rng)
    finite = needed.draws[np.isfinite(needed.draws)]
    largest = max(p.samples for p in points)
    if needed.point is None or needed.odds < 1 - LEVEL:
        return None, f"not reached within the data: {needed.reason or 'the curve levels off below'}"
    samples = _figure(finite)
    if samples.point > BEYOND * BEYOND * largest:
        return None, (
            f"not reached within the data: about {samples.point:.1g} samples,"
            f" {samples.point / largest:.0f} times those at hand: no more than the order of"
            " magnitude is known"
        )
    draws = rng.permutation(np.resize(finite, DRAWS))
    time_s = _times(points, draws, rng) + one_off_s
    energy = _energy(points, draws, rng)
    reasons = {} if energy is not None else {"energy_j": no_energy}
    if usd_per_h is None:
        reasons["cost_usd"] = "no price of an hour was given: --usd-per-h X"
    doubt = trust(found.best, samples.point)
    return (
        ToTarget(
            accuracy=target,
            samples=samples,
            time_s=_figure(time_s),
            energy_j=None if energy is None else _figure(energy),
            cost_usd=None if usd_per_h is None else _figure(time_s / S_PER_H * usd_per_h),
            odds=needed.odds,
            within_data=samples.point <= largest,
            reasons=reasons,
            warnings=tuple(dict.fromkeys([*needed.warnings, *([doubt] if doubt else [])])),
        ),
        None,
    )


def _figure(draws: Values) -> Figure:
    found = montecarlo.interval(draws, LEVEL)
    return Figure(
        point=max(0.0, found.point), low=max(0.0, found.low), high=found.high, level=LEVEL
    )


def _times(points: Sequence[LearnedPoint], samples: Values, rng: Values) -> Values:
    """Return draws of a training's time at these samples, by the line through what was timed."""
    return _along([(p.samples, p.train_s) for p in points], samples, rng)


def _energy(points: Sequence[LearnedPoint], samples: Values, rng: Values) -> Values | None:
    known = [(p.samples, p.energy_j) for p in points if p.energy_j]
    return _along(known, samples, rng) if len(known) == len(points) else None


def _along(pairs: Sequence[tuple[int, float]], samples: Values, rng: Values) -> Values:
    """Return draws along the line in logarithms through (samples, value), with its scatter."""
    import numpy as np

    x = np.log([n for n, _ in pairs])
    y = np.log([v for _, v in pairs])
    if len(set(x.tolist())) < 2:
        slope, base = 1.0, float(np.mean(y - x))
    else:
        slope, base = np.polyfit(x, y, 1)
    left = y - (slope * x + base)
    sd = max(LEAST_TIME_LOG, float(np.std(left, ddof=min(2, len(left) - 1))))
    return np.exp(slope * np.log(samples) + base + sd * rng.standard_normal(len(samples)))
