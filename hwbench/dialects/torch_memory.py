"""What a training step of a network keeps of its forward pass, counted without memory for it.

The network is built and run with fake tensors: sizes and kernels are those of a device, nothing is
computed and nothing held.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from hwbench.dialects import torch_device as on
from hwbench.dialects.torch_tensors import tensors, torch_dtype
from hwbench.errors import Unavailable
from hwbench.memory_needs import Counted
from hwbench.workload import Config, Workload

DTYPES = ("float32", "bfloat16")
SHAPES = "they depend on the data, on which expert a token goes to: not counted"
RANK = 8  # of the adapters, as of the shortcut `lora`


@contextmanager
def keeping(torch: Any, model: Any) -> Iterator[dict[int, Any]]:
    """Yield the storages that autograd keeps meanwhile, of the module's own none."""
    own = {t.untyped_storage()._cdata for t in (*model.parameters(), *model.buffers())}
    kept: dict[int, Any] = {}

    def pack(tensor: Any) -> Any:
        storage = tensor.untyped_storage()
        if storage._cdata not in own:
            kept[storage._cdata] = storage  # held, so that no other takes its place
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
        yield kept


def kept_bytes(workload: Workload, config: Config, batch_size: int, dtype: str = "float32") -> int:
    """Return the bytes that autograd keeps for the backward pass at a batch, weights left out.

    The loss is the mean cross-entropy; the module itself is in `dtype`, as nothing of its weights
    is then kept twice. Raises Unavailable for a network with another loss, or with shapes that
    depend on the data.
    """
    torch = on.library()
    from torch._subclasses.fake_tensor import DynamicOutputShapeException, FakeTensorMode

    if workload.objectives:
        raise Unavailable(f"{workload.name} has a loss of its own: what it keeps is not counted")
    import numpy as np

    inputs, targets = workload.batch(config, batch_size, np.random.default_rng(0))
    drawn = tensors(torch, (*inputs, targets), dtype, torch.device("cpu"))
    shapes = _shapes(torch, workload, config, dtype)
    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        model = shapes.to_empty(device="cpu").train()
        given = [mode.from_tensor(t) for t in drawn]
        with keeping(torch, model) as kept:
            try:
                logits = model(*given[:-1])
            except DynamicOutputShapeException:
                raise Unavailable(SHAPES) from None
            except RuntimeError as e:
                if not workload.own:
                    raise
                raise Unavailable(f"a pass cannot be followed without values: {e}") from None
            torch.nn.functional.cross_entropy(logits.flatten(0, -2), given[-1].flatten())
    return sum(s.nbytes() for s in kept.values())


def _shapes(torch: Any, workload: Workload, config: Config, dtype: str) -> Any:
    """Build the module in a dtype without memory; what it computes of its own values is nobody's.

    Not with fake tensors at once: these have no values for a module that looks at its own.
    """
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch_dtype(torch, dtype))
    try:
        with torch.device("meta"):
            return workload.build_torch(config)
    finally:
        torch.set_default_dtype(before)


def counted(workload: Workload, configs: Sequence[Config]) -> Counted:
    """Return what an item keeps, of a block and of the rest; `configs` have one and two blocks.

    A network without blocks has one configuration, and all is of the rest.
    """
    rest, block, why = {}, {}, None
    for dtype in DTYPES:
        try:
            kept = [kept_bytes(workload, config, 1, dtype) for config in configs]
        except Unavailable as e:
            why = f"activations: {e}"
            break
        block[dtype] = kept[-1] - kept[0]
        rest[dtype] = kept[0] - block[dtype]
    sizes = [_linear(workload, config) for config in configs]
    adapters = sizes[-1] - sizes[0] if len(sizes) > 1 else sizes[0]
    return Counted(
        kept_bytes=rest, block_bytes=block, adapter_parameters=RANK * adapters, reason=why
    )


def _linear(workload: Workload, config: Config) -> int:
    """Return the inputs and outputs of all linear layers together."""
    torch = on.library()
    with torch.device("meta"):
        model = workload.build_torch(config)
    # transformers' Conv1D is a linear layer with its weights the other way round.
    layers = [
        m for m in model.modules() if isinstance(m, torch.nn.Linear) or type(m).__name__ == "Conv1D"
    ]
    return sum(sum(m.weight.shape) for m in layers)
