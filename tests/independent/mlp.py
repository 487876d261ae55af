"""The multilayer perceptron in NumPy, float64."""

from collections.abc import Mapping
from typing import Any

from hwbench.workload import Config
from tests.independent import Independent, Published


def logits(config: Config, state: Mapping[str, Any], inputs: tuple[Any, ...]) -> Any:
    import numpy as np

    left = {name: tensor.double().numpy() for name, tensor in state.items()}
    (x,) = inputs
    for i in range(config["hidden_layers"]):
        x = np.maximum(x @ left.pop(f"hidden.{i}.weight").T + left.pop(f"hidden.{i}.bias"), 0)
    y = x @ left.pop("fc.weight").T + left.pop("fc.bias")
    assert not left
    return y


INDEPENDENT = Independent(
    library="NumPy float64, by hand",
    logits=logits,
    published=Published(
        parameters=785 * 2048 + 2 * 2049 * 2048 + 2049 * 10,
        flops=2 * (784 * 2048 + 2 * 2048 * 2048 + 2048 * 10),
        source="by hand from the sizes in Srivastava et al. 2014, JMLR 15, table 2 (3 layers,"
        " 2048 units, MNIST), which gives no counts",
    ),
)
