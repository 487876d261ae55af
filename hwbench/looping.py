"""The child's side of a real training loop: it keeps the loop open between the parent's parts."""

import math
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from hwbench import interference, registry
from hwbench.errors import HwbenchError, Unavailable
from hwbench.interference import Watch
from hwbench.loop import LoopPart, Opened, OpenLoop, PartDone, Stretch
from hwbench.memory_use import limit_memory

STEP_MARGIN = 0.5  # of a step: a stretch ends where one more would overshoot its time


class Looper:
    """Holds the one loop of this process."""

    def __init__(self) -> None:
        """Begin with none."""
        self._loop: Any = None
        self._watch: Watch | None = None

    def open(self, request: OpenLoop) -> Opened:
        """Build the loop; raise Unavailable where the runtime trains none."""
        case = request.case
        runtime = registry.runtimes()[case.runtime]
        if runtime.open_loop is None:
            raise Unavailable(
                f"{case.runtime} has no training loop here: choose torch, torch-compile or jax"
            )
        limit_memory(request.memory_limit_bytes)
        runtime.configure(request.threads)
        network = registry.networks()[case.workload]
        build = None
        if case.shortcut is not None:
            build = registry.shortcuts()[case.shortcut].build
        built = {} if build is None else {"build": build}
        self._loop = runtime.open_loop(
            network.workload, network.variant.config, case, request.seed, **built
        )
        # Workers are processes of their own: the watch would take them for strangers.
        alone = case.loading.workers == 0
        watched = Watch(time.perf_counter, request.threads, case.device) if alone else None
        self._watch = watched
        return Opened(read_s=self._loop.read_s)

    def part(self, request: LoopPart) -> PartDone:
        """Run a part of the open loop."""
        loop = self._loop
        if loop is None:
            raise HwbenchError("no loop is open in this process")
        limit_s = request.seconds if request.seconds is not None else math.inf
        if request.what == "steps":
            return PartDone(stretch=self._watched(limit_s))
        if request.what == "epoch":
            return PartDone(stretch=loop.epoch())
        if request.what == "evaluate":
            return PartDone(evaluated=loop.evaluate(request.batches, lambda s: s >= limit_s))
        if request.what == "drain":
            return PartDone(drained=loop.drain(lambda n, s: n > 0 and s >= limit_s))
        if request.what == "once":
            return PartDone(once=loop.once(lambda s: s >= limit_s))
        assert request.path is not None
        return PartDone(saved=loop.checkpoint(Path(request.path)))

    def _watched(self, limit_s: float) -> Stretch:
        """Run a short stretch, and say what else ran on the machine meanwhile."""
        if self._watch is not None:
            self._watch.begin()
        found: Stretch = self._loop.stretch(lambda n, s: s + STEP_MARGIN * s / n >= limit_s)
        told = self._watch.end() if self._watch is not None else None
        passing = told is not None and interference.kind_of(told) in interference.PASSING
        return replace(found, disturbed=told if passing else None)
