"""The contract of a workload: a whole network with its loss and optimiser, frozen and versioned.

A plug-in is one file in `hwbench/workloads/` that exports `WORKLOAD = Workload(...)`. The variant
`""` is the published network; the variant `"small"` is named `<name>_small`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from hwbench.case import Shape

Config = Mapping[str, int]


@dataclass(frozen=True, kw_only=True)
class Optimizer:
    """The optimiser of the frozen definition; SGD has momentum, AdamW decoupled weight decay."""

    name: Literal["sgd", "adamw"]
    learning_rate: float
    weight_decay: float = 0.0
    momentum: float = 0.0  # sgd
    beta1: float = 0.9  # adamw
    beta2: float = 0.999
    epsilon: float = 1e-8
    given_by: str = ""  # the SPEC of a model of the user's own whose factory makes it


@dataclass(frozen=True, kw_only=True)
class Objective:
    """One loss and what it trains; a training step takes its objectives in turn.

    `method` names a method of the torch and of the Flax module, (*inputs, targets) -> a scalar.
    `trains` names the submodule whose parameters it updates, by an optimiser of their own; all
    other parameters are constants to it. The first objective's method touches every parameter of
    the network: Flax makes its variables by that one.
    """

    method: str
    trains: str


@dataclass(frozen=True, kw_only=True)
class Variant:
    """One size of the network: `config` builds it, `shape` is what a case id shows of it."""

    config: Config
    shape: Shape
    batch_size: int  # the default of a case


@dataclass(frozen=True, kw_only=True)
class Workload:
    """A network's facts and builders, in plain torch and in Flax (linen) side by side.

    `inputs(config, batch_size, rng)` gives the arguments of the model: float32 or int64 arrays,
    images as NCHW in both dialects (the Flax model transposes inside). `targets` gives the int64
    class labels; the loss is the mean cross-entropy of logits against them over all leading axes.
    A network with another loss states `objectives`; its targets are what their methods take.
    Every torch parameter and buffer has one Flax leaf whose module path is the same dotted name
    (`nn.Conv(..., name="layer1.0.conv1")`), so that `hwbench.weights` can carry one over to the
    other. `build_flax(config, dtype)` computes in `dtype` and keeps float32 parameters; its call
    signature is `model(*inputs, train: bool)`, and its objectives' methods take no `train`.

    `definition` is what `hwbench.definition` prints for this version: a test over the registry
    holds the file to it, so that a changed network is a new version.
    """

    name: str
    version: int
    summary: str  # one line, with the paper
    item: str  # what a batch counts: image | row | sequence
    variants: Mapping[str, Variant]
    optimizer: Optimizer
    inputs: Callable[..., tuple[Any, ...]]
    targets: Callable[..., Any]
    build_torch: Callable[[Config], Any]
    build_flax: Callable[[Config, str], Any]
    parameters: Callable[[Config], int]  # trainable, tied ones once
    flops: Callable[[Config], int]  # forward, per item: matrix products and convolutions, 2 x MAC
    dtypes: tuple[str, ...] = field(default=("float32", "tf32", "bfloat16", "float16"))
    embeddings: tuple[str, ...] = ()  # tables, and what else is made at 0.02, not by fan-in
    objectives: tuple[Objective, ...] = ()  # none: cross-entropy, which trains everything
    training_flops: Callable[[Config], int] | None = None  # per item; None: 3 x forward
    decoding: Callable[..., Any] | None = None  # (config, model, limit): see `hwbench.decoding`
    routed: bool = False  # a rounding may send a row elsewhere, where it is computed otherwise
    definition: str = ""
    # Of a model of the user's own (`own_models`): it keeps the weights that it is built with, and
    # is of one dialect alone.
    own: bool = False
    dialects: tuple[str, ...] = ()  # none: all
    fingerprint: str = ""  # changes with whatever it answers
    untrainable: str | None = None  # why no step of it can be made

    def __post_init__(self) -> None:
        """Refuse what no network can be."""
        if "" not in self.variants:
            raise ValueError(f"workload {self.name} has no variant '': it has {[*self.variants]}")
        if self.objectives and self.training_flops is None:
            raise ValueError(f"workload {self.name} has objectives and no training_flops")
        for suffix, variant in self.variants.items() if not self.own else ():
            for what, count in (("parameters", self.parameters), ("FLOPs", self.flops)):
                if count(variant.config) <= 0:
                    found = count(variant.config)
                    raise ValueError(f"workload {self.name} {suffix} states {found} {what}")

    def work(self, config: Config, phase: str, batch_size: int) -> int:
        """Return the FLOPs of one iteration (methodology, FLOPs)."""
        if phase != "training":
            return self.flops(config) * batch_size
        per_item = self.training_flops(config) if self.training_flops else 3 * self.flops(config)
        return per_item * batch_size

    def batch(self, config: Config, batch_size: int, rng: Any) -> tuple[tuple[Any, ...], Any]:
        """Draw (inputs, targets): one order of draws, so that one seed gives one batch anywhere."""
        inputs = self.inputs(config, batch_size, rng)
        return inputs, self.targets(config, batch_size, rng)
