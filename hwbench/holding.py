"""Whether the weights of a network fit the machine at all: said before anything is built.

A lower bound: activations and libraries come on top, and what they take is found by running. Every
runtime's weights are made in float32 in the host's memory first. On an accelerator inference holds
them in the case's own format; training keeps float32 weights in every format, with their gradients
and the optimiser's moments. A shortcut or a hardening may train few of them: their weights count.
"""

from collections.abc import Mapping

from hwbench import cgroup, nvml, parameter_bytes, registry
from hwbench.case import Case

CPU = "cpu"
_HALF_BYTES = 2
_HALVES = ("bfloat16", "float16")
_GB = 1e9
LEAST_BLOCKS = 3  # fewer are no more than what would be measured instead


def here() -> dict[str, int]:
    """Return the memory of this machine's devices, `cpu` being the machine's or its group's."""
    told = [
        (CPU, cgroup.memory_bytes()),
        *((d.name, d.memory_bytes) for d in nvml.devices().devices),
    ]
    return {name: size for name, size in told if size}


def too_large(case: Case, memory_bytes: Mapping[str, int]) -> str | None:
    """Return why a network's weights cannot be held, or None; `memory_bytes` is by device.

    A device whose memory is not known holds anything.
    """
    network = registry.networks()[case.name]
    parameters = network.workload.parameters(network.variant.config)
    copies, what = 1, "weights"
    if case.phase == "training" and case.way is None:
        copies = 2 + parameter_bytes.moments_of(case.name)
        what = "weights, gradients and moments" if copies > 2 else "weights and gradients"
    halved = case.device != CPU and case.phase == "inference" and case.dtype in _HALVES
    word_bytes = _HALF_BYTES if halved else parameter_bytes.WORD_BYTES
    why = _short(
        f"its {what}", parameters * word_bytes * copies, case.device, memory_bytes
    ) or _short(
        "its weights in float32, made there first",
        parameters * parameter_bytes.WORD_BYTES,
        CPU,
        memory_bytes,
    )
    if why is None or network.variant.config.get("layers", 0) < LEAST_BLOCKS:
        return why
    return f"{why}: --blocks auto tells it from a few of its blocks"


def _short(what: str, needed: int, device: str, memory_bytes: Mapping[str, int]) -> str | None:
    present = memory_bytes.get(device)
    if present is None or needed <= present:
        return None
    where = "the machine" if device == CPU else device
    return f"needs {_gb(needed)} for {what}, {where} has {_gb(present)}"


def _gb(value: int) -> str:
    return f"{value / _GB:,.{0 if value >= 100 * _GB else 1}f} GB"
