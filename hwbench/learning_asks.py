"""What parent and child say of real trainings: the data, what they take here, one training each."""

from dataclasses import dataclass
from typing import Literal

from hwbench.bounds import Fraction, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt
from hwbench.quality_found import Quality

# curve: a point of a learning curve; noise, poison: on data that were disturbed; untuned: at
# another learning rate; sharing: several tasks by one way of sharing.
Purpose = Literal["curve", "noise", "poison", "untuned", "sharing"]


@dataclass(frozen=True, kw_only=True)
class OpenStudy:
    """Ask a child to read the data and split them; `seed` is of the split.

    `source` are other data, to pretrain on; `pretrained`: weights are at hand, so none are needed.
    """

    workload: str
    data: str
    device: str
    dtype: str
    batch_size: PositiveInt
    threads: PositiveInt
    seed: NonNegativeInt = 0
    source: str | None = None
    pretrained: bool = False
    memory_limit_bytes: int | None = None


@dataclass(frozen=True, kw_only=True)
class StudiedData:
    """The data of a study as they were found. `samples` can be trained on, `n_test` test."""

    name: str
    what: str
    classes: PositiveInt
    samples: PositiveInt
    n_test: PositiveInt
    parameters: PositiveInt  # of the network at these classes
    source_name: str | None = None  # of the data of the source task; null: there is none
    source_samples: PositiveInt | None = None
    source_classes: PositiveInt | None = None
    quality: Quality
    cautions: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Pace:
    """Ask what a training by this shortcut takes: some steps, on any of the data."""

    shortcut: str


@dataclass(frozen=True, kw_only=True)
class Paced:
    """What a training by a shortcut is made of, in seconds."""

    shortcut: str
    build_s: NonNegativeFloat
    step_s: PositiveFloat
    judge_item_s: NonNegativeFloat  # of an evaluation
    once_item_s: NonNegativeFloat = 0.0  # of what comes before the first epoch
    teacher_step_s: NonNegativeFloat = 0.0  # of the network that has to learn first


@dataclass(frozen=True, kw_only=True)
class Pretrain:
    """Ask for the network trained on the source task from random weights, kept at `path`."""

    steps: PositiveInt
    seed: NonNegativeInt
    path: str


@dataclass(frozen=True, kw_only=True)
class Pretrained:
    """A network that was trained on the source task; `accuracy` is of its own test set."""

    samples: PositiveInt
    classes: PositiveInt
    n_test: PositiveInt
    steps: PositiveInt
    epochs: PositiveFloat
    accuracy: Fraction
    train_s: PositiveFloat
    begin_s: float
    end_s: float


@dataclass(frozen=True, kw_only=True)
class Ask:
    """One training, by all that makes it what it is.

    `seed` draws the samples, the first weights that are random, and the order of the batches.
    `rate_factor` multiplies the learning rate of the shortcut; `once_passes` are over the samples
    before the first step; the network that teaches, where there is one, learns `teacher_steps`.
    """

    purpose: Purpose
    shortcut: str
    samples: PositiveInt
    seed: NonNegativeInt
    steps: PositiveInt
    teacher_steps: NonNegativeInt = 0
    once_passes: NonNegativeFloat = 0.0
    rate_factor: PositiveFloat = 1.0
    noise_frac: Fraction = 0.0
    poison_frac: Fraction = 0.0
    tasks: PositiveInt = 1


@dataclass(frozen=True, kw_only=True)
class Train:
    """Ask for a training. `weights`: a file or a name of pretrained ones, or none."""

    ask: Ask
    weights: str | None = None


@dataclass(frozen=True, kw_only=True)
class Screened:
    """What a screening of poisoned data found, and what training on the rest then gave."""

    screen_s: NonNegativeFloat
    removed: NonNegativeInt
    poisoned: NonNegativeInt  # that there were
    found: NonNegativeInt  # of them, among the removed
    retrain_s: PositiveFloat
    accuracy: Fraction
    attack_frac: Fraction


@dataclass(frozen=True, kw_only=True)
class Trained:
    """What a training took and gave. `train_s` is of its steps and of what is paid once for them.

    `begin_s` and `end_s` are on the machine's clock, for meters. `diverged`: its loss has left the
    numbers, and its accuracy is of what came of that.
    """

    accuracy: Fraction
    train_accuracy: Fraction
    train_s: PositiveFloat
    step_s: PositiveFloat
    once_s: NonNegativeFloat
    teacher_s: NonNegativeFloat
    begin_s: float
    end_s: float
    took_s: PositiveFloat  # with building, evaluating and all else
    epochs: PositiveFloat
    parameters: PositiveInt
    trainable_parameters: NonNegativeInt
    memory_peak_bytes: PositiveInt | None
    diverged: bool = False
    attack_frac: Fraction | None = None  # of triggered test examples, taken for the target class
    screened: Screened | None = None
    task_accuracies: tuple[Fraction, ...] = ()  # of several tasks, each


@dataclass(frozen=True, kw_only=True)
class StudyAsked:
    """What the user asked of real trainings; None is left to the network's own or the machine's.

    `pretrained` is a file of weights, timm:NAME or transformers:NAME; without it the data's source
    task, or `source`, is trained on first.
    """

    workload: str
    data: str
    source: str | None = None
    pretrained: str | None = None
    shortcuts: tuple[str, ...] = ()  # beside from_scratch; none: the usual ones
    target_accuracy: float | None = None
    sizes: tuple[int, ...] = ()
    seeds: int = 3
    epochs: float | None = None  # of every shortcut
    scratch_epochs: float | None = None
    batch_size: int | None = None
    device: str | None = None
    dtype: str | None = None
    threads: int | None = None
    max_seconds: float | None = None
    label_noise: tuple[float, ...] = ()
    poison: float | None = None
    tasks: int | None = None
    sharing: tuple[str, ...] = ()  # of them; none: every way
    usd_per_h: float | None = None
    level: float = 0.9
