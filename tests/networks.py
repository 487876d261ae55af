"""Networks of the registry as torch and Flax models on the made weights, as a user writes them."""

# jax.jit is untyped, as all of the frameworks:
# mypy: disallow-untyped-decorators=False

from collections.abc import Callable
from typing import Any

from hwbench import registry, weights
from hwbench.registry import Network

FLOAT32_TOLERANCE = 1e-4

# Sizes of an architecture that another workload has too: what takes seconds is not repeated for
# them; counts, definitions and logits are.
OTHER_SIZES = {"gpt2_medium", "gpt2_large", "gpt2_xl", "llama_70b"}


def network(name: str) -> Network:
    return registry.networks()[name]


def drawn(net: Network, batch_size: int | None = None) -> tuple[tuple[Any, ...], Any]:
    """Draw (inputs, targets) from seed 0."""
    import numpy as np

    size = batch_size or net.variant.batch_size
    return net.workload.batch(net.variant.config, size, np.random.default_rng(0))


def torch_model(net: Network) -> Any:
    """Build the torch module with the made weights."""
    model = net.workload.build_torch(net.variant.config)
    model.load_state_dict(weights.torch_state(model, net.workload.embeddings))
    return model


def flax_model(net: Network, dtype: str = "float32") -> tuple[Any, dict[str, Any]]:
    """Build the Flax module and its made variables."""
    model = net.workload.build_flax(net.variant.config, dtype)
    return model, weights.flax_variables(flax_shapes(net, model), net.workload.embeddings)


def flax_shapes(net: Network, model: Any) -> Any:
    """Return the shapes of the variables, those that only the objectives use included."""
    from hwbench.dialects import jax_variables

    inputs, targets = drawn(net, batch_size=1)
    return jax_variables.shapes(net.workload, model, inputs, targets)


def torch_logits(model: Any, inputs: tuple[Any, ...]) -> Any:
    import torch

    with torch.no_grad():
        return model.eval()(*map(torch.from_numpy, inputs)).numpy()


def flax_logits(model: Any, variables: dict[str, Any], inputs: tuple[Any, ...]) -> Any:
    import jax
    import numpy as np

    return np.asarray(jax.jit(lambda v, x: model.apply(v, *x, train=False))(variables, inputs))


def relative_error(found: Any, expected: Any) -> float:
    """Return the largest difference, relative to the largest expected magnitude."""
    import numpy as np

    assert found.shape == expected.shape
    return float(np.abs(found - expected).max() / np.abs(expected).max())


def uneven(make: Callable[..., Any]) -> Callable[..., Any]:
    """Change `weights.make` so that no vector is constant: a swapped or lost one then shows."""

    def uneven_make(name: str, shape: Any, embeddings: Any = (), seed: int = 0) -> Any:
        import numpy as np

        made = make(name, shape, embeddings, seed)
        if len(shape) > 1:
            return made
        matrix = make(name, (1, *shape), (), seed)  # sqrt(2 / n) normal
        noise = matrix[0] * np.float32((shape[0] / 2) ** 0.5)
        return made + np.float32(0.2) * np.tanh(noise)

    return uneven_make
