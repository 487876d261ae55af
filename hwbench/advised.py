"""What `advise` says: settings of a training step by what they do to time, memory and the loss."""

from dataclasses import dataclass
from typing import Literal

from hwbench.bounds import Fraction, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt
from hwbench.dataset import Dataset

SCHEMA = "hwbench.advice/1"
Verdict = Literal["use", "saves memory", "no gain", "slower", "unsure", "another loss"]


@dataclass(frozen=True, kw_only=True)
class PairedRatio:
    """A step's time by the plain one's, of blocks in turn."""

    point: PositiveFloat
    low: PositiveFloat
    high: PositiveFloat
    level: Fraction
    blocks: PositiveInt  # of each


@dataclass(frozen=True, kw_only=True)
class Advised:
    """Some settings together; null figures with `reason`."""

    settings: tuple[str, ...]
    typed: tuple[str, ...]  # how each is written in torch
    saves: str  # time | memory
    status: Literal["ok", "skipped", "failed"]
    reason: str | None = None
    ratio: PairedRatio | None = None
    step_s: PositiveFloat | None = None
    memory_bytes: NonNegativeInt | None = None  # peak, of the device that trains
    memory_frac: PositiveFloat | None = None  # of the plain step's
    loss: float | None = None  # after the same steps as the plain one's
    once_s: NonNegativeFloat | None = None  # to the end of the first step: compilation is in it
    verdict: Verdict | None = None


@dataclass(frozen=True, kw_only=True)
class Workers:
    """The loop with so many loader processes: seconds a step, and the loader's alone a batch."""

    workers: NonNegativeInt
    step_s: PositiveFloat
    batch_s: PositiveFloat  # of the loader with nothing trained
    wait_frac: Fraction  # of the loop's time in which the step waits for its batch


@dataclass(frozen=True, kw_only=True)
class LoaderAdvice:
    """Whether the loader or the step is what a training waits for, and what changes that.

    `synthetic_s` is a step on made inputs; `cold_s` what reading all the data from the disk adds to
    the first epoch.
    """

    dataset: Dataset
    bound: Literal["loader", "compute"]
    synthetic_s: PositiveFloat
    rows: tuple[Workers, ...]
    advised: NonNegativeInt
    cold_s: NonNegativeFloat | None = None
    no_cold: str | None = None


@dataclass(frozen=True, kw_only=True)
class Saved:
    """What the advised settings save in a training of so many items."""

    items: PositiveInt
    plain_h: NonNegativeFloat
    advised_h: NonNegativeFloat
    saved_h: float
    saved_low_h: float
    saved_high_h: float
    saved_usd: float | None
    usd_reason: str | None = None


@dataclass(frozen=True, kw_only=True)
class Advice:
    """The whole answer."""

    schema: str
    created_utc: str
    hwbench_version: str
    workload: str
    spec: str | None  # of a model of the user's own
    runtime: str
    device: str
    threads: PositiveInt
    batch_size: PositiveInt
    steps: PositiveInt  # after which the losses are compared
    plain: Advised
    plain_first_loss: float | None
    rows: tuple[Advised, ...]
    together: tuple[Advised, ...]  # the best with one more, and so on as long as that helps
    use: tuple[str, ...]
    loader: LoaderAdvice | None = None
    no_loader: str | None = None
    saved: Saved | None = None
    no_saved: str | None = None
    notes: tuple[str, ...] = ()
    interrupted: bool = False
