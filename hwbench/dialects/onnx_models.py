"""An ONNX file of the user's own: what it takes, its weights and FLOPs, without running it."""

import hashlib
from math import prod
from pathlib import Path
from typing import Any

from hwbench.dialects.libraries import load
from hwbench.dialects.user_code import wrong
from hwbench.model_facts import ModelFacts, OptimizerFacts, TensorFacts
from hwbench.model_spec import ModelSpec

REMEDY = "pip install 'hwbench-dl[onnx]'"
SEQ, SIDE, VOCAB = 128, 224, 1000  # where the file leaves a size open
_STANDARD = ("", "ai.onnx", "ai.onnx.ml")
_TYPES = {1: "float32", 9: "bool", 7: "int64"}
_COMPUTES = {"Conv", "ConvTranspose", "Gemm", "MatMul", "FusedMatMul", "FusedConv"}
# Operators that compute and whose FLOPs are not counted here: with one of them the sum is unknown.
_UNCOUNTED = {
    "Attention", "Einsum", "GRU", "If", "LSTM", "Loop", "MultiHeadAttention", "QLinearConv",
    "QLinearMatMul", "RNN", "Scan", "ConvInteger", "MatMulInteger", "GroupQueryAttention",
}  # fmt: skip


def facts(spec: ModelSpec, name: str) -> ModelFacts:
    """Return what a file holds; raise BadInput for one that is no ONNX or takes no tensors."""
    onnx = load("onnx", REMEDY)
    path = Path(spec.target)
    try:
        onnx.checker.check_model(str(path))
        model = onnx.load(str(path), load_external_data=False)
    except Exception as e:  # protobuf, the checker, and the file system each raise their own
        said = str(e).strip().splitlines()[0][:160] if str(e).strip() else type(e).__name__
        raise wrong(spec, f"is no ONNX file that can be used: {said}") from None
    graph = model.graph
    weights = {w.name: tuple(w.dims) for w in graph.initializer}
    given = [i for i in graph.input if i.name not in weights]
    if not given:
        raise wrong(spec, "takes no input")
    batch, notes = _batch(given)
    inputs = tuple(_input(spec, i, notes) for i in given)
    flops, why = _flops(onnx, model, given, inputs, batch or 1)
    sizes = _sizes(inputs)
    return ModelFacts(
        spec=spec.text,
        name=name,
        summary=f"ONNX graph of {model.producer_name or 'an unknown producer'}, opset"
        f" {max((o.version for o in model.opset_import), default=0)}",
        library="onnx",
        item="image" if "image" in sizes else "sequence" if "seq" in sizes else "item",
        batch_size=batch or 1,
        fixed_batch=batch is not None,
        inputs=inputs,
        targets=TensorFacts(shape=(), dtype="int64"),
        loss="none",
        optimizer=OptimizerFacts(name="sgd", learning_rate=0.1, said="nothing"),
        parameters=sum(prod(s) for s in weights.values()),
        trainable_parameters=0,
        flops=None if flops is None else flops // (batch or 1),
        flops_reason=why,
        untrainable="an ONNX file holds no training step",
        config=sizes,
        shape={k: v for k, v in sizes.items() if k in ("image", "seq", "features")},
        version=_version(graph, weights),
        fingerprint=hashlib.sha256(path.read_bytes()).hexdigest()[:20],
        notes=tuple(notes),
    )


def _dims(value: Any) -> list[int | None]:
    """Return the sizes of an input; None where it is left open."""
    return [
        d.dim_value if d.HasField("dim_value") and d.dim_value > 0 else None
        for d in value.type.tensor_type.shape.dim
    ]


def _batch(given: list[Any]) -> tuple[int | None, list[str]]:
    """Return the batch size that the file is bound to, None where it takes any."""
    firsts = {dims[0] for i in given if (dims := _dims(i))}
    fixed = firsts - {None}
    if None in firsts or len(fixed) != 1:
        return None, []
    (size,) = fixed
    return size, [f"it takes batches of {size} only"]


def _input(spec: ModelSpec, value: Any, notes: list[str]) -> TensorFacts:
    kind = _TYPES.get(value.type.tensor_type.elem_type)
    if kind is None:
        raise wrong(
            spec,
            f"takes {value.name} in a type that is not drawn here (float32, int64 and bool are)",
        )
    _, *rest = _dims(value) or [None]
    shape = tuple(_size(spec, value.name, n, d, len(rest), notes) for n, d in enumerate(rest))
    high = VOCAB - 1 if kind == "int64" else 1
    if kind == "int64":
        mask = any(w in value.name.lower() for w in ("mask", "type", "segment"))
        high = 1 if mask else high
        low = 1 if "mask" in value.name.lower() else 0
        if high > 1:
            notes.append(f"{value.name} is drawn from 0 to {high}: what it takes is not told")
        return TensorFacts(shape=shape, dtype="int64", name=value.name, low=low, high=high)
    return TensorFacts(shape=shape, dtype=kind, name=value.name, high=high)  # type: ignore[arg-type]


def _size(
    spec: ModelSpec, name: str, place: int, size: int | None, rank: int, notes: list[str]
) -> int:
    if size is not None:
        return size
    if rank == 3:  # of images: channels, height, width
        chosen = 3 if place == 0 else spec.sizes.get("image", SIDE)
    else:
        chosen = spec.sizes.get("seq", SEQ)
    notes.append(f"{name} leaves a size open: {chosen} is taken")
    return chosen


def _sizes(inputs: tuple[TensorFacts, ...]) -> dict[str, int]:
    first = inputs[0]
    if len(first.shape) == 3 and first.dtype == "float32":
        return {"image": first.shape[2], "channels": first.shape[0]}
    if len(first.shape) == 1 and first.dtype == "int64":
        return {"seq": first.shape[0], "vocab": first.high + 1}
    return {"features": first.shape[0]} if len(first.shape) == 1 else {}


def _flops(
    onnx: Any, model: Any, given: list[Any], inputs: tuple[TensorFacts, ...], batch: int
) -> tuple[int | None, str | None]:
    """Return the FLOPs of a batch by the shapes of all products, or None and why not."""
    kinds = {n.op_type for n in model.graph.node}
    # A function of the file's own, or of an extension, may compute anything.
    foreign = {n.op_type for n in model.graph.node if n.domain not in _STANDARD} - _COMPUTES
    if foreign:
        return None, f"{', '.join(sorted(foreign)[:3])} is not of the standard: not counted"
    if kinds & _UNCOUNTED:
        return None, f"{', '.join(sorted(kinds & _UNCOUNTED))} is not counted"
    if not kinds & _COMPUTES:
        return None, "it has no product and no convolution"
    fixed = onnx.ModelProto()
    fixed.CopyFrom(model)
    values = [i for i in fixed.graph.input if i.name in {g.name for g in given}]
    for value, facts_ in zip(values, inputs, strict=True):
        dims = value.type.tensor_type.shape.dim
        for dim, size in zip(dims, (batch, *facts_.shape), strict=False):
            dim.dim_value = size
    try:
        inferred = onnx.shape_inference.infer_shapes(fixed, data_prop=True).graph
    except Exception as e:
        return None, f"its shapes cannot be inferred ({type(e).__name__})"
    shapes: dict[str, list[int | None]] = {w.name: list(w.dims) for w in inferred.initializer}
    for value in [*inferred.input, *inferred.output, *inferred.value_info]:
        shapes[value.name] = _dims(value)
    total = 0
    for node in inferred.node:
        if node.op_type not in _COMPUTES:
            continue
        found = _of_node(node, shapes)
        if found is None:
            return None, f"the shapes at {node.op_type} {node.name} are not known"
        total += found
    return total, None


def _of_node(node: Any, shapes: dict[str, list[int | None]]) -> int | None:
    known = [shapes.get(name) for name in (*node.input[:2], node.output[0])]
    if any(k is None or None in k for k in known):
        return None
    x, w, out = ([int(d or 0) for d in k or ()] for k in known)
    if node.op_type in ("Conv", "FusedConv"):
        return 2 * prod(out) * prod(w[1:])
    if node.op_type == "ConvTranspose":
        return 2 * prod(x) * prod(w[1:])
    inner = x[-1]
    if node.op_type == "Gemm" and any(a.name == "transA" and a.i for a in node.attribute):
        inner = x[0]
    return 2 * prod(out) * inner


def _version(graph: Any, weights: dict[str, tuple[int, ...]]) -> int:
    nodes = [(n.op_type, len(n.input)) for n in graph.node]
    digest = hashlib.sha256(repr((nodes, sorted(weights.values()))).encode())
    return 1 + int(digest.hexdigest()[:7], 16)
