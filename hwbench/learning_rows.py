"""What real trainings gave, as it is kept: each of them, and what follows from them together."""

from dataclasses import dataclass
from typing import Literal

from hwbench.bounds import Fraction, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt
from hwbench.learning_asks import Ask, Pretrained, StudiedData, Trained

Status = Literal["complete", "out_of_time", "interrupted"]


@dataclass(frozen=True, kw_only=True)
class Training:
    """One training that was asked for: what it gave, or why it failed."""

    ask: Ask
    status: Literal["ok", "failed"]
    reason: str | None = None
    trained: Trained | None = None
    energy_j: NonNegativeFloat | None = None  # of begin_s to end_s
    no_energy: str | None = None


@dataclass(frozen=True, kw_only=True)
class Share:
    """A mean share over seeds with its interval; of one seed there is none."""

    point: Fraction
    low: Fraction | None
    high: Fraction | None
    seeds: PositiveInt


@dataclass(frozen=True, kw_only=True)
class Standing:
    """A shortcut's accuracy at the largest size, what a training takes there, and its ties.

    `ties` are the shortcuts whose accuracy it cannot be told from: of the seeds in common, and of
    as many test examples.
    """

    shortcut: str
    samples: PositiveInt
    accuracy: Share
    train_s: PositiveFloat
    memory_peak_bytes: PositiveInt | None
    parameters: PositiveInt
    trainable_parameters: NonNegativeInt
    ties: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Noise:
    """The accuracy after training on labels a share of which is wrong."""

    shortcut: str
    samples: PositiveInt
    noise_frac: Fraction
    accuracy: Share


@dataclass(frozen=True, kw_only=True)
class Poison:
    """A backdoor in a share of the training data, and what screening and a new training change.

    `attack` is the share of triggered test examples that are taken for the target class.
    """

    shortcut: str
    samples: PositiveInt
    poison_frac: Fraction
    accuracy: Share
    attack: Share
    accuracy_clean: Share | None  # without any poison
    screen_s: NonNegativeFloat
    removed_frac: Fraction  # of the training data
    found_frac: Fraction  # of the poisoned examples
    retrain_s: PositiveFloat
    accuracy_after: Share
    attack_after: Share


@dataclass(frozen=True, kw_only=True)
class Untuned:
    """What a run risks whose learning rate nobody tuned: the spread over rates and seeds."""

    shortcut: str
    samples: PositiveInt
    accuracies: dict[str, Share]  # by the factor on the learning rate
    lowest: Fraction
    highest: Fraction
    spread: Fraction  # highest less lowest
    of_seeds: Fraction | None  # the same over the seeds at the rate as it is


@dataclass(frozen=True, kw_only=True)
class Gap:
    """How much better a network is on what it has trained on, by its parameters a sample."""

    shortcut: str
    samples: PositiveInt
    trainable_per_sample: NonNegativeFloat
    train_accuracy: Fraction
    accuracy: Fraction
    gap: float


@dataclass(frozen=True, kw_only=True)
class Sharing:
    """Several tasks by one way of sharing: the accuracy of each."""

    sharing: Literal["separate", "multitask", "progressive", "lora"]
    tasks: PositiveInt
    accuracies: tuple[Share, ...]
    mean: Share
    train_s: PositiveFloat  # of all tasks
    parameters: PositiveInt  # that are kept for all


@dataclass(frozen=True, kw_only=True)
class Pretraining:
    """What stands before the shortcuts that start from pretrained weights.

    `one_off_s` is added to them; null where the weights were given: what they cost is not known.
    """

    source: str
    one_off_s: NonNegativeFloat | None
    energy_j: NonNegativeFloat | None = None
    trained: Pretrained | None = None


@dataclass(frozen=True, kw_only=True)
class Learning:
    """The study with `--learn`: real trainings, and what they say at equal quality."""

    status: Status
    workload: str
    device: str
    dtype: str
    batch_size: PositiveInt
    threads: PositiveInt
    data: StudiedData
    sizes: tuple[PositiveInt, ...]
    seeds: PositiveInt
    target_accuracy: Fraction | None
    max_seconds: PositiveFloat | None
    took_s: NonNegativeFloat
    pretraining: Pretraining | None
    no_pretraining: str | None
    trainings: tuple[Training, ...]
    left_out: NonNegativeInt  # of the trainings that were planned
    standings: tuple[Standing, ...] = ()
    label_noise: tuple[Noise, ...] = ()
    poison: tuple[Poison, ...] = ()
    untuned: tuple[Untuned, ...] = ()
    gap: tuple[Gap, ...] = ()
    sharing: tuple[Sharing, ...] = ()
    no_energy: str | None = None
    cautions: tuple[str, ...] = ()
