"""What a network takes of memory, by formula: weights, gradients, moments, activations, cache.

Nothing is run. Bytes a parameter are those of the usual recipes; activations are counted with fake
tensors (`dialects.torch_memory`), of one block and of the rest, and grow with batch and depth.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from hwbench.bounds import NonNegativeFloat, NonNegativeInt, PositiveInt

SCHEMA = "hwbench.memory/1"
USABLE_FRAC = 0.92  # of a device's memory that a training may fill; methodology, batch sizes
MOST_DEVICES = 4096


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Bytes of a weight, and what comes on top of it for each that is trained."""

    name: str
    summary: str
    weight_bytes: float
    trained_bytes: float
    adapters: bool = False  # only low-rank adapters are trained
    trains: bool = True
    dtype: str = "bfloat16"  # that activations are kept in
    source: str = ""


RECIPES = {
    r.name: r
    for r in (
        Recipe(
            name="full-float32",
            summary="all weights, Adam, float32",
            weight_bytes=4,
            trained_bytes=12,
            dtype="float32",
            source="weight 4, gradient 4, moments 8",
        ),
        Recipe(
            name="full-mixed",
            summary="all weights, Adam, mixed precision",
            weight_bytes=2,
            trained_bytes=14,
            source="weight 2, gradient 2, float32 copy 4, moments 8 (ZeRO, arXiv:1910.02054, 3.1)",
        ),
        Recipe(
            name="full-bfloat16",
            summary="all weights, Adam, bfloat16 without a float32 copy",
            weight_bytes=2,
            trained_bytes=10,
            source="weight 2, gradient 2, moments 8: QLoRA's 780 GB of 65 B (arXiv:2305.14314)",
        ),
        Recipe(
            name="full-8bit",
            summary="all weights, bfloat16, moments in 8 bits",
            weight_bytes=2,
            trained_bytes=4,
            source="weight 2, gradient 2, moments 2 (arXiv:2110.02861)",
        ),
        Recipe(
            name="lora",
            summary="low-rank adapters on frozen bfloat16 weights",
            weight_bytes=2,
            trained_bytes=14,
            adapters=True,
            source="weight 2; adapters as full-mixed (arXiv:2106.09685)",
        ),
        Recipe(
            name="qlora",
            summary="low-rank adapters on frozen weights of 4 bits",
            weight_bytes=0.516,
            trained_bytes=14,
            adapters=True,
            source="weight 4 bits and 0.127 of constants (arXiv:2305.14314, section 3)",
        ),
        Recipe(
            name="inference",
            summary="bfloat16 weights, no gradients",
            weight_bytes=2,
            trained_bytes=0,
            trains=False,
            source="weight 2",
        ),
    )
}


@dataclass(frozen=True, kw_only=True)
class Counted:
    """What a child counted of a network, of one item: bytes kept, by the dtype of the forward."""

    kept_bytes: Mapping[str, NonNegativeInt]  # of all but the blocks
    block_bytes: Mapping[str, NonNegativeInt]  # of one block
    adapter_parameters: NonNegativeInt  # of rank 8 beside each linear layer of a block
    reason: str | None  # why activations are not counted


@dataclass(frozen=True, kw_only=True)
class Fit:
    """A recipe on a device: the largest micro-batch, plain and checkpointed; 0: not even one."""

    device: str
    memory_bytes: PositiveInt
    micro_batch: NonNegativeInt
    checkpointed: NonNegativeInt | None
    sharded_over: PositiveInt | None  # devices that hold it together at a micro-batch of 1 each
    reason: str | None


@dataclass(frozen=True, kw_only=True)
class Need:
    """A recipe's bytes: `fixed_bytes` whatever the batch, activations of an item on top."""

    recipe: str
    summary: str
    source: str
    trained_parameters: NonNegativeInt
    weights_bytes: NonNegativeFloat
    training_bytes: NonNegativeFloat
    fixed_bytes: NonNegativeFloat
    item_bytes: NonNegativeFloat | None
    checkpointed_bytes: NonNegativeFloat | None
    fits: tuple[Fit, ...]


@dataclass(frozen=True, kw_only=True)
class MemoryFile:
    """What a network needs, and where it fits; nothing of it was run."""

    schema: str
    hwbench_version: str
    workload: str
    item: str
    parameters: PositiveInt
    flops_per_item: PositiveInt | None
    layers: NonNegativeInt
    seq: PositiveInt | None
    cache_bytes_per_token: NonNegativeInt | None
    needs: tuple[Need, ...]
    reason: str | None  # why activations are null
    notes: tuple[str, ...]


def fixed(recipe: Recipe, parameters: float, adapters: float) -> tuple[float, float, float]:
    """Return (trained parameters, bytes of weights, bytes on top of them) of a recipe."""
    if not recipe.trains:
        return 0.0, parameters * recipe.weight_bytes, 0.0
    if not recipe.adapters:
        return (
            parameters,
            parameters * recipe.weight_bytes,
            parameters * recipe.trained_bytes,
        )
    own = adapters * (2 + recipe.trained_bytes)  # adapters are weights of two bytes themselves
    return adapters, parameters * recipe.weight_bytes, own


def fit(
    device: str,
    memory_bytes: int,
    fixed_bytes: float,
    item_bytes: float | None,
    checkpointed_bytes: float | None,
) -> Fit:
    """Return the largest micro-batches, and over how many devices what is fixed must be divided.

    Sharding divides weights, gradients and moments and no activations (ZeRO, stage 3).
    """
    room = USABLE_FRAC * memory_bytes
    left = room - fixed_bytes
    if item_bytes is None:
        return Fit(
            device=device,
            memory_bytes=memory_bytes,
            micro_batch=int(left >= 0),
            checkpointed=None,
            sharded_over=1 if left >= 0 else _shards(fixed_bytes, room),
            reason="activations are not counted: it says of what is fixed alone whether it fits",
        )

    def most(each: float) -> int:
        return max(0, math.floor(left / each)) if each > 0 else 0

    smallest = checkpointed_bytes if checkpointed_bytes is not None else item_bytes
    return Fit(
        device=device,
        memory_bytes=memory_bytes,
        micro_batch=most(item_bytes),
        checkpointed=None if checkpointed_bytes is None else most(checkpointed_bytes),
        sharded_over=_shards(fixed_bytes, room - smallest),
        reason=None,
    )


def _shards(fixed_bytes: float, room: float) -> int | None:
    """Return over how many devices the fixed part fits; None where an item alone does not."""
    if room <= 0:
        return None
    needed = max(1, math.ceil(fixed_bytes / room))
    return needed if needed <= MOST_DEVICES else None
