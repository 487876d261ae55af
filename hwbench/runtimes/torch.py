"""PyTorch, eager: every operation is launched as Python comes to it."""

from hwbench.device import RuntimeFacts
from hwbench.dialects import torch as dialect
from hwbench.dialects import torch_device
from hwbench.runtime import Runtime


def probe() -> RuntimeFacts:
    """Return the version and devices of torch."""
    return torch_device.probe("torch")


RUNTIME = Runtime(
    name="torch",
    dialect="torch",
    library="torch",
    remedy=torch_device.REMEDY,
    summary="PyTorch in eager mode",
    phases=("forward", "backward", "inference", "training"),
    supports=dialect.supports,
    probe=probe,
    configure=dialect.configure,
    prepare_kernel=dialect.prepare_kernel,
    prepare_workload=dialect.prepare_workload,
)
