"""The pure training step in jax, the state that it carries, and the optimiser of a definition."""

from collections.abc import Callable, Mapping
from typing import Any

from hwbench.workload import Objective, Optimizer, Workload


def start(jax: Any, workload: Workload, variables: Mapping[str, Any], device: Any) -> Any:
    """Return the state before the first step: parameters, batch statistics, momenta.

    Each objective has momenta of its own, of what it trains.
    """
    params = variables["params"]
    rest = {k: v for k, v in variables.items() if k != "params"}
    optimizer = optimizer_of(workload.optimizer)
    if workload.objectives:
        momenta = tuple(optimizer.init(params[o.trains]) for o in workload.objectives)
    else:
        momenta = optimizer.init(params)
    return jax.device_put((params, rest, momenta), device)


def train_step(jax: Any, workload: Workload, model: Any) -> Callable[..., Any]:
    """Return the pure step (state, inputs, targets) -> (state, loss before the step).

    With objectives that is the sum of their losses, each before its own update.
    """
    if workload.objectives:
        return _in_turn(jax, workload, model)
    return _of_cross_entropy(jax, model, workload.optimizer)


def _of_cross_entropy(jax: Any, model: Any, spec: Optimizer) -> Callable[..., Any]:
    """Return the step of a classifier: forward, mean cross-entropy, backward, update."""
    import optax

    optimizer = optimizer_of(spec)

    def loss_of(params: Any, rest: Any, inputs: Any, targets: Any) -> Any:
        variables = {"params": params, **rest}
        logits, rest = model.apply(variables, *inputs, train=True, mutable=["batch_stats"])
        cross_entropy = optax.softmax_cross_entropy_with_integer_labels
        return cross_entropy(logits.astype("float32"), targets).mean(), rest

    def step(state: Any, inputs: Any, targets: Any) -> Any:
        params, rest, momenta = state
        gradient = jax.value_and_grad(loss_of, has_aux=True)
        (loss, rest), slopes = gradient(params, rest, inputs, targets)
        updates, momenta = optimizer.update(slopes, momenta, params)
        return (optax.apply_updates(params, updates), rest, momenta), loss

    return step


def _in_turn(jax: Any, workload: Workload, model: Any) -> Callable[..., Any]:
    """Return the step that takes one objective after the other and sums their losses."""
    parts = [_towards(jax, o, workload.optimizer, model) for o in workload.objectives]

    def step(state: Any, inputs: Any, targets: Any) -> Any:
        params, rest, momenta = state
        total, after = 0.0, []
        for part, before in zip(parts, momenta, strict=True):
            params, rest, momentum, loss = part(params, rest, before, (*inputs, targets))
            after.append(momentum)
            total = total + loss
        return (params, rest, tuple(after)), total

    return step


def _towards(jax: Any, objective: Objective, spec: Optimizer, model: Any) -> Callable[..., Any]:
    """Return the part of a step that is one objective; batch statistics go on to the next.

    The gradient is taken of the trained submodule's parameters alone, so a frozen network costs
    its forward pass, and the gradient of its input where the trained one lies before it.
    """
    import optax

    optimizer, trains = optimizer_of(spec), objective.trains

    def loss_of(trained: Any, params: Any, rest: Any, arguments: Any) -> Any:
        variables = {"params": {**params, trains: trained}, **rest}
        return model.apply(variables, *arguments, method=objective.method, mutable=["batch_stats"])

    def part(params: Any, rest: Any, momenta: Any, arguments: Any) -> Any:
        trained = params[trains]
        gradient = jax.value_and_grad(loss_of, has_aux=True)
        (loss, rest), slopes = gradient(trained, params, rest, arguments)
        updates, momenta = optimizer.update(slopes, momenta, trained)
        return {**params, trains: optax.apply_updates(trained, updates)}, rest, momenta, loss

    return part


def optimizer_of(spec: Optimizer) -> Any:
    """Return the optimiser of the definition, in the form that torch gives it.

    torch.optim.SGD adds the decay to the gradient before the momentum; AdamW decouples it.
    """
    import optax

    if spec.given_by:
        from hwbench.dialects import flax_models

        return flax_models.optimizer(spec.given_by)
    if spec.name == "sgd":
        sgd = optax.sgd(spec.learning_rate, momentum=spec.momentum or None)
        return optax.chain(optax.add_decayed_weights(spec.weight_decay), sgd)
    return optax.adamw(
        spec.learning_rate,
        b1=spec.beta1,
        b2=spec.beta2,
        eps=spec.epsilon,
        weight_decay=spec.weight_decay,
    )
