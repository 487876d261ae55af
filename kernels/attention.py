"""Scaled dot-product attention, no mask: O = softmax(Q K^T / sqrt(d)) V (arXiv 1706.03762, eq. 1).

Q, K, V and O are (b, h, s, d): batch, heads, sequence length, head size.
FLOPs: Q K^T and P V are b h products of (s, d) by (d, s) size, 2 s s d each: 4 b h s s d. The
softmax is not counted, by convention (FlashAttention's papers, torch's FLOP counter).
Backward is four such products (dV = P^T dO, dP = dO V^T, dQ = dS K, dK = dS^T Q): 8 b h s s d.
A fused kernel that computes Q K^T again does a fifth; here the least is counted, so that a
rate compares programs by useful work, and recomputing shows as a lower one.
Elements: Q, K, V are read and O is written, 4 b h s d; backward reads Q, K, V, dO and writes dQ,
dK, dV, 7 b h s d. The s x s matrices need never reach memory (FlashAttention, arXiv 2205.14135);
a program that stores them moves more. O follows from the others: it is not counted as read.
"""

from collections.abc import Callable, Mapping
from typing import Any

from hwbench.case import Shape
from hwbench.kernel import Kernel

SHAPES: Mapping[str, Shape] = {
    "small": {"b": 1, "h": 4, "s": 64, "d": 64},
    "medium": {"b": 1, "h": 12, "s": 128, "d": 64},  # a block of GPT-2 or BERT-base
    "large": {"b": 1, "h": 12, "s": 512, "d": 64},
    "huge": {"b": 8, "h": 16, "s": 2048, "d": 128},
}


def flops(shape: Shape) -> int:
    """Return the FLOPs of Q K^T and P V, 4 b h s s d."""
    return 4 * shape["b"] * shape["h"] * shape["s"] ** 2 * shape["d"]


def backward_flops(shape: Shape) -> int:
    """Return the FLOPs of the four products that no backward pass can do without."""
    return 2 * flops(shape)


def elements(shape: Shape) -> int:
    """Return the elements of Q, K, V and O."""
    return 4 * shape["b"] * shape["h"] * shape["s"] * shape["d"]


def backward_elements(shape: Shape) -> int:
    """Return the elements of Q, K, V, dO, dQ, dK and dV."""
    return 7 * shape["b"] * shape["h"] * shape["s"] * shape["d"]


def inputs(shape: Shape, rng: Any) -> tuple[Any, ...]:
    """Draw Q, K and V (b, h, s, d), standard normal."""
    size = (shape["b"], shape["h"], shape["s"], shape["d"])
    q, k, v = (rng.standard_normal(size) for _ in range(3))
    return q, k, v


def reference(shape: Shape, q: Any, k: Any, v: Any) -> Any:
    """Return O in float64, head by head: one s x s matrix of weights in memory at a time."""
    import numpy as np

    output = np.empty(q.shape, dtype=np.float64)
    for head in np.ndindex(q.shape[:2]):
        scores = q[head] @ k[head].T / np.sqrt(shape["d"])
        weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
        output[head] = weights @ v[head] / weights.sum(axis=-1, keepdims=True)
    return output


def build_torch(shape: Shape, dtype: str) -> Callable[..., Any]:
    """Return F.scaled_dot_product_attention; torch chooses among its fused kernels."""
    from torch.nn import functional

    attention: Callable[..., Any] = functional.scaled_dot_product_attention
    return attention


def build_jax(shape: Shape, dtype: str) -> Callable[..., Any]:
    """Return jax.nn.dot_product_attention by XLA; it takes (b, s, h, d), hence the swaps."""
    import jax

    def attention(q: Any, k: Any, v: Any) -> Any:
        """Swap h and s on the way in and out."""
        q, k, v = (a.swapaxes(1, 2) for a in (q, k, v))
        return jax.nn.dot_product_attention(q, k, v).swapaxes(1, 2)

    return attention


def build_onnx(shape: Shape, dtype: str) -> Any:
    """Return a model of one Attention, ONNX's own since opset 23; its scale is 1 / sqrt(d)."""
    from onnx import TensorProto, helper

    names = {"float32": "FLOAT", "tf32": "FLOAT"}
    element = TensorProto.DataType.Value(names.get(dtype, dtype.upper()))
    size = [shape["b"], shape["h"], shape["s"], shape["d"]]
    q, k, v, o = (helper.make_tensor_value_info(name, element, size) for name in "qkvo")
    node = helper.make_node("Attention", ["q", "k", "v"], ["o"])
    graph = helper.make_graph([node], "attention", [q, k, v], [o])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 23)], ir_version=11)


KERNEL = Kernel(
    name="attention",
    version=1,
    formula="O = softmax(Q K^T / sqrt(d)) V",
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
)
