"""The contract of a kernel: one mathematical operation with its FLOPs, traffic and reference.

A plug-in is one file in `kernels/` that exports `KERNEL = Kernel(...)`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from hwbench.case import Shape
from hwbench.units import ITEM_BYTES

FLOAT_DTYPES = ("float32", "tf32", "bfloat16", "float16")
PLAIN_DTYPES = ("float32", "bfloat16", "float16")  # where there is no product for TF32 to round


@dataclass(frozen=True, kw_only=True)
class Kernel:
    """A kernel's facts and its builders. Arrays are NumPy's; `Any` stands for a framework's.

    `inputs(shape, rng)` gives float64 arrays of order 1, never zeros, which the dialect rounds to
    the case's dtype (for int8: times 16, rounded, clipped to -127..127); an int32 array stays as it
    is. `reference(shape, *inputs)` gives the answer from the rounded inputs in float64: one array,
    or a tuple of arrays. Each `build_*(shape, dtype)` imports its library inside and returns a
    callable over that library's arrays that answers alike (ONNX: a `ModelProto` whose graph inputs
    are the inputs in order and whose outputs are the answer's). A backward pass is the dialect's,
    by differentiation of the forward builder with respect to every float input.

    Raises ValueError for facts that cannot be: no shape `small`, work that is not above zero.
    """

    name: str
    version: int
    formula: str  # one line, for people
    shapes: Mapping[str, Shape]  # label -> shape, `small` first, in growing order
    flops: Callable[[Shape], int] | None  # forward, multiply and add apart; None: it moves data
    elements: Callable[[Shape], int]  # forward: least number read plus written, each once
    inputs: Callable[..., tuple[Any, ...]]
    reference: Callable[..., Any]
    build_torch: Callable[[Shape, str], Callable[..., Any]] | None = None
    build_jax: Callable[[Shape, str], Callable[..., Any]] | None = None
    build_onnx: Callable[[Shape, str], Any] | None = None
    backward_flops: Callable[[Shape], int] | None = None  # None: it has no backward pass
    backward_elements: Callable[[Shape], int] | None = None
    fixed_bytes: Callable[[Shape], int] | None = None  # least bytes of what has another dtype
    dtypes: tuple[str, ...] = FLOAT_DTYPES
    host_inputs: bool = False  # inputs lie in the host's memory; a callable gets the device first

    def __post_init__(self) -> None:
        """Refuse what no kernel can be."""
        if "small" not in self.shapes:
            raise ValueError(f"kernel {self.name} has no shape 'small': it has {[*self.shapes]}")
        if (self.backward_flops is None) != (self.backward_elements is None):
            raise ValueError(f"kernel {self.name} states one of backward_flops, backward_elements")
        for phase in ("forward", "backward") if self.backward_flops else ("forward",):
            for label, shape in self.shapes.items():
                flops, moved = self.work(shape, phase, self.dtypes[0])
                if flops is not None and flops <= 0:
                    raise ValueError(
                        f"kernel {self.name} states {flops} {phase} FLOPs at shape {label};"
                        " one that computes nothing says flops=None"
                    )
                if moved <= 0:
                    raise ValueError(f"kernel {self.name} moves {moved} bytes at shape {label}")

    def work(self, shape: Shape, phase: str, dtype: str) -> tuple[int | None, int]:
        """Return (FLOPs or None, least bytes moved) of one iteration of `phase` at `shape`."""
        flops, elements = self.flops, self.elements
        if phase == "backward":
            if self.backward_flops is None or self.backward_elements is None:
                raise ValueError(f"kernel {self.name} has no backward pass")
            flops, elements = self.backward_flops, self.backward_elements
        fixed_bytes = self.fixed_bytes(shape) if self.fixed_bytes else 0
        least_bytes = elements(shape) * ITEM_BYTES[dtype] + fixed_bytes
        return None if flops is None else flops(shape), least_bytes
