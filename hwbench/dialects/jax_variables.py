"""The variables of a Flax network: their shapes, and those that it begins with."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from hwbench import weights
from hwbench.dialects import jax_device as on
from hwbench.dialects.rounding import storage
from hwbench.workload import Workload


def shapes(workload: Workload, model: Any, inputs: Sequence[Any], targets: Any) -> Any:
    """Return the tree of shapes of the Flax `model`'s variables; nothing is computed.

    Objectives may use what inference does not, so the first one's method then makes them.
    """
    jax = on.library()
    key = jax.random.key(0)
    if not workload.objectives:
        return jax.eval_shape(partial(model.init, train=False), key, *inputs)
    init = partial(model.init, method=workload.objectives[0].method)
    return jax.eval_shape(init, key, *inputs, targets)


def begun(
    workload: Workload, model: Any, tree: Any, inputs: Sequence[Any], dtype: str, device: Any
) -> Any:
    """Return the variables of a network: made, or those that a user's own begins with."""
    jax = on.library()
    if workload.own:
        return _initial(jax, model, inputs, dtype, device)
    return _variables(jax, tree, workload.embeddings, dtype, device)


def _variables(jax: Any, tree: Any, embeddings: Sequence[str], dtype: str, device: Any) -> Any:
    """Return the variables of a tree of shapes, from hwbench.weights, parameters in `dtype`."""
    variables = weights.flax_variables(tree, embeddings)
    params = jax.tree.map(lambda leaf: leaf.astype(dtype_of(jax, dtype)), variables["params"])
    return jax.device_put({**variables, "params": params}, device, may_alias=False)


def _initial(jax: Any, model: Any, inputs: Sequence[Any], dtype: str, device: Any) -> Any:
    """Return the variables that a model of the user's own begins with."""
    variables = dict(model.init(jax.random.key(0), *inputs, train=False))
    wanted = dtype_of(jax, dtype)
    params = jax.tree.map(lambda leaf: leaf.astype(wanted), variables.get("params", {}))
    return jax.device_put({**variables, "params": params}, device, may_alias=False)


def dtype_of(jax: Any, name: str) -> Any:
    """Return the NumPy dtype for a case's; jax brings a bfloat16."""
    return jax.numpy.dtype(storage(name))
