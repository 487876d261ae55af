"""Models of the user's own in Flax, made to be run and trained as any network."""

import inspect
from collections.abc import Mapping
from typing import Any

from hwbench.dialects.jax_device import library
from hwbench.dialects.user_code import Given, given
from hwbench.model_spec import ModelSpec, parse

_kept: dict[str, Given] = {}  # of this process: what an optimiser is taken from
MODES = ("train", "training", "deterministic")  # arguments that say whether it learns


def build(config: Mapping[str, int], dtype: str, spec: str) -> Any:
    """Return the Flax module of a spec, as hwbench calls it; raise BadInput."""
    asked = parse(spec)
    return adapted(asked, made_of(asked))


def optimizer(spec: str) -> Any:
    """Return the factory's own optimiser, a transformation of gradients as optax has them."""
    return (_kept.get(spec) or made_of(parse(spec))).optimizer


def made_of(spec: ModelSpec) -> Given:
    """Call what the spec names, and keep what it returned."""
    found = _kept[spec.text] = given(spec)
    return found


def adapted(spec: ModelSpec, found: Given) -> Any:
    """Return a module of the call `(*inputs, train)`, with `loss` for one that gives no logits."""
    import flax.linen as nn
    import jax.numpy as jnp

    names = list(found.inputs) if isinstance(found.inputs, Mapping) else []
    mode = next((m for m in MODES if takes(found.model, m)), None)
    learns = mode is not None and not needs_random(found, mode)

    class Adapted(nn.Module):
        module: Any

        def __call__(self, *inputs: Any, train: bool = False) -> Any:
            return tensor_of(self._output(inputs, train))

        def loss(self, *inputs_and_targets: Any) -> Any:
            *inputs, targets = inputs_and_targets
            import jax

            output = self._output(tuple(inputs), True)
            if found.loss is not None:
                return found.loss(output) if found.targets is None else found.loss(output, targets)
            if found.targets is not None:  # numbers, not classes
                return jnp.square(tensor_of(output) - targets).mean()
            parts = [p.astype("float32") for p in jax.tree.leaves(output)]
            return sum(jnp.square(p).mean() for p in parts)

        def _output(self, inputs: tuple[Any, ...], train: bool) -> Any:
            more: dict[str, Any] = {}
            if mode is not None:
                on = train and learns
                more[mode] = not on if mode == "deterministic" else on
            if names:
                return self.module(**dict(zip(names, inputs, strict=True)), **more)
            return self.module(*inputs, **more)

    return Adapted(module=found.model.clone(parent=None))


def takes(model: Any, argument: str) -> bool:
    """Return whether the module's call has an argument of that name."""
    return argument in inspect.signature(type(model).__call__).parameters


def needs_random(found: Given, mode: str) -> bool:
    """Return whether the module draws random numbers when it learns, which none gives it here."""
    jax = library()
    more = {mode: mode != "deterministic"}
    args, named = arguments(found)
    try:
        variables = jax.eval_shape(
            lambda k: found.model.init(k, *args, **named, **{mode: mode == "deterministic"}),
            jax.random.key(0),
        )
        jax.eval_shape(
            lambda v: found.model.apply(v, *args, **named, **more, mutable=["batch_stats"]),
            variables,
        )
    except Exception as e:
        return "Rng" in type(e).__name__ or "rng" in str(e).lower()
    return False


def arguments(found: Given) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return the inputs as the module is called with them, by place and by name."""
    if isinstance(found.inputs, Mapping):
        return (), dict(found.inputs)
    inputs = found.inputs
    return (tuple(inputs) if isinstance(inputs, (tuple, list)) else (inputs,)), {}


def tensor_of(output: Any) -> Any:
    """Return the array that a module's output is, or the first that it holds."""
    return library().tree.leaves(output)[0]
