"""Differentially private training, DP-SGD (Abadi et al. 2016), by the Opacus library.

Each example's gradient is cut to a norm of 1 and noise is added to their sum. How much noise an
epsilon takes is `hwbench.privacy`'s; it does not change the time of a step.
"""

import warnings
from collections.abc import Callable
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
    _refuse_shared(torch, ground)
    flops = frozen.anatomy_of(ground).step_flops
    backward = _of_layers(ground, GradSampleModule) or _of_function(ground)
    optimizers: dict[int, Any] = {}

    def optimizer_for(items: int) -> Any:
        if items not in optimizers:
            inner = next(iter(optimizers.values())).original_optimizer if optimizers else None
            optimizers[items] = DPOptimizer(
                inner or ground.optimizer(list(model.parameters())),
                noise_multiplier=noise,
                max_grad_norm=norm,
                expected_batch_size=items,
            )
        return optimizers[items]

    def step(inputs: Inputs, targets: Any) -> Any:
        optimizer = optimizer_for(len(targets))
        optimizer.zero_grad(set_to_none=True)
        loss = backward(inputs, targets)
        optimizer.step()
        return loss.detach()

    return Stepper(
        step=step,
        logits=frozen.evaluated(ground, model),
        model=model,
        optimizers=(optimizer_for(1).original_optimizer,),
        theory_flops_per_item=flops,
    )


Backward = Callable[[Inputs, Any], Any]  # leaves each example's gradient at its parameter


def _of_layers(ground: Ground, wrapper: Any) -> Backward | None:
    """Return Opacus' own gradients of examples, by layer; None where it does not know them all.

    It knows its layers, each with the examples first: parameters outside of them, or positions that
    all examples share, it does not see. A step on two examples tells.
    """
    from hwbench.dialects import torch_frozen as frozen

    torch, model, loss_of = ground.torch, ground.model, frozen.cross_entropy(ground.torch)
    try:
        whole = wrapper(model)
    except (NotImplementedError, ValueError):
        return None

    def backward(inputs: Inputs, targets: Any) -> Any:
        with ground.autocast():
            loss = loss_of(whole(*inputs), targets)
        loss.backward()
        return loss

    inputs = frozen.probe_inputs(ground)
    with torch.no_grad():
        labels = model(*inputs).argmax(-1)
    whole.zero_grad(set_to_none=True)
    _forget(model)
    try:
        backward(inputs, labels)
        told = [getattr(p, "grad_sample", None) for p in model.parameters()]
    except (RuntimeError, ValueError, IndexError):
        told = [None]
    known = all(t is not None and len(t) == len(labels) for t in told)
    whole.zero_grad(set_to_none=True)
    model.zero_grad(set_to_none=True)
    if known:
        return backward
    whole.to_standard_module()
    return None


def _forget(model: Any) -> None:
    """Drop what Opacus has kept of a forward pass without a backward one."""
    for module in model.modules():
        if hasattr(module, "activations"):
            module.activations = []


def _of_function(ground: Ground) -> Backward:
    """Return the gradients of examples by torch.func: the network's, mapped over the examples."""
    from hwbench.dialects import torch_frozen as frozen

    torch, model, loss_of = ground.torch, ground.model, frozen.cross_entropy(ground.torch)
    func, attention = torch.func, torch.nn.attention

    def one(parameters: Any, buffers: Any, target: Any, *inputs: Any) -> Any:
        alone = tuple(x.unsqueeze(0) for x in inputs)
        logits = func.functional_call(model, (parameters, buffers), alone)
        return loss_of(logits, target.unsqueeze(0))

    def backward(inputs: Inputs, targets: Any) -> Any:
        parameters, buffers = dict(model.named_parameters()), dict(model.named_buffers())
        held = {n: p.detach() for n, p in parameters.items()}
        each = func.vmap(
            func.grad_and_value(one),
            in_dims=(None, None, 0, *(0 for _ in inputs)),
            randomness="different",
        )
        with ground.autocast(), attention.sdpa_kernel(attention.SDPBackend.MATH):
            slopes, losses = each(held, buffers, targets, *inputs)
        for name, p in parameters.items():
            p.grad_sample = slopes[name]
        return losses.mean()

    return backward


def _refuse_shared(torch: Any, ground: Ground) -> None:
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
