"""Reduction, the sum over the last axis: y[i] = sum over j of x[i,j], x is (rows, n), y is (rows,).

Bound by memory: every element is read for one addition. It is the inside of norms, of softmax
and of pooling.
FLOPs: n terms take n - 1 additions, rows (n - 1); n is above 1.
Elements: x is read, rows n, and y is written, rows.
There is no backward pass: the gradient of x is dy repeated along the last axis, which torch gives
as a view of stride 0, without moving anything.
TF32 has no meaning here: there is no matrix product.
"""

from collections.abc import Callable, Mapping
from typing import Any

from hwbench.case import Shape
from hwbench.kernel import PLAIN_DTYPES, Kernel

BLOCK = 2**20 + 1  # drawn elements: drawing all of `large` would take longer than its measurement

SHAPES: Mapping[str, Shape] = {
    # GPT-2's layer norm on 16 tokens (Radford et al. 2019), ResNet-50's last pooling on 32 images
    # (He et al. 2015, arXiv 1512.03385), GPT-2's softmax over its vocabulary for a text of 1024.
    "small": {"rows": 16, "n": 768},
    "medium": {"rows": 32 * 2048, "n": 7 * 7},
    "large": {"rows": 1024, "n": 50_257},
}


def flops(shape: Shape) -> int:
    """Return rows (n - 1)."""
    return shape["rows"] * (shape["n"] - 1)


def elements(shape: Shape) -> int:
    """Return the elements of x and y."""
    return shape["rows"] * (shape["n"] + 1)


def inputs(shape: Shape, rng: Any) -> tuple[Any, ...]:
    """Draw x (rows, n), standard normal; a long one repeats a block, which no cache can tell."""
    import numpy as np

    rows, n = shape["rows"], shape["n"]
    return (np.resize(rng.standard_normal(min(rows * n, BLOCK)), (rows, n)),)


def reference(shape: Shape, x: Any) -> Any:
    """Return y (rows,) in float64, summed pairwise."""
    return x.sum(axis=-1)


def build_torch(shape: Shape, dtype: str) -> Callable[..., Any]:
    """Return torch.sum over the last axis; 16-bit formats are summed in float32."""
    import torch

    return lambda x: torch.sum(x, dim=-1)


def build_jax(shape: Shape, dtype: str) -> Callable[..., Any]:
    """Return jnp.sum over the last axis; 16-bit formats are summed in float32."""
    import jax.numpy as jnp

    return lambda x: jnp.sum(x, axis=-1)


def build_onnx(shape: Shape, dtype: str) -> Any:
    """Return a model of one ReduceSum, whose axes are an input since opset 13."""
    from onnx import TensorProto, helper

    rows, n = shape["rows"], shape["n"]
    element = TensorProto.DataType.Value({"float32": "FLOAT"}.get(dtype, dtype.upper()))
    graph = helper.make_graph(
        [helper.make_node("ReduceSum", ["x", "axes"], ["y"], keepdims=0)],
        "reduction",
        [helper.make_tensor_value_info("x", element, [rows, n])],
        [helper.make_tensor_value_info("y", element, [rows])],
        [helper.make_tensor("axes", TensorProto.INT64, [1], [-1])],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


KERNEL = Kernel(
    name="reduction",
    version=1,
    formula="y[i] = sum_j x[i,j]",
    shapes=SHAPES,
    flops=flops,
    elements=elements,
    inputs=inputs,
    reference=reference,
    build_torch=build_torch,
    build_jax=build_jax,
    build_onnx=build_onnx,
    dtypes=PLAIN_DTYPES,
)
