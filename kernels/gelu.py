"""GELU in its tanh form, as in GPT-2 (arXiv 1606.08415, section 2), over n elements:

    y = x / 2 (1 + tanh(u)),  u = sqrt(2 / pi) (x + 0.044715 x^3) = x (a + b x^2)

with a = sqrt(2 / pi), b = 0.044715 a. It is within 5e-4 of the exact x Phi(x), which BERT uses and
for which NumPy has no erf: tanh it has, and GPT-2 is what users would compare with.
FLOPs: every multiplication, addition, subtraction and tanh counts one. u is 4 (x^2 b, + a, x),
then tanh, 1 +, x and 1/2: 8 n, the number that ELECTRA's count gives it (google-research/electra,
flops_computation.py, where the power is one); the formula as first written above is 9.
Backward starts from x: with t = tanh(u) and w = b x^2, u' = a + 3 w, it is
dx = dy (1 + t) (1 + x (1 - t) u') / 2: 5 for t, 2 for u', 8 for the rest, 15 n. A program that
stored the slope in its forward pass needs one product, and as much traffic.
Elements: x is read and y is written, 2 n; backward reads x and dy and writes dx, 3 n. That is what
torch does; jax's derivative keeps five arrays of its forward pass in place of x, and moves 7 n.
TF32 has no meaning here: there is no matrix product.
"""

from collections.abc import Callable, Mapping
from math import pi, sqrt
from typing import Any

from hwbench.case import Shape
from hwbench.kernel import PLAIN_DTYPES, Kernel

A = sqrt(2 / pi)
B = 0.044715 * A

# The hidden layer of the feed-forward part, tokens x 4 times the width of the network.
SHAPES: Mapping[str, Shape] = {
    "small": {"n": 3072},  # one token in GPT-2
    "medium": {"n": 128 * 3072},  # 128 tokens in GPT-2
    "large": {"n": 4096 * 4096},  # 4 contexts of 1024 tokens in GPT-2 medium
    "huge": {"n": 16384 * 4096},  # 16 of them: `large` in 16 bits would half fit an H200's L2
}


def flops(shape: Shape) -> int:
    """Return 8 n."""
    return 8 * shape["n"]


def backward_flops(shape: Shape) -> int:
    """Return 15 n."""
    return 15 * shape["n"]


def elements(shape: Shape) -> int:
    """Return 2 n: the elements of x and y."""
    return 2 * shape["n"]


def backward_elements(shape: Shape) -> int:
    """Return 3 n: x and dy are read, dx is written."""
    return 3 * shape["n"]


def inputs(shape: Shape, rng: Any) -> tuple[Any, ...]:
    """Draw x (n,), standard normal."""
    return (rng.standard_normal(shape["n"]),)


def reference(shape: Shape, x: Any) -> Any:
    """Return y (n,) in float64."""
    import numpy as np

    return x * (1 + np.tanh(x * (A + B * x * x))) * 0.5


def build_torch(shape: Shape, dtype: str) -> Callable[..., Any]:
    """Return F.gelu in its tanh form."""
    from torch.nn import functional

    return lambda x: functional.gelu(x, approximate="tanh")


def build_jax(shape: Shape, dtype: str) -> Callable[..., Any]:
    """Return jax.nn.gelu in its tanh form, which XLA fuses into one loop when jitted."""
    import jax

    return lambda x: jax.nn.gelu(x, approximate=True)


def build_onnx(shape: Shape, dtype: str) -> Any:
    """Return a model of one Gelu in its tanh form, ONNX's own since opset 20."""
    from onnx import TensorProto, helper

    element = TensorProto.DataType.Value({"float32": "FLOAT"}.get(dtype, dtype.upper()))
    x, y = (helper.make_tensor_value_info(name, element, [shape["n"]]) for name in "xy")
    node = helper.make_node("Gelu", ["x"], ["y"], approximate="tanh")
    graph = helper.make_graph([node], "gelu", [x], [y])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)


KERNEL = Kernel(
    name="gelu",
    version=1,
    formula="y = x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))",
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
