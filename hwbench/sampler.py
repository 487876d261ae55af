"""The parent's end of the process that reads the meters: start it, see what it read, end it."""

import json
import os
import selectors
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from hwbench import child, codec
from hwbench.meter import Asked, Clock
from hwbench.power_joules import renewal_s
from hwbench.sampling import PERIOD_S, Opened, Terms
from hwbench.sensor import ChannelFacts, Point, Trace

OPEN_LIMIT_S = 30.0
LATE_S = 3.0  # how long after a window its last readings are waited for
_LOOK_S = 0.02
SPARE = 2.5  # renewals that a channel is read on after a window
LONGEST_S = 60.0  # of waiting for a meter that tells its power ever so seldom
MANY = 200  # readings that tell how often a channel is renewed


class Sampler:
    """Meters that are being read. Use it in a `with`; the readings lie in a temporary file.

    The reader is a process of its own: what it costs is not in the time of any case, and where it
    dies its channels are lost and nothing else.
    """

    def __init__(
        self, meters: Sequence[str], asked: Asked | None = None, period_s: float = PERIOD_S
    ) -> None:
        """Start to read these meters by name; those that cannot be opened are in `lost`."""
        self._terms = Terms(meters=tuple(meters), asked=asked or Asked(), period_s=period_s)
        self._folder = tempfile.TemporaryDirectory(prefix="hwbench-meters-")
        self._path = Path(self._folder.name) / "readings"
        self._path.touch()
        self._read = 0
        self._traces: list[list[Point]] = []
        self.channels: tuple[ChannelFacts, ...] = ()
        self.lost: dict[str, str] = {}  # by meter or by channel
        self._start()

    def _start(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "hwbench.sampling", str(self._path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=child.environment(1, {}),
            start_new_session=True,
        )
        assert self._process.stdin is not None
        try:
            self._process.stdin.write((json.dumps(codec.encode(self._terms)) + "\n").encode())
            self._process.stdin.flush()
            opened = self._hello()
        except (BrokenPipeError, ValueError):
            opened = None
        if opened is None:
            self.lost = dict.fromkeys(self._terms.meters, "the process that reads it did not start")
            return
        self.channels, self.lost = opened.channels, dict(opened.lost)
        self._traces = [[] for _ in self.channels]

    def _hello(self) -> Opened | None:
        """Return the reader's first line, None if none comes."""
        out = self._process.stdout
        assert out is not None
        with selectors.DefaultSelector() as selector:
            selector.register(out, selectors.EVENT_READ)
            if not selector.select(OPEN_LIMIT_S):
                return None
        line = out.readline()
        return codec.decode(Opened, json.loads(line)) if line.endswith(b"\n") else None

    @property
    def pid(self) -> int:
        """Return the process id of the reader."""
        return self._process.pid

    def traces(self) -> Mapping[str, Trace]:
        """Return all readings so far by the channel's key."""
        self._take_in()
        self._notice_death()
        return {f.key: t for f, t in zip(self.channels, self._traces, strict=True)}

    def _take_in(self) -> None:
        """Read what is new in the file: whole lines only."""
        with self._path.open("rb") as file:
            file.seek(self._read)
            new = file.read()
        whole = new[: new.rfind(b"\n") + 1]
        self._read += len(whole)
        for line in whole.decode(errors="replace").splitlines():
            number, what, value = line.split(" ", 2)
            if what == "lost":
                self.lost[self.channels[int(number)].key] = value
            else:
                self._traces[int(number)].append(Point(float(what), float(value)))

    def _notice_death(self) -> None:
        if self._process.poll() is not None:
            for facts in self.channels:
                self.lost.setdefault(facts.key, "the process that reads the meters died")

    def settle(
        self,
        end_s: float,
        clock: Clock = time.perf_counter,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Wait until every live channel has been read for long enough after `end_s`."""
        limit_s = max([LATE_S, *(2 * self._reach_s(f, t) for f, t in self._pairs())])
        while clock() < end_s + limit_s:
            self._take_in()
            self._notice_death()
            waiting = [
                f
                for f, t in self._pairs()
                if f.key not in self.lost and (not t or t[-1].at_s < end_s + self._reach_s(f, t))
            ]
            if not waiting:
                return
            sleep(_LOOK_S)

    def _pairs(self) -> Iterator[tuple[ChannelFacts, Trace]]:
        yield from zip(self.channels, self._traces, strict=True)

    @staticmethod
    def _reach_s(facts: ChannelFacts, trace: Trace) -> float:
        """Return how long a channel must be read on, by its readings where it does not say."""
        if facts.update_s is None and facts.kind == "power" and len(trace) > 1:
            return max(reach_s(facts), min(LONGEST_S, SPARE * renewal_s(trace[-MANY:])))
        return reach_s(facts)

    def end(self) -> None:
        """End the reader and remove its file; what was taken in stays."""
        if self._process.stdin is not None and not self._process.stdin.closed:
            with suppress(BrokenPipeError):
                self._process.stdin.close()  # the reader ends by itself, and its commands with it
        try:
            self._process.wait(2.0)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, 9)
            self._process.wait()
        self._take_in()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._folder.cleanup()

    def __enter__(self) -> "Sampler":
        """Return the sampler itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End it."""
        self.end()


def reach_s(facts: ChannelFacts) -> float:
    """Return how long after a window a channel must be read: two renewals, and its own window."""
    return SPARE * (facts.update_s or 0.1) + (facts.window_s or 0.0)
