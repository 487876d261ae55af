"""Differentially private training, DP-SGD (Abadi et al. 2016), by the Opacus library.

Each example's gradient is cut to a norm of 1 and noise is added to their sum. How much noise an
epsilon takes is `hwbench.privacy`'s; it does not change the time of a step.
"""

import warnings
from typing import Any

from hwbench.hardening import Hardening
from hwbench.shortcut import Ratio, any_classifier
from hwbench.stepping import Ground, Inputs, Stepper

NORM, NOISE = 1.0, 1.0


def build(ground: Ground, count: int) -> Stepper:
    """Compute each example's own gradient, cut and noised, and train by their mean."""
    return of_noise(ground, NOISE, NORM)


def of_noise(ground: Ground, noise: float, norm: float) -> Stepper:
    """Return the step with noise of `noise` times `norm`, the most that an example moves it by.

    Raises Unavailable where Opacus is missing, or knows no gradients of examples of a layer.
    """
    from hwbench.dialects import torch_frozen as frozen
    from hwbench.errors import Unavailable

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from opacus import GradSampleModule
            from opacus.optimizers import DPOptimizer
    except ImportError:
        raise Unavailable(
            "DP-SGD is the Opacus library's, which is not installed",
            "pip install 'hwbench-dl[private]'",
        ) from None
    torch, model = ground.torch, ground.model
    _refuse_batch_norm(torch, ground)
    try:
        whole = GradSampleModule(model)
    except (NotImplementedError, ValueError) as e:
        raise Unavailable(f"Opacus cannot train {ground.workload.name}: {e}") from None
    loss_of, optimizers = frozen.cross_entropy(torch), {}

    def optimizer_for(items: int) -> Any:
        if items not in optimizers:
            inner = next(iter(optimizers.values())).original_optimizer if optimizers else None
            optimizers[items] = DPOptimizer(
                inner or ground.optimizer(list(whole.parameters())),
                noise_multiplier=noise,
                max_grad_norm=norm,
                expected_batch_size=items,
            )
        return optimizers[items]

    def step(inputs: Inputs, targets: Any) -> Any:
        optimizer = optimizer_for(len(targets))
        optimizer.zero_grad(set_to_none=True)
        with ground.autocast():
            loss = loss_of(whole(*inputs), targets)
        loss.backward()
        optimizer.step()
        return loss.detach()

    first = optimizer_for(1)
    return Stepper(
        step=step,
        logits=frozen.evaluated(ground, whole),
        model=model,
        optimizers=(first.original_optimizer,),
        theory_flops_per_item=frozen.anatomy_of(ground).step_flops,
    )


def _refuse_batch_norm(torch: Any, ground: Ground) -> None:
    from hwbench.errors import Unavailable

    kinds = (torch.nn.modules.batchnorm._BatchNorm, torch.nn.LSTM)
    found = [type(m).__name__ for m in ground.model.modules() if isinstance(m, kinds)]
    if found:
        why = "its steps share statistics between examples" if "Norm" in found[0] else "no gradient"
        raise Unavailable(
            f"{ground.workload.name} has {found[0]}: {why}, so an example's own gradient is not"
            " defined or not known to Opacus; a network with group or layer norm is"
        )


HARDENING = Hardening(
    name="private",
    kind="private",
    summary="each example's gradient cut and noised (DP-SGD by Opacus)",
    counts="",
    least=1,
    theory="the operations of a whole step; each example's gradient is kept: 4 bytes a parameter",
    step_ratio=lambda n: Ratio(point=4.0, low=1.2, high=8.0),
    epochs=lambda n: 1.0,
    supports=any_classifier,
    build=build,
    caution="accuracy falls as epsilon falls, and larger batches and more epochs are usual: the"
    " price of a step, not of equal accuracy",
)
