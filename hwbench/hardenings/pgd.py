"""Adversarial training by projected gradient descent (Madry et al. 2018, arXiv:1706.06083)."""

from typing import Any

from hwbench.hardening import Hardening, not_tokens
from hwbench.shortcut import Ratio
from hwbench.stepping import Ground, Stepper


def build(ground: Ground, count: int) -> Stepper:
    """Train on what `count` steps of ascent in the ball make of each batch."""
    from hwbench.dialects import torch_attack as attack
    from hwbench.dialects import torch_frozen as frozen

    found = frozen.anatomy_of(ground)
    made = frozen.stepper(ground)

    def perturb(images: Any, targets: Any) -> Any:
        return attack.attacked(ground, ground.model, images, targets, count, attack.ALPHA)

    flops = found.step_flops + 2 * count * found.forward_flops
    return attack.hardened(ground, made, perturb, flops)


HARDENING = Hardening(
    name="pgd",
    kind="adversarial",
    summary="training on inputs that K steps of ascent made the worst (PGD)",
    counts="K",
    least=1,
    theory="K times F and the gradient of the activations, and a whole step: (3 + 2 K) / 3",
    step_ratio=lambda k: Ratio(point=(3 + 2 * k) / 3, low=(3 + 2 * k) / 3, high=float(k + 1)),
    epochs=lambda k: 1.0,
    supports=not_tokens,
    build=build,
    caution="robust accuracy needs more data than plain accuracy (Schmidt et al. 2018), and plain"
    " accuracy falls: this is the price of a step, not of equal accuracy",
)
