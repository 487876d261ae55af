"""An ONNX file of the user's own: what it takes, its weights and FLOPs, without running it."""

import hashlib
from math import prod
from pathlib import Path
from typing import Any

from hwbench.dialects import graph_inputs, onnx_faults, onnx_flops
from hwbench.dialects.libraries import load
from hwbench.dialects.onnx_flops import dims_of
from hwbench.dialects.user_code import wrong
from hwbench.errors import Unavailable
from hwbench.model_facts import ModelFacts, OptimizerFacts, TensorFacts
from hwbench.model_spec import SIZES, ModelSpec
from hwbench.own_draw import drawn

REMEDY = "pip install 'hwbench-dl[onnx]'"
SEQ, SIDE = 128, 224  # where the file leaves a size open
ERRORS_ONLY = 3  # log_severity_level
_TYPES = {1: "float32", 2: "uint8", 3: "int8", 6: "int32", 7: "int64", 9: "bool"}
_HALVES = {10: "float16", 11: "float64", 16: "bfloat16"}


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
    _check_sizes(spec, given)
    batch, notes = _batch(given)
    inputs = tuple(_input(spec, i, notes) for i in given)
    _tried(spec, path, given, inputs, batch or 1)
    shapes = {i.name: (batch or 1, *f.shape) for i, f in zip(given, inputs, strict=True)}
    flops, why = onnx_flops.counted(onnx, model, shapes)
    sizes = graph_inputs.sizes(inputs)
    rounded = sum(
        n.op_type in ("QuantizeLinear", "ConvInteger", "MatMulInteger") for n in graph.node
    )
    if rounded:
        notes.append(f"it is quantised already ({rounded} operators): float32 is it as it is")
    return ModelFacts(
        spec=spec.text,
        name=name,
        summary=f"ONNX graph of {model.producer_name or 'an unknown producer'}, opset"
        f" {max((o.version for o in model.opset_import), default=0)}",
        library="onnx",
        item=graph_inputs.item(sizes),
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


def _tried(
    spec: ModelSpec, path: Path, given: list[Any], inputs: tuple[TensorFacts, ...], batch: int
) -> None:
    """Run the file once, where onnxruntime is here; raise BadInput with what it has against it."""
    import numpy as np

    try:
        ort = load("onnxruntime", REMEDY)
    except Unavailable:
        return
    options = ort.SessionOptions()
    options.log_severity_level = ERRORS_ONLY
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    rng = np.random.default_rng(0)
    values = {i.name: drawn(f, batch, rng) for i, f in zip(given, inputs, strict=True)}
    try:
        session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        session.run(None, values)
    except Exception as e:  # of a C++ module without a public path
        raise wrong(spec, onnx_faults.said(str(e), ort.__version__)) from None


def _batch(given: list[Any]) -> tuple[int | None, list[str]]:
    """Return the batch size that the file is bound to, None where it takes any."""
    firsts = {dims[0] for i in given if (dims := dims_of(i))}
    fixed = firsts - {None}
    if None in firsts or len(fixed) != 1:
        return None, []
    (size,) = fixed
    return size, [f"it takes batches of {size} only"]


def _input(spec: ModelSpec, value: Any, notes: list[str]) -> TensorFacts:
    kind = _TYPES.get(value.type.tensor_type.elem_type)
    if kind is None:
        half = _HALVES.get(value.type.tensor_type.elem_type)
        if half is not None:
            raise wrong(
                spec,
                f"takes {value.name} in {half}: give it as float32"
                + (", of which --edge-profile makes float16 itself" if half == "float16" else ""),
            )
        raise wrong(
            spec,
            f"takes {value.name} in a type that is not drawn here"
            f" ({', '.join(_TYPES.values())} are)",
        )
    _, *rest = dims_of(value) or [None]
    _, *dims = value.type.tensor_type.shape.dim or [None]
    shape = tuple(
        _size(spec, value.name, n, len(rest), dim, known, notes)
        for n, (dim, known) in enumerate(zip(dims, rest, strict=True))
    )
    low, high = graph_inputs.ranges(value.name, kind, notes)
    return TensorFacts(
        shape=shape,
        dtype=kind,  # type: ignore[arg-type]
        name=value.name,
        low=low,
        high=high,
    )


def _size(
    spec: ModelSpec, name: str, place: int, rank: int, dim: Any, known: int | None, notes: list[str]
) -> int:
    """Return a size of an input: its own, the one that was asked by its name, or a usual one."""
    symbol = dim.dim_param
    if known is not None:
        return known
    if symbol in spec.sizes:
        return spec.sizes[symbol]
    if rank == 3:  # of images: channels, height, width
        chosen = 3 if place == 0 else spec.sizes.get("image", SIDE)
    else:
        chosen = spec.sizes.get("seq", SEQ)
    how = f": --shape {symbol}=N sets it" if symbol.isidentifier() else ""
    notes.append(f"{name} leaves a size open: {chosen} is taken{how}")
    return chosen


def _check_sizes(spec: ModelSpec, given: list[Any]) -> None:
    """Raise BadInput for a size by a name that no input has."""
    named = {d.dim_param for i in given for d in i.type.tensor_type.shape.dim if d.dim_param}
    odd = [n for n in spec.sizes if n not in named and n not in SIZES]
    if odd:
        have = f"it names {', '.join(sorted(named))}" if named else "all its sizes are fixed"
        raise wrong(spec, f"leaves no size {odd[0]} open: {have}")


def _version(graph: Any, weights: dict[str, tuple[int, ...]]) -> int:
    nodes = [(n.op_type, len(n.input)) for n in graph.node]
    digest = hashlib.sha256(repr((nodes, sorted(weights.values()))).encode())
    return 1 + int(digest.hexdigest()[:7], 16)
