"""GEMM of integers, C = A B: int8 (m, k) times int8 (k, n) is int32 (m, n), exact, forward only.

The product inside quantised networks (Jacob et al. 2018, arXiv 1712.05877, section 2.2), without
their scales and offsets. No sum overflows: 127^2 k is below 2^31 for k up to 133,144.
FLOPs: each of the m n entries of C is a sum of k products: k multiplications and k additions of
integers, 2 m n k in all. They are not of floating point; vendors' TOPS count them alike.
Elements: A and B are read once, m k + k n bytes. C is written once, 4 m n bytes: those are fixed.
There is no backward pass: integers have no gradient.
"""

from collections.abc import Callable, Mapping
from typing import Any

from hwbench.case import Shape
from hwbench.kernel import Kernel

INT32_BYTES = 4

# gemm's square ones, side by side with the float formats. torch on CUDA asks for more than 16 rows
# and for multiples of 8.
SHAPES: Mapping[str, Shape] = {
    "small": {"m": 256, "n": 256, "k": 256},
    "medium": {"m": 512, "n": 512, "k": 512},
    "large": {"m": 1024, "n": 1024, "k": 1024},
    "huge": {"m": 4096, "n": 4096, "k": 4096},
}


def flops(shape: Shape) -> int:
    """Return 2 m n k, multiplications and additions of integers."""
    return 2 * shape["m"] * shape["n"] * shape["k"]


def elements(shape: Shape) -> int:
    """Return the elements of A and B, each of one byte."""
    return shape["m"] * shape["k"] + shape["k"] * shape["n"]


def fixed_bytes(shape: Shape) -> int:
    """Return the bytes of C in int32."""
    return INT32_BYTES * shape["m"] * shape["n"]


def inputs(shape: Shape, rng: Any) -> tuple[Any, ...]:
    """Draw A (m, k) and B (k, n), standard normal: the dialect makes them -127..127."""
    m, n, k = shape["m"], shape["n"], shape["k"]
    return rng.standard_normal((m, k)), rng.standard_normal((k, n))


def reference(shape: Shape, a: Any, b: Any) -> Any:
    """Return C (m, n) in float64: exact for int8 inputs, whose sums stay far below 2^53."""
    import numpy as np

    return np.asarray(a, dtype=np.float64) @ np.asarray(b, dtype=np.float64)


def build_torch(shape: Shape, dtype: str) -> Callable[..., Any]:
    """Return torch._int_mm, the only product of integers with int32 sums that torch has."""
    import torch

    product: Callable[..., Any] = torch._int_mm
    return product


def build_jax(shape: Shape, dtype: str) -> Callable[..., Any]:
    """Return a dot that accumulates in int32."""
    import jax

    return lambda a, b: jax.lax.dot(a, b, preferred_element_type=jax.numpy.int32)


def build_onnx(shape: Shape, dtype: str) -> Any:
    """Return a model of one MatMulInteger, without its offsets (zero points)."""
    from onnx import TensorProto, helper

    m, n, k = shape["m"], shape["n"], shape["k"]
    a, b, c = (
        helper.make_tensor_value_info(name, element, size)
        for name, element, size in (
            ("a", TensorProto.INT8, [m, k]),
            ("b", TensorProto.INT8, [k, n]),
            ("c", TensorProto.INT32, [m, n]),
        )
    )
    node = helper.make_node("MatMulInteger", ["a", "b"], ["c"])
    graph = helper.make_graph([node], "gemm_int8", [a, b], [c])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


KERNEL = Kernel(
    name="gemm_int8",
    version=1,
    formula="C = A B, int8 to int32",
    shapes=SHAPES,
    flops=flops,
    elements=elements,
    fixed_bytes=fixed_bytes,
    inputs=inputs,
    reference=reference,
    build_torch=build_torch,
    build_jax=build_jax,
    build_onnx=build_onnx,
    dtypes=("int8",),
)
