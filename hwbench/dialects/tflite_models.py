"""A `.tflite` file of the user's own: what it takes and its weights, tried once."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hwbench.dialects import caches, graph_inputs, litert_session, tflite_graph
from hwbench.dialects.user_code import wrong
from hwbench.errors import one_line
from hwbench.model_facts import ModelFacts, OptimizerFacts, TensorFacts
from hwbench.model_spec import ModelSpec
from hwbench.own_draw import drawn

_TYPES = ("float32", "int32", "int64", "int8", "uint8", "bool")
_CHANNELS = (1, 3, 4)


def facts(spec: ModelSpec, name: str) -> ModelFacts:
    """Return what a file holds; raise BadInput for one that is no .tflite or cannot run."""
    litert_session.library()
    path = Path(spec.target)
    if spec.sizes:
        raise wrong(spec, "leaves no size open: leave what follows the @ out")
    try:
        graph = tflite_graph.read(path)
        made = litert_session.described(path)
    except (ValueError, RuntimeError) as e:
        said = one_line(str(e))[-160:]
        raise wrong(spec, f"is no .tflite file that can be used: {said}: convert it anew") from None
    given = litert_session.inputs(made)
    if not given:
        raise wrong(spec, "takes no input")
    batch, notes = _batch(given)
    inputs = tuple(_input(spec, d, notes) for d in given)
    _tried(spec, path, inputs, batch or 1)
    if graph.int8:
        notes.append("it is quantised already: float32 is it as it is")
    first_channels = len(inputs[0].shape) != 3 or inputs[0].shape[0] in _CHANNELS
    sizes = graph_inputs.sizes(inputs) if first_channels else {}
    kinds = [(t.name, t.dtype, t.shape) for t in inputs]
    layers = repr((sorted(graph.operators.items()), sorted(graph.constants), kinds))
    return ModelFacts(
        spec=spec.text,
        name=name,
        summary=f"LiteRT graph of {sum(graph.operators.values())} operators",
        library="tflite",
        item=graph_inputs.item(sizes),
        batch_size=batch or 1,
        fixed_batch=batch is not None,
        inputs=inputs,
        targets=TensorFacts(shape=(), dtype="int64"),
        loss="none",
        optimizer=OptimizerFacts(name="sgd", learning_rate=0.1, said="nothing"),
        parameters=graph.numbers,
        trainable_parameters=0,
        flops=None,
        flops_reason="the shapes in a .tflite file are not counted here",
        untrainable="a .tflite file holds no training step",
        config=sizes,
        shape={k: v for k, v in sizes.items() if k in ("image", "seq", "features")},
        version=1 + int(hashlib.sha256(layers.encode()).hexdigest()[:7], 16),
        fingerprint=hashlib.sha256(path.read_bytes()).hexdigest()[:20],
        notes=tuple(notes),
    )


def _batch(given: list[Mapping[str, Any]]) -> tuple[int | None, list[str]]:
    """Return the batch size that the file is bound to, None where it takes any."""
    firsts = {int(d["shape_signature"][0]) for d in given if len(d["shape_signature"])}
    if len(firsts) != 1 or -1 in firsts:
        return None, []
    (size,) = firsts
    return size, [f"it takes batches of {size} only"]


def _input(spec: ModelSpec, told: Mapping[str, Any], notes: list[str]) -> TensorFacts:
    import numpy as np

    kind, name = np.dtype(told["dtype"]).name, str(told["name"])
    if kind not in _TYPES:
        drawn_here = ", ".join(_TYPES)
        raise wrong(spec, f"takes {name} in {kind}, which is not drawn here: {drawn_here} are")
    shape = tuple(int(n) for n in told["shape_signature"][1:])
    if any(n < 1 for n in shape):
        raise wrong(spec, f"leaves a size of {name} open: convert it with fixed ones")
    low, high = graph_inputs.ranges(name, kind, notes)
    return TensorFacts(shape=shape, dtype=kind, name=name, low=low, high=high)  # type: ignore[arg-type]


def _tried(spec: ModelSpec, path: Path, inputs: tuple[TensorFacts, ...], batch: int) -> None:
    """Run the file once; raise BadInput with what the library has against it."""
    import numpy as np

    rng = np.random.default_rng(0)
    values = [drawn(t, batch, rng) for t in inputs]
    try:
        made = litert_session.interpreter(path, caches.cpus(), shapes=[v.shape for v in values])
        litert_session.put(made, values)
        made.invoke()
    except (ValueError, RuntimeError) as e:
        raise wrong(spec, f"cannot be run by litert: {one_line(str(e))[-160:]}") from None
