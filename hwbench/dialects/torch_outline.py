"""What a model of transformers is, and what its blocks are, told on torch's meta device.

Nothing of it is held there, so that one is told too that no machine at hand could build.
"""

from dataclasses import replace
from typing import Any

from hwbench.dialects import hf_config, torch_described, torch_libraries
from hwbench.dialects.torch_models import adapted, inputs_of, made_of
from hwbench.dialects.user_code import wrong
from hwbench.errors import BadInput
from hwbench.model_facts import ModelFacts, StackFacts
from hwbench.model_spec import ModelSpec

TRAINED_BYTES = 16  # of a weight in float32 with its gradient and AdamW's moments


def facts(
    spec: ModelSpec, name: str, pretrained: bool, outlined: bool, room_bytes: int | None
) -> ModelFacts:
    """Return what a model is: built where it is small enough, else told by its configuration.

    One that is `outlined`, or whose training takes more than `room_bytes`, is not built. Raises
    BadInput for what cannot be made, or is too large and cannot be told either.
    """
    config = torch_libraries.configuration(spec)
    whole = made_of(spec, pretrained, held=False)
    parameters = sum(p.numel() for p in whole.model.parameters())
    small = room_bytes is None or parameters * TRAINED_BYTES <= room_bytes
    built = small and not outlined
    told, stack = None, None
    try:
        told = torch_described.facts_of(spec, name, pretrained, whole, held=False)
        stack = _stack(spec, *hf_config.blocks_of(config), told)
    except BadInput as e:  # sizes that depend on the data have none on that device
        if not built:
            before = (
                "told by its blocks" if small else f"built here, with {parameters:,} parameters"
            )
            said = str(e).partition(": ")[2]
            raise wrong(spec, f"cannot be {before}, nor followed without values: {said}") from None
    if built:
        told = torch_described.facts(spec, name, pretrained)
    else:
        assert told is not None
        told = replace(told, notes=(*told.notes, "told by its configuration, not built"))
    if stack is None:
        return told
    sizes = {"layers": stack.layers, **({"period": stack.period} if stack.period > 1 else {})}
    sizes |= hf_config.sizes_of(config)
    kind = told.kind or ("transformer" if "heads" in sizes else None)
    return replace(told, stack=stack, config={**sizes, **told.config}, kind=kind)


def _stack(spec: ModelSpec, layers: int, period: int, whole: ModelFacts) -> StackFacts | None:
    """Return what the blocks have; None for a network that is no stack of blocks that repeat."""
    if layers < 2:
        return None
    first, second = (_counted(spec, n * period) for n in (1, 2))
    blocks = tuple(b - a for a, b in zip(first, second, strict=True))
    found = StackFacts(
        layers=layers,
        period=period,
        fixed_parameters=first[0] - blocks[0],
        period_parameters=blocks[0],
        fixed_flops=max(0, first[1] - blocks[1]),
        period_flops=blocks[1],
    )
    rounded = layers // period * period
    there = (whole.parameters, whole.flops) if rounded == layers else _counted(spec, rounded)
    alike = (found.parameters(rounded), found.flops(rounded)) == there
    return found if alike and found.fixed_parameters >= 0 else None


def _counted(spec: ModelSpec, layers: int) -> tuple[int, int]:
    """Return the parameters of a cut and its FLOPs forward, of an item."""
    import torch

    found = made_of(spec, False, layers, held=False)
    inputs: dict[str | int, Any] = inputs_of(spec, found)
    batch = tuple(t.to("meta") for t in inputs.values())
    model = adapted(spec, found)
    _, computed, _ = torch_described.forward(torch, spec, model, batch)
    return sum(p.numel() for p in model.parameters()), computed.total // len(batch[0])
