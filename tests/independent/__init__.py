"""Our networks as other people have written and counted them: one module a workload.

`tests/independent/<workload>.py` exports `INDEPENDENT`; a test over the registry fails for a
workload that has none.
"""

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from hwbench.dialects.torch_vision import let_torchvision_import
from hwbench.workload import Config


@dataclass(frozen=True, kw_only=True)
class Published:
    """What the literature says of the published size; FLOPs are 2 x MAC of one item, forward."""

    parameters: float
    flops: float | None
    source: str


@dataclass(frozen=True, kw_only=True)
class Independent:
    """`logits(config, state, inputs)` computes with another implementation, from our weights.

    `state` is our torch module's state_dict in float32, `inputs` are our NumPy inputs; it returns
    a NumPy array. It must take every parameter of `state` that inference uses, strictly.
    """

    library: str  # whose implementation, as a table shows it
    logits: Callable[[Config, Mapping[str, Any], tuple[Any, ...]], Any]
    published: Published


def of(workload: str) -> Independent:
    """Return what is known of the workload elsewhere."""
    let_torchvision_import()  # transformers imports it where it is installed, as timm does
    found = importlib.import_module(f"tests.independent.{workload}").INDEPENDENT
    assert isinstance(found, Independent)
    return found
