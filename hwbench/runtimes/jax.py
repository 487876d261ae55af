"""JAX on XLA, networks through Flax (linen) and Optax."""

from hwbench.runtime import Runtime, later

_DIALECT, _DEVICE = "hwbench.dialects.jax", "hwbench.dialects.jax_device"

RUNTIME = Runtime(
    name="jax",
    dialect="jax",
    library="jax",
    remedy="pip install 'hwbench-dl[jax]'",
    summary="JAX, compiled by XLA ahead of time",
    phases=("forward", "backward", "inference", "training"),
    supports=later(_DIALECT, "supports"),
    probe=later(_DEVICE, "probe"),
    configure=later(_DEVICE, "configure"),
    prepare_kernel=later(_DIALECT, "prepare_kernel"),
    prepare_workload=later(_DIALECT, "prepare_workload"),
    open_loop=later("hwbench.dialects.jax_loop", "JaxLoop"),
)
