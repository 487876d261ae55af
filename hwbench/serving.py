"""A scenario's visit in the child: closed loops as any case, offline to its count, server's search.

The samples are always those of the closed loop at the beginning, so a case never ends empty.
"""

import math
import time

from hwbench import scenarios, timing
from hwbench.arrivals import SPIN_S, Clock, Sleep
from hwbench.protocol import VisitRequest
from hwbench.runtime import Program
from hwbench.served import Search, Terms
from hwbench.server_search import ServerSearch
from hwbench.timing import Visit

OFFLINE_PARTS = 20  # samples that what an offline visit lacks is cut into


def visit(
    program: Program,
    request: VisitRequest,
    clock: Clock,
    sleep: Sleep = time.sleep,
    spin_s: float = SPIN_S,
    watch: timing.Watcher | None = None,
) -> tuple[Visit, Search | None]:
    """Visit a case as its scenario has it, and return what a search found beside the times."""
    began = clock()
    done = timing.visit(program, request.pace, clock, watch)
    if request.serving is None or done.failure is not None:
        return done, None
    if request.serving.iterations is not None:
        _to_count(program, done, request.serving, began, clock)
    if request.case.scenario != "server":
        return done, None
    return done, _search(program, request, done, began, clock, sleep, spin_s)


def _to_count(program: Program, done: Visit, terms: Terms, began: float, clock: Clock) -> None:
    """Take samples until the iterations are as many as asked for or the time is up."""
    assert terms.iterations is not None
    ran = sum(t.loops for t in done.samples)
    iteration_s = sum(t.wall_s for t in done.samples) / ran
    part = math.ceil((terms.iterations - ran) / OFFLINE_PARTS)
    loops = max(1, min(part, int(terms.budget_s / OFFLINE_PARTS / iteration_s)))
    with timing.quiet_collector():
        while ran < terms.iterations and clock() - began < terms.budget_s:
            wall_s, start = timing.take_sample(program, loops, clock)
            done.samples.append(timing.Taken(loops, wall_s, start))
            ran += loops


def _search(
    program: Program,
    request: VisitRequest,
    done: Visit,
    began: float,
    clock: Clock,
    sleep: Sleep,
    spin_s: float,
) -> Search:
    """Look for the highest rate with the time that is left."""
    bound_s = scenarios.bound_s(request.case)
    assert bound_s is not None and request.serving is not None
    with timing.quiet_collector():
        return ServerSearch(
            serve=lambda: program.wait(program.step()),
            services_s=[t.wall_s / t.loops for t in done.samples],
            bound_s=bound_s,
            budget_s=request.serving.budget_s - (clock() - began),
            clock=clock,
            sleep=sleep,
            percentile=scenarios.PERCENTILES["server"],
            seed=(request.seed, request.round),
            round=request.round,
            spin_s=spin_s,
        ).run()
