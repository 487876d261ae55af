"""FLOPs of an ONNX graph by the shapes of its tensors: 2 for a multiply-accumulate of any width.

Products, convolutions, recurrence and attention are counted, as torch's counter does; additions,
normalisations and activations are not. An operator here is a function of its node and of the sizes
of inputs and outputs; one that is not known makes the sum unknown.
"""

from collections.abc import Callable, Mapping
from math import prod
from typing import Any

Sizes = list[int]
Count = Callable[[dict[str, Any], list[Sizes | None], list[Sizes | None]], int | None]
_STANDARD = ("", "ai.onnx", "ai.onnx.ml")
# Of the standard, what computes in a way that shapes do not tell.
_UNKNOWN = {"If", "Loop", "Scan", "DeformConv"}


def _product(place: int = 0) -> Count:
    """Return the count of a matrix product whose first factor is the input at `place`."""

    def count(a: dict[str, Any], x: list[Sizes | None], y: list[Sizes | None]) -> int | None:
        left, out = x[place], y[0]
        if left is None or out is None:
            return None
        return 2 * prod(out) * (left[0] if a.get("transA") else left[-1])

    return count


def _convolution(place: int = 1) -> Count:
    """Return the count of a convolution whose weights are the input at `place`."""

    def count(a: dict[str, Any], x: list[Sizes | None], y: list[Sizes | None]) -> int | None:
        weights, out = x[place], y[0]
        return None if weights is None or out is None else 2 * prod(out) * prod(weights[1:])

    return count


def _transposed(a: dict[str, Any], x: list[Sizes | None], y: list[Sizes | None]) -> int | None:
    given, weights = x[:2]
    return None if given is None or weights is None else 2 * prod(given) * prod(weights[1:])


def _recurrent(a: dict[str, Any], x: list[Sizes | None], y: list[Sizes | None]) -> int | None:
    """Count the products with input and state at each step: W (d, g h, i), R (d, g h, h)."""
    given, w, r = x[:3]
    if given is None or w is None or r is None:
        return None
    return 2 * given[0] * given[1] * (prod(w) + prod(r))


def _packed_attention(
    a: dict[str, Any], x: list[Sizes | None], y: list[Sizes | None]
) -> int | None:
    """Count com.microsoft's Attention: the projection to queries, keys and values is within."""
    given, w, out = x[0], x[1], y[0]
    if given is None or w is None or out is None:
        return None
    batch, seq, _ = given
    wide = w[1] - out[-1]  # of queries and keys
    return 2 * batch * seq * prod(w) + 2 * batch * seq * seq * (wide // 2 + out[-1])


def _attention(a: dict[str, Any], x: list[Sizes | None], y: list[Sizes | None]) -> int | None:
    """Count queries by keys and weights by values, (B, S, H D) or (B, H, S, D) each."""
    q, k, out = x[0], x[1], y[0]
    if q is None or out is None or len(q) not in (3, 4):
        return None
    keys = k[-2] if k is not None and len(k) in (3, 4) else q[-2]
    return 2 * keys * (prod(q) + prod(out))


def _einsum(a: dict[str, Any], x: list[Sizes | None], y: list[Sizes | None]) -> int | None:
    terms = str(a.get("equation", "")).replace(" ", "").partition("->")[0].split(",")
    if len(terms) != 2 or any(s is None for s in x) or "." in "".join(terms):
        return None
    sizes: dict[str, int] = {}
    for term, size in zip(terms, x, strict=True):
        sizes |= dict(zip(term, size or (), strict=False))
    return 2 * prod(sizes.values())


def _blocks(a: dict[str, Any], x: list[Sizes | None], y: list[Sizes | None]) -> int | None:
    """Count com.microsoft's product with weights of a few bits."""
    out = y[0]
    return None if out is None or "K" not in a else 2 * prod(out) * int(a["K"])


COUNTS: Mapping[str, Count] = {
    "Conv": _convolution(), "FusedConv": _convolution(), "ConvInteger": _convolution(),
    "QLinearConv": _convolution(3), "ConvTranspose": _transposed,
    "Gemm": _product(), "FusedGemm": _product(), "MatMul": _product(),
    "FusedMatMul": _product(), "MatMulInteger": _product(), "QLinearMatMul": _product(),
    "QGemm": _product(), "DynamicQuantizeMatMul": _product(), "MatMulIntegerToFloat": _product(),
    "MatMulNBits": _blocks, "Einsum": _einsum,
    "LSTM": _recurrent, "GRU": _recurrent, "RNN": _recurrent,
    "Attention": _attention, "MultiHeadAttention": _attention, "GroupQueryAttention": _attention,
}  # fmt: skip
# Of extensions, what shapes alone tell to compute nothing that counts.
_FREE = {
    "BiasGelu", "DequantizeLinear", "FastGelu", "FusedGelu", "Gelu", "LayerNormalization",
    "QLinearAdd", "QLinearAveragePool", "QLinearConcat", "QLinearGlobalAveragePool",
    "QLinearLeakyRelu", "QLinearMul", "QLinearSigmoid", "QLinearSoftmax", "QuantizeLinear",
    "QuickGelu", "RotaryEmbedding", "SimplifiedLayerNormalization", "SkipLayerNormalization",
    "SkipSimplifiedLayerNormalization", "EmbedLayerNormalization", "ReorderInput", "ReorderOutput",
}  # fmt: skip


def dims_of(value: Any) -> list[int | None]:
    """Return the sizes of a tensor of the graph; None where one is left open."""
    return [
        d.dim_value if d.HasField("dim_value") and d.dim_value > 0 else None
        for d in value.type.tensor_type.shape.dim
    ]


def counted(
    onnx: Any, model: Any, inputs: Mapping[str, tuple[int, ...]]
) -> tuple[int | None, str | None]:
    """Return the FLOPs of a graph on inputs of these sizes, or None and why not."""
    nodes = model.graph.node
    odd = {n.op_type for n in nodes if n.domain in _STANDARD and n.op_type in _UNKNOWN}
    odd |= {
        n.op_type
        for n in nodes
        if n.domain not in _STANDARD and n.op_type not in COUNTS and n.op_type not in _FREE
    }
    if odd:
        return None, f"{', '.join(sorted(odd)[:3])} is not counted"
    if not any(n.op_type in COUNTS for n in nodes):
        return None, "it has no product and no convolution"
    try:
        sizes = _shapes(onnx, model, inputs)
    except Exception as e:
        return None, f"its shapes cannot be inferred ({type(e).__name__})"
    total = 0
    for node in nodes:
        count = COUNTS.get(node.op_type)
        if count is None:
            continue
        if node.op_type == "Attention" and node.domain not in _STANDARD:
            count = _packed_attention
        attributes = {
            a.name: onnx.helper.get_attribute_value(a)
            for a in node.attribute
            if a.type in (onnx.AttributeProto.INT, onnx.AttributeProto.STRING)
        }
        told = {k: v.decode() if isinstance(v, bytes) else v for k, v in attributes.items()}
        found = count(told, [sizes.get(n) for n in node.input], [sizes.get(n) for n in node.output])
        if found is None:
            return None, f"the shapes at {node.op_type} {node.name} are not known"
        total += found
    return total, None


def _shapes(onnx: Any, model: Any, inputs: Mapping[str, tuple[int, ...]]) -> dict[str, Sizes]:
    """Return the sizes of all tensors that are known."""
    fixed = onnx.ModelProto()
    fixed.CopyFrom(model)
    for value in fixed.graph.input:
        for dim, size in zip(
            value.type.tensor_type.shape.dim, inputs.get(value.name, ()), strict=False
        ):
            dim.dim_value = size
    inferred = onnx.shape_inference.infer_shapes(fixed, data_prop=True).graph
    found = {w.name: list(w.dims) for w in inferred.initializer}
    for value in [*inferred.input, *inferred.output, *inferred.value_info]:
        dims = dims_of(value)
        if None not in dims:
            found[value.name] = [int(d or 0) for d in dims]
    return found
