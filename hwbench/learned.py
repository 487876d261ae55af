"""What was learnt for real: accuracies at growing sizes, the fitted curve, what a target takes."""

from dataclasses import dataclass

from hwbench.bounds import Fraction, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt
from hwbench.estimate_figures import Figure


@dataclass(frozen=True, kw_only=True)
class LearnedPoint:
    """One training. `train_accuracy` is of what it trained on: the gap to `accuracy` is overfit."""

    samples: PositiveInt
    seed: NonNegativeInt
    accuracy: Fraction
    train_accuracy: Fraction
    train_s: PositiveFloat  # of its steps, and of what is paid once for them
    epochs: PositiveFloat
    steps: PositiveInt
    energy_j: NonNegativeFloat | None = None


@dataclass(frozen=True, kw_only=True)
class BackTest:
    """The largest size, predicted by the smaller ones alone, and what it was."""

    samples: PositiveInt
    predicted: Figure  # of the error
    actual: Fraction
    inside: bool


@dataclass(frozen=True, kw_only=True)
class LearnedFit:
    """The curve of the error: families weighted by how well each told the largest size.

    `family` and `parameters` are those of the weightiest. `error`, `low` and `high` (at 90 %) are
    of all together, over `samples`.
    """

    family: str
    parameters: dict[str, float]
    weights: dict[str, Fraction]
    samples: tuple[PositiveInt, ...]
    error: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ToTarget:
    """What the target accuracy takes by one way of training."""

    accuracy: Fraction
    samples: Figure
    time_s: Figure
    energy_j: Figure | None
    cost_usd: Figure | None
    odds: Fraction  # that it can be reached at all
    within_data: bool  # no more samples than were learnt from
    reasons: dict[str, str]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class LearnedCurve:
    """All trainings by one shortcut; what is null has its reason."""

    shortcut: str
    classes: PositiveInt
    n_test: PositiveInt
    one_off_s: NonNegativeFloat  # of the pretraining that it starts from
    points: tuple[LearnedPoint, ...]
    fit: LearnedFit | None
    no_fit: str | None
    backtest: BackTest | None
    to_target: ToTarget | None
    no_target: str | None
