"""Cases as torch programs: eager as they are, or compiled through `transform`.

`transform(callable, phase)` is applied once to the kernel's function or to the model; of a model
in training that has objectives, to each of their methods.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from hwbench import weights
from hwbench.case import TASKS, Case
from hwbench.dialects import refusals
from hwbench.dialects import torch_device as on
from hwbench.dialects.rounding import storage
from hwbench.dialects.torch_settings import step_of
from hwbench.dialects.torch_tensors import arrays, normal_like, refill, tensors, torch_dtype
from hwbench.dialects.torch_training import Transform, autocast_of, losses, train_step
from hwbench.dialects.torch_ways import ground_of, made, prepared
from hwbench.errors import Unavailable
from hwbench.kernel import Kernel
from hwbench.runtime import Answer, Program
from hwbench.setting import Setting
from hwbench.stepping import Build, Ground, Inputs
from hwbench.workload import Config, Workload

Parts = tuple[Callable[[], Any], Callable[[Any], None], Callable[[int], Answer]]


def as_it_is(function: Any, phase: str) -> Any:
    """Return `function`: the transform of eager execution."""
    return function


def configure(threads: int) -> None:
    """Set the threads of one operation."""
    on.library().set_num_threads(threads)


def supports(case: Case) -> str | None:
    """Return why torch never runs `case`, or None."""
    return refusals.common(case, "torch", on.FAMILIES)


def prepare_kernel(
    kernel: Kernel, case: Case, rng: Any, transform: Transform = as_it_is
) -> Program:
    """Make a kernel ready: its forward call, or its backward pass on kept activations."""
    if kernel.build_torch is None:
        raise Unavailable(f"kernel {kernel.name} has no torch form")
    torch = on.library()
    device = on.place(torch, case.device)
    function = transform(kernel.build_torch(case.shape, storage(case.dtype)), case.phase)
    if kernel.host_inputs:
        function = partial(function, device)

    def draw(rng: Any) -> tuple[Any, ...]:
        drawn = kernel.inputs(case.shape, rng)
        if kernel.host_inputs:
            return on.in_host_memory(tensors(torch, drawn, case.dtype, torch.device("cpu")), device)
        return tensors(torch, drawn, case.dtype, device)

    on.set_precision(torch, case.dtype)
    make = _backward if case.phase == "backward" else _forward
    return _program(torch, case, device, *make(torch, function, draw, rng))


def prepare_workload(
    workload: Workload,
    config: Config,
    case: Case,
    rng: Any,
    export: str | None = None,
    build: Build | None = None,
    transform: Transform = as_it_is,
    settings: tuple[Setting, ...] = (),
) -> Program:
    """Make a network ready for inference or for training steps: its own, or those of `build`.

    `settings` change how its own step is computed.
    """
    torch = on.library()
    device = on.place(torch, case.device)
    batch_size = case.batch_size or 1
    half = case.dtype if case.phase == "inference" else "float32"  # training keeps float32 weights

    def draw(rng: Any) -> tuple[tuple[Any, ...], Any]:
        inputs, targets = workload.batch(config, batch_size, rng)
        *placed, labels = tensors(torch, (*inputs, targets), half, device)
        return tuple(placed), labels

    on.set_precision(torch, case.dtype)
    model = network(torch, workload, config).to(device, torch_dtype(torch, half))
    if case.phase == "inference":
        run = transform(model.eval(), case.phase)
        return _program(torch, case, device, *_inference(torch, run, draw, rng))
    autocast = autocast_of(torch, device, case.dtype)
    if build is not None:
        ground = ground_of(
            torch,
            workload,
            config,
            model.train(),
            device=device,
            dtype=case.dtype,
            autocast=autocast,
            transform=transform,
            tasks=_tasks(case),
        )
        return _by_way(torch, case, device, build, ground, draw, rng)
    if settings:
        with_settings = step_of(
            torch, workload, model.train(), device, settings, autocast=autocast, transform=transform
        )
        return _program(
            torch,
            case,
            device,
            *_training(torch, lambda x, y: lambda: with_settings(x, y), draw, rng),
        )
    make = partial(train_step, torch, workload, model.train(), transform, autocast=autocast)
    return _program(torch, case, device, *_training(torch, make, draw, rng))


def _tasks(case: Case) -> int | None:
    tasks = case.options.get(TASKS)
    return None if tasks is None else int(tasks)


def _by_way(
    torch: Any,
    case: Case,
    device: Any,
    build: Build,
    ground: Ground,
    draw: Callable[..., Any],
    rng: Any,
) -> Program:
    """Make a step by a shortcut or a hardening ready, with what it trains and computes."""
    way = made(build, ground)
    once_s: list[float | None] = []

    def make(inputs: Inputs, targets: Any) -> Callable[[], Any]:
        taken, labels, took_s = prepared(way.stepper, inputs, targets)
        once_s.append(took_s)
        return lambda: way.stepper.step(taken, labels)

    program = _program(torch, case, device, *_training(torch, make, draw, rng))
    if way.stepper.once is not None:  # the step reads what was made of the first inputs
        program.renew = lambda rng: None
    items = case.batch_size or 1
    taught = replace(way.taught, once_s_per_item=once_s[0] and once_s[0] / items)
    return replace(program, taught=taught)


def _program(
    torch: Any,
    case: Case,
    device: Any,
    step: Callable[[], Any],
    renew: Callable[[Any], None],
    answer: Callable[[int], Answer],
) -> Program:
    """Put what the device adds around the parts of a program."""
    step = on.precise(torch, step, device, case.dtype)
    return Program(
        step=step,
        wait=on.waiter(torch, device),
        renew=renew,
        answer=answer,
        timer=on.event_timer(torch.cuda, step) if device.type == "cuda" else None,
        flush=on.flusher(torch, device) if case.scenario == "cold" else None,
        device_peak_bytes=on.peak_bytes(torch, device),
    )


def _forward(torch: Any, function: Any, draw: Callable[..., Any], rng: Any) -> Parts:
    """Return the parts of a forward call, without anything recorded for a gradient."""
    inputs = draw(rng)

    @torch.inference_mode()  # type: ignore[untyped-decorator]
    def step() -> Any:
        return function(*inputs)

    def renew(rng: Any) -> None:
        refill(torch, inputs, draw(rng))

    def answer(steps: int) -> Answer:
        kept = arrays(torch, inputs)  # before the step, which may change them in place
        outputs = step()
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        return Answer(inputs=kept, outputs=arrays(torch, outputs))

    return step, renew, answer


def _backward(torch: Any, function: Any, draw: Callable[..., Any], rng: Any) -> Parts:
    """Return the parts of a backward pass: the gradients of <cotangent, f(inputs)> alone."""
    inputs = draw(rng)
    sought = tuple(t.requires_grad_() for t in inputs if t.is_floating_point())
    output = [function(*inputs)]
    cotangent = normal_like(torch, output[0], rng)

    def step() -> Any:
        return torch.autograd.grad(output[0], sought, cotangent, retain_graph=True)

    def renew(rng: Any) -> None:
        refill(torch, inputs, draw(rng))
        output[0] = function(*inputs)  # the activations of the fresh inputs
        refill(torch, (cotangent,), (normal_like(torch, cotangent, rng),))

    def answer(steps: int) -> Answer:
        kept = arrays(torch, (*inputs, cotangent))
        return Answer(inputs=kept[:-1], outputs=arrays(torch, step()), cotangent=kept[-1])

    return step, renew, answer


def _inference(torch: Any, run: Any, draw: Callable[..., Any], rng: Any) -> Parts:
    """Return the parts of a forward pass in evaluation mode."""
    inputs, _ = draw(rng)

    @torch.inference_mode()  # type: ignore[untyped-decorator]
    def step() -> Any:
        return run(*inputs)

    def renew(rng: Any) -> None:
        refill(torch, inputs, draw(rng)[0])

    def answer(steps: int) -> Answer:
        return Answer(inputs=arrays(torch, inputs), outputs=arrays(torch, (step(),)))

    return step, renew, answer


def _training(
    torch: Any, make: Callable[..., Callable[[], Any]], draw: Callable[..., Any], rng: Any
) -> Parts:
    """Return the parts of a training step, which `make` makes for its inputs and targets."""
    inputs, targets = draw(rng)
    step = make(inputs, targets)

    def renew(rng: Any) -> None:
        fresh, labels = draw(rng)
        refill(torch, (*inputs, targets), (*fresh, labels))

    def answer(steps: int) -> Answer:
        return Answer(inputs=arrays(torch, inputs), outputs=(losses(step, steps),))

    return step, renew, answer


def network(torch: Any, workload: Workload, config: Config, seed: int = 0) -> Any:
    """Return the workload's torch module with the weights of hwbench.weights, in float32."""
    model = workload.build_torch(config)
    if workload.own:  # with the weights that its own code gives it
        return model
    weights.fill(model, workload.embeddings, seed)
    return model


def state_sizes(workload: Workload, config: Config) -> dict[str, tuple[int, ...]]:
    """Return the size of every parameter and buffer of the module, by name; none is allocated."""
    torch = on.library()
    with torch.device("meta"):
        state = workload.build_torch(config).state_dict()
    return {name: tuple(tensor.shape) for name, tensor in state.items()}


def reference_workload(
    workload: Workload, config: Config, phase: str, batch_size: int, seed: int, steps: int = 1
) -> Any:
    """Return what the network computes in float64 on the processor, as a NumPy array.

    Inference: the logits. Training: the loss before each of the first `steps` steps. Inputs and
    targets are `workload.batch(config, batch_size, default_rng(seed))`.
    """
    import numpy as np

    torch = on.library()
    drawn, labels = workload.batch(config, batch_size, np.random.default_rng(seed))
    *inputs, targets = tensors(torch, (*drawn, labels), "float64", torch.device("cpu"))
    model = network(torch, workload, config).double()
    if phase == "inference":
        with torch.inference_mode():
            return arrays(torch, (model.eval()(*inputs),))[0]
    step = train_step(torch, workload, model.train(), as_it_is, tuple(inputs), targets)
    if workload.objectives:  # each but the first is of what the one before it has left
        return losses(step, steps)
    before = losses(step, steps - 1)
    with torch.no_grad():  # the last loss needs no step after it
        logits = model(*inputs)
        last = torch.nn.functional.cross_entropy(logits.flatten(0, -2), targets.flatten())
    return np.append(before, float(last))
