"""Embedding: y[i] = table[indices[i]], the gather of n rows out of a table (v, d).

What a language model does first, with v its vocabulary and d its width. The n indices are distinct,
which text is not: only then is the least traffic known, for a row that is asked for again may come
from a cache.
FLOPs: none forward, it moves data. Backward: dtable is zero but for dtable[indices[i]] += dy[i],
n d additions. They are what is asked for: no library knows that the indices are distinct.
Elements: n rows are read and n are written, 2 n d; the rest of the table is not touched. Backward
reads dy and writes the whole gradient, which is dense: n d + v d. The n indices are int32 and are
read in both: 4 n bytes.
TF32 has no meaning here: there is no matrix product.
"""

from collections.abc import Callable, Mapping
from typing import Any

from hwbench.case import Shape
from hwbench.kernel import PLAIN_DTYPES, Kernel

SHAPES: Mapping[str, Shape] = {
    # The positions of BERT-Tiny (Turc et al. 2019, arXiv 1908.08962) and of GPT-2 (Radford et al.
    # 2019), each for a text of that length or half of it; GPT-2's tokens for 32 texts of 1024.
    "small": {"n": 128, "v": 512, "d": 128},
    "medium": {"n": 512, "v": 1024, "d": 768},
    "large": {"n": 32_768, "v": 50_257, "d": 768},
}


def backward_flops(shape: Shape) -> int:
    """Return n d: one addition an entry of dy."""
    return shape["n"] * shape["d"]


def elements(shape: Shape) -> int:
    """Return 2 n d: the rows that are read and the rows that are written."""
    return 2 * shape["n"] * shape["d"]


def backward_elements(shape: Shape) -> int:
    """Return the elements of dy, which is read, and of the table's gradient, which is written."""
    return (shape["n"] + shape["v"]) * shape["d"]


def fixed_bytes(shape: Shape) -> int:
    """Return 4 n: the indices are int32 whatever the dtype."""
    return 4 * shape["n"]


def inputs(shape: Shape, rng: Any) -> tuple[Any, ...]:
    """Draw n distinct indices below v, in no order, and the table (v, d), standard normal."""
    import numpy as np

    indices = rng.permutation(shape["v"])[: shape["n"]].astype(np.int32)
    return indices, rng.standard_normal((shape["v"], shape["d"]))


def reference(shape: Shape, indices: Any, table: Any) -> Any:
    """Return y (n, d)."""
    import numpy as np

    return np.take(table, indices, axis=0)


def build_torch(shape: Shape, dtype: str) -> Callable[..., Any]:
    """Return F.embedding, which takes int32 indices as they are; its gradient is dense."""
    from torch.nn import functional

    embedding: Callable[..., Any] = functional.embedding
    return embedding


def build_jax(shape: Shape, dtype: str) -> Callable[..., Any]:
    """Return jnp.take along the first axis, which is what Flax's Embed calls.

    It takes any index: a negative one counts from the end, and one beyond the table gives NaN. XLA
    fuses those comparisons and selections with the gather; they are part of what is measured.
    """
    import jax.numpy as jnp

    return lambda indices, table: jnp.take(table, indices, axis=0)


def build_onnx(shape: Shape, dtype: str) -> Any:
    """Return a model of one Gather along the first axis."""
    from onnx import TensorProto, helper

    n, v, d = shape["n"], shape["v"], shape["d"]
    element = TensorProto.DataType.Value({"float32": "FLOAT"}.get(dtype, dtype.upper()))
    graph = helper.make_graph(
        [helper.make_node("Gather", ["table", "indices"], ["y"], axis=0)],
        "embedding",
        [
            helper.make_tensor_value_info("indices", TensorProto.INT32, [n]),
            helper.make_tensor_value_info("table", element, [v, d]),
        ],
        [helper.make_tensor_value_info("y", element, [n, d])],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


KERNEL = Kernel(
    name="embedding",
    version=1,
    formula="y[i] = table[indices[i]], distinct indices",
    shapes=SHAPES,
    flops=None,
    elements=elements,
    inputs=inputs,
    reference=reference,
    build_torch=build_torch,
    build_jax=build_jax,
    build_onnx=build_onnx,
    backward_flops=backward_flops,
    backward_elements=backward_elements,
    fixed_bytes=fixed_bytes,
    dtypes=PLAIN_DTYPES,
)
