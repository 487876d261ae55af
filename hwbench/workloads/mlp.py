"""A multilayer perceptron: three hidden layers of 2048 ReLU units on rows of 784 numbers.

The network is the 3 x 2048 one of Srivastava et al. 2014 (Dropout, JMLR 15, table 2: MNIST),
without its dropout: dropout 0.
"""

# flax.linen.compact is untyped, as all of the frameworks:
# mypy: disallow-untyped-decorators=False

from itertools import pairwise
from typing import Any

from hwbench.workload import Config, Optimizer, Variant, Workload


def inputs(config: Config, batch_size: int, rng: Any) -> tuple[Any, ...]:
    """Return one float32 array of shape (batch, features)."""
    return (rng.standard_normal((batch_size, config["features"]), dtype="float32"),)


def targets(config: Config, batch_size: int, rng: Any) -> Any:
    """Return int64 labels of shape (batch,)."""
    return rng.integers(config["classes"], size=batch_size, dtype="int64")


def _matrices(config: Config) -> list[tuple[int, int]]:
    """List (features in, features out) of every layer."""
    width = config["width"]
    sizes = [config["features"], *[width] * config["hidden_layers"], config["classes"]]
    return list(pairwise(sizes))


def parameters(config: Config) -> int:
    """Count the weights and biases."""
    return sum(n_in * n_out + n_out for n_in, n_out in _matrices(config))


def flops(config: Config) -> int:
    """Return the forward FLOPs of one row: 2 per multiply-accumulate of the matrices."""
    return 2 * sum(n_in * n_out for n_in, n_out in _matrices(config))


def build_torch(config: Config) -> Any:
    """Build the torch module: rows (batch, features) to logits (batch, classes)."""
    import torch
    from torch import nn

    class Mlp(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            *hidden, last = _matrices(config)
            self.hidden = nn.ModuleList(nn.Linear(*sizes) for sizes in hidden)
            self.fc = nn.Linear(*last)

        def forward(self, x: Any) -> Any:
            for layer in self.hidden:
                x = torch.relu(layer(x))
            return self.fc(x)

    return Mlp()


def build_flax(config: Config, dtype: str) -> Any:
    """Build the Flax module that computes in `dtype`; its logits are float32."""
    import jax.numpy as jnp
    from flax import linen as nn

    class Mlp(nn.Module):
        @nn.compact
        def __call__(self, x: Any, train: bool) -> Any:
            for i in range(config["hidden_layers"]):
                x = nn.relu(nn.Dense(config["width"], dtype=dtype, name=f"hidden.{i}")(x))
            return nn.Dense(config["classes"], dtype=dtype, name="fc")(x).astype(jnp.float32)

    return Mlp()


WORKLOAD = Workload(
    name="mlp",
    version=1,
    summary="multilayer perceptron 784-2048-2048-2048-10, ReLU (Srivastava et al. 2014, table 2)",
    item="row",
    variants={
        "": Variant(
            config={"features": 784, "width": 2048, "hidden_layers": 3, "classes": 10},
            shape={"width": 2048},
            batch_size=128,
        ),
        "small": Variant(
            config={"features": 64, "width": 128, "hidden_layers": 3, "classes": 10},
            shape={"width": 128},
            batch_size=32,
        ),
    },
    optimizer=Optimizer(name="adamw", learning_rate=1e-4, weight_decay=0.01),
    inputs=inputs,
    targets=targets,
    build_torch=build_torch,
    build_flax=build_flax,
    parameters=parameters,
    flops=flops,
    definition="3317cad74d459414",
)
