"""How many weights a network has, and how many numbers a training keeps of each."""

from functools import cache

from hwbench import registry
from hwbench.workload import Optimizer

WORD_BYTES = 4  # of a weight that is trained


@cache
def parameters_of(workload: str) -> int:
    """Return the parameters of a workload's network."""
    network = registry.networks()[workload]
    return network.workload.parameters(network.variant.config)


def moments_of(workload: str) -> int:
    """Return how many numbers a workload's optimiser keeps of each weight."""
    optimizer: Optimizer = registry.networks()[workload].workload.optimizer
    if optimizer.name == "adamw":
        return 2
    return 1 if optimizer.momentum else 0
