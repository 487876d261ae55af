"""NumPy arrays as torch tensors, rounded to a dtype, and back."""

from collections.abc import Sequence
from typing import Any

from hwbench.dialects.placing import placed
from hwbench.dialects.rounding import storage, to_storage


def torch_dtype(torch: Any, name: str) -> Any:
    """Return torch's dtype for a case's."""
    return getattr(torch, storage(name))


def tensors(torch: Any, values: Sequence[Any], dtype: str, device: Any) -> tuple[Any, ...]:
    """Return NumPy arrays as tensors on `device`, floats rounded to `dtype`.

    They are copied on the processor too, so that a program owns what it changes.
    """
    made = [torch.from_numpy(to_storage(v, dtype)) for v in values]
    wanted = torch_dtype(torch, dtype)
    typed = [t.to(wanted) if t.is_floating_point() else t for t in made]
    if torch.device(device).type == "cpu":
        return tuple(_placed(torch, t, n) for n, t in enumerate(typed))
    return tuple(t.to(device) for t in typed)


def _placed(torch: Any, tensor: Any, number: int) -> Any:
    """Return a copy at an offset of its own; NumPy's memory, since that asks for large pages."""
    bits = tensor.contiguous().flatten().view(torch.uint8).numpy()  # NumPy has no bfloat16
    raw = torch.from_numpy(placed(bits, number))
    return raw.view(tensor.dtype).view(tensor.shape)


def arrays(torch: Any, values: Sequence[Any]) -> tuple[Any, ...]:
    """Return tensors as NumPy arrays of their own, floats in float64 and integers in int64."""
    wide = [torch.float64 if t.is_floating_point() else torch.int64 for t in values]
    pairs = zip(values, wide, strict=True)
    return tuple(t.detach().cpu().to(dtype, copy=True).numpy() for t, dtype in pairs)


def normal_like(torch: Any, tensor: Any, rng: Any) -> Any:
    """Return a standard normal tensor of the same shape, dtype and device."""
    drawn = torch.from_numpy(rng.standard_normal(tuple(tensor.shape)))
    return drawn.to(dtype=tensor.dtype).to(tensor.device)


def refill(torch: Any, old: Sequence[Any], new: Sequence[Any]) -> None:
    """Copy `new` values into the `old` tensors, which keep their addresses."""
    with torch.no_grad():
        for into, value in zip(old, new, strict=True):
            into.copy_(value)
