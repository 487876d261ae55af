"""Cases as torch programs: eager as they are, or compiled through `transform`.

`transform(callable, phase)` is applied once to the kernel's function or to the model.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from hwbench import weights
from hwbench.case import Case
from hwbench.dialects import refusals
from hwbench.dialects import torch_device as on
from hwbench.dialects.rounding import storage
from hwbench.dialects.torch_tensors import arrays, normal_like, refill, tensors, torch_dtype
from hwbench.errors import Unavailable
from hwbench.kernel import Kernel
from hwbench.runtime import Answer, Program
from hwbench.workload import Config, Optimizer, Workload

Transform = Callable[[Any, str], Any]
Autocast = Callable[[], AbstractContextManager[Any]]
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

    def draw(rng: Any) -> tuple[Any, ...]:
        return tensors(torch, kernel.inputs(case.shape, rng), case.dtype, device)

    on.set_precision(torch, case.dtype)
    make = _backward if case.phase == "backward" else _forward
    return _program(torch, case, device, *make(torch, function, draw, rng))


def prepare_workload(
    workload: Workload,
    config: Config,
    case: Case,
    rng: Any,
    export: str | None = None,
    transform: Transform = as_it_is,
) -> Program:
    """Make a network ready for inference or for training steps."""
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
    run = transform(model.train(), case.phase)
    optimizer = _optimizer(torch, workload.optimizer, model.parameters())
    autocast = _autocast(torch, device, case.dtype)
    return _program(torch, case, device, *_training(torch, run, optimizer, autocast, draw, rng))


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
        return Answer(inputs=arrays(torch, inputs), outputs=arrays(torch, (step(),)))

    return step, renew, answer


def _backward(torch: Any, function: Any, draw: Callable[..., Any], rng: Any) -> Parts:
    """Return the parts of a backward pass: the gradients of <cotangent, f(inputs)> alone."""
    inputs = tuple(t.requires_grad_() for t in draw(rng))
    output = [function(*inputs)]
    cotangent = normal_like(torch, output[0], rng)

    def step() -> Any:
        return torch.autograd.grad(output[0], inputs, cotangent, retain_graph=True)

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
    torch: Any, run: Any, optimizer: Any, autocast: Autocast, draw: Callable[..., Any], rng: Any
) -> Parts:
    """Return the parts of a training step."""
    inputs, targets = draw(rng)
    step = _train_step(torch, run, optimizer, inputs, targets, autocast)

    def renew(rng: Any) -> None:
        fresh, labels = draw(rng)
        refill(torch, (*inputs, targets), (*fresh, labels))

    def answer(steps: int) -> Answer:
        return Answer(inputs=arrays(torch, inputs), outputs=(_losses(step, steps),))

    return step, renew, answer


def _train_step(
    torch: Any,
    run: Any,
    optimizer: Any,
    inputs: tuple[Any, ...],
    targets: Any,
    autocast: Autocast = nullcontext,
) -> Callable[[], Any]:
    """Return one whole step: forward, mean cross-entropy, backward, update. It returns the loss."""
    labels = targets.flatten()  # a view

    def step() -> Any:
        optimizer.zero_grad(set_to_none=True)
        with autocast():
            logits = run(*inputs)
            loss = torch.nn.functional.cross_entropy(logits.flatten(0, -2), labels)
        loss.backward()
        optimizer.step()
        return loss.detach()

    return step


def _autocast(torch: Any, device: Any, dtype: str) -> Autocast:
    """Return the context of the forward pass: bfloat16 is autocast over float32 weights."""
    if dtype == "bfloat16":
        return lambda: torch.autocast(device.type, dtype=torch.bfloat16)
    return nullcontext


def _optimizer(torch: Any, spec: Optimizer, parameters: Iterator[Any]) -> Any:
    """Return the optimiser of the definition, in torch's own defaults otherwise."""
    if spec.name == "sgd":
        return torch.optim.SGD(
            parameters,
            lr=spec.learning_rate,
            momentum=spec.momentum,
            weight_decay=spec.weight_decay,
        )
    return torch.optim.AdamW(
        parameters,
        lr=spec.learning_rate,
        betas=(spec.beta1, spec.beta2),
        eps=spec.epsilon,
        weight_decay=spec.weight_decay,
    )


def network(torch: Any, workload: Workload, config: Config) -> Any:
    """Return the workload's torch module with the weights of hwbench.weights, in float32."""
    model = workload.build_torch(config)
    model.load_state_dict(weights.torch_state(model, workload.embeddings))
    return model


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
    model.train()
    optimizer = _optimizer(torch, workload.optimizer, model.parameters())
    step = _train_step(torch, model, optimizer, tuple(inputs), targets)
    before = _losses(step, steps - 1)
    with torch.no_grad():  # the last loss needs no step after it
        logits = model(*inputs)
        last = torch.nn.functional.cross_entropy(logits.flatten(0, -2), targets.flatten())
    return np.append(before, float(last))


def _losses(step: Callable[[], Any], steps: int) -> Any:
    """Return the loss before each of the next `steps` steps."""
    import numpy as np

    return np.array([float(step()) for _ in range(steps)])
