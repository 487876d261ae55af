"""Moving inputs within a ball so that a network errs (Madry et al. 2018), in torch."""

from collections.abc import Callable
from typing import Any

from hwbench.dialects.torch_frozen import cross_entropy, settle
from hwbench.stepping import Ground, Inputs, Stepper

# 8 and 2 of 255 grey levels, in units of an input of about unit variance: of ImageNet's images,
# whose levels deviate by 0.225 of their range.
EPSILON, ALPHA = 8 / 255 / 0.225, 2 / 255 / 0.225


def random_start(torch: Any, inputs: Any) -> Any:
    """Return a perturbation drawn evenly from the ball."""
    return torch.empty_like(inputs).uniform_(-EPSILON, EPSILON)


def ascended(torch: Any, delta: Any, slope: Any, alpha: float) -> Any:
    """Return the perturbation after a step along the sign of the slope, back in the ball."""
    return (delta + alpha * slope.sign()).clamp_(-EPSILON, EPSILON)


def slope_of(ground: Ground, model: Any, inputs: Any, targets: Any, delta: Any) -> Any:
    """Return the gradient of the loss by the inputs; no weight gets one."""
    torch = ground.torch
    moved = (inputs + delta).requires_grad_(True)
    with ground.autocast():
        loss = cross_entropy(torch)(model(moved), targets)
    (slope,) = torch.autograd.grad(loss, moved)
    return slope


def attacked(
    ground: Ground, model: Any, inputs: Any, targets: Any, steps: int, alpha: float
) -> Any:
    """Return the perturbation after so many steps of ascent from a random start.

    Batch statistics stay as they are meanwhile. Weights get no gradient computed, so an ascent is
    a forward pass and the gradient of the activations.
    """
    torch = ground.torch
    delta = random_start(torch, inputs)
    flags = [(p, p.requires_grad) for p in model.parameters()]
    model.eval()
    for p, _ in flags:
        p.requires_grad_(False)
    try:
        for _ in range(steps):
            delta = ascended(torch, delta, slope_of(ground, model, inputs, targets, delta), alpha)
    finally:
        for p, flag in flags:
            p.requires_grad_(flag)
        settle(model)
    return delta


def hardened(
    ground: Ground, made: Stepper, perturb: Callable[[Any, Any], Any], flops: float
) -> Stepper:
    """Return the step that trains on what `perturb` makes of a batch, `flops` an item in all."""

    def step(inputs: Inputs, targets: Any) -> Any:
        (images,) = inputs
        return made.step((images + perturb(images, targets),), targets)

    return Stepper(
        step=step,
        logits=made.logits,
        model=made.model,
        optimizers=made.optimizers,
        theory_flops_per_item=flops,
    )
