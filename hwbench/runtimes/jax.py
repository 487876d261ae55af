"""JAX on XLA, networks through Flax (linen) and Optax."""

from hwbench.dialects import jax as dialect
from hwbench.dialects import jax_device
from hwbench.runtime import Runtime

RUNTIME = Runtime(
    name="jax",
    dialect="jax",
    library="jax",
    remedy=jax_device.REMEDY,
    summary="JAX, compiled by XLA ahead of time",
    phases=("forward", "backward", "inference", "training"),
    supports=dialect.supports,
    probe=jax_device.probe,
    configure=jax_device.configure,
    prepare_kernel=dialect.prepare_kernel,
    prepare_workload=dialect.prepare_workload,
)
