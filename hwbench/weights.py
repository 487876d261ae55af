"""Weights made from their names alone, so that every runtime starts from the same network.

A parameter's values depend only on its torch name and torch shape (NumPy's PCG64, seeded by the
name), so torch, jax and an exported ONNX graph agree without a file passing between them, and
nothing is downloaded. Scales are He et al. 2015: variance 2 / fan_in keeps the signal alive in
depth; embeddings, and what a workload lists with them, have GPT-2's 0.02. The matrices of experts,
stacked as (experts, out, in) under a module `experts`, each count their own inputs alone.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

EMBEDDING_STD = 0.02
STACKED = ".experts."  # in the name of a stack of matrices


def make(name: str, shape: Sequence[int], embeddings: Sequence[str] = (), seed: int = 0) -> Any:
    """Return the float32 array of the torch parameter or buffer `name`, of torch `shape`.

    `seed` 0 is what every runtime starts from; others are of repeated trainings.
    """
    import numpy as np

    last = name.rsplit(".", 1)[-1]
    if len(shape) <= 1:
        constant = 1.0 if last in ("weight", "running_var") else 0.0
        return np.full(shape, constant, dtype=np.float32)
    salted = f"{seed}:{name}" if seed else name
    number = int.from_bytes(hashlib.sha256(salted.encode()).digest()[:8], "little")
    values = np.random.Generator(np.random.PCG64(number)).standard_normal(shape, dtype=np.float32)
    fan_in = shape[-1] if STACKED in name else int(np.prod(shape[1:]))
    std = EMBEDDING_STD if name in embeddings else (2.0 / fan_in) ** 0.5
    return values * np.float32(std)


def torch_state(module: Any, embeddings: Sequence[str] = (), seed: int = 0) -> dict[str, Any]:
    """Return a state dict for the torch `module`: made floats, integer buffers as they are."""
    import torch

    return {
        name: torch.from_numpy(make(name, tuple(t.shape), embeddings, seed))
        if t.is_floating_point()
        else t
        for name, t in module.state_dict().items()
    }


def fill(module: Any, embeddings: Sequence[str] = (), seed: int = 0) -> None:
    """Give the torch `module` the made weights, one at a time: no second copy of them is held."""
    import torch

    for name, tensor in module.state_dict().items():
        if tensor.is_floating_point():
            tensor.copy_(torch.from_numpy(make(name, tuple(tensor.shape), embeddings, seed)))


# Flax's leaf name -> torch's, where they differ.
_TORCH_LEAF = {
    "kernel": "weight",
    "scale": "weight",
    "embedding": "weight",
    "mean": "running_mean",
    "var": "running_var",
}


def flax_variables(shapes: Mapping[str, Any], embeddings: Sequence[str] = ()) -> dict[str, Any]:
    """Return Flax variables for the tree `shapes` of leaves with `.shape`, filled by name.

    A kernel is transposed from torch's layout: OIHW -> HWIO for convolutions, (out, in) ->
    (in, out) for matrices.
    """
    filled: dict[str, Any] = {}
    for path, leaf in _leaves(shapes):
        *modules, last = path[1:]
        torch_name = ".".join([*modules, _TORCH_LEAF.get(last, last)])
        node = filled
        for part in path[:-1]:
            node = node.setdefault(part, {})
        node[last] = _carried(torch_name, last, tuple(leaf.shape), embeddings)
    return filled


def _carried(name: str, leaf: str, shape: tuple[int, ...], embeddings: Sequence[str]) -> Any:
    """Make the torch parameter `name` and lay it out as Flax's `leaf` of `shape`."""
    if leaf != "kernel":
        return make(name, shape, embeddings)
    if len(shape) == 4:  # HWIO
        h, w, i, o = shape
        return make(name, (o, i, h, w), embeddings).transpose(2, 3, 1, 0).copy()
    return make(name, shape[::-1], embeddings).T.copy()


def _leaves(
    tree: Mapping[str, Any], path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Walk a tree of mappings to its leaves, with their paths."""
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, (*path, key))
        else:
            yield (*path, key), value
