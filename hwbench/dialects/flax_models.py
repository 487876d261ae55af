"""Models of the user's own in Flax: found out by being traced, and made to train as any network."""

import hashlib
import inspect
from collections.abc import Mapping
from math import prod
from typing import Any

from hwbench.dialects.jax_device import library
from hwbench.dialects.user_code import Given, given, raised, wrong
from hwbench.model_facts import Loss, ModelFacts, OptimizerFacts, TensorFacts
from hwbench.model_spec import ModelSpec, parse

RATE = 1e-3  # of AdamW
_MODES = ("train", "training", "deterministic")  # arguments that say whether it learns


def build(config: Mapping[str, int], dtype: str, spec: str) -> Any:
    """Return the Flax module of a spec, as hwbench calls it; raise BadInput."""
    asked = parse(spec)
    return _adapted(asked, given(asked))


def _adapted(spec: ModelSpec, found: Given) -> Any:
    """Return a module of the call `(*inputs, train)`, with `loss` for one that gives no logits."""
    import flax.linen as nn
    import jax.numpy as jnp

    names = list(found.inputs) if isinstance(found.inputs, Mapping) else []
    mode = next((m for m in _MODES if _takes(found.model, m)), None)
    learns = mode is not None and not _needs_random(found, mode)

    class Adapted(nn.Module):
        module: Any

        def __call__(self, *inputs: Any, train: bool = False) -> Any:
            return _first(self._output(inputs, train))

        def loss(self, *inputs_and_targets: Any) -> Any:
            *inputs, _ = inputs_and_targets
            import jax

            parts = jax.tree.leaves(self._output(tuple(inputs), True))
            return sum(jnp.square(p.astype("float32")).mean() for p in parts)

        def _output(self, inputs: tuple[Any, ...], train: bool) -> Any:
            more: dict[str, Any] = {}
            if mode is not None:
                on = train and learns
                more[mode] = not on if mode == "deterministic" else on
            if names:
                return self.module(**dict(zip(names, inputs, strict=True)), **more)
            return self.module(*inputs, **more)

    return Adapted(module=found.model.clone(parent=None))


def _takes(model: Any, argument: str) -> bool:
    return argument in inspect.signature(type(model).__call__).parameters


def _needs_random(found: Given, mode: str) -> bool:
    """Return whether the module draws random numbers when it learns, which none gives it here."""
    jax = library()
    more = {mode: mode != "deterministic"}
    args, named = _arguments(found)
    try:
        variables = jax.eval_shape(
            lambda k: found.model.init(k, *args, **named, **{mode: mode == "deterministic"}),
            jax.random.key(0),
        )
        jax.eval_shape(
            lambda v: found.model.apply(v, *args, **named, **more, mutable=["batch_stats"]),
            variables,
        )
    except Exception as e:
        return "Rng" in type(e).__name__ or "rng" in str(e).lower()
    return False


def _arguments(found: Given) -> tuple[tuple[Any, ...], dict[str, Any]]:
    if isinstance(found.inputs, Mapping):
        return (), dict(found.inputs)
    inputs = found.inputs
    return (tuple(inputs) if isinstance(inputs, (tuple, list)) else (inputs,)), {}


def _first(output: Any) -> Any:
    return library().tree.leaves(output)[0]


def facts(spec: ModelSpec, name: str) -> ModelFacts:
    """Trace a model forward and say what it is; raise BadInput."""
    import numpy as np

    jax = library()
    found = given(spec)
    if not (hasattr(found.model, "init") and hasattr(found.model, "apply")):
        raise wrong(
            spec, f"gives a {type(found.model).__name__}: neither a torch nor a Flax module"
        )
    if found.inputs is None:
        raise wrong(spec, "returned a Flax module without inputs: return (module, inputs)")
    if found.loss is not None or found.optimizer is not None:
        raise wrong(spec, "gives a loss or an optimiser, which are taken of torch modules only")
    args, named = _arguments(found)
    batch = {n: np.asarray(v) for n, v in (*enumerate(args), *named.items())}
    lengths = {len(v) if v.ndim else 0 for v in batch.values()}
    if len(lengths) != 1 or not lengths - {0}:
        raise wrong(spec, "gives inputs whose first dimension is not one batch")
    (items,) = lengths
    model = _adapted(spec, found)
    inputs = tuple(batch.values())
    try:
        variables = jax.eval_shape(lambda k: model.init(k, *inputs), jax.random.key(0))
        traced = jax.make_jaxpr(lambda v: model.apply(v, *inputs))(variables)
        output = jax.eval_shape(lambda v: model.apply(v, *inputs), variables)
    except Exception as e:
        raise raised(spec, e, "when it was traced on its inputs") from None
    flops, why = _flops(traced.jaxpr)
    leaves = jax.tree.leaves(variables["params"]) if "params" in variables else []
    parameters = sum(prod(leaf.shape) for leaf in leaves)
    loss, targets, said = _trains_by(output.shape, inputs[0])
    config = _config(inputs[0], output.shape, loss)
    notes = [said]
    mode = next((m for m in _MODES if _takes(found.model, m)), None)
    if mode is not None and _needs_random(found, mode):
        notes.append("it draws random numbers when it learns (dropout): it is run without")
    digest = hashlib.sha256(str(traced).encode()).hexdigest()
    return ModelFacts(
        spec=spec.text,
        name=name,
        summary=f"{type(found.model).__name__} of {spec.target}, in Flax",
        library="flax",
        item=found.item or ("image" if "image" in config else "item"),
        batch_size=items,
        inputs=tuple(_facts_of(v, n if isinstance(n, str) else None) for n, v in batch.items()),
        targets=targets,
        loss=loss,
        optimizer=OptimizerFacts(name="adamw", learning_rate=RATE, said="AdamW, by default"),
        parameters=parameters,
        trainable_parameters=parameters,
        flops=None if flops is None else flops // items,
        flops_reason=why,
        untrainable=None if parameters else "it has no parameters",
        config=config,
        shape={k: v for k, v in config.items() if k in ("image", "seq", "features")},
        version=1 + int(digest[:7], 16),
        fingerprint=digest[:20],
        notes=tuple(notes),
    )


def _facts_of(array: Any, name: str | None) -> TensorFacts:
    shape = tuple(array.shape[1:])
    if array.dtype.kind in "iu":
        low, high = int(array.min()), int(array.max())
        return TensorFacts(shape=shape, dtype="int64", name=name, low=low, high=high)
    if array.dtype.kind == "b":
        return TensorFacts(shape=shape, dtype="bool", name=name, high=1)
    mean, sd = float(array.mean()), float(array.std())
    return TensorFacts(shape=shape, dtype="float32", name=name, mean=mean, sd=sd)


def _trains_by(shape: tuple[int, ...], first: Any) -> tuple[Loss, TensorFacts, str]:
    logits = len(shape) == 2 or (len(shape) == 3 and first.dtype.kind in "iu")
    if logits and shape[-1] > 1:
        targets = TensorFacts(shape=tuple(shape[1:-1]), dtype="int64", high=shape[-1] - 1)
        return "cross_entropy", targets, "no loss was given: cross-entropy of its last dimension"
    targets = TensorFacts(shape=(), dtype="int64")
    return "squares", targets, f"no loss was given: the mean square of its output {shape[1:]}"


def _config(first: Any, output: tuple[int, ...], loss: Loss) -> dict[str, int]:
    sizes: dict[str, int] = {}
    if first.ndim == 4:  # images as Flax has them: height, width, channels
        sizes = {"image": first.shape[1], "channels": first.shape[3]}
    elif first.ndim == 2 and first.dtype.kind in "iu":
        sizes = {"seq": first.shape[1], "vocab": int(first.max()) + 1}
    elif first.ndim == 2:
        sizes = {"features": first.shape[1]}
    if loss == "cross_entropy" and len(output) == 2:
        sizes["classes"] = output[-1]
    return sizes


def _flops(jaxpr: Any) -> tuple[int | None, str | None]:
    """Return the FLOPs of all products and convolutions in a trace, or None and why not."""
    total = 0
    for equation in jaxpr.eqns:
        name, params = equation.primitive.name, equation.params
        out = prod(equation.outvars[0].aval.shape) if equation.outvars else 0
        if name == "dot_general":
            (contracted, _), _ = params["dimension_numbers"]
            left = equation.invars[0].aval.shape
            total += 2 * out * prod(left[i] for i in contracted)
        elif name == "conv_general_dilated":
            kernel = equation.invars[1].aval.shape
            features = params["dimension_numbers"].rhs_spec[0]
            total += 2 * out * prod(kernel) // kernel[features]
        elif name == "while":
            return None, "it has a loop of a length that only running it tells"
        else:
            times = params.get("length", 1) if name == "scan" else 1
            for inner in _inside(params.values()):
                found, why = _flops(inner)
                if found is None:
                    return None, why
                total += times * found
    return total, None


def _inside(values: Any) -> list[Any]:
    """Return the traces that an equation's parameters hold."""
    found = []
    for value in values:
        for one in value if isinstance(value, (tuple, list)) else (value,):
            inner = getattr(one, "jaxpr", one)
            if hasattr(inner, "eqns"):
                found.append(inner)
    return found
