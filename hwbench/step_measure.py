"""`hwbench.measure(step)`: what one call of a function of the user's own takes, with an interval.

    def step():
        optimizer.zero_grad(); loss_of(model(x), y).backward(); optimizer.step()

    print(hwbench.measure(step, items=32))

The same visits, warm-up and statistics as those of `hwbench run`, in this process.
"""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hwbench import host, interference, outcomes, summary, timing
from hwbench.errors import BadInput
from hwbench.estimate_units import duration
from hwbench.loop_energy import LoopPower
from hwbench.measurement import Protocol, Sample, Wall
from hwbench.memory_use import peak_bytes, reset_peak
from hwbench.outcomes import Spread
from hwbench.render import digits
from hwbench.runtime import Answer, Program
from hwbench.timing import Pace

VISITS = 8
LEAST_SAMPLES = 3


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What a call takes. `str()` of it is a line.

    `wall_s` has the median with its interval, the mean, and where a later mean will lie. Joules are
    null with `energy_basis` saying why, else that says of which parts of the machine they are.
    """

    wall_s: Wall
    first_s: float  # the first call: compilation, buffers
    items: int | None
    items_per_s: float | None
    energy_j: float | None
    energy_basis: str
    memory_peak_bytes: int | None  # of this process, while it ran
    disturbed: tuple[str, ...]  # what else used the machine

    def __str__(self) -> str:
        """Return it in a line."""
        wall = self.wall_s
        parts = [
            f"{duration(wall.point)} a call ({duration(wall.low)} to {duration(wall.high)},"
            f" {wall.level:.0%})"
        ]
        if self.items_per_s is not None:
            parts.append(f"{digits(self.items_per_s)} items/s")
        parts.append(f"the first {duration(self.first_s)}")
        if self.energy_j is not None:
            parts.append(f"{digits(self.energy_j)} J ({self.energy_basis})")
        if self.disturbed:
            parts.append(f"others used the machine: {'; '.join(self.disturbed)}")
        return "; ".join(parts)


def measure(
    step: Callable[[], Any],
    items: int | None = None,
    *,
    seconds: float = 4.0,
    wait: Callable[[Any], None] | None = None,
    meters: bool = True,
    threads: int | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> Measured:
    """Time `step()` for about so many seconds, in eight visits, each with its own warm-up.

    `items` are those that a call works on. `wait(result)` returns when a result is there; without
    it the devices of torch that were used are waited for, and results of jax. What the step raises
    is raised. Raises BadInput for numbers that nothing has.
    """
    if not callable(step):
        raise BadInput(f"measure: {step!r} is no function")
    if items is not None and (isinstance(items, bool) or not items >= 1):
        raise BadInput(f"measure: items={items!r}: from 1")
    if not seconds > 0:
        raise BadInput(f"measure: seconds={seconds!r}: above 0")
    wait = wait or ready
    began = clock()
    wait(step())
    first_s = clock() - began
    power = LoopPower.opened(clock) if meters else None
    reset_peak()
    try:
        samples = _samples(step, wait, seconds, threads, clock)
        watts, basis = power.watts() if power else (None, "no meter was read")
    finally:
        if power is not None:
            power.end()
    wall = summary.wall_time(samples, _protocol(seconds, threads), _spread())
    return Measured(
        wall_s=wall,
        first_s=first_s,
        items=items,
        items_per_s=None if items is None else items / wall.point,
        energy_j=None if watts is None else watts * wall.mean,
        energy_basis=basis,
        memory_peak_bytes=peak_bytes(),
        disturbed=tuple(dict.fromkeys(s.disturbed for s in samples if s.disturbed)),
    )


def ready(result: Any) -> None:
    """Wait until a result is there: jax's arrays, and whatever torch has queued on a GPU."""
    if hasattr(result, "block_until_ready"):
        result.block_until_ready()
    torch = sys.modules.get("torch")
    if torch is None:
        return
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        torch.cuda.synchronize()
    elif hasattr(torch, "mps") and torch.backends.mps.is_available():
        torch.mps.synchronize()


def _samples(
    step: Callable[[], Any],
    wait: Callable[[Any], None],
    seconds: float,
    threads: int | None,
    clock: Callable[[], float],
) -> list[Sample]:
    program = Program(step=step, wait=wait, renew=_nothing, answer=_no_answer)
    pace = Pace(visit_s=seconds / VISITS, min_samples=LEAST_SAMPLES)
    found: list[Sample] = []
    begun = clock()
    for number in range(VISITS):
        watch = interference.Watch(clock, threads or 1, "cpu")
        visit = timing.visit(program, pace, clock, watch)
        if visit.failure is not None:
            raise visit.failure
        found += [
            Sample(
                loops=t.loops,
                wall_s=t.wall_s,
                start_s=max(0.0, t.start - begun),
                round=number,
                process=0,
                disturbed=t.disturbed,
            )
            for t in visit.samples
        ]
    return found


def _protocol(seconds: float, threads: int | None) -> Protocol:
    return Protocol(
        rounds=VISITS,
        visit_s=seconds / VISITS,
        visit_limit_s=max(1.0, 100 * seconds),
        min_samples=LEAST_SAMPLES,
        fresh_processes=False,
        threads=threads or host.environment().cpu.cores,
        max_seconds=None,
        seed=0,
    )


def _spread() -> Spread:
    """Return by how much this machine differs from hour to hour, or what is assumed."""
    return outcomes.spread(host.environment().machine_id, outcomes.read(outcomes.folder()))


def _nothing(rng: Any) -> None:
    """Leave the inputs as they are: they are the user's."""


def _no_answer(steps: int) -> Answer:
    raise NotImplementedError("a step of the user's own is not checked")
