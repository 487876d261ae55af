"""How many processes should load: the loop and the loader alone with each number, in turn."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from hwbench import coldness, host
from hwbench.advised import LoaderAdvice, Workers
from hwbench.case import Case
from hwbench.child import ChildFailed
from hwbench.dataset import Dataset, Loading
from hwbench.loop import LoopCase, LoopPart
from hwbench.loop_asking import LoopChild, LoopFailed
from hwbench.probing import Spawn
from hwbench.progress import Progress

ROUNDS = 3
STEPS_S, DRAIN_S = 3.0, 1.5  # of a visit
MOST_ALL = 4  # cores up to which each number of workers is tried


@dataclass(kw_only=True)
class _Seen:
    """What the visits with one number of workers took."""

    child: LoopChild
    step_s: list[float] = field(default_factory=list)
    wait_frac: list[float] = field(default_factory=list)
    batch_s: list[float] = field(default_factory=list)


def counts(cores: int) -> tuple[int, ...]:
    """Return the numbers of workers to try: all up to the cores, of many cores doubled."""
    if cores <= MOST_ALL:
        return tuple(range(cores + 1))
    doubled = [2**n for n in range(cores.bit_length()) if 2**n < cores]
    return (0, *doubled, cores)


def search(
    case: LoopCase,
    dataset: Dataset,
    synthetic_s: float,
    threads: int,
    workers: Sequence[int],
    progress: Progress,
    spawn: Spawn,
    rounds: int = ROUNDS,
) -> LoaderAdvice:
    """Return the loop's time with each number of workers, and what it waits for.

    `synthetic_s` is a step on made inputs. Raises LoopFailed where the loop cannot be opened.
    """
    cold_s, no_cold = coldness.extra_s(dataset)
    seen: dict[int, _Seen] = {}
    try:
        for number, count in enumerate(workers):
            loading = Loading(dataset=dataset, residence="disk", workers=count)
            progress.note(f"{case.workload}: a loop with {count} processes that load")
            child = LoopChild(
                replace(case, loading=loading), number, threads, 0, spawn, progress.tick
            )
            seen[count] = _Seen(child=child)
        for n in range(rounds):
            for count in sorted(seen, reverse=n % 2 == 1):
                _visit(seen[count], case.batch_size)
    finally:
        for one in seen.values():
            one.child.end()
    rows = tuple(
        Workers(
            workers=count,
            step_s=statistics.median(one.step_s),
            batch_s=statistics.median(one.batch_s),
            wait_frac=min(1.0, statistics.median(one.wait_frac)),
        )
        for count, one in sorted(seen.items())
    )
    best = min(rows, key=lambda r: r.step_s)
    return LoaderAdvice(
        dataset=dataset,
        bound=bound(best.batch_s, synthetic_s),
        synthetic_s=synthetic_s,
        rows=rows,
        advised=best.workers,
        cold_s=cold_s,
        no_cold=no_cold,
    )


def tried(
    case: Case,
    dataset: Dataset,
    synthetic_s: float,
    threads: int,
    progress: Progress,
    spawn: Spawn,
    rounds: int = ROUNDS,
) -> tuple[LoaderAdvice | None, str | None]:
    """Return what `search` finds for a case and this machine's cores, or None and why not."""
    assert case.batch_size is not None
    loop = LoopCase(
        workload=case.name,
        runtime=case.runtime,
        device=case.device,
        dtype=case.dtype,
        batch_size=case.batch_size,
        loading=Loading(dataset=dataset, residence="disk"),
    )
    workers = counts(host.environment().cpu.cores)
    try:
        return search(loop, dataset, synthetic_s, threads, workers, progress, spawn, rounds), None
    except (LoopFailed, ChildFailed) as e:
        return None, str(e)


def bound(batch_s: float, synthetic_s: float) -> Literal["loader", "compute"]:
    """Return which of the two takes longer when each has the machine to itself."""
    return "loader" if batch_s > synthetic_s else "compute"


def _visit(seen: _Seen, batch_size: int) -> None:
    steps = seen.child.part(LoopPart(what="steps", seconds=STEPS_S)).stretch
    drained = seen.child.part(LoopPart(what="drain", seconds=DRAIN_S)).drained
    assert steps is not None and drained is not None
    later = steps.steps - 1
    if later > 0:  # the first of a stretch waits for the workers to fill their queue
        wall_s = steps.wall_s - steps.first_step_s
        seen.step_s.append(wall_s / later)
        seen.wait_frac.append((steps.loader_wait_s - steps.first_wait_s) / wall_s)
    else:
        seen.step_s.append(steps.wall_s / max(1, steps.steps))
        seen.wait_frac.append(steps.loader_wait_s / steps.wall_s)
    seen.batch_s.append(drained.wall_s / max(1, drained.items) * batch_size)
