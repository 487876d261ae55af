"""Softmax over the last axis: y_i = exp(x_i - max x) / sum over j of exp(x_j - max x).

x and y are (rows, n). The maximum changes nothing but keeps exp from overflowing, as everywhere.
FLOPs: every addition, subtraction, multiplication, division and exponential counts one, comparisons
none. A row costs n subtractions, n exponentials, n - 1 additions and n divisions: rows (4 n - 1).
Backward starts from y, as torch keeps it: dx_i = y_i (dy_i - sum over j of dy_j y_j)
costs a row n products, n - 1 additions, n subtractions and n products: rows (4 n - 1) again.
Elements: x is read and y is written, 2 rows n, which the fused form needs while a row stays in a
cache (arXiv 1805.02867 counts 4 an element for three passes from memory); backward reads y and dy
and writes dx, 3 rows n.
TF32 has no meaning here: there is no matrix product.
"""

from collections.abc import Callable, Mapping
from typing import Any

from hwbench.case import Shape
from hwbench.kernel import PLAIN_DTYPES, Kernel

# The scores of self-attention: rows = batch x heads x queries, n = keys.
SHAPES: Mapping[str, Shape] = {
    "small": {"rows": 12, "n": 128},  # one query of BERT-base at 128 keys
    "medium": {"rows": 1536, "n": 128},  # 12 heads x 128 queries: a block of BERT-base or GPT-2
    "large": {"rows": 16384, "n": 1024},  # 16 heads x 1024: GPT-2 medium at its whole context
    "huge": {"rows": 65536, "n": 1024},  # 4 of them: `large` in 16 bits would half fit an H200's L2
}


def flops(shape: Shape) -> int:
    """Return rows (4 n - 1)."""
    return shape["rows"] * (4 * shape["n"] - 1)


def backward_flops(shape: Shape) -> int:
    """Return rows (4 n - 1): two products, a sum and a difference."""
    return shape["rows"] * (4 * shape["n"] - 1)


def elements(shape: Shape) -> int:
    """Return the elements of x and y."""
    return 2 * shape["rows"] * shape["n"]


def backward_elements(shape: Shape) -> int:
    """Return the elements of y and dy, which are read, and of dx, which is written."""
    return 3 * shape["rows"] * shape["n"]


def inputs(shape: Shape, rng: Any) -> tuple[Any, ...]:
    """Draw x (rows, n), standard normal: what q k / sqrt(d) is for normal q and k."""
    return (rng.standard_normal((shape["rows"], shape["n"])),)


def reference(shape: Shape, x: Any) -> Any:
    """Return y (rows, n) in float64."""
    import numpy as np

    y = np.exp(x - x.max(axis=-1, keepdims=True))
    y /= y.sum(axis=-1, keepdims=True)
    return y


def build_torch(shape: Shape, dtype: str) -> Callable[..., Any]:
    """Return F.softmax; its sums are float32 in 16 bits too."""
    from torch.nn import functional

    return lambda x: functional.softmax(x, dim=-1)


def build_jax(shape: Shape, dtype: str) -> Callable[..., Any]:
    """Return jax.nn.softmax; for the backward pass it keeps exp(x - max x) and two sums a row."""
    import jax

    return lambda x: jax.nn.softmax(x, axis=-1)


def build_onnx(shape: Shape, dtype: str) -> Any:
    """Return a model of one Softmax in opset 13, the first over one axis and with bfloat16."""
    from onnx import TensorProto, helper

    element = TensorProto.DataType.Value({"float32": "FLOAT"}.get(dtype, dtype.upper()))
    size = [shape["rows"], shape["n"]]
    x, y = (helper.make_tensor_value_info(name, element, size) for name in "xy")
    node = helper.make_node("Softmax", ["x"], ["y"], axis=-1)
    graph = helper.make_graph([node], "softmax", [x], [y])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=7)


KERNEL = Kernel(
    name="softmax",
    version=1,
    formula="y = exp(x - max(x)) / sum(exp(x - max(x))), over the last axis",
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
    dtypes=PLAIN_DTYPES,
)
