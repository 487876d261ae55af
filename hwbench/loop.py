"""What parent and child say of a real training loop: its case, and what its parts took."""

from dataclasses import dataclass
from typing import Literal

from hwbench.bounds import Fraction, NonNegativeFloat, NonNegativeInt, PositiveInt
from hwbench.dataset import Loading


@dataclass(frozen=True, kw_only=True)
class LoopCase:
    """A network trained on a dataset: what a loop is of."""

    workload: str
    runtime: str
    device: str
    dtype: str
    batch_size: PositiveInt
    loading: Loading
    shortcut: str | None = None  # by which it is trained; None: from scratch
    caches: bool = False  # a pass over the data makes what the epochs then read


@dataclass(frozen=True, kw_only=True)
class Opened:
    """A loop that is ready, and what reading the data into memory took of that."""

    read_s: NonNegativeFloat


@dataclass(frozen=True, kw_only=True)
class Stretch:
    """Some steps in a row. `blocks_s` are seconds a step, of ten seconds each, of a long one.

    `first_wait_s` is what the first step waited for its batch, in `loader_wait_s` and in
    `first_step_s` too: the loader's workers are started in it.
    """

    steps: NonNegativeInt
    items: NonNegativeInt
    wall_s: NonNegativeFloat
    first_step_s: NonNegativeFloat
    loader_wait_s: NonNegativeFloat
    first_wait_s: NonNegativeFloat = 0.0
    blocks_s: tuple[NonNegativeFloat, ...] = ()
    loss: float | None = None
    disturbed: str | None = None  # what else this machine ran meanwhile; of a short stretch

    @property
    def later_s(self) -> float | None:
        """Return the seconds of a step after the first, None where there is none."""
        return (self.wall_s - self.first_step_s) / (self.steps - 1) if self.steps > 1 else None


@dataclass(frozen=True, kw_only=True)
class Evaluated:
    """Batches that the network was run over without learning."""

    batches: NonNegativeInt
    wall_s: NonNegativeFloat
    accuracy_frac: Fraction


@dataclass(frozen=True, kw_only=True)
class Saved:
    """A checkpoint that was written and flushed."""

    wall_s: NonNegativeFloat
    bytes_written: NonNegativeInt


@dataclass(frozen=True, kw_only=True)
class Drained:
    """Items that the loader gave with nothing trained; `cpu_s` of all its processes.

    `first_items` of them, in `first_s`, were the first batch of a shortcut's pass, which gets
    buffers and threads ready; 0 where it is not told apart.
    """

    items: NonNegativeInt
    wall_s: NonNegativeFloat
    cpu_s: NonNegativeFloat
    first_items: NonNegativeInt = 0
    first_s: NonNegativeFloat = 0.0


@dataclass(frozen=True, kw_only=True)
class OpenLoop:
    """Ask a child to build the network and open its data."""

    case: LoopCase
    threads: PositiveInt
    seed: NonNegativeInt
    memory_limit_bytes: int | None = None


@dataclass(frozen=True, kw_only=True)
class LoopPart:
    """Ask for a part of the loop: some seconds of steps, an epoch, an evaluation, a checkpoint.

    `seconds` ends `steps` and `drain` (after a step at least), and `evaluate` where it is given;
    `batches` is what an evaluation runs over; `path` is where a checkpoint goes. `once` is the pass
    before the first epoch of a shortcut that has one, over all the data where no seconds end it.
    """

    what: Literal["steps", "epoch", "evaluate", "checkpoint", "drain", "once"]
    seconds: NonNegativeFloat | None = None
    batches: PositiveInt | None = None
    path: str | None = None


@dataclass(frozen=True, kw_only=True)
class PartDone:
    """The outcome of a part; the field of what was asked is filled."""

    stretch: Stretch | None = None
    evaluated: Evaluated | None = None
    saved: Saved | None = None
    drained: Drained | None = None
    once: Drained | None = None
