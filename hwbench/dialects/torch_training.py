"""One whole training step in torch, and the optimiser of a frozen definition."""

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

from hwbench.workload import Objective, Optimizer, Workload

Transform = Callable[[Any, str], Any]
Autocast = Callable[[], AbstractContextManager[Any]]
Step = Callable[[tuple[Any, ...], Any], Any]


def train_step(
    torch: Any,
    workload: Workload,
    model: Any,
    transform: Transform,
    inputs: tuple[Any, ...],
    targets: Any,
    autocast: Autocast = nullcontext,
) -> Callable[[], Any]:
    """Return one whole step on `model`, through `transform`; it returns the loss before it.

    With objectives that is the sum of their losses, each before its own update.
    """
    step = trainer(torch, workload, model, transform, autocast).step
    return lambda: step(inputs, targets)


@dataclass(frozen=True, kw_only=True)
class Trainer:
    """`step(inputs, targets)` is one whole training step on any batch: it returns the loss before.

    `optimizers` are what it moves the weights by, for a checkpoint.
    """

    step: Step
    optimizers: tuple[Any, ...]


def trainer(
    torch: Any,
    workload: Workload,
    model: Any,
    transform: Transform,
    autocast: Autocast = nullcontext,
) -> Trainer:
    """Return what trains `model` through `transform`, batch after batch."""
    if workload.objectives:
        return _in_turn(torch, workload, model, transform, autocast)
    run = transform(model, "training")
    optimizer = optimizer_of(torch, workload.optimizer, model.parameters())
    step = _of_cross_entropy(torch, run, optimizer, autocast)
    return Trainer(step=step, optimizers=(optimizer,))


def _of_cross_entropy(
    torch: Any,
    run: Any,
    optimizer: Any,
    autocast: Autocast,
) -> Step:
    """Return the step of a classifier: forward, mean cross-entropy, backward, update."""

    def step(inputs: tuple[Any, ...], targets: Any) -> Any:
        optimizer.zero_grad(set_to_none=True)
        with autocast():
            logits = run(*inputs)
            loss = torch.nn.functional.cross_entropy(logits.flatten(0, -2), targets.flatten())
        loss.backward()
        optimizer.step()
        return loss.detach()

    return step


def _in_turn(
    torch: Any,
    workload: Workload,
    model: Any,
    transform: Transform,
    autocast: Autocast,
) -> Trainer:
    """Return the step that takes one objective after the other and sums their losses."""
    spec = workload.optimizer
    parts = [
        _towards(torch, objective, spec, model, transform, autocast)
        for objective in workload.objectives
    ]
    return Trainer(
        step=lambda inputs, targets: sum(p.step(inputs, targets) for p in parts),
        optimizers=tuple(o for p in parts for o in p.optimizers),
    )


def _towards(
    torch: Any,
    objective: Objective,
    spec: Optimizer,
    model: Any,
    transform: Transform,
    autocast: Autocast,
) -> Trainer:
    """Return the part of a step that is one objective: forward, backward, update.

    Only what it trains requires a gradient meanwhile, so no other parameter gets one computed: a
    frozen network before the trained one keeps no activations and costs its forward pass (F), one
    between the trained one and the loss costs that and the gradient of its input (2 F), the
    trained one itself 3 F. The flags are set in each step, which takes microseconds, rather than
    naming the sought gradients to autograd: a compiled backward pass holds whatever was required
    when it was compiled.
    """
    run = transform(getattr(model, objective.method), "training")
    trained = list(model.get_submodule(objective.trains).parameters())
    inside = {id(p) for p in trained}
    frozen = [p for p in model.parameters() if id(p) not in inside]
    optimizer = optimizer_of(torch, spec, trained)

    def part(inputs: tuple[Any, ...], targets: Any) -> Any:
        for p in frozen:
            p.requires_grad_(False)
        for p in trained:
            p.requires_grad_(True)
        optimizer.zero_grad(set_to_none=True)
        with autocast():
            loss = run(*inputs, targets)
        loss.backward()
        optimizer.step()
        return loss.detach()

    return Trainer(step=part, optimizers=(optimizer,))


def autocast_of(torch: Any, device: Any, dtype: str) -> Autocast:
    """Return the context of the forward pass: bfloat16 is autocast over float32 weights."""
    if dtype == "bfloat16":
        return lambda: torch.autocast(device.type, dtype=torch.bfloat16)
    return nullcontext


def optimizer_of(
    torch: Any, spec: Optimizer, parameters: Iterable[Any], *, fused: bool | None = None
) -> Any:
    """Return the optimiser of the definition, in torch's own defaults otherwise."""
    if spec.given_by:
        from hwbench.dialects import torch_models

        return torch_models.optimizer(spec.given_by, parameters)
    if spec.name == "sgd":
        return torch.optim.SGD(
            parameters,
            lr=spec.learning_rate,
            momentum=spec.momentum,
            weight_decay=spec.weight_decay,
            fused=fused,
        )
    return torch.optim.AdamW(
        parameters,
        lr=spec.learning_rate,
        betas=(spec.beta1, spec.beta2),
        eps=spec.epsilon,
        weight_decay=spec.weight_decay,
        fused=fused,
    )


def losses(step: Callable[[], Any], steps: int) -> Any:
    """Return the loss before each of the next `steps` steps, as a NumPy array."""
    import numpy as np

    return np.array([float(step()) for _ in range(steps)])
