"""A training step in jax that trains a part of a network: the gradient of that part alone is taken.

Of the frozen part XLA then computes the forward pass, and the gradient of activations where
something before them trains. Networks without batch statistics only: Flax has one flag for all of a
network's batch normalisations, so a part of them cannot stay as it is.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from hwbench.dialects.jax_training import optimizer_of
from hwbench.errors import Unavailable
from hwbench.taught import Taught
from hwbench.workload import Workload

Trained = Callable[[Sequence[str], str], Sequence[str]]  # (blocks in order, head) -> dotted names


def state_and_step(
    jax: Any,
    workload: Workload,
    model: Any,
    variables: Mapping[str, Any],
    inputs: Sequence[Any],
    device: Any,
    trained: Trained,
) -> tuple[Any, Callable[..., Any], Taught]:
    """Return the state before the first step, the pure step on it, and what it trains.

    Raises Unavailable for a network with batch statistics, or without a head of its own.
    """
    if set(variables) - {"params"}:
        raise Unavailable(
            f"{workload.name} has batch statistics, a part of which cannot be frozen in Flax: take"
            " --runtime torch"
        )
    blocks, head = blocks_of(jax, workload, model, inputs)
    names = tuple(trained(blocks, head))
    leaves = jax.tree_util.tree_leaves_with_path(variables["params"])
    chosen = [any(_within(_dotted(path), n) for n in names) for path, _ in leaves]
    values = [leaf for _, leaf in leaves]
    tree = jax.tree_util.tree_structure(variables["params"])
    moving = [v for v, one in zip(values, chosen, strict=True) if one]
    still = [v for v, one in zip(values, chosen, strict=True) if not one]
    optimizer = optimizer_of(workload.optimizer)
    state = jax.device_put((moving, still, optimizer.init(moving)), device)

    def merged(moving: Sequence[Any], still: Sequence[Any]) -> Any:
        ours, theirs = iter(moving), iter(still)
        return jax.tree_util.tree_unflatten(tree, [next(ours if c else theirs) for c in chosen])

    taught = Taught(
        parameters=sum(v.size for v in values),
        trainable_parameters=sum(v.size for v in moving),
        flops_per_item=None,
        scratch_flops_per_item=None,
    )
    return state, partial(_step, jax, model, optimizer, merged), taught


def _step(
    jax: Any,
    model: Any,
    optimizer: Any,
    merged: Callable[..., Any],
    state: Any,
    inputs: Any,
    targets: Any,
) -> Any:
    """Take a step: (state, inputs, targets) -> (state, loss before it)."""
    import optax

    moving, still, momenta = state

    def loss_of(moving: Any) -> Any:
        logits = model.apply({"params": merged(moving, still)}, *inputs, train=True)
        cross_entropy = optax.softmax_cross_entropy_with_integer_labels
        return cross_entropy(logits.astype("float32"), targets).mean()

    loss, slopes = jax.value_and_grad(loss_of)(moving)
    updates, momenta = optimizer.update(slopes, momenta, moving)
    return (optax.apply_updates(moving, updates), still, momenta), loss


def blocks_of(
    jax: Any, workload: Workload, model: Any, inputs: Sequence[Any]
) -> tuple[list[str], str]:
    """Return the blocks in the order in which they run, named as in torch, and the head."""
    from flax import linen as nn

    called: list[tuple[str, bool]] = []

    def listen(following: Any, arguments: Any, keywords: Any, context: Any) -> Any:
        path, result = context.module.path, following(*arguments, **keywords)
        dense = isinstance(context.module, nn.Dense)
        wraps = workload.own and path == ("module",) and not dense  # all of the user's own module
        if path and not wraps and context.method_name in ("__call__", "attend"):
            called.append((".".join(path), dense and context.method_name == "__call__"))
        return result

    with nn.intercept_methods(listen):
        jax.eval_shape(partial(model.init, train=False), jax.random.key(0), *inputs)
    name, dense = called[-1]
    if not dense:
        raise Unavailable(
            f"{workload.name} has no output layer of its own (it is tied, or not linear): nothing"
            " can be trained apart from the rest"
        )
    return list(dict.fromkeys(_block(path) for path, _ in called)), name


def _block(path: str) -> str:
    """Return the block that a module is in: up to the first number of its dotted name."""
    parts = path.split(".")
    number = next((i for i, part in enumerate(parts) if part.isdigit()), 0)
    return ".".join(parts[: number + 1])


def _dotted(path: Sequence[Any]) -> str:
    return ".".join(str(key.key) for key in path)


def _within(name: str, module: str) -> bool:
    return name == module or name.startswith(f"{module}.")
