"""Adversarial training by one step of ascent from a random start (Wong et al. 2020)."""

from typing import Any

from hwbench.hardening import Hardening, not_tokens
from hwbench.shortcut import Ratio
from hwbench.stepping import Ground, Stepper

BEYOND = 1.25  # the length of the step by the ball's radius


def build(ground: Ground, count: int) -> Stepper:
    """Train on what one long step of ascent makes of each batch."""
    from hwbench.dialects import torch_attack as attack
    from hwbench.dialects import torch_frozen as frozen

    found = frozen.anatomy_of(ground)
    made = frozen.stepper(ground)

    def perturb(images: Any, targets: Any) -> Any:
        alpha = BEYOND * attack.EPSILON
        return attack.attacked(ground, ground.model, images, targets, 1, alpha)

    return attack.hardened(ground, made, perturb, found.step_flops + 2 * found.forward_flops)


HARDENING = Hardening(
    name="fast",
    kind="adversarial",
    summary="training on inputs moved by one step of ascent (FGSM from a random start)",
    counts="",
    least=1,
    theory="F and the gradient of the activations, and a whole step: 5/3",
    step_ratio=lambda n: Ratio(point=5 / 3, low=5 / 3, high=2.2),
    epochs=lambda n: 1.0,
    supports=not_tokens,
    build=build,
    caution="it can break down within an epoch (catastrophic overfitting): hold it against pgd; the"
    " price of a step, not of equal accuracy",
)
