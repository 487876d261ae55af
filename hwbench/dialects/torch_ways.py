"""A training step by a shortcut or a hardening, made ready in torch, and what it trains."""

import time
from dataclasses import dataclass
from typing import Any

from hwbench.dialects.torch_anatomy import anatomy
from hwbench.dialects.torch_frozen import probe_inputs
from hwbench.dialects.torch_training import Autocast, Transform, optimizer_of
from hwbench.stepping import Build, Ground, Inputs, Stepper
from hwbench.taught import Taught
from hwbench.workload import Config, Workload


@dataclass(frozen=True, kw_only=True)
class Made:
    """A way to train, ready to run, and what its step trains and computes."""

    stepper: Stepper
    taught: Taught


def made(build: Build, ground: Ground) -> Made:
    """Make the step of `ground`; raise Unavailable where the network cannot be trained so."""
    scratch = None
    if not ground.workload.objectives:
        scratch = anatomy(ground.torch, ground.model, probe_inputs(ground)).step_flops
    stepper = build(ground)
    return Made(stepper=stepper, taught=taught(ground, stepper, scratch))


def ground_of(
    torch: Any,
    workload: Workload,
    config: Config,
    model: Any,
    *,
    device: Any,
    dtype: str,
    autocast: Autocast,
    transform: Transform,
    tasks: int | None = None,
    seed: int = 0,
) -> Ground:
    """Return what a way of training makes its step of."""
    return Ground(
        torch=torch,
        workload=workload,
        config=config,
        model=model,
        device=device,
        dtype=dtype,
        optimizer=lambda parameters: optimizer_of(torch, workload.optimizer, parameters),
        autocast=autocast,
        transform=transform,
        seed=seed,
        tasks=tasks or 2,
    )


def taught(ground: Ground, stepper: Stepper, scratch: float | None) -> Taught:
    """Return what a step trains and computes; the flags of its parameters tell it."""
    parameters = list(stepper.model.parameters())
    moved = {id(p) for o in stepper.optimizers for g in o.param_groups for p in g["params"]}
    trained = sum(p.numel() for p in parameters if id(p) in moved)
    flops, once = _flops(ground, stepper)
    return Taught(
        parameters=sum(p.numel() for p in parameters),
        trainable_parameters=trained,
        flops_per_item=flops,
        scratch_flops_per_item=scratch,
        once_flops_per_item=once,
    )


def _flops(ground: Ground, stepper: Stepper) -> tuple[float | None, float]:
    """Return the FLOPs of a step and of the pass before the first epoch, per item, by theory."""
    if stepper.theory_flops_per_item is not None:
        return stepper.theory_flops_per_item, stepper.once_flops_per_item
    inputs = probe_inputs(ground)
    found = anatomy(ground.torch, stepper.model, inputs)
    return found.step_flops + stepper.extra_flops_per_item, stepper.once_flops_per_item


def prepared(stepper: Stepper, inputs: Inputs, targets: Any) -> tuple[Inputs, Any, float | None]:
    """Return what the step takes of a batch, and the seconds that making it took."""
    if stepper.once is None:
        return inputs, targets, None
    stepper.once(inputs, targets)  # the first call allocates
    began = time.perf_counter()
    made_inputs, made_targets = stepper.once(inputs, targets)
    return made_inputs, made_targets, time.perf_counter() - began
