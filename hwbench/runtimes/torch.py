"""PyTorch, eager: every operation is launched as Python comes to it."""

from functools import partial

from hwbench.runtime import Runtime, later

_DIALECT = "hwbench.dialects.torch"

RUNTIME = Runtime(
    name="torch",
    dialect="torch",
    library="torch",
    remedy="pip install 'hwbench-dl[torch]'",
    summary="PyTorch in eager mode",
    phases=("forward", "backward", "inference", "training"),
    supports=later(_DIALECT, "supports"),
    probe=partial(later("hwbench.dialects.torch_device", "probe"), "torch"),
    configure=later(_DIALECT, "configure"),
    prepare_kernel=later(_DIALECT, "prepare_kernel"),
    prepare_workload=later(_DIALECT, "prepare_workload"),
    open_loop=later("hwbench.dialects.torch_loop", "TorchLoop"),
)
