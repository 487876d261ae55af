"""What a Flax model of the user's own is, found by tracing it: all that a workload's file says."""

import hashlib
from math import prod
from typing import Any

from hwbench.dialects.flax_models import MODES, adapted, arguments, made_of, needs_random, takes
from hwbench.dialects.jax_device import library
from hwbench.dialects.user_code import Given, loss_problem, raised, wrong
from hwbench.model_facts import Loss, ModelFacts, OptimizerFacts, TensorFacts
from hwbench.model_spec import ModelSpec
from hwbench.own_draw import drawn

RATE = 1e-3  # of AdamW


def facts(spec: ModelSpec, name: str) -> ModelFacts:
    """Trace a model forward and say what it is; raise BadInput."""
    import numpy as np

    jax = library()
    found = made_of(spec)
    if not (hasattr(found.model, "init") and hasattr(found.model, "apply")):
        raise wrong(
            spec, f"gives a {type(found.model).__name__}: neither a torch nor a Flax module"
        )
    if found.inputs is None:
        raise wrong(spec, "returned a Flax module without inputs: return (module, inputs)")
    args, named = arguments(found)
    batch = {n: np.asarray(v) for n, v in (*enumerate(args), *named.items())}
    lengths = {len(v) if v.ndim else 0 for v in batch.values()}
    if len(lengths) != 1 or not lengths - {0}:
        raise wrong(spec, "gives inputs whose first dimension is not one batch")
    (items,) = lengths
    model = adapted(spec, found)
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
    loss, targets, notes = _trains_by(spec, found, output.shape, inputs[0])
    config = _config(inputs[0], output.shape, loss)
    if parameters:
        _check_loss(spec, model, variables, inputs, targets)
    mode = next((m for m in MODES if takes(found.model, m)), None)
    if mode is not None and needs_random(found, mode):
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
        optimizer=_optimizer(spec, found, variables),
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


def _trains_by(
    spec: ModelSpec, found: Given, shape: tuple[int, ...], first: Any
) -> tuple[Loss, TensorFacts, list[str]]:
    """Return by what it trains, what the targets are like, and what was chosen for the user."""
    import numpy as np

    given_targets = None
    if found.targets is not None:
        array = np.asarray(found.targets)
        if not array.ndim or len(array) != len(first):
            raise wrong(spec, "gives targets that are not as many as its inputs")
        given_targets = _facts_of(array, None)
    nobody = TensorFacts(shape=(), dtype="int64")
    if found.loss is not None:
        problem = loss_problem(found.loss, 1 if found.targets is None else 2)
        if problem:
            raise wrong(spec, problem)
        return "own", given_targets or nobody, []
    if given_targets is not None and given_targets.dtype == "float32":
        return "own", given_targets, ["no loss was given: the mean square of output less targets"]
    logits = len(shape) == 2 or (len(shape) == 3 and first.dtype.kind in "iu")
    if logits and shape[-1] > 1:
        classes = TensorFacts(shape=tuple(shape[1:-1]), dtype="int64", high=shape[-1] - 1)
        said = "no loss was given: cross-entropy of its last dimension"
        return "cross_entropy", given_targets or classes, [said]
    said = f"no loss was given: the mean square of its output {shape[1:]}"
    return "squares", nobody, [said]


def _check_loss(
    spec: ModelSpec, model: Any, variables: Any, inputs: tuple[Any, ...], targets: TensorFacts
) -> None:
    """Trace the loss; raise BadInput for what it raises, or for no number."""
    import numpy as np

    jax = library()
    labels = drawn(targets, len(inputs[0]), np.random.default_rng(0))
    try:
        value, _ = jax.eval_shape(
            lambda v: model.apply(
                v, *inputs, labels, method="loss", mutable=["batch_stats", "intermediates"]
            ),
            variables,
        )
    except Exception as e:
        raise raised(spec, e, "when its loss was traced") from None
    if getattr(value, "shape", None) != ():
        said = f"{value.dtype} of shape {value.shape}" if hasattr(value, "shape") else type(value)
        raise wrong(spec, f"has a loss that gives {said}, not one number")


def _optimizer(spec: ModelSpec, found: Given, variables: Any) -> OptimizerFacts:
    """Return what its optimiser is: the number of moments is counted in the state it begins with.

    The rate of an optimiser of optax lies within functions, and is not known.
    """
    if found.optimizer is None:
        return OptimizerFacts(name="adamw", learning_rate=RATE, said="AdamW, by default")
    own = found.optimizer
    if not (hasattr(own, "init") and hasattr(own, "update")):
        raise wrong(
            spec, f"gives a {type(own).__name__} for an optimiser, which has no init and update"
        )
    jax = library()
    params = variables.get("params", {})
    try:
        state = jax.eval_shape(own.init, params)
    except Exception as e:
        raise raised(spec, e, "when its optimiser was begun") from None
    numbers = sum(prod(leaf.shape) for leaf in jax.tree.leaves(state))
    weights = max(1, sum(prod(leaf.shape) for leaf in jax.tree.leaves(params)))
    moments = round(numbers / weights)
    return OptimizerFacts(
        name="adamw" if moments > 1 else "sgd",
        learning_rate=None,
        moments=moments,
        own=True,
        said=f"its optimiser of optax, {moments} moments",
    )


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
