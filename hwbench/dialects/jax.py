"""Cases as jax programs, each compiled ahead of time for its shapes and its device.

Ahead of time because the precision of float32 products is part of a trace: a program that were
traced again in another case's precision would silently be another program.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import partial
from typing import Any

from hwbench.case import Case
from hwbench.dialects import jax_device as on
from hwbench.dialects import jax_training, jax_variables, jax_ways, refusals
from hwbench.dialects.jax_variables import dtype_of
from hwbench.dialects.rounding import storage, to_storage, widened
from hwbench.errors import Unavailable
from hwbench.kernel import Kernel
from hwbench.runtime import Answer, Program
from hwbench.workload import Config, Workload

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
        drawn = kernel.inputs(case.shape, rng)
        if kernel.host_inputs:
            return _fitted(jax, drawn, case.dtype)
        return to_device(jax, drawn, case.dtype, device)

    with precision(jax, case.dtype, case.device):
        if case.phase == "backward":
            parts = _backward(jax, function, draw, rng)
        elif kernel.host_inputs:  # a transfer is jax's own act: there is nothing to compile
            parts = _forward(partial(function, device), draw(rng), draw)
        else:
            inputs = draw(rng)
            parts = _forward(_compiled(jax.jit(function), *inputs), inputs, draw)
    return _program(jax, case, device, *parts)


def prepare_workload(
    workload: Workload,
    config: Config,
    case: Case,
    rng: Any,
    export: str | None = None,
    build: jax_ways.Trained | None = None,
) -> Program:
    """Make a network ready for inference or for training steps: its own, or of a part of it."""
    jax = on.library()
    device = on.place(jax, case.device)
    half = case.dtype if case.phase == "inference" else "float32"  # training keeps float32 weights

    def draw(rng: Any) -> tuple[tuple[Any, ...], Any]:
        inputs, targets = workload.batch(config, case.batch_size or 1, rng)
        *placed, labels = to_device(jax, (*inputs, targets), half, device)
        return tuple(placed), labels

    inputs, targets = draw(rng)
    model = workload.build_flax(config, storage(case.dtype))
    shapes = jax_variables.shapes(workload, model, inputs, targets)
    variables = jax_variables.begun(workload, model, shapes, inputs, half, device)
    taught = None
    with precision(jax, case.dtype, case.device):
        if case.phase == "inference":
            parts = _inference(jax, model, variables, inputs, draw)
        elif build is not None:
            state, step, taught = jax_ways.state_and_step(
                jax, workload, model, variables, inputs, device, build
            )
            parts = _training(jax, step, state, inputs, targets, draw)
        else:
            state = jax_training.start(jax, workload, variables, device)
            step = jax_training.train_step(jax, workload, model)
            parts = _training(jax, step, state, inputs, targets, draw)
    return replace(_program(jax, case, device, *parts), taught=taught)


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


def precision(jax: Any, dtype: str, device: str) -> AbstractContextManager[Any]:
    """Return the context in which to trace: on a GPU float32 products are TF32 unless told."""
    wanted = {"float32": "highest", "tf32": "tensorfloat32"}.get(dtype)
    if wanted is None or device == "cpu":
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


def _forward(run: Any, drawn: Sequence[Any], draw: Callable[..., Any]) -> Parts:
    """Return the parts of a forward call. Inputs are arguments: a constant would be folded."""
    inputs = list(drawn)

    def renew(rng: Any) -> None:
        inputs[:] = draw(rng)

    def answer(steps: int) -> Answer:
        outputs = run(*inputs)
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        return Answer(inputs=_arrays(inputs), outputs=_arrays(outputs))

    return lambda: run(*inputs), renew, answer


def _backward(jax: Any, function: Any, draw: Callable[..., Any], rng: Any) -> Parts:
    """Return the parts of a backward pass: the pull-back alone, activations as its argument."""
    kept: dict[str, Any] = {"inputs": draw(rng)}

    def differentiate(*inputs: Any) -> Any:
        sought = [
            i for i, x in enumerate(inputs) if jax.numpy.issubdtype(x.dtype, jax.numpy.floating)
        ]

        def of_sought(*values: Any) -> Any:
            given = dict(zip(sought, values, strict=True))
            return function(*(given.get(i, x) for i, x in enumerate(inputs)))

        return jax.vjp(of_sought, *(inputs[i] for i in sought))

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
    train_step: Callable[..., Any],
    start: Any,
    drawn: Sequence[Any],
    labels: Any,
    draw: Callable[..., Any],
) -> Parts:
    """Return the parts of a training step; the state is donated from one step to the next."""
    kept: dict[str, Any] = {"state": start, "inputs": tuple(drawn), "targets": labels}
    train = jax.jit(train_step, donate_argnums=0)
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


def to_device(jax: Any, values: Sequence[Any], dtype: str, device: Any) -> tuple[Any, ...]:
    """Return NumPy arrays on `device`, as `_fitted` makes them."""
    return tuple(jax.device_put(v, device, may_alias=False) for v in _fitted(jax, values, dtype))


def _fitted(jax: Any, values: Sequence[Any], dtype: str) -> tuple[Any, ...]:
    """Return NumPy arrays, floats rounded to `dtype`, integers in jax's 32 bits."""
    import numpy as np

    made = [to_storage(v, dtype) for v in values]
    kinds = {"f": dtype_of(jax, dtype), "i": np.dtype(np.int32)}
    return tuple(v if v.dtype == np.int8 else v.astype(kinds[v.dtype.kind]) for v in made)


def _normal_like(jax: Any, array: Any, rng: Any) -> Any:
    """Return a standard normal array of the same shape, dtype and device."""
    drawn = rng.standard_normal(array.shape).astype(array.dtype)
    return jax.device_put(drawn, array.sharding, may_alias=False)


def _arrays(values: Sequence[Any]) -> tuple[Any, ...]:
    """Return jax arrays as NumPy arrays of their own, in float64 or int64."""
    import numpy as np

    return tuple(widened(np.asarray(v)) for v in values)
