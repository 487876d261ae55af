"""GEMM, the matrix product C = A B: A is (m, k), B is (k, n), C is (m, n).

FLOPs: each of the m n entries of C is a sum of k products: k multiplications and k additions,
2 m n k in all. The backward pass is two products of the same size, dA = dC B^T and dB = A^T dC:
4 m n k.
Elements: A and B are read once and C is written once; backward reads A, B and dC, writes dA and dB.
Shapes are square, so FLOPs per element grow with the side: from overhead-bound to compute-bound.
int8: int8 x int8 -> int32, exact, forward only. An entry of C then has 4 bytes, and elements times
one byte is a lower bound of the traffic.
"""

from collections.abc import Callable, Mapping
from typing import Any

from hwbench.case import Shape
from hwbench.kernel import FLOAT_DTYPES, Kernel

SHAPES: Mapping[str, Shape] = {
    "small": {"m": 256, "n": 256, "k": 256},
    "medium": {"m": 512, "n": 512, "k": 512},
    "large": {"m": 1024, "n": 1024, "k": 1024},
    "huge": {"m": 4096, "n": 4096, "k": 4096},
}


def flops(shape: Shape) -> int:
    """Return the FLOPs of the forward pass, 2 m n k."""
    return 2 * shape["m"] * shape["n"] * shape["k"]


def backward_flops(shape: Shape) -> int:
    """Return the FLOPs of the backward pass, 4 m n k: one product for each input's gradient."""
    return 2 * flops(shape)


def elements(shape: Shape) -> int:
    """Return the elements of A, B and C."""
    m, n, k = shape["m"], shape["n"], shape["k"]
    return m * k + k * n + m * n


def backward_elements(shape: Shape) -> int:
    """Return the elements of A, B and dC, which are read, and of dA and dB, which are written."""
    m, n, k = shape["m"], shape["n"], shape["k"]
    return 2 * (m * k + k * n) + m * n


def inputs(shape: Shape, rng: Any) -> tuple[Any, ...]:
    """Draw A (m, k) and B (k, n), standard normal."""
    m, n, k = shape["m"], shape["n"], shape["k"]
    return rng.standard_normal((m, k)), rng.standard_normal((k, n))


def reference(shape: Shape, a: Any, b: Any) -> Any:
    """Return C (m, n) in float64; exact for int8 inputs, whose sums stay far below 2^53."""
    import numpy as np

    return np.asarray(a, dtype=np.float64) @ np.asarray(b, dtype=np.float64)


def build_torch(shape: Shape, dtype: str) -> Callable[..., Any]:
    """Return torch.matmul; for int8 torch._int_mm, the only integer product that torch has."""
    import torch

    product: Callable[..., Any] = torch._int_mm if dtype == "int8" else torch.matmul
    return product


def build_jax(shape: Shape, dtype: str) -> Callable[..., Any]:
    """Return jnp.matmul; for int8 a dot that accumulates in int32."""
    import jax
    import jax.numpy as jnp

    if dtype == "int8":
        return lambda a, b: jax.lax.dot(a, b, preferred_element_type=jnp.int32)
    product: Callable[..., Any] = jnp.matmul
    return product


def build_onnx(shape: Shape, dtype: str) -> Any:
    """Return a model of one MatMul, or MatMulInteger for int8."""
    from onnx import TensorProto, helper

    m, n, k = shape["m"], shape["n"], shape["k"]
    names = {"float32": "FLOAT", "tf32": "FLOAT"}
    element = TensorProto.DataType.Value(names.get(dtype, dtype.upper()))
    result = TensorProto.INT32 if dtype == "int8" else element
    operator = "MatMulInteger" if dtype == "int8" else "MatMul"
    graph = helper.make_graph(
        [helper.make_node(operator, ["a", "b"], ["c"])],
        "gemm",
        [
            helper.make_tensor_value_info("a", element, [m, k]),
            helper.make_tensor_value_info("b", element, [k, n]),
        ],
        [helper.make_tensor_value_info("c", result, [m, n])],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


KERNEL = Kernel(
    name="gemm",
    version=1,
    formula="C = A B",
    shapes=SHAPES,
    flops=flops,
    elements=elements,
    inputs=inputs,
    reference=reference,
    build_torch=build_torch,
    build_jax=build_jax,
    build_onnx=build_onnx,
    backward_flops=backward_flops,
    backward_elements=backward_elements,
    dtypes=(*FLOAT_DTYPES, "int8"),
)
