"""The parent's side of a real training loop: a child that holds it, asked for its parts."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from hwbench import codec, host
from hwbench.crew import MEMORY_FRAC
from hwbench.errors import HwbenchError
from hwbench.loop import LoopCase, LoopPart, Opened, OpenLoop, PartDone
from hwbench.probing import ChildLike, Spawn

T = TypeVar("T")
OPEN_LIMIT_S = 1800.0  # a large dataset is read into memory
SLOWEST = 20.0  # times what a part is expected to take, before it is given up as hung
LEAST_LIMIT_S = 600.0


class LoopFailed(HwbenchError):
    """The loop could not be opened or a part of it failed; the text says why."""


class LoopChild:
    """A child with an open loop; `open_s` is from its start to the loop being open."""

    def __init__(
        self,
        case: LoopCase,
        number: int,
        threads: int,
        seed: int,
        spawn: Spawn,
        tick: Callable[[], None],
        clock: Callable[[], float] = time.perf_counter,
        scratch: Path | None = None,
    ) -> None:
        """Start the process and open the loop; raise LoopFailed with the child's reason.

        With a `scratch` folder it compiles in truth: no process finds what another has compiled.
        """
        self._tick = tick
        began = clock()
        free = host.available_memory_bytes()
        limit = int(free * MEMORY_FRAC) if free and case.device == "cpu" else None
        own = (
            {"TORCHINDUCTOR_CACHE_DIR": str((scratch / f"inductor-{number}").resolve())}
            if scratch
            else {}
        )
        self._child: ChildLike = spawn(number, threads, own)
        try:
            request = OpenLoop(case=case, threads=threads, seed=seed, memory_limit_bytes=limit)
            opened = self._ask("open_loop", request, Opened, OPEN_LIMIT_S)
        except BaseException:
            self.end()
            raise
        self.open_s = clock() - began
        self.read_s = opened.read_s

    def part(self, request: LoopPart, expected_s: float = 0.0) -> PartDone:
        """Run a part and return what it took; raise LoopFailed if it fails or hangs."""
        limit_s = max(LEAST_LIMIT_S, SLOWEST * max(expected_s, request.seconds or 0.0))
        return self._ask("loop_part", request, PartDone, limit_s)

    def _ask(self, verb: str, request: Any, cls: type[T], limit_s: float) -> T:
        reply = self._child.ask(verb, request, limit_s, self._tick)
        if not reply.ok:
            remedy = f": {reply.remedy}" if reply.remedy else ""
            raise LoopFailed(f"{reply.reason}{remedy}")
        return codec.decode(cls, reply.result)

    def end(self) -> None:
        """End the process."""
        self._child.end()
