"""The contract of a kernel: one mathematical operation with its FLOPs, traffic and reference.

A plug-in is one file in `kernels/` that exports `KERNEL = Kernel(...)`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from hwbench.case import Shape

FLOAT_DTYPES = ("float32", "tf32", "bfloat16", "float16")


@dataclass(frozen=True, kw_only=True)
class Kernel:
    """A kernel's facts and its builders. Arrays are NumPy's; `Any` stands for a framework's.

    `inputs(shape, rng)` gives float64 arrays of order 1, never zeros; the dialect rounds them to
    the case's dtype (for int8: times 16, rounded, clipped to -127..127).
    `reference(shape, *inputs)` gives the answer from the rounded inputs in float64. Each
    `build_*(shape, dtype)` imports its library inside and returns a callable over that library's
    arrays (ONNX: a `ModelProto` whose graph inputs are the inputs in order, one output).
    A backward pass is the dialect's, by
    differentiation of the forward builder with respect to every input.
    """

    name: str
    version: int
    formula: str  # one line, for people
    shapes: Mapping[str, Shape]  # label -> shape, in growing order
    flops: Callable[[Shape], int]  # forward, multiply and add counted apart
    elements: Callable[[Shape], int]  # forward: least number read plus written, each once
    inputs: Callable[..., tuple[Any, ...]]
    reference: Callable[..., Any]
    build_torch: Callable[[Shape, str], Callable[..., Any]] | None = None
    build_jax: Callable[[Shape, str], Callable[..., Any]] | None = None
    build_onnx: Callable[[Shape, str], Any] | None = None
    backward_flops: Callable[[Shape], int] | None = None  # None: it has no backward pass
    backward_elements: Callable[[Shape], int] | None = None
    dtypes: tuple[str, ...] = FLOAT_DTYPES

    def work(self, shape: Shape, phase: str) -> tuple[int, int]:
        """Return (FLOPs, least elements moved) of one iteration of `phase` at `shape`."""
        if phase == "forward":
            return self.flops(shape), self.elements(shape)
        if self.backward_flops is None or self.backward_elements is None:
            raise ValueError(f"kernel {self.name} has no backward pass")
        return self.backward_flops(shape), self.backward_elements(shape)
