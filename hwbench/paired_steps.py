"""A training step with settings against the plain one: two processes, blocks of steps in turn."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from hwbench import codec, ratio_tests, stats
from hwbench.advised import PairedRatio
from hwbench.case import Case
from hwbench.child import ChildFailed
from hwbench.errors import HwbenchError
from hwbench.probing import ChildLike, Spawn
from hwbench.protocol import LossesDone, LossesRequest, VisitRequest, VisitResult
from hwbench.timing import Pace

LEVEL = 0.95
LEAST_BLOCKS, MOST_BLOCKS = 8, 60
ENOUGH_LOG = 0.01  # half of the interval
BLOCK_S = 0.25
LIMIT_S = 1800.0  # of getting ready, compilation in it


class StepFailed(HwbenchError):
    """A step could not be made or run; `skipped` where it is not meant for this network."""

    def __init__(self, reason: str, *, skipped: bool = False) -> None:
        """Keep whether it was never meant to run."""
        self.skipped = skipped
        super().__init__(reason)


@dataclass(kw_only=True)
class Side:
    """A step in a process of its own, ready to run; `end` it."""

    case: Case
    threads: int
    child: ChildLike
    tick: Callable[[], None]
    done: LossesDone
    memory: list[int] = field(default_factory=list)
    blocks: int = 0

    @property
    def loss(self) -> float | None:
        """Return the last loss of the steps at the start."""
        return self.done.losses[-1]

    @property
    def memory_bytes(self) -> int | None:
        """Return the peak of the blocks."""
        return max(self.memory, default=None)

    def block(self) -> float:
        """Run a block of steps; return the median seconds of one."""
        self.blocks += 1
        pace = Pace(
            visit_s=BLOCK_S, min_samples=1, sample_s=BLOCK_S / 5, max_samples=10, limit_s=LIMIT_S
        )
        request = VisitRequest(
            case=self.case,
            threads=self.threads,
            pace=pace,
            round=0,
            process=self.child.number,
            run_start=time.perf_counter(),
            seed=1,
            check=False,
            check_batch=None,
            keep=True,
        )
        done = codec.decode(VisitResult, _asked(self.child, "visit", request, self.tick))
        if done.status != "ok" or not done.samples:
            raise StepFailed(done.reason or "it gave no sample")
        where = done.memory
        if where is not None:
            peak = where.host if self.case.device == "cpu" else where.device
            self.memory += [peak] if peak else []
        return stats.median([s.wall_s / s.loops for s in done.samples])

    def end(self) -> None:
        """End its process."""
        self.child.end()


def opened(
    case: Case, number: int, threads: int, steps: int, spawn: Spawn, tick: Callable[[], None]
) -> Side:
    """Start a process and train the first steps; raise StepFailed where there is no such step."""
    child = spawn(number, threads, {})
    try:
        request = LossesRequest(case=case, threads=threads, steps=steps)
        done = codec.decode(LossesDone, _asked(child, "losses", request, tick))
    except BaseException:
        child.end()
        raise
    return Side(case=case, threads=threads, child=child, tick=tick, done=done)


def _asked(child: ChildLike, verb: str, request: Any, tick: Callable[[], None]) -> Any:
    try:
        reply = child.ask(verb, request, LIMIT_S, tick)
    except ChildFailed as e:
        raise StepFailed(str(e)) from None
    if not reply.ok:
        remedy = f": {reply.remedy}" if reply.remedy else ""
        raise StepFailed(f"{reply.reason}{remedy}", skipped=reply.code == "unavailable")
    return reply.result


def ratio(
    plain: Side, other: Side, seconds: float, clock: Callable[[], float] = time.perf_counter
) -> tuple[PairedRatio, list[float]]:
    """Return other / plain of blocks in turn, and the seconds of a plain step in each pair.

    Ends when half the interval is ENOUGH_LOG, after `seconds`, or MOST_BLOCKS; not before
    LEAST_BLOCKS. Who goes first changes from pair to pair.
    """
    plain.block(), other.block()  # the caches and the clocks are another's
    logs: list[float] = []
    plain_s: list[float] = []
    began = clock()
    while True:
        order = (plain, other) if len(logs) % 2 else (other, plain)
        took = {id(side): side.block() for side in order}
        logs.append(math.log(took[id(other)] / took[id(plain)]))
        plain_s.append(took[id(plain)])
        found = _interval(logs) if len(logs) >= 2 else None
        if len(logs) < LEAST_BLOCKS or found is None:
            if clock() - began > 4 * seconds and len(logs) >= 4:
                break
            continue
        if found[1] <= ENOUGH_LOG or len(logs) >= MOST_BLOCKS or clock() - began > seconds:
            break
    mean, half = _interval(logs)
    return (
        PairedRatio(
            point=math.exp(mean),
            low=math.exp(mean - half),
            high=math.exp(mean + half),
            level=LEVEL,
            blocks=len(logs),
        ),
        plain_s,
    )


def _interval(logs: list[float]) -> tuple[float, float]:
    """Return the trimmed mean of the logarithms and half of its interval (Yuen 1974)."""
    mean, error, freedom = ratio_tests.trimmed(logs)
    return mean, stats.student_t(LEVEL, freedom) * error
