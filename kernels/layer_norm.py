"""Layer normalisation over the last axis (arXiv 1607.06450): y = (x - mean) / sigma gamma + beta.

x and y are (rows, d), gamma and beta are (d,); mean and sigma = sqrt(variance + 1e-5) are a row's,
and the variance is the biased one, a sum over d divided by d.
FLOPs: every multiplication, addition, subtraction, division and square root counts one. A row's
mean costs d - 1 additions and a division, its variance d subtractions, d squares, d - 1 additions
and a division, sigma an addition and a root; division, scale and shift are 3 d: rows (7 d + 2).
Backward starts from x and from each row's mean and 1 / sigma, as torch keeps them. With
n = (x - mean) / sigma and g = dy gamma, dbeta is the sum of dy over the rows and dgamma that of
dy n, and dx = (g - mean(g) - n mean(g n)) / sigma. That is 2 to find n again, 2 for g and dy n,
3 for both means (g n is dy n gamma) and 4 for dx an element, and 2 d (rows - 1) additions for the
sums: d (13 rows - 2).
Elements: x, gamma and beta are read and y is written; backward reads x, gamma and dy and writes dx,
dgamma and dbeta: it never needs beta. A row's mean and sigma follow from x: they are not counted.
jax's derivative keeps three arrays of the size of x in place of it, and moves 5 where 3 would do.
TF32 has no meaning here: there is no matrix product.
"""

from collections.abc import Callable, Mapping
from typing import Any

from hwbench.case import Shape
from hwbench.kernel import PLAIN_DTYPES, Kernel

EPSILON = 1e-5  # torch's, jax's and ONNX's own default, and GPT-2's

SHAPES: Mapping[str, Shape] = {
    "small": {"rows": 4, "d": 768},
    "medium": {"rows": 128, "d": 768},  # a sentence of 128 tokens in BERT-base or GPT-2
    "large": {"rows": 16384, "d": 1024},  # 16 contexts of 1024 tokens in GPT-2 medium
    "wide": {"rows": 2048, "d": 12288},  # one context of GPT-3 (arXiv 2005.14165, table 2.1)
    "huge": {"rows": 65536, "d": 1024},  # `large` in 16 bits would half fit an H200's L2
}


def flops(shape: Shape) -> int:
    """Return rows (7 d + 2)."""
    return shape["rows"] * (7 * shape["d"] + 2)


def backward_flops(shape: Shape) -> int:
    """Return d (13 rows - 2)."""
    return shape["d"] * (13 * shape["rows"] - 2)


def elements(shape: Shape) -> int:
    """Return the elements of x, gamma, beta and y."""
    return 2 * shape["rows"] * shape["d"] + 2 * shape["d"]


def backward_elements(shape: Shape) -> int:
    """Return the elements of x, gamma and dy, which are read, and of dx, dgamma and dbeta."""
    return 3 * shape["rows"] * shape["d"] + 3 * shape["d"]


def inputs(shape: Shape, rng: Any) -> tuple[Any, ...]:
    """Draw x (rows, d), gamma (d,) and beta (d,), standard normal."""
    d = shape["d"]
    x = rng.standard_normal((shape["rows"], d))
    return x, rng.standard_normal(d), rng.standard_normal(d)


def reference(shape: Shape, x: Any, gamma: Any, beta: Any) -> Any:
    """Return y (rows, d) in float64, the variance from the centred rows: nothing cancels."""
    import numpy as np

    y = x - x.mean(axis=-1, keepdims=True)
    y /= np.sqrt(np.square(y).mean(axis=-1, keepdims=True) + EPSILON)
    y *= gamma
    y += beta
    return y


def build_torch(shape: Shape, dtype: str) -> Callable[..., Any]:
    """Return F.layer_norm, one fused kernel; its sums are float32 in 16 bits too."""
    from torch.nn import functional

    d = shape["d"]
    return lambda x, gamma, beta: functional.layer_norm(x, (d,), gamma, beta, EPSILON)


def build_jax(shape: Shape, dtype: str) -> Callable[..., Any]:
    """Return jax.nn.standardize, scaled and shifted, in float32 as Flax's LayerNorm computes.

    Its variance is mean(x^2) - mean(x)^2, as Flax's: less exact where a row's mean is far from 0.
    """
    import jax

    def layer_norm(x: Any, gamma: Any, beta: Any) -> Any:
        """Widen, normalise, round once: XLA fuses it."""
        wide = jax.nn.standardize(x.astype("float32"), axis=-1, epsilon=EPSILON)
        return (wide * gamma + beta).astype(x.dtype)

    return layer_norm


def build_onnx(shape: Shape, dtype: str) -> Any:
    """Return a model of one LayerNormalization, ONNX's own since opset 17; sums in float32."""
    from onnx import TensorProto, helper

    element = TensorProto.DataType.Value({"float32": "FLOAT"}.get(dtype, dtype.upper()))
    rows, d = shape["rows"], shape["d"]
    x, gamma, beta, y = (
        helper.make_tensor_value_info(name, element, size)
        for name, size in (("x", [rows, d]), ("gamma", [d]), ("beta", [d]), ("y", [rows, d]))
    )
    node = helper.make_node(
        "LayerNormalization", ["x", "gamma", "beta"], ["y"], axis=-1, epsilon=EPSILON
    )
    graph = helper.make_graph([node], "layer_norm", [x, gamma, beta], [y])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


KERNEL = Kernel(
    name="layer_norm",
    version=1,
    formula="y = (x - mean(x)) / sqrt(var(x) + 1e-5) gamma + beta, over the last axis",
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
