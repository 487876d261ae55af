"""The child's side of an edge model: the data it is calibrated and judged on, and its making."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from hwbench import (
    codec,
    data_found,
    edge_agreement,
    model_spec,
    own_models,
    protocol,
    registry,
)
from hwbench.data_made import kind_of
from hwbench.dataset import Dataset, Loading
from hwbench.dialects import litert_edge, onnx_edge
from hwbench.edge_facts import EdgeModel
from hwbench.errors import BadInput
from hwbench.registry import Network

_FORMS: Mapping[str, Any] = {"onnx": onnx_edge, "tflite": litert_edge}  # by a runtime's dialect
FACTS = "facts.json"  # beside the file
ITEMS = 128  # that ranges are taken from, and as many others that the answers are compared on
LEAST_ITEMS = 8  # of the user's, for both
NO_LABELS = "no labelled data was given: --data"


def make(request: protocol.EdgeModel) -> EdgeModel:
    """Write the file of a precision to `request.path` with its facts beside it; return those."""
    form, network = _FORMS[request.form], registry.networks()[request.workload]
    float32, target = Path(request.model), Path(request.path)
    calibration, judged, said, no_labels = _items(network, request)
    if request.precision == "float32":
        done: EdgeModel = form.described(float32, float32, "float32", None, 0)
    else:
        form.quantise(float32, target, request.precision, lambda: _inputs(calibration))
        count = sum(len(inputs[0]) for inputs, _ in calibration)
        described: EdgeModel = form.described(target, float32, request.precision, said, count)
        agreed = edge_agreement.agreement(
            form.runner(float32),
            form.runner(target),
            iter(judged),
            random=_random(network.name),
            no_labels=no_labels,
        )
        done = replace(described, agreement=agreed)
    (target.parent / FACTS).write_text(json.dumps(codec.encode(done)))
    return done


def read(path: Path) -> EdgeModel:
    """Return the facts beside a file that was made."""
    return codec.decode(EdgeModel, json.loads((path.parent / FACTS).read_text()))


def _inputs(batches: list[tuple[Any, Any]]) -> Iterator[Any]:
    return (inputs for inputs, _ in batches)


def _random(name: str) -> bool:
    """Return whether a network's weights are nobody's."""
    facts = own_models.facts_of(name)
    if facts is None:
        return True
    return model_spec.parse(facts.spec).kind in ("timm", "hf") and not facts.pretrained


def _items(
    network: Network, request: protocol.EdgeModel
) -> tuple[list[tuple[Any, Any]], list[tuple[Any, Any]], str, str | None]:
    """Return batches to calibrate by and others to judge by, what they are, why no labels."""
    if request.data is None:
        every = [_drawn(network, request.batch_size, n) for n in range(2 * ITEMS)]
        said = f"generated inputs, {network.workload.item}s of random numbers"
        return every[:ITEMS], every[ITEMS:], said, NO_LABELS
    dataset = data_found.dataset_at(Path(request.data), network)
    found = list(_real(network, dataset, request.batch_size))
    if len(found) * request.batch_size < LEAST_ITEMS:
        raise BadInput(
            f"--data {request.data}: {dataset.items} items are too few to calibrate by:"
            f" {LEAST_ITEMS} at least"
        )
    half = len(found) // 2
    no_labels = _no_labels(network, found)
    return found[:half], found[half:], dataset.description, no_labels


def _no_labels(network: Network, found: list[tuple[Any, Any]]) -> str | None:
    """Return why the labels are no classes of the network's; None if they are."""
    if kind_of(network) not in ("images", "rows"):
        return "its targets are no classes of whole items"
    seen = len({int(label) for _, labels in found for label in labels})
    classes = network.variant.config.get("classes", 0)
    if seen < 2 or seen > classes:
        return f"the data have {seen} classes, the network {classes}"
    return None


def _drawn(network: Network, batch_size: int, seed: int) -> tuple[Any, Any]:
    import numpy as np

    inputs, _ = network.workload.batch(
        network.variant.config, batch_size, np.random.default_rng(seed)
    )
    return tuple(inputs), None


def _real(network: Network, dataset: Dataset, batch_size: int) -> Iterator[tuple[Any, Any]]:
    """Yield batches of the user's items, spread over all of them, images at their centre."""
    from hwbench.dialects import arranging, torch_loading

    loading = Loading(dataset=dataset, residence="disk", augmented=False)
    source = torch_loading.source_of(network.workload, network.variant.config, loading, 0)
    count = min(len(source), 2 * ITEMS)
    # Items lie sorted by class: every second one is of the other half.
    order = [i * len(source) // count for i in range(count)]
    order = order[::2] + order[1::2]
    beside = arranging.Beside(network.workload, network.variant.config, dataset.kind)
    for n in range(0, count - batch_size + 1, batch_size):
        inputs, labels = source.__getitems__(order[n : n + batch_size])
        more = beside.of(batch_size)[0] if beside.inputs else ()
        yield _typed(network, (inputs, *more)), labels


def _typed(network: Network, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return inputs in the types that a file of the user's own takes: ids may be int32."""
    facts = own_models.facts_of(network.name)
    if facts is None or len(facts.inputs) != len(inputs):
        return inputs
    return tuple(x.astype(t.dtype) for x, t in zip(inputs, facts.inputs, strict=True))
