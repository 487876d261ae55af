"""Which cuts of a network are measured for its whole to be told from them (`--blocks`)."""

from collections.abc import Sequence

from hwbench import depth, parameter_bytes, registry
from hwbench.errors import BadInput

AUTO = 0
LEAST = 2  # depths: one gives no line
PREFERRED = ((2, 4), (1, 2))  # of auto, the first whose training fits
ROOM_FRAC = 0.7  # of the memory that is free: activations, libraries and others take theirs


def cuts(models: Sequence[str], asked: Sequence[int], free_bytes: int | None) -> tuple[str, ...]:
    """Return the names of the cuts of each model; the models as they are where none is asked.

    Raises BadInput for a model that is not made of blocks, or a depth that it has not.
    """
    if not asked:
        return tuple(models)
    if not models:
        raise BadInput("--blocks: cuts the models that are named: give --model NAME too")
    if AUTO not in asked and len(asked) < LEAST:
        raise BadInput(f"--blocks {asked[0]}: one depth gives no line: name two, such as 2,4")
    found = []
    for name in models:
        depths = _auto(name, free_bytes) if AUTO in asked else tuple(asked)
        found += [registry.networks()[depth.cut(name, k)].name for k in depths]
    return tuple(found)


def _auto(name: str, free_bytes: int | None) -> tuple[int, ...]:
    """Return the depths whose training fits, else the smallest that there are."""
    config = registry.networks()[name].variant.config
    layers, period = config.get("layers", 0), config.get("period", 1)
    for depths in PREFERRED:
        found = tuple(period * d for d in depths)
        if found[-1] <= max(layers, 1) and fits(name, found[-1], free_bytes):
            return found
    return tuple(period * d for d in PREFERRED[-1])


def fits(name: str, layers: int, free_bytes: int | None) -> bool:
    """Return whether a training of a cut fits by its weights, gradients and moments.

    What is not known is tried.
    """
    if free_bytes is None:
        return True
    made = registry.networks()[depth.cut(name, layers)]
    words = 2 + parameter_bytes.moments_of(made.name)
    held = parameter_bytes.parameters_of(made.name) * words * parameter_bytes.WORD_BYTES
    return held <= ROOM_FRAC * free_bytes


def cuts_of(name: str) -> tuple[str, ...]:
    """Return the two cuts of a network that its blocks are counted from; itself if it has none."""
    own, _ = depth.parted(name)
    config = registry.networks()[own].variant.config
    whole, period = config.get("layers", 0), config.get("period", 1)
    return tuple(depth.cut(own, n * period) for n in (1, 2)) if whole >= 2 * period else (own,)
