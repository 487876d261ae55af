"""The two sides of `run --against` in short blocks, each in its own process, one after the other.

A shared machine changes its speed by a third within seconds and keeps it for seconds: of two visits
a few seconds apart each may meet another machine. Blocks of a tenth of a second, in turn, meet the
same one, but for those that a change falls between (methodology, comparisons).
"""

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from hwbench import interference
from hwbench.case import SIDE, Case
from hwbench.measurement import Memory
from hwbench.protocol import VisitResult
from hwbench.steady import steady_state
from hwbench.timing import Clock, Pace

if TYPE_CHECKING:
    from hwbench.planning import PlannedCase

BLOCK_S = 0.1  # of sampling
SAMPLES = 5  # of a block
BLOCKS = 12  # of each side in a round
LEAST = 4  # of a slow case, whose round would take longer than LIMIT_S
LIMIT_S = 60.0
ALONE = frozenset({"memory", "crashed"})  # how a case ends that may fit without its other side

Turn = Sequence[tuple[Case, int]]  # what is visited together, with the round's number
Block = Callable[[Case, bool, bool], VisitResult]  # of a case; whether it is the first, and last


def pairs(cases: Sequence["PlannedCase"]) -> Iterator[tuple[Case, Case]]:
    """Yield the two sides of each case that is run, the plain one first."""
    for a, b in itertools.pairwise(cases):
        if a.skip is None and b.skip is None and _sides(a.case, b.case):
            yield a.case, b.case


def ordered(cases: Sequence["PlannedCase"], number: int) -> list["PlannedCase"]:
    """Return the cases of a round; in every second one the other side of each goes first."""
    found = list(cases)
    if number % 2:
        for i, (a, b) in enumerate(itertools.pairwise(cases)):
            if _sides(a.case, b.case):
                found[i : i + 2] = b, a
    return found


def turns(left: Turn, *, together: bool) -> Iterator[Turn]:
    """Yield the visits to make, both sides of a case as one where they stand side by side."""
    n = 0
    while n < len(left):
        two = left[n : n + 2]
        pair = (
            together and len(two) == 2 and two[0][1] == two[1][1] and _sides(two[0][0], two[1][0])
        )
        yield two if pair else left[n : n + 1]
        n += 2 if pair else 1


def _sides(a: Case, b: Case) -> bool:
    return a.plain.id == b.plain.id and (SIDE in a.options) != (SIDE in b.options)


def visit_s(iteration_s: float) -> float:
    """Return about how long the blocks of one side take in a round; warming up is in it."""
    whole = BLOCKS * max(2 * BLOCK_S, 2 * iteration_s)
    return max(min(whole, LIMIT_S / 2), 2 * LEAST * iteration_s)


def paced(pace: Pace, *, first: bool) -> Pace:
    """Return the pace of a block for that of a whole visit."""
    return replace(
        pace,
        visit_s=BLOCK_S,
        min_samples=1,
        sample_s=BLOCK_S / SAMPLES,
        max_samples=2 * SAMPLES,
        singles=math.ceil(pace.singles / BLOCKS),
        soak_s=pace.soak_s if first else 0.0,
    )


def in_turn(cases: Sequence[Case], block: Block, clock: Clock) -> list[VisitResult]:
    """Return a visit of each case, made of blocks in turn; a failure of one ends both."""
    blocks: dict[str, list[VisitResult]] = {c.id: [] for c in cases}
    began, number, last = clock(), 0, False
    while not last:
        gone = clock() - began
        ahead = gone / number if number else 0.0
        number += 1
        last = number >= BLOCKS or (number >= LEAST and gone + 2 * ahead > LIMIT_S)
        for case in cases:
            blocks[case.id].append(block(case, number == 1, last))
        last = last or any(b[-1].status == "failed" for b in blocks.values())
    return [merged(blocks[c.id]) for c in cases]


def merged(blocks: Sequence[VisitResult]) -> VisitResult:
    """Return the blocks of a case as one visit: what getting ready took is of the first."""
    samples = tuple(s for b in blocks for s in b.samples)
    calm = [s.wall_s / s.loops for s in samples if s.disturbed is None]
    last = blocks[-1]
    return replace(
        blocks[0],
        status=last.status,
        code=last.code,
        reason=last.reason,
        warmup_s=tuple(w for b in blocks for w in b.warmup_s),
        steady=steady_state(calm).kind,
        samples=samples,
        conditions=interference.merged([b.conditions for b in blocks if b.conditions]),
        memory=_most(b.memory for b in blocks),
        took_s=sum(b.took_s for b in blocks),
    )


def _most(found: Iterable[Memory | None]) -> Memory | None:
    known = [m for m in found if m is not None]
    if not known:
        return None
    sizes = {
        where: max((b for m in known if (b := getattr(m, where)) is not None), default=None)
        for where in ("host", "device")
    }
    return Memory(**sizes)
