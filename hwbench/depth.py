"""A network told from fewer of its blocks: the facts of a fit over depth, for the record."""

from collections.abc import Sequence
from dataclasses import dataclass

from hwbench.bounds import NonNegativeFloat, NonNegativeInt, PositiveInt
from hwbench.estimate_value import Estimate

MARK = "@layers="  # between a network's name and how many of its blocks it is cut to


@dataclass(frozen=True, kw_only=True)
class DepthMemory:
    """Peak bytes: of everything but the blocks, of one block, and of the whole network.

    `residual_frac` is what that misses of the shallowest cut's peak.
    """

    fixed_bytes: float
    block_bytes: float
    whole_bytes: NonNegativeInt
    residual_frac: NonNegativeFloat


@dataclass(frozen=True, kw_only=True)
class DepthFit:
    """What a network of `layers` blocks takes, from cuts of it to `measured` blocks.

    The time of an iteration is `fixed_s` (embedding, head, loss, their part of the optimiser) and
    `block_s` a block; `wall_s` is that of the whole, extrapolated and never measured. Its interval
    is of 90 % and no narrower than what the line itself was seen to err by.
    """

    name: str
    phase: str
    runtime: str
    device: str
    dtype: str
    batch_size: PositiveInt
    layers: PositiveInt
    measured: tuple[PositiveInt, ...]
    fixed_s: float
    block_s: float
    wall_s: Estimate
    residual_frac: NonNegativeFloat  # root of the mean square of what the line misses
    memory: DepthMemory | None
    energy_j: Estimate | None
    energy_reason: str | None
    method: str


def cut(name: str, layers: int) -> str:
    """Return what a network is called that has so many of its blocks."""
    return f"{name}{MARK}{layers}"


def parted(name: str) -> tuple[str, int | None]:
    """Return a network's own name and how many of its blocks it is cut to; None for all."""
    own, mark, count = name.partition(MARK)
    return (own, int(count)) if mark and count.isdecimal() else (name, None)


def line(depths: Sequence[int], values: Sequence[float]) -> tuple[float, float]:
    """Return (fixed, block) of least relative squares, the errors being shares of the values."""
    weights = [1 / v**2 for v in values]
    total = sum(weights)
    middle_d = sum(w * d for w, d in zip(weights, depths, strict=True)) / total
    middle_v = sum(w * v for w, v in zip(weights, values, strict=True)) / total
    triples = list(zip(weights, depths, values, strict=True))
    block = sum(w * (d - middle_d) * (v - middle_v) for w, d, v in triples) / sum(
        w * (d - middle_d) ** 2 for w, d, _ in triples
    )
    return middle_v - block * middle_d, block
