"""`hwbench.watch`: how long, how much energy and how much money the rest of a loop will take.

    with hwbench.watch(total_steps=10_000) as w:
        for batch in loader:
            train(batch)
            w.step()

It says so on standard error after some hundred steps, again as more is known, and at the end how
right it was. Whatever fails in it is said once, and never reaches the loop.
"""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType

from hwbench import host, loop_pace, outcomes, watched
from hwbench.errors import BadInput
from hwbench.estimate_units import duration, kwh, usd
from hwbench.loop_energy import LoopPower
from hwbench.loop_pace import Left, Pace
from hwbench.units import J_PER_KWH, S_PER_H

LEAST_STEPS = 100  # before the first word; or as many seconds as EARLY_S
SAID_AT = (0.0, 0.10, 0.25, 0.50, 0.75)  # of the steps: the first, and then these
Clock = Callable[[], float]
Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Watched:
    """A loop that has ended: what was foretold at which step, and whether that held."""

    steps: int
    total_steps: int
    wall_s: float
    energy_j: float | None
    energy_basis: str  # the parts of the machine, or why it is not known
    told: tuple[Left, ...]
    inside: bool | None  # of what was told first in good time, else at a tenth


class Watch:
    """Follows a loop. `step()` at the end of each step; all else is optional."""

    def __init__(
        self,
        total_steps: int,
        steps_per_epoch: int | None = None,
        *,
        usd_per_h: float | None = None,
        usd_per_kwh: float | None = None,
        meters: bool = True,
        say: Say | None = None,
        clock: Clock = time.perf_counter,
    ) -> None:
        """Take what is known: the steps of the whole run, of an epoch (evaluations come after it).

        `usd_per_h` prices the machine, `usd_per_kwh` its energy; `say` takes the lines, else they
        go to standard error; without `meters` no energy is read. Raises BadInput for numbers that
        no run has.
        """
        for name, value in (("total_steps", total_steps), ("steps_per_epoch", steps_per_epoch)):
            if value is not None and (isinstance(value, bool) or not value >= 1):
                raise BadInput(f"watch: {name}={value!r}: a number of steps from 1")
        for name, usd_ in (("usd_per_h", usd_per_h), ("usd_per_kwh", usd_per_kwh)):
            if usd_ is not None and not usd_ >= 0:
                raise BadInput(f"watch: {name}={usd_!r}: a price from 0")
        self._total, self._every = int(total_steps), steps_per_epoch
        self._usd_per_h, self._usd_per_kwh = usd_per_h, usd_per_kwh
        self._meters, self._clock = meters, clock
        self._say = say or (lambda line: print(line, file=sys.stderr, flush=True))
        self._pace: Pace | None = None
        self._power: LoopPower | None = None
        self._told: list[Left] = []
        self._due = 0
        self._broken = False
        self.result: Watched | None = None

    def __enter__(self) -> "Watch":
        """Begin; the meters are opened first."""
        try:
            self._machine = host.environment().machine_id
            known = watched.read(outcomes.folder())
            self._floor = watched.floor(self._machine, known)
            self._drift = outcomes.spread(self._machine, outcomes.read(outcomes.folder()))
            self._power = LoopPower.opened(self._clock) if self._meters else None
        except Exception as e:  # the user's loop is theirs
            self._fail(e)
        self._pace = Pace(self._total, self._clock, self._every)
        return self

    def step(self) -> None:
        """Note that a step has ended."""
        pace = self._pace
        if pace is None:
            raise BadInput("watch: step() outside of `with hwbench.watch(...) as w:`")
        if pace.step() and not self._broken:
            try:
                self._look(pace)
            except Exception as e:
                self._fail(e)

    def _look(self, pace: Pace) -> None:
        """Say what is left where it is time to."""
        if not self._is_due(pace):
            return
        if pace.steps < LEAST_STEPS and pace.gone_s < loop_pace.EARLY_S:
            return
        left = pace.left(self._floor, self._drift.sd)
        if left is None or left.point_s <= 0:
            return
        while self._due < len(SAID_AT) and pace.steps >= SAID_AT[self._due] * self._total:
            self._due += 1
        self._told.append(left)
        self._say(self._line(left))

    def _is_due(self, pace: Pace) -> bool:
        """Return whether a share of the steps has come, or what is told is early no longer."""
        if self._told and self._told[-1].early and pace.early() is None:
            return True
        return self._due < len(SAID_AT) and pace.steps >= SAID_AT[self._due] * self._total

    def _line(self, left: Left) -> str:
        point, low, high = (duration(v) for v in (left.point_s, left.low_s, left.high_s))
        parts = [
            f"hwbench: step {left.step:,} of {self._total:,}: {point} left ({low} to {high},"
            f" {left.level:.0%}), {duration(left.gone_s + left.point_s)} in all"
        ]
        whole_s = left.gone_s + left.point_s
        watts, what = self._watts()
        if watts is not None:
            whole_j = watts * whole_s
            parts.append(f"{kwh(whole_j)} ({what})")
            if self._usd_per_kwh is not None:
                parts.append(f"{usd(whole_j / J_PER_KWH * self._usd_per_kwh)} of electricity")
        elif what and len(self._told) == 1:
            parts.append(f"energy not known: {what}")
        if self._usd_per_h is not None:
            parts.append(f"{usd(whole_s / S_PER_H * self._usd_per_h)} of rent")
        if left.asides and left.aside_s > 0:
            parts.append(f"{left.asides:.0f} more evaluations or the like, {left.aside_s:.2g} s")
        return "; ".join(parts)

    def _watts(self) -> tuple[float | None, str]:
        """Return the mean power and what it is of, or None with the reason; nothing unread."""
        return (None, "") if self._power is None else self._power.watts()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End; say how right it was where the loop came to its end."""
        pace = self._pace
        assert pace is not None
        try:
            watts, what = self._watts()
            held = self._held(pace) if pace.steps >= self._total and error is None else None
            self.result = Watched(
                steps=pace.steps,
                total_steps=self._total,
                wall_s=pace.gone_s,
                energy_j=None if watts is None else watts * pace.gone_s,
                energy_basis=what or "no meter was read",
                told=tuple(self._told),
                inside=held.inside if held else None,
            )
            if held is not None:
                watched.remember(held, outcomes.folder())
        except Exception as e:
            self._fail(e)
        try:
            if self._power is not None:
                self._power.end()
        except Exception as e:
            self._fail(e)

    def _held(self, pace: Pace) -> watched.Held | None:
        """Hold what was first told in good time, else at a tenth, against what came; say so."""
        late = [t for t in self._told if t.step >= SAID_AT[1] * self._total]
        told = next((t for t in late if not t.early), late[0] if late else None)
        if told is None:
            return None
        actual_s = pace.gone_s - told.gone_s
        inside = told.low_s <= actual_s <= told.high_s
        self._say(
            f"hwbench: it took {duration(pace.gone_s)}; at step {told.step:,} of {self._total:,}"
            f" {duration(told.point_s)} were left by this, {duration(actual_s)} it was:"
            f" {actual_s / told.point_s:.3f} of it, {'inside' if inside else 'outside'} the"
            f" {told.level:.0%} interval"
        )
        return watched.Held(
            machine=self._machine,
            at_s=time.time(),
            predicted_s=told.point_s,
            actual_s=max(actual_s, 1e-9),
            expected_log=told.sampling_log,
            half_log=loop_pace.half_log(told),
            inside=inside,
        )

    def _fail(self, error: Exception) -> None:
        """Say once what failed; the loop goes on unwatched."""
        if not self._broken:
            self._say(f"hwbench: the loop is not watched further: {type(error).__name__}: {error}")
        self._broken = True
