"""A target instead of a length: the samples and epochs that an accuracy takes by a curve."""

from dataclasses import dataclass

from hwbench import curve_file, learning_curve, montecarlo, row_making
from hwbench.errors import BadInput
from hwbench.estimate_figures import Figure
from hwbench.estimate_plan import Request
from hwbench.estimate_questions import Target
from hwbench.row_making import DRAWS
from hwbench.values import Values

MOST_SAMPLES = 1e13


@dataclass(frozen=True, kw_only=True)
class Aim:
    """What an accuracy takes by a learning curve: samples with their draws, and epochs."""

    target: Target
    samples: int
    epochs: float | None
    draws: Values


def aim_of(request: Request) -> Aim | None:
    """Return what --target-accuracy needs; raise BadInput where the curve never reaches it."""
    if request.curve is None or request.target_accuracy is None:
        return None
    import numpy as np

    shortcut = request.shortcuts[0] if len(request.shortcuts) == 1 else None
    curve = curve_file.read(request.curve, shortcut)
    fitted = learning_curve.fit(curve.points, classes=curve.classes, n_test=curve.n_test)
    rng = np.random.default_rng(row_making.SEED)
    needed = learning_curve.samples_for(fitted, request.target_accuracy, DRAWS, rng)
    finite = needed.draws[np.isfinite(needed.draws) & (needed.draws < MOST_SAMPLES)]
    if not len(finite) or needed.odds < 1 - request.level:
        raise BadInput(
            f"--target-accuracy {request.target_accuracy:g}: by {request.curve} no number of"
            f" samples reaches it, with odds of {needed.odds:.0%}"
            + (f" ({needed.reason})" if needed.reason else "")
        )
    draws = np.maximum(1.0, rng.choice(finite, DRAWS))
    found = montecarlo.interval(draws, request.level)
    samples = max(1, round(found.point))
    largest = max(curve.points, key=lambda p: p.samples)
    target = Target(
        accuracy=request.target_accuracy,
        curve=str(request.curve),
        samples=Figure(point=found.point, low=found.low, high=found.high, level=request.level),
        odds=needed.odds,
        reason=needed.reason,
        warnings=(*fitted.warnings, *needed.warnings),
    )
    return Aim(target=target, samples=samples, epochs=largest.epochs, draws=draws)
