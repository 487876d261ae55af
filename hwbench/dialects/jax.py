"""Cases as jax programs, each compiled ahead of time for its shapes and its device.

Ahead of time because the precision of float32 products is part of a trace: a program that were
traced again in another case's precision would silently be another program.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any

from hwbench import weights
from hwbench.case import Case
from hwbench.dialects import jax_device as on
from hwbench.dialects import refusals
from hwbench.dialects.rounding import storage, to_storage
from hwbench.errors import Unavailable
from hwbench.kernel import Kernel
from hwbench.runtime import Answer, Program
from hwbench.workload import Config, Optimizer, Workload

Parts = tuple[Callable[[], Any], Callable[[Any], None], Callable[[int], Answer]]


def supports(case: Case) -> str | None:
    """Return why jax never runs `case`, or None."""
    return refusals.common(case, "jax", on.FAMILIES)


def prepare_kernel(kernel: Kernel, case: Case, rng: Any) -> Program:
    """Make a kernel ready: its forward call, or its backward pass on kept activations."""
    if kernel.build_jax is None:
        raise Unavailable(f"kernel {kernel.name} has no jax form")
    jax = on.library()
    device = on.place(jax, case.device)
    function = kernel.build_jax(case.shape, storage(case.dtype))

    def draw(rng: Any) -> tuple[Any, ...]:
        return _placed(jax, kernel.inputs(case.shape, rng), case.dtype, device)

    make = _backward if case.phase == "backward" else _forward
    with _precision(jax, case):
        parts = make(jax, function, draw, rng)
    return _program(jax, case, device, *parts)


def prepare_workload(
    workload: Workload, config: Config, case: Case, rng: Any, export: str | None = None
) -> Program:
    """Make a network ready for inference or for training steps."""
    jax = on.library()
    device = on.place(jax, case.device)
    half = case.dtype if case.phase == "inference" else "float32"  # training keeps float32 weights

    def draw(rng: Any) -> tuple[tuple[Any, ...], Any]:
        inputs, targets = workload.batch(config, case.batch_size or 1, rng)
        *placed, labels = _placed(jax, (*inputs, targets), half, device)
        return tuple(placed), labels

    inputs, targets = draw(rng)
    model = workload.build_flax(config, storage(case.dtype))
    variables = _variables(jax, workload, model, inputs, half, device)
    with _precision(jax, case):
        if case.phase == "inference":
            parts = _inference(jax, model, variables, inputs, draw)
        else:
            state = _start(jax, workload.optimizer, variables, device)
            parts = _training(jax, model, workload.optimizer, state, inputs, targets, draw)
    return _program(jax, case, device, *parts)


def _program(
    jax: Any,
    case: Case,
    device: Any,
    step: Callable[[], Any],
    renew: Callable[[Any], None],
    answer: Callable[[int], Answer],
) -> Program:
    """Put what the device adds around the parts of a program.

    A GPU's stream runs one iteration after the other. The processor's thread pool would run
    independent ones side by side, so there each step waits for its own.
    """

    def step_and_wait() -> Any:
        return jax.block_until_ready(step())

    def wait(result: Any) -> None:
        jax.block_until_ready(result)

    return Program(
        step=step_and_wait if device.platform == "cpu" else step,
        wait=wait,
        renew=renew,
        answer=answer,
        flush=on.flusher(jax, device) if case.scenario == "cold" else None,
        device_peak_bytes=partial(on.peak_bytes, device),
    )


def _precision(jax: Any, case: Case) -> AbstractContextManager[Any]:
    """Return the context in which to trace: on a GPU float32 products are TF32 unless told."""
    wanted = {"float32": "highest", "tf32": "tensorfloat32"}.get(case.dtype)
    if wanted is None or case.device == "cpu":
        return nullcontext()
    context: AbstractContextManager[Any] = jax.default_matmul_precision(wanted)
    return context


def _compiled(function: Any, *arguments: Any) -> Any:
    """Compile a jitted `function`; raise Unavailable where jax lacks the dtype on the device."""
    try:
        return function.lower(*arguments).compile()
    except ValueError as e:
        if "is not supported by" in str(e):  # such as F16_F16_F32 products on a processor
            raise Unavailable(f"jax: {e}") from e
        raise


def _forward(jax: Any, function: Any, draw: Callable[..., Any], rng: Any) -> Parts:
    """Return the parts of a forward call. Inputs are arguments: a constant would be folded."""
    inputs = list(draw(rng))
    run = _compiled(jax.jit(function), *inputs)

    def renew(rng: Any) -> None:
        inputs[:] = draw(rng)

    def answer(steps: int) -> Answer:
        return Answer(inputs=_arrays(inputs), outputs=_arrays((run(*inputs),)))

    return lambda: run(*inputs), renew, answer


def _backward(jax: Any, function: Any, draw: Callable[..., Any], rng: Any) -> Parts:
    """Return the parts of a backward pass: the pull-back alone, activations as its argument."""
    kept: dict[str, Any] = {"inputs": draw(rng)}

    def differentiate(*inputs: Any) -> Any:
        return jax.vjp(function, *inputs)

    # Compiled too, so that every pull-back has one tree of activations and is compiled once.
    forward = _compiled(jax.jit(differentiate), *kept["inputs"])
    output, kept["pull"] = forward(*kept["inputs"])
    kept["cotangent"] = _normal_like(jax, output, rng)
    pull_back = jax.jit(lambda pull, cotangent: pull(cotangent))
    run = _compiled(pull_back, kept["pull"], kept["cotangent"])

    def step() -> Any:
        return run(kept["pull"], kept["cotangent"])

    def renew(rng: Any) -> None:
        kept["inputs"] = draw(rng)
        output, kept["pull"] = forward(*kept["inputs"])
        kept["cotangent"] = _normal_like(jax, output, rng)

    def answer(steps: int) -> Answer:
        (cotangent,) = _arrays((kept["cotangent"],))
        return Answer(inputs=_arrays(kept["inputs"]), outputs=_arrays(step()), cotangent=cotangent)

    return step, renew, answer


def _inference(
    jax: Any, model: Any, variables: Any, drawn: Sequence[Any], draw: Callable[..., Any]
) -> Parts:
    """Return the parts of a forward pass in evaluation mode."""
    inputs = list(drawn)
    run = _compiled(jax.jit(partial(model.apply, train=False)), variables, *inputs)

    def renew(rng: Any) -> None:
        inputs[:] = draw(rng)[0]

    def answer(steps: int) -> Answer:
        return Answer(inputs=_arrays(inputs), outputs=_arrays((run(variables, *inputs),)))

    return lambda: run(variables, *inputs), renew, answer


def _training(
    jax: Any,
    model: Any,
    spec: Optimizer,
    start: Any,
    drawn: Sequence[Any],
    labels: Any,
    draw: Callable[..., Any],
) -> Parts:
    """Return the parts of a training step; the state is donated from one step to the next."""
    kept: dict[str, Any] = {"state": start, "inputs": tuple(drawn), "targets": labels}
    train = jax.jit(_train_step(jax, model, spec), donate_argnums=0)
    run = _compiled(train, start, kept["inputs"], labels)

    def step() -> Any:
        kept["state"], loss = run(kept["state"], kept["inputs"], kept["targets"])
        return loss

    def renew(rng: Any) -> None:
        kept["inputs"], kept["targets"] = draw(rng)

    def answer(steps: int) -> Answer:
        import numpy as np

        losses = np.array([float(step()) for _ in range(steps)])
        return Answer(inputs=_arrays(kept["inputs"]), outputs=(losses,))

    return step, renew, answer


def _train_step(jax: Any, model: Any, spec: Optimizer) -> Callable[..., Any]:
    """Return the pure step (state, inputs, targets) -> (state, loss before the step)."""
    import optax

    optimizer = _optimizer(spec)

    def loss_of(params: Any, rest: Any, inputs: Any, targets: Any) -> Any:
        variables = {"params": params, **rest}
        logits, rest = model.apply(variables, *inputs, train=True, mutable=["batch_stats"])
        cross_entropy = optax.softmax_cross_entropy_with_integer_labels
        return cross_entropy(logits.astype("float32"), targets).mean(), rest

    def step(state: Any, inputs: Any, targets: Any) -> Any:
        params, rest, momenta = state
        gradient = jax.value_and_grad(loss_of, has_aux=True)
        (loss, rest), slopes = gradient(params, rest, inputs, targets)
        updates, momenta = optimizer.update(slopes, momenta, params)
        return (optax.apply_updates(params, updates), rest, momenta), loss

    return step


def _optimizer(spec: Optimizer) -> Any:
    """Return the optimiser of the definition, in the form that torch gives it.

    torch.optim.SGD adds the decay to the gradient before the momentum; AdamW decouples it.
    """
    import optax

    if spec.name == "sgd":
        sgd = optax.sgd(spec.learning_rate, momentum=spec.momentum or None)
        return optax.chain(optax.add_decayed_weights(spec.weight_decay), sgd)
    return optax.adamw(
        spec.learning_rate,
        b1=spec.beta1,
        b2=spec.beta2,
        eps=spec.epsilon,
        weight_decay=spec.weight_decay,
    )


def _start(jax: Any, spec: Optimizer, variables: Any, device: Any) -> Any:
    """Return the state before the first step: parameters, batch statistics, momenta."""
    rest = {k: v for k, v in variables.items() if k != "params"}
    momenta = _optimizer(spec).init(variables["params"])
    return jax.device_put((variables["params"], rest, momenta), device)


def _variables(
    jax: Any, workload: Workload, model: Any, inputs: Sequence[Any], dtype: str, device: Any
) -> Any:
    """Return the network's variables from hwbench.weights, parameters rounded to `dtype`."""
    init = partial(model.init, train=False)
    shapes = jax.eval_shape(init, jax.random.key(0), *inputs)
    variables = weights.flax_variables(shapes, workload.embeddings)
    params = jax.tree.map(lambda leaf: leaf.astype(_dtype(jax, dtype)), variables["params"])
    return jax.device_put({**variables, "params": params}, device, may_alias=False)


def _dtype(jax: Any, name: str) -> Any:
    """Return the NumPy dtype for a case's; jax brings a bfloat16."""
    return jax.numpy.dtype(storage(name))


def _placed(jax: Any, values: Sequence[Any], dtype: str, device: Any) -> tuple[Any, ...]:
    """Return NumPy arrays on `device`, floats rounded to `dtype`, integers in jax's 32 bits."""
    import numpy as np

    made = [to_storage(v, dtype) for v in values]
    kinds = {"f": _dtype(jax, dtype), "i": np.dtype(np.int32)}
    fitted = [v if v.dtype == np.int8 else v.astype(kinds[v.dtype.kind]) for v in made]
    return tuple(jax.device_put(v, device, may_alias=False) for v in fitted)


def _normal_like(jax: Any, array: Any, rng: Any) -> Any:
    """Return a standard normal array of the same shape, dtype and device."""
    drawn = rng.standard_normal(array.shape).astype(array.dtype)
    return jax.device_put(drawn, array.sharding, may_alias=False)


def _arrays(values: Sequence[Any]) -> tuple[Any, ...]:
    """Return jax arrays as float64 NumPy arrays of their own."""
    import numpy as np

    return tuple(np.asarray(v).astype(np.float64) for v in values)
