"""What `inspect` says of a network: what it is made of, and where the time of its step goes."""

from dataclasses import dataclass

from hwbench.advised import LoaderAdvice
from hwbench.bounds import Fraction, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

SCHEMA = "hwbench.inspection/1"
NO_DATA = "no --data was given"


@dataclass(frozen=True, kw_only=True)
class Phases:
    """Seconds of a step's parts: medians over `steps`, each waited for."""

    forward_s: PositiveFloat
    backward_s: PositiveFloat
    optimizer_s: PositiveFloat
    steps: PositiveInt

    @property
    def step_s(self) -> float:
        """Return the seconds of the whole step."""
        return self.forward_s + self.backward_s + self.optimizer_s


@dataclass(frozen=True, kw_only=True)
class KindTime:
    """Operators of a kind: their own seconds in a step, by torch.profiler."""

    kind: str
    seconds: NonNegativeFloat
    share_frac: Fraction
    calls: PositiveInt  # of a step
    most: str  # the operator that takes the most of it


@dataclass(frozen=True, kw_only=True)
class LayerTime:
    """A module without parts: its forward pass, of a batch."""

    name: str
    kind: str  # its class
    forward_s: NonNegativeFloat
    flops: NonNegativeInt
    parameters: NonNegativeInt


@dataclass(frozen=True, kw_only=True)
class MemoryParts:
    """Bytes of a training at this batch: what is kept by count, and the peak as measured."""

    weights_bytes: NonNegativeInt
    gradients_bytes: NonNegativeInt
    optimizer_bytes: NonNegativeInt
    activations_bytes: NonNegativeInt  # kept for the backward pass, counted by autograd's hooks
    peak_bytes: NonNegativeInt | None  # of the device that trains; the process, libraries and all


@dataclass(frozen=True, kw_only=True)
class Profiled:
    """What a child found."""

    parameters: NonNegativeInt
    trainable_parameters: NonNegativeInt
    phases: Phases
    kinds: tuple[KindTime, ...]
    layers: tuple[LayerTime, ...]
    memory: MemoryParts
    gemm_flops_per_s: PositiveFloat  # the best of square products in the same type
    gemm_size: PositiveInt


@dataclass(frozen=True, kw_only=True)
class Inspection:
    """The whole answer. FLOPs are null with their reason."""

    schema: str
    created_utc: str
    hwbench_version: str
    workload: str
    summary: str
    spec: str | None
    runtime: str
    device: str
    dtype: str
    threads: PositiveInt
    batch_size: PositiveInt
    item: str
    flops_per_item: NonNegativeInt | None  # of a forward pass
    training_flops_per_item: NonNegativeInt | None
    mfu_frac: NonNegativeFloat | None  # of the best product: model FLOPs a second over its
    found: Profiled
    loader: LoaderAdvice | None = None  # what a step waits for its batch of the user's data
    no_loader: str | None = None
    notes: tuple[str, ...] = ()
