"""Free adversarial training: a batch is replayed M times, each time both learn (Shafahi 2019)."""

from typing import Any

from hwbench.hardening import Hardening, not_tokens
from hwbench.shortcut import Ratio
from hwbench.stepping import Ground, Inputs, Stepper


def build(ground: Ground, count: int) -> Stepper:
    """Replay each batch; one backward pass moves the weights and the perturbation."""
    from hwbench.dialects import torch_attack as attack
    from hwbench.dialects import torch_frozen as frozen

    torch, model, loss_of = ground.torch, ground.model, frozen.cross_entropy(ground.torch)
    found = frozen.anatomy_of(ground)
    made = frozen.stepper(ground)
    (optimizer,) = made.optimizers
    run = ground.transform(model, "training")
    kept: dict[str, Any] = {}  # the perturbation goes on from one batch to the next

    def step(inputs: Inputs, targets: Any) -> Any:
        (images,) = inputs
        delta = kept.get("delta")
        if delta is None or delta.shape != images.shape:
            delta = torch.zeros_like(images)
        first = None
        for _ in range(count):
            moved = (images + delta).requires_grad_(True)
            optimizer.zero_grad(set_to_none=True)
            with ground.autocast():
                loss = loss_of(run(moved), targets)
            loss.backward()
            optimizer.step()
            delta = attack.ascended(torch, delta, moved.grad, attack.EPSILON)
            first = loss.detach() if first is None else first
        kept["delta"] = delta
        return first

    return Stepper(
        step=step,
        logits=made.logits,
        model=model,
        optimizers=made.optimizers,
        theory_flops_per_item=count * 3 * found.forward_flops,
    )


HARDENING = Hardening(
    name="free",
    kind="adversarial",
    summary="each batch replayed M times, weights and perturbation learn together (free)",
    counts="M",
    least=2,
    theory="M whole steps on a batch, in 1/M of the epochs",
    step_ratio=lambda m: Ratio(point=float(m), low=float(m), high=1.15 * m),
    epochs=lambda m: 1 / m,
    supports=not_tokens,
    build=build,
    caution="fewer different batches are seen: the price of a step, not of equal accuracy",
)
