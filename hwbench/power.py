"""The verb `power`: watch the meters for a while, or for as long as a command runs.

The command is the user's own: it is run as it is, and what it costs is told, with the idle power
of the machine in it. Nothing here is timed but the begin and the end.
"""

import datetime
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

import hwbench
from hwbench import energy_planning, host, metering
from hwbench.device import Environment
from hwbench.energy_planning import EnergyWish
from hwbench.errors import BadInput
from hwbench.meter import Asked, Clock
from hwbench.power_record import SCHEMA, Phase, PowerRecord
from hwbench.power_sums import Sums, summed_up
from hwbench.sampler import Sampler
from hwbench.sensor import ChannelFacts, Trace

FIRST_S = 5.0  # the most that first readings are waited for before the begin
LOOK_S = 0.25
MOST_STEPS = 2000  # of the trace that is kept
ENDING_S = 10.0  # that a command has after Ctrl-C, which it hears too

StartSampler = Callable[[Sequence[str], Asked], Sampler]


class Listener(Protocol):
    """Whom the verb shows the power to while it runs."""

    def look(
        self,
        gone_s: float,
        channels: Sequence[ChannelFacts],
        traces: Mapping[str, Trace],
        now_s: float,
    ) -> None:
        """See the readings so far."""


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What the user asked for: a command, or a time (None: until Ctrl-C)."""

    energy: EnergyWish = field(default_factory=EnergyWish)
    command: tuple[str, ...] = ()
    seconds: float | None = None
    pue: float | None = None
    usd_per_kwh: float | None = None
    apart: bool = False  # the command's output goes to standard error


def measure(
    wish: Wish,
    listener: Listener | None = None,
    *,
    environment: Environment | None = None,
    start: StartSampler = Sampler,
    clock: Clock = time.perf_counter,
    sleep: Callable[[float], None] = time.sleep,
) -> PowerRecord:
    """Run the command, or wait, with the meters read all along, and return what they told.

    Raises BadInput for a command that cannot be started, or a time beside a command, and what
    `metering.chosen` raises.
    """
    if wish.command and wish.seconds is not None:
        raise BadInput("--seconds cannot stand beside a command: the command's end is the end")
    environment = environment or host.environment()
    asked = energy_planning.asked(wish.energy, environment)
    facts = metering.probe(asked)
    names = metering.chosen(facts, wish.energy.meters)
    created = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    seen = _seen(wish, names, asked, listener, start, clock, sleep)
    sums = summed_up(seen.sums, facts, names, wish.energy.wall_factor, wish.pue, wish.usd_per_kwh)
    return PowerRecord(
        schema=SCHEMA,
        created_utc=created,
        hwbench_version=hwbench.__version__,
        machine=environment.cpu.model or "unknown",
        command=wish.command,
        duration_s=seen.duration_s,
        exit_status=seen.exit_status,
        interrupted=seen.interrupted,
        meters=facts,
        pue=wish.pue,
        channels=seen.sums.channels,
        traces=seen.sums.traces,
        phases=(
            Phase(name=" ".join(wish.command) or "watched", begin_s=0.0, end_s=seen.duration_s),
        ),
        **sums,
    )


@dataclass(frozen=True, kw_only=True)
class _Seen:
    duration_s: float
    exit_status: int | None
    interrupted: bool
    sums: Sums


def _seen(
    wish: Wish,
    names: Sequence[str],
    asked: Asked,
    listener: Listener | None,
    start: StartSampler,
    clock: Clock,
    sleep: Callable[[float], None],
) -> _Seen:
    """Run or wait with the meters open."""
    if not names:
        begin = clock()
        status, interrupted = _run(wish, lambda: None, clock, sleep, watched=False)
        return _Seen(
            duration_s=clock() - begin,
            exit_status=status,
            interrupted=interrupted,
            sums=Sums(readings=(), channels=(), traces=(), window_s=clock() - begin),
        )
    with start(names, asked) as meters:
        _first(meters, clock, sleep)
        begin = clock()

        def look() -> None:
            if listener is not None:
                listener.look(clock() - begin, meters.channels, meters.traces(), clock())

        status, interrupted = _run(wish, look, clock, sleep, watched=True)
        end = clock()
        with suppress(KeyboardInterrupt):
            meters.settle(end)
        traces = meters.traces()
        found = metering.told(meters.channels, traces, meters.lost, begin, end)
        step_s = max(metering.TRACE_STEP_S, (end - begin) / MOST_STEPS)
        drawn = (
            metering.power_trace(f, traces[f.key], begin, end, begin, step_s)
            for f in meters.channels
        )
        return _Seen(
            duration_s=end - begin,
            exit_status=status,
            interrupted=interrupted,
            sums=Sums(
                readings=found,
                channels=meters.channels,
                traces=tuple(t for t in drawn if t is not None),
                window_s=end - begin,
                lost=dict(meters.lost),
            ),
        )


def _first(meters: Sampler, clock: Clock, sleep: Callable[[float], None]) -> None:
    """Wait until every channel has been read once, so that the begin lies between readings."""
    limit = clock() + FIRST_S
    while clock() < limit:
        traces = meters.traces()
        if all(traces[f.key] or f.key in meters.lost for f in meters.channels):
            return
        sleep(LOOK_S / 5)


def _run(
    wish: Wish,
    look: Callable[[], None],
    clock: Clock,
    sleep: Callable[[float], None],
    *,
    watched: bool,
) -> tuple[int | None, bool]:
    """Return the command's exit status, and whether Ctrl-C ended it."""
    if not wish.command:
        return None, _wait(wish.seconds, look, clock, sleep) if watched else False
    process = _started(wish)
    try:
        while process.poll() is None:
            look()
            with suppress(subprocess.TimeoutExpired):
                process.wait(LOOK_S)
    except KeyboardInterrupt:
        return _ended(process), True
    return process.returncode, False


def _started(wish: Wish) -> "subprocess.Popen[bytes]":
    try:
        return subprocess.Popen(wish.command, stdout=sys.stderr if wish.apart else None)
    except OSError as e:
        raise BadInput(f"{wish.command[0]}: cannot be started: {e.strerror}") from None


def _ended(process: "subprocess.Popen[bytes]") -> int | None:
    """Wait for a command that has heard Ctrl-C; end it if it goes on."""
    try:
        return process.wait(ENDING_S)
    except (subprocess.TimeoutExpired, KeyboardInterrupt):
        process.kill()
        return process.wait()


def _wait(
    seconds: float | None, look: Callable[[], None], clock: Clock, sleep: Callable[[float], None]
) -> bool:
    """Wait; return whether Ctrl-C came before the time was up. Without a time it is the end."""
    end = None if seconds is None else clock() + seconds
    try:
        while end is None or clock() < end:
            look()
            sleep(LOOK_S if end is None else min(LOOK_S, max(0.0, end - clock())))
    except KeyboardInterrupt:
        return seconds is not None
    return False
