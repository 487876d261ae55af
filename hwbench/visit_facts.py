"""What a visit tells beside its times: operators under an edge profile, activations of a cut."""

from contextlib import suppress

from hwbench import depth, registry
from hwbench.edge_facts import OperatorTime
from hwbench.memory_use import limit_memory
from hwbench.protocol import VisitRequest
from hwbench.runtime import Program


def operators(program: Program, request: VisitRequest) -> tuple[OperatorTime, ...]:
    """Return where the time of an inference under an edge profile goes, where a runtime tells.

    It takes a program more, so that the profile's memory does not hold any longer.
    """
    tell = program.operators
    if request.model_limit_bytes is None or not request.check or tell is None:
        return ()
    limit_memory(request.memory_limit_bytes)
    with suppress(Exception):  # the times are told without it
        return tell()
    return ()


def kept_bytes(request: VisitRequest) -> int | None:
    """Return the bytes that autograd keeps in a training of a cut, where torch counts them."""
    case = request.case
    cut = depth.parted(case.name)[1] is not None
    if not cut or case.phase != "training" or not request.check or case.options:
        return None
    from hwbench.dialects import torch_memory

    network = registry.networks()[case.name]
    with suppress(Exception):  # the times are told without it
        return torch_memory.kept_bytes(
            network.workload, network.variant.config, case.batch_size or 1, case.dtype
        )
    return None
