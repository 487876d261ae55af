"""GEMM, the matrix product C = A B: A is (m, k), B is (k, n), C is (m, n).

With a batch b, the products of b pairs: A is (b, m, k), B is (b, k, n), C is (b, m, n); b is 1
below where a shape has none.
FLOPs: each of the b m n entries of C is a sum of k products: k multiplications and k additions,
2 b m n k in all. The backward pass is two products of the same size, dA = dC B^T and dB = A^T dC:
4 b m n k.
Elements: A and B are read once and C is written once; backward reads A, B and dC, writes dA and dB.
FLOPs per element grow with the side of square shapes: from overhead-bound to compute-bound. The
skinny ones do 0.5 (token, logits), 8 (tokens) and 16 (weights) FLOPs a byte in float32: the first
two are bound by memory anywhere, the others where matrix units multiply.
"""

from collections.abc import Callable, Mapping
from math import prod
from typing import Any

from hwbench.case import Shape
from hwbench.kernel import Kernel

SHAPES: Mapping[str, Shape] = {
    "small": {"m": 256, "n": 256, "k": 256},
    # One token, and sixteen side by side, through a square projection of LLaMA 7B (arXiv
    # 2302.13971, table 2); a 50 MiB cache, as an H200's, keeps that matrix in 16 bits.
    "token": {"m": 1, "n": 4096, "k": 4096},
    # One token of GPT-2 small to the scores of its vocabulary: 147 MiB in float32.
    "logits": {"m": 1, "n": 50257, "k": 768},
    "medium": {"m": 512, "n": 512, "k": 512},
    # Q K^T in a block of BERT-base (arXiv 1810.04805): 12 heads of 64, 512 tokens, K^T as stored.
    "heads": {"b": 12, "m": 512, "n": 512, "k": 64},
    "tokens": {"m": 16, "n": 4096, "k": 4096},
    # The weights' gradient of a 1 x 1 convolution, 64 to 64 channels on 56 x 56 pixels of 32 images
    # (first block of ResNet-50, arXiv 1512.03385): A is 64 by 100,352 and C is small.
    "weights": {"m": 64, "n": 64, "k": 32 * 56 * 56},
    "large": {"m": 1024, "n": 1024, "k": 1024},
    "huge": {"m": 4096, "n": 4096, "k": 4096},
}


def sizes(shape: Shape) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """Return the array shapes of A, B and C, with a leading axis where the shape has a batch."""
    m, n, k = shape["m"], shape["n"], shape["k"]
    b = shape.get("b")
    batch = () if b is None else (b,)
    return (*batch, m, k), (*batch, k, n), (*batch, m, n)


def flops(shape: Shape) -> int:
    """Return the FLOPs of the forward pass, 2 b m n k."""
    return 2 * shape.get("b", 1) * shape["m"] * shape["n"] * shape["k"]


def backward_flops(shape: Shape) -> int:
    """Return the FLOPs of the backward pass, 4 b m n k: one product for each input's gradient."""
    return 2 * flops(shape)


def elements(shape: Shape) -> int:
    """Return the elements of A, B and C."""
    return sum(prod(size) for size in sizes(shape))


def backward_elements(shape: Shape) -> int:
    """Return the elements of A, B and dC, which are read, and of dA and dB, which are written."""
    a, b, c = map(prod, sizes(shape))
    return 2 * (a + b) + c


def inputs(shape: Shape, rng: Any) -> tuple[Any, ...]:
    """Draw A (b, m, k) and B (b, k, n), standard normal."""
    a, b, _ = sizes(shape)
    return rng.standard_normal(a), rng.standard_normal(b)


def reference(shape: Shape, a: Any, b: Any) -> Any:
    """Return C (b, m, n) in float64."""
    return a @ b


def build_torch(shape: Shape, dtype: str) -> Callable[..., Any]:
    """Return torch.matmul."""
    import torch

    product: Callable[..., Any] = torch.matmul
    return product


def build_jax(shape: Shape, dtype: str) -> Callable[..., Any]:
    """Return jnp.matmul."""
    import jax.numpy as jnp

    product: Callable[..., Any] = jnp.matmul
    return product


def build_onnx(shape: Shape, dtype: str) -> Any:
    """Return a model of one MatMul, which multiplies pair by pair where there is a batch."""
    from onnx import TensorProto, helper

    names = {"float32": "FLOAT", "tf32": "FLOAT"}
    element = TensorProto.DataType.Value(names.get(dtype, dtype.upper()))
    a, b, c = (
        helper.make_tensor_value_info(name, element, size)
        for name, size in zip("abc", sizes(shape), strict=True)
    )
    graph = helper.make_graph([helper.make_node("MatMul", ["a", "b"], ["c"])], "gemm", [a, b], [c])
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
)
