"""The children of a run: which process visits which case, and when it is ended."""

import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path

from hwbench import codec, edge_limits, host, sides
from hwbench.case import SIDE, Case
from hwbench.edge_facts import EDGE
from hwbench.measurement import Protocol
from hwbench.probing import ChildLike, Spawn
from hwbench.protocol import Reply, VisitResult
from hwbench.selection import group
from hwbench.sides import Side

MEMORY_FRAC = 0.92  # of what is available when a child starts: its own limit on a CPU


class Crew:
    """Starts a child when a case needs one, and ends it when its group is done."""

    def __init__(self, protocol: Protocol, spawn: Spawn, first: int) -> None:
        """Number the children from `first`, after those of the part that is resumed."""
        self.protocol, self._spawn, self._next = protocol, spawn, first
        self._side = sides.side_of(protocol.against) if protocol.against is not None else None
        self._members: dict[str, ChildLike] = {}
        self._limits: dict[str, int | None] = {}
        self._alone: set[str] = set()  # the keys of those that do not fit beside their other side
        # Compilers' caches live for one run: its first process compiles in truth, later ones load.
        self._scratch = Path(tempfile.mkdtemp(prefix="hwbench-run-"))

    def _key(self, case: Case) -> str:
        return group(case) if self.protocol.fresh_processes else case.runtime

    def member(self, case: Case) -> ChildLike:
        """Return the child that visits the case, started if it is not there."""
        side = self._side if SIDE in case.options else None
        return self._started(self._key(case), side, self.threads(case))

    def threads(self, case: Case) -> int:
        """Return the threads that a case's child has."""
        if EDGE in case.options:
            return edge_limits.threads(case, self.protocol)
        own = self._side.threads if self._side and SIDE in case.options else None
        return own or self.protocol.threads

    def model_limit(self, case: Case) -> int | None:
        """Return the memory that a model may take under an edge profile."""
        return edge_limits.memory_bytes(case, self.protocol) if EDGE in case.options else None

    def torch(self) -> ChildLike:
        """Return a child that may import torch, for references and exports."""
        return self._started("preparing" if self.protocol.fresh_processes else "torch")

    def _started(self, key: str, side: Side | None = None, threads: int | None = None) -> ChildLike:
        if key not in self._members:
            beside = self._side is not None and key not in self._alone
            room = self.room_bytes()
            self._limits[key] = room // 2 if room and beside else room
            threads = threads or self.protocol.threads
            environment = self._environment() | dict(side.environment if side else {})
            self._members[key] = self._spawn(self._next, threads, environment)
            self._next += 1
        return self._members[key]

    def _environment(self) -> dict[str, str]:
        return {
            "JAX_COMPILATION_CACHE_DIR": str(self._scratch / "jax"),
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0.5",
            "TORCHINDUCTOR_CACHE_DIR": str(self._scratch / "inductor"),
        }

    def memory_limit(self, case: Case) -> int | None:
        """Return the limit of the case's child; a GPU's driver maps far more than it uses."""
        return self._limits.get(self._key(case)) if case.device == "cpu" else None

    def room_bytes(self) -> int | None:
        """Return the memory that a child on the CPU would be given now."""
        free = host.available_memory_bytes()
        return int(free * MEMORY_FRAC) if free else None

    def result(self, reply: Reply) -> VisitResult:
        """Read the outcome of a visit from a reply."""
        return codec.decode(VisitResult, reply.result)

    def done_with(self, case: Case, upcoming: Iterable[Case]) -> None:
        """End the case's child if it was fresh and none of the next cases is of its group."""
        if self.protocol.fresh_processes and group(case) not in map(group, upcoming):
            self.lose(case)

    def apart(self, cases: Iterable[Case]) -> None:
        """End the children of cases that do not fit beside each other; from now on one by one."""
        for case in cases:
            self.lose(case)
            self._alone.add(self._key(case))

    def is_apart(self, case: Case) -> bool:
        """Return whether a case is visited without its other side beside it."""
        return self._key(case) in self._alone

    def lose(self, case: Case) -> None:
        """End the child of a case, which a next visit starts anew."""
        self._end(self._key(case))

    def lose_torch(self) -> None:
        """End the child that `torch` gave, after it failed."""
        self._end("preparing" if self.protocol.fresh_processes else "torch")

    def end_preparing(self) -> None:
        """End the child that made references and exports, where it was one of its own."""
        self._end("preparing")

    def _end(self, key: str) -> None:
        child = self._members.pop(key, None)
        if child is not None:
            child.end()

    def end_all(self) -> None:
        """End every child; one that is needed again is started anew."""
        for key in list(self._members):
            self._end(key)

    def end(self) -> None:
        """End every child and remove the scratch folder."""
        self.end_all()
        shutil.rmtree(self._scratch, ignore_errors=True)
