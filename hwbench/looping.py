"""The child's side of a real training loop: it keeps the loop open between the parent's parts."""

import math
from pathlib import Path
from typing import Any

from hwbench import registry
from hwbench.errors import HwbenchError, Unavailable
from hwbench.loop import LoopPart, Opened, OpenLoop, PartDone
from hwbench.memory_use import limit_memory

STEP_MARGIN = 0.5  # of a step: a stretch ends where one more would overshoot its time


class Looper:
    """Holds the one loop of this process."""

    def __init__(self) -> None:
        """Begin with none."""
        self._loop: Any = None

    def open(self, request: OpenLoop) -> Opened:
        """Build the loop; raise Unavailable where the runtime trains none."""
        case = request.case
        runtime = registry.runtimes()[case.runtime]
        if runtime.open_loop is None:
            raise Unavailable(
                f"{case.runtime} has no training loop here: choose torch or torch-compile"
            )
        limit_memory(request.memory_limit_bytes)
        runtime.configure(request.threads)
        network = registry.networks()[case.workload]
        self._loop = runtime.open_loop(network.workload, network.variant.config, case, request.seed)
        return Opened(read_s=self._loop.read_s)

    def part(self, request: LoopPart) -> PartDone:
        """Run a part of the open loop."""
        loop = self._loop
        if loop is None:
            raise HwbenchError("no loop is open in this process")
        limit_s = request.seconds if request.seconds is not None else math.inf
        if request.what == "steps":
            return PartDone(stretch=loop.stretch(lambda n, s: s + STEP_MARGIN * s / n >= limit_s))
        if request.what == "epoch":
            return PartDone(stretch=loop.epoch())
        if request.what == "evaluate":
            return PartDone(evaluated=loop.evaluate(request.batches, lambda s: s >= limit_s))
        if request.what == "drain":
            return PartDone(drained=loop.drain(lambda n, s: n > 0 and s >= limit_s))
        assert request.path is not None
        return PartDone(saved=loop.checkpoint(Path(request.path)))
