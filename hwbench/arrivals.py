"""Queries in an open loop: each has its intended start, whatever became of those before it.

Latency is completion minus *intended* start. A closed loop would wait for a stalled query before
it sends the next one, and the stall would be in one latency instead of in all that queued behind
it (coordinated omission). The clock and the sleep are arguments, so that tests run scripted time.
"""

import math
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

Clock = Callable[[], float]
Sleep = Callable[[float], None]

SPIN_S = 0.001  # of each wait, at its end: a sleep may overshoot by about this much


@dataclass(kw_only=True)
class Served:
    """The queries of one trial, in order of arrival."""

    latencies_s: list[float] = field(default_factory=list)
    services_s: list[float] = field(default_factory=list)
    over: int = 0
    late_s: float = 0.0  # the most that a query was begun after its start, the server being idle
    began: float = 0.0
    ended: float = 0.0


def gaps(rate_per_s: float, seed: Sequence[int]) -> Iterator[float]:
    """Yield the times between Poisson arrivals: exponential, the same draws at every rate.

    So one trial's arrivals are another's with time stretched, and a steady server that passes at
    one rate passes at every lower one: where outcomes contradict, the machine did.
    """
    draw = random.Random(",".join(map(str, seed))).expovariate
    while True:
        yield draw(1.0) / rate_per_s


def wait_until(due: float, clock: Clock, sleep: Sleep, spin_s: float = SPIN_S) -> None:
    """Return at `due`: sleep, then watch the clock for the last `spin_s`."""
    while (left := due - clock()) > 0:
        if left > spin_s:
            sleep(left - spin_s)


def serve_open(
    serve: Callable[[], None],
    arrivals: Iterator[float],
    queries: int,
    bound_s: float,
    most_over: int,
    clock: Clock,
    sleep: Sleep,
    spin_s: float = SPIN_S,
    until: float = math.inf,
) -> Served:
    """Serve `queries`, one at a time, first come first served.

    It stops past `most_over` of them over the bound, and when the clock is past `until`.
    """
    done = Served(began=clock())
    free = due = done.began
    for _ in range(queries):
        due += next(arrivals)
        wait_until(due, clock, sleep, spin_s)
        begun = clock()
        serve()
        ended = clock()
        done.late_s = max(done.late_s, begun - max(due, free))
        done.services_s.append(ended - begun)
        done.latencies_s.append(ended - due)
        free = ended
        if ended - due > bound_s:
            done.over += 1
            if done.over > most_over:
                break
        if ended > until:
            break
    done.ended = free
    return done


def simulated_over(
    rate_per_s: float, services_s: Sequence[float], units: Sequence[float], bound_s: float
) -> float:
    """Return the fraction over the bound in a simulated queue (Lindley 1952).

    The wait of the next is max(0, wait + service - gap); `units` are gaps at a rate of 1/s.
    """
    wait_s, over = 0.0, 0
    for service_s, unit in zip(services_s, units, strict=True):
        sojourn_s = wait_s + service_s
        over += sojourn_s > bound_s
        wait_s = max(0.0, sojourn_s - unit / rate_per_s)
    return over / len(services_s)
