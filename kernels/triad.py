"""STREAM's triad, a = b + s c over arrays of n elements, s = 3: memory bandwidth.

McCalpin, https://www.cs.virginia.edu/stream/.
FLOPs: one multiplication and one addition an element, 2 n.
Elements: b and c are read and a is written, 3 n, as STREAM counts. A cache that fetches the line
of `a` before it is overwritten moves a fourth array, which is not counted.
There is no backward pass worth timing: the gradients are the output gradient, copied and scaled.
TF32 has no meaning here: there is no matrix product.
"""

from collections.abc import Callable, Mapping
from typing import Any

from hwbench.case import Shape
from hwbench.kernel import Kernel

SCALAR = 3.0
BLOCK = 2**20 + 1  # drawn elements: drawing all of `large` would take longer than its measurement

# STREAM asks that each array be four times the last-level cache or more. `large` is 256 MiB an
# array in float32 and 128 MiB in 16 bits, so it holds up to 64 and 32 MiB of cache: an H200's L2
# has 50, a usual CPU socket or cache slice up to 32. `small` (96 KiB in all) stays in an L2.
SHAPES: Mapping[str, Shape] = {"small": {"n": 2**13}, "medium": {"n": 2**20}, "large": {"n": 2**26}}


def flops(shape: Shape) -> int:
    """Return 2 n."""
    return 2 * shape["n"]


def elements(shape: Shape) -> int:
    """Return 3 n: the elements of a, b and c."""
    return 3 * shape["n"]


def inputs(shape: Shape, rng: Any) -> tuple[Any, ...]:
    """Draw b and c (n,), standard normal; long ones repeat a block, which no cache can tell."""
    import numpy as np

    n = shape["n"]
    b, c = (rng.standard_normal(min(n, BLOCK)) for _ in range(2))
    return np.resize(b, n), np.resize(c, n)


def reference(shape: Shape, b: Any, c: Any) -> Any:
    """Return a (n,) in float64."""
    return b + SCALAR * c


def build_torch(shape: Shape, dtype: str) -> Callable[..., Any]:
    """Return one fused torch.add into an array that is kept, as STREAM's `a` is."""
    import torch

    a: Any = None

    def triad(b: Any, c: Any) -> Any:
        """Allocate `a` where b lies on the first call, write into it on every one."""
        nonlocal a
        if a is None:
            a = torch.empty_like(b)
        return torch.add(b, c, alpha=SCALAR, out=a)

    return triad


def build_jax(shape: Shape, dtype: str) -> Callable[..., Any]:
    """Return b + s c, which XLA fuses into one loop when jitted; its output is a fresh array."""
    return lambda b, c: b + SCALAR * c


def build_onnx(shape: Shape, dtype: str) -> Any:
    """Return Mul and Add; a runtime that does not fuse them moves s c twice more."""
    from onnx import TensorProto, helper

    element = TensorProto.DataType.Value({"float32": "FLOAT"}.get(dtype, dtype.upper()))
    b, c, a = (helper.make_tensor_value_info(name, element, [shape["n"]]) for name in "bca")
    graph = helper.make_graph(
        [helper.make_node("Mul", ["s", "c"], ["sc"]), helper.make_node("Add", ["b", "sc"], ["a"])],
        "triad",
        [b, c],
        [a],
        [helper.make_tensor("s", element, [], [SCALAR])],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


KERNEL = Kernel(
    name="triad",
    version=1,
    formula="a = b + 3 c",
    shapes=SHAPES,
    flops=flops,
    elements=elements,
    inputs=inputs,
    reference=reference,
    build_torch=build_torch,
    build_jax=build_jax,
    build_onnx=build_onnx,
    dtypes=("float32", "bfloat16", "float16"),
)
