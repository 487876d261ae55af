"""What was found out of a model of the user's own: its inputs, what it computes, how it trains."""

from dataclasses import dataclass, field
from typing import Literal

from hwbench.bounds import NonNegativeInt, PositiveInt

Kind = Literal["conv", "transformer", "rnn"]  # as of published trainings
Loss = Literal["cross_entropy", "own", "squares", "none"]


@dataclass(frozen=True, kw_only=True)
class TensorFacts:
    """An input, or the targets: the shape of one item, and what its values are drawn from.

    Integers are drawn from `low` to `high`, both included; floats are normal by `mean` and `sd`.
    """

    shape: tuple[PositiveInt, ...]
    dtype: Literal["float32", "int64", "bool", "int32", "int8", "uint8"]  # the latter of graphs
    name: str | None = None  # of the keyword argument; null: it is given by its place
    low: int = 0
    high: int = 0
    mean: float = 0.0
    sd: float = 1.0


@dataclass(frozen=True, kw_only=True)
class OptimizerFacts:
    """The optimiser that a step moves the weights by."""

    name: Literal["sgd", "adamw"]  # the family: how many moments it keeps
    learning_rate: float | None  # null: it lies within the optimiser
    moments: NonNegativeInt | None = None  # kept of each weight, where its state was counted
    momentum: float = 0.0
    own: bool = False  # the factory's, of whatever class
    said: str = ""  # its class, for the reader


@dataclass(frozen=True, kw_only=True)
class StackFacts:
    """A stack of blocks that repeat: what all but the blocks has, and what `period` blocks have."""

    layers: PositiveInt
    period: PositiveInt = 1
    fixed_parameters: NonNegativeInt
    period_parameters: NonNegativeInt
    fixed_flops: NonNegativeInt
    period_flops: NonNegativeInt

    def parameters(self, layers: int) -> int:
        """Return the parameters of a cut to so many blocks, a multiple of the period."""
        return self.fixed_parameters + layers // self.period * self.period_parameters

    def flops(self, layers: int) -> int:
        """Return the FLOPs forward of an item through such a cut."""
        return self.fixed_flops + layers // self.period * self.period_flops


@dataclass(frozen=True, kw_only=True)
class ModelFacts:
    """A model of the user's own, as a child process found it. Counts are per item.

    `activation_numbers` are the outputs of all layers that have weights. Unknown counts are null
    with their reason.
    """

    spec: str
    name: str
    summary: str
    library: Literal["torch", "flax", "onnx", "tflite"]
    item: str
    batch_size: PositiveInt
    fixed_batch: bool = False  # it takes this batch size only
    inputs: tuple[TensorFacts, ...]
    targets: TensorFacts
    loss: Loss
    optimizer: OptimizerFacts
    parameters: NonNegativeInt
    trainable_parameters: NonNegativeInt
    flops: NonNegativeInt | None
    activation_numbers: NonNegativeInt | None = None
    flops_reason: str | None = None
    untrainable: str | None = None  # why it cannot be trained here
    config: dict[str, int] = field(default_factory=dict)
    shape: dict[str, int] = field(default_factory=dict)
    pretrained: bool = False
    version: PositiveInt  # changes with its layers and inputs: other cases, not to be compared
    fingerprint: str  # changes with whatever it answers
    stack: StackFacts | None = None  # where it can be told from fewer of its blocks
    kind: Kind | None = None  # by which it is scaled to other devices; null: not known
    notes: tuple[str, ...] = ()  # what was chosen for the user

    @property
    def training_flops(self) -> int | None:
        """Return the FLOPs of a step: 3 x forward, as for the workloads, where all of it trains.

        None with frozen weights: which gradients a step leaves out is not known here.
        """
        frozen = self.trainable_parameters < self.parameters
        return None if self.flops is None or frozen else 3 * self.flops

    @property
    def counted_by(self) -> str:
        """Return what the FLOPs were counted by."""
        return {
            "torch": "torch's counter",
            "flax": "the products in jax's trace",
            "onnx": "the shapes in the ONNX graph",
            "tflite": "nothing",
        }[self.library]
