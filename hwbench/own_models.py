"""Models of the user's own as networks, beside those of hwbench.

Running a user's Python is running code. Only what stands on the command line is run, and only in
child processes; they are told of it by an environment variable that their parent sets. A record or
a report never names what is run.
"""

import json
import os
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path

from hwbench import codec, depth, model_spec, registry
from hwbench.model_facts import ModelFacts
from hwbench.own_draw import drawn
from hwbench.registry import Network
from hwbench.runtime import later
from hwbench.workload import Objective, Optimizer, Variant, Workload

ENVIRONMENT = "HWBENCH_OWN_MODELS"
DIALECTS = {
    "torch": ("torch", "onnx", "tflite"),
    "flax": ("jax",),
    "onnx": ("onnx",),
    "tflite": ("tflite",),
}
_HALVES = ("float32", "tf32", "bfloat16", "float16")
_facts: dict[str, ModelFacts] = {}  # those adopted in this process


def facts_of(name: str) -> ModelFacts | None:
    """Return what is known of an adopted model, or a cut of it; None for a workload of hwbench."""
    own, layers = depth.parted(name)
    whole = _facts.get(name) or _facts.get(own)
    if whole is None or whole.stack is None or layers is None or name in _facts:
        return whole
    return replace(
        whole,
        name=name,
        parameters=whole.stack.parameters(layers),
        trainable_parameters=whole.stack.parameters(layers),
        flops=whole.stack.flops(layers),
        activation_numbers=None,
        config={**whole.config, "layers": layers},
    )


def spec_of(name: str) -> str:
    """Return what `--model` names a network by: its spec, or the name of a workload."""
    own, layers = depth.parted(name)
    facts = _facts.get(name) or _facts.get(own)
    if facts is None:
        return name
    return facts.spec if facts.name == name or layers is None else depth.cut(facts.spec, layers)


def kind_of(name: str) -> str | None:
    """Return the kind of an adopted model, by which it is scaled; None where it is not known."""
    facts = facts_of(name)
    return None if facts is None else facts.kind


def graph_of(name: str) -> Path | None:
    """Return the file of a graph of the user's own; None for what is none."""
    facts = _facts.get(name)
    graph = facts is not None and facts.library in ("onnx", "tflite")
    return Path(model_spec.parse(facts.spec).target) if facts and graph else None


def known(names: Collection[str]) -> tuple[ModelFacts, ...]:
    """Return what is known of those names that are of models of the user's own, or cuts of them."""
    wholes = {depth.parted(name)[0] for name in names}
    return tuple(f for name, f in _facts.items() if name in wholes or name in names)


def still(name: str, version: int) -> bool:
    """Return whether a model of the user's own is what it was when it was measured."""
    facts = facts_of(name)
    return facts is None or facts.version == version


def told(facts: ModelFacts) -> str:
    """Return in a line what a model is, and what was chosen for the user."""
    frozen = facts.parameters - facts.trainable_parameters
    parts = [
        f"{facts.name}: {facts.summary}, {facts.parameters:,} parameters"
        + (f" ({frozen:,} frozen)" if frozen else ""),
        f"{facts.flops:,} FLOPs forward per {facts.item}"
        if facts.flops is not None
        else f"FLOPs not known: {facts.flops_reason}",
        f"trained by {facts.optimizer.said or facts.optimizer.name}",
        *facts.notes,
    ]
    if facts.untrainable is not None:
        parts[2] = f"not trained: {facts.untrainable}"
    return "; ".join(parts)


def environment() -> dict[str, str]:
    """Return what a child is told of the models that the command line named."""
    if not _facts:
        return {}
    return {ENVIRONMENT: json.dumps([codec.encode(f) for f in _facts.values()])}


def from_environment() -> None:
    """Adopt in a child what its parent's command line named."""
    for value in json.loads(os.environ.get(ENVIRONMENT, "[]")):
        adopt(codec.decode(ModelFacts, value, ENVIRONMENT))


def adopt(facts: ModelFacts) -> Network:
    """Make a model known to this process by the name of its cases."""
    _facts[facts.name] = facts
    return registry.adopt(network_of(facts))


def forget() -> None:
    """Forget all of them."""
    _facts.clear()
    registry.disown()


def network_of(facts: ModelFacts) -> Network:
    """Return the network of a model: built, in whatever process, from its spec alone."""
    spec = facts.optimizer
    workload = Workload(
        name=facts.name,
        version=facts.version,
        summary=facts.summary,
        item=facts.item,
        variants={"": Variant(config=facts.config, shape=facts.shape, batch_size=facts.batch_size)},
        optimizer=Optimizer(
            name=spec.name,
            # An optimiser of its own is made by the factory: here it tells how much it keeps alone.
            learning_rate=spec.learning_rate or 0.0,
            momentum=spec.momentum or float(spec.moments == 1),
            given_by=facts.spec if spec.own else "",
        ),
        inputs=lambda config, batch_size, rng: tuple(
            drawn(t, batch_size, rng) for t in facts.inputs
        ),
        targets=lambda config, batch_size, rng: drawn(facts.targets, batch_size, rng),
        build_torch=later(
            "hwbench.dialects.torch_models", "build", spec=facts.spec, pretrained=facts.pretrained
        ),
        build_flax=later("hwbench.dialects.flax_models", "build", spec=facts.spec),
        parameters=lambda config: _count(facts, config, "parameters", facts.parameters),
        flops=lambda config: _count(facts, config, "flops", facts.flops or 0),
        dtypes=_HALVES if facts.library == "torch" else ("float32",),
        objectives=()
        if facts.loss == "cross_entropy"
        else (Objective(method="loss", trains="module"),),
        training_flops=lambda config: (
            _count(facts, config, "flops", facts.flops or 0) * (3 if facts.training_flops else 0)
        ),
        own=True,
        dialects=DIALECTS[facts.library],
        fingerprint=facts.fingerprint,
        untrainable=facts.untrainable,
    )
    return Network(name=facts.name, workload=workload, variant=workload.variants[""])


def _count(facts: ModelFacts, config: Mapping[str, int], what: str, whole: int) -> int:
    """Return a count of a model, or of a cut of it, which its configuration says the blocks of."""
    stack, layers = facts.stack, config.get("layers")
    if stack is None or layers is None or layers == stack.layers:
        return whole
    return int(getattr(stack, what)(layers))
