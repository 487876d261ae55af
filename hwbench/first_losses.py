"""The losses of the first steps of a training case, on one batch, the same for whoever asks."""

from collections.abc import Callable

from hwbench import building, check, registry
from hwbench.memory_use import limit_memory
from hwbench.protocol import CHECK_SEED, LossesDone, LossesRequest
from hwbench.runtime import Program


def of(request: LossesRequest, clock: Callable[[], float]) -> tuple[Program, LossesDone]:
    """Make the case ready and train its steps; raise WrongAnswer where the first has no number."""
    import numpy as np

    limit_memory(request.memory_limit_bytes)
    case, began = request.case, clock()
    runtime = registry.runtimes()[case.runtime]
    runtime.configure(request.threads)
    network, rng = registry.networks()[case.name], np.random.default_rng(CHECK_SEED)
    built = building.made_by(runtime, case)
    program = runtime.prepare_workload(
        network.workload, network.variant.config, case, rng, None, **built
    )
    setup_s, start = clock() - began, clock()
    first = program.answer(1)
    first_step_s, start = clock() - start, clock()
    check.finite(first)
    found = [*first.outputs[0], *program.answer(request.steps - 1).outputs[0]]
    done = LossesDone(
        losses=tuple(float(x) if np.isfinite(x) else None for x in found),
        setup_s=setup_s,
        first_step_s=first_step_s,
        wall_s=clock() - start,
    )
    return program, done
