"""PyTorch through torch.compile: one graph, fused by Inductor, compiled in the first iteration."""

import os
import sys
from typing import TYPE_CHECKING

from hwbench.errors import Unavailable
from hwbench.runtime import Runtime, later

if TYPE_CHECKING:
    from hwbench.case import Case
    from hwbench.probed import RuntimeFacts

_DIALECT = "hwbench.dialects.torch"


def probe() -> "RuntimeFacts":
    """Return torch's facts; raise Unavailable without the C++ compiler that Inductor calls."""
    import shutil

    from hwbench.dialects import torch_device

    compiler = os.environ.get("CXX", "clang++" if sys.platform == "darwin" else "g++")
    if shutil.which(compiler) is None:
        raise Unavailable(
            f"torch.compile calls a C++ compiler, and {compiler} is not found",
            "install one (apt install g++), or set CXX to yours",
        )
    return torch_device.probe("torch-compile")


def supports(case: "Case") -> str | None:
    """Return why torch.compile never runs `case`, or None."""
    if case.device == "mps":
        return "torch.compile is a prototype on mps"
    from hwbench.dialects import torch as dialect

    return dialect.supports(case)


_compiled = later("hwbench.dialects.torch_compiled", "compiled")

RUNTIME = Runtime(
    name="torch-compile",
    dialect="torch",
    library="torch",
    remedy="pip install 'hwbench-dl[torch]'",
    summary="PyTorch through torch.compile (Inductor)",
    phases=("forward", "backward", "inference", "training"),
    supports=supports,
    probe=probe,
    configure=later(_DIALECT, "configure"),
    prepare_kernel=later(_DIALECT, "prepare_kernel", transform=_compiled),
    prepare_workload=later(_DIALECT, "prepare_workload", transform=_compiled),
    open_loop=later("hwbench.dialects.torch_loop", "TorchLoop", transform=_compiled),
    default=False,
)
