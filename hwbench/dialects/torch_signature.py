"""What a tensor of the user's is like, so that others of its kind can be drawn."""

from typing import Any

from hwbench.model_facts import TensorFacts


def tensor_facts(tensor: Any, name: str | None = None) -> TensorFacts:
    """Return the facts of a batch: (items, *shape), integers by their range, floats by two moments.

    The range of integers is that of the batch, both ends included.
    """
    import torch

    shape = tuple(tensor.shape[1:])
    if tensor.dtype == torch.bool or not tensor.is_floating_point():
        low, high = int(tensor.min()), int(tensor.max())
        kind = "bool" if tensor.dtype == torch.bool else "int64"
        return TensorFacts(shape=shape, dtype=kind, name=name, low=low, high=high)  # type: ignore[arg-type]
    values = tensor.detach().float()
    sd = float(values.std()) if values.numel() > 1 else 0.0
    return TensorFacts(shape=shape, dtype="float32", name=name, mean=float(values.mean()), sd=sd)


def targets_of(torch: Any, targets: Any, items: int, output: Any = None) -> TensorFacts:
    """Return what targets are like: those given, classes of the output, or zeros for nobody."""
    if targets is not None:
        return tensor_facts(targets)
    if output is None or output.dim() < 2:
        return TensorFacts(shape=(), dtype="int64")
    shape = tuple(output.shape[1:-1])
    return TensorFacts(shape=shape, dtype="int64", low=0, high=output.shape[-1] - 1)
