"""Drawing inputs and targets of the kind that a model of the user's own takes."""

from typing import Any

from hwbench.model_facts import TensorFacts


def drawn(tensor: TensorFacts, batch_size: int, rng: Any) -> Any:
    """Draw an array of the tensor's kind: (batch_size, *shape)."""
    import numpy as np

    shape = (batch_size, *tensor.shape)
    if tensor.dtype == "float32":
        return (rng.standard_normal(shape) * tensor.sd + tensor.mean).astype(np.float32)
    whole = rng.integers(tensor.low, tensor.high + 1, shape)
    return whole.astype(tensor.dtype)
