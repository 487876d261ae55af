"""The cases that are measured here, made ready as a run makes them."""

from collections.abc import Mapping
from pathlib import Path

from hwbench import registry
from hwbench.case import Case
from hwbench.runtime import Program

RUNTIMES = ("torch", "jax", "onnxruntime")


def kernel(runtime: str, name: str, label: str, threads: int, device: str = "cpu") -> Program:
    """Return the forward pass of a kernel at one of its shapes, in the first of its dtypes."""
    plugin, executor = registry.kernels()[name], registry.runtimes()[runtime]
    case = Case(
        kind="kernel",
        name=name,
        version=plugin.version,
        phase="forward",
        scenario="hot",
        runtime=runtime,
        device=device,
        dtype=plugin.dtypes[0],
        shape=plugin.shapes[label],
    )
    executor.configure(threads)
    return executor.prepare_kernel(plugin, case, _generator())


def inference(
    runtime: str, name: str, threads: int, model: str | None, device: str = "cpu"
) -> Program:
    """Return the inference of a network at its own batch size, in float32."""
    network, executor = registry.networks()[name], registry.runtimes()[runtime]
    case = Case(
        kind="workload",
        name=name,
        version=network.workload.version,
        phase="inference",
        scenario="offline",
        runtime=runtime,
        device=device,
        dtype="float32",
        batch_size=network.variant.batch_size,
        shape=network.variant.shape,
    )
    executor.configure(threads)
    exported = model if executor.needs_export else None
    return executor.prepare_workload(
        network.workload, network.variant.config, case, _generator(), exported
    )


def single(runtime: str, name: str, threads: int, model: str) -> Program:
    """Return the inference of one item by a network's ONNX file, in float32."""
    network, executor = registry.networks()[name], registry.runtimes()[runtime]
    case = Case(
        kind="workload",
        name=name,
        version=network.workload.version,
        phase="inference",
        scenario="single_stream",
        runtime=runtime,
        device="cpu",
        dtype="float32",
        batch_size=1,
        shape=network.variant.shape,
    )
    executor.configure(threads)
    return executor.prepare_workload(
        network.workload, network.variant.config, case, _generator(), model
    )


def training(
    runtime: str, name: str, threads: int, batch_size: int, device: str = "cpu"
) -> Program:
    """Return the training step of a network, in float32."""
    network, executor = registry.networks()[name], registry.runtimes()[runtime]
    case = Case(
        kind="workload",
        name=name,
        version=network.workload.version,
        phase="training",
        scenario="train_step",
        runtime=runtime,
        device=device,
        dtype="float32",
        batch_size=batch_size,
        shape=network.variant.shape,
    )
    executor.configure(threads)
    return executor.prepare_workload(
        network.workload, network.variant.config, case, _generator(), None
    )


def export(name: str, path: Path) -> Mapping[str, str]:
    """Write the network's ONNX file; this imports torch."""
    from hwbench.dialects import onnx

    network = registry.networks()[name]
    variant = network.variant
    onnx.export_workload(network.workload, variant.config, variant.batch_size, "float32", path)
    return {"path": str(path)}


def _generator() -> object:
    import numpy as np

    return np.random.default_rng(0)
