"""A wall meter or smart plug: timestamped watts from a file that is written, or from a command.

`--wall-meter FILE`: one reading a line, `time,watts`, newest last. The time is in Unix seconds or
ISO 8601 (without a zone: this machine's). The first line may name the columns. JSON lines with such
names do too. `--wall-meter cmd:COMMAND`: a shell command that prints such lines, or watts alone,
which are then of the time at which they are read. Blank lines and those with # are passed over.

Nothing is guessed: a unit that is not the watt, text, a time that goes back or lies in the future
ends the meter, with the line. The meter's clock is this machine's unless `--wall-meter-offset`
says by how much it is ahead.
"""

import atexit
import ctypes
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from hwbench.errors import Unavailable
from hwbench.meter import Asked, Channel, Clock, Meter
from hwbench.probed import MeterFacts
from hwbench.sensor import ChannelFacts, Point

COMMAND = "cmd:"
FUTURE_S = 2.0  # a reading so far ahead of this machine's clock was taken by another clock

_TIMES = ("time", "timestamp", "date", "datetime", "ts", "t", "unix", "epoch")
_WATTS = ("w", "watt", "watts", "power", "power_w", "active_power", "active_power_w", "apower")
_OTHER_UNITS = re.compile(r"(?:^|_)(mw|kw|kwh|wh|va|mva|kva|j|kj|milliwatts?|kilowatts?)$")
_SUFFIX = re.compile(r"^([-+.\deE]+)\s*([A-Za-z]+)$")
_WANTED = "wanted is: time,watts"


class _Columns(NamedTuple):
    time: int
    watts: int
    width: int


class Log:
    """Reads lines of a meter into (Unix time or None, watts); `name` stands in its messages."""

    def __init__(self, name: str) -> None:
        """Start before the first line."""
        self.name, self.number = name, 0
        self._columns: _Columns | None = None
        self._begun = False  # a header comes before the first reading, or not at all
        self._last_s: float | None = None

    def reading(self, line: str) -> tuple[float | None, float] | None:
        """Return what a line tells, None for one that tells nothing; raise Unavailable."""
        self.number += 1
        text = line.strip()
        if not text or text.startswith("#"):
            return None
        words = self._object(text) if text.startswith("{") else _words(text)
        if not self._begun and self.number_of_numbers(words) == 0:
            self._columns = self._header(words)
            return None
        self._begun = True
        at, watts = self._split(words)
        return self._in_order(at), self._watts(watts)

    @staticmethod
    def number_of_numbers(words: Sequence[str]) -> int:
        """Return how many of the words begin as numbers do."""
        return sum(1 for w in words if re.match(r"[-+]?\.?\d", w))

    def _object(self, text: str) -> list[str]:
        """Return [time, watts] of a JSON line."""
        try:
            found = {str(k).lower(): v for k, v in json.loads(text).items()}
        except (ValueError, AttributeError):
            raise self._wrong(f"{text[:60]!r} is no JSON object") from None
        for name in found:
            self._refuse_unit(name)
        at = next((found[n] for n in _TIMES if n in found), None)
        watts = next((found[n] for n in _WATTS if n in found), None)
        if at is None or watts is None:
            raise self._wrong(f"the names are {', '.join(found)}; wanted are time and watts")
        return [str(at), str(watts)]

    def _header(self, words: Sequence[str]) -> _Columns:
        names = [w.lower().strip('"') for w in words]
        for name in names:
            self._refuse_unit(name)
        at = next((i for i, n in enumerate(names) if n in _TIMES), None)
        watts = next((i for i, n in enumerate(names) if n in _WATTS), None)
        if at is None or watts is None:
            raise self._wrong(f"it says {' '.join(words)[:60]!r}; {_WANTED}")
        return _Columns(at, watts, len(names))

    def _split(self, words: Sequence[str]) -> tuple[str | None, str]:
        columns = self._columns
        if columns is not None:
            if len(words) != columns.width:
                raise self._wrong(f"{len(words)} values, the first line names {columns.width}")
            return words[columns.time], words[columns.watts]
        if len(words) == 1:
            return None, words[0]
        if len(words) != 2:
            raise self._wrong(f"{len(words)} values; {_WANTED}")
        return words[0], words[1]

    def _watts(self, text: str) -> float:
        with_unit = _SUFFIX.match(text)
        if with_unit and with_unit[2] != "W":
            raise self._wrong(f"the unit is {with_unit[2]}, wanted are watts")
        try:
            value = float(with_unit[1] if with_unit else text)
        except ValueError:
            raise self._wrong(f"{text[:40]!r} is no number of watts") from None
        if not 0 <= value < 1e7:  # NaN is neither
            raise self._wrong(f"{text} W cannot be")
        return value

    def _in_order(self, text: str | None) -> float | None:
        if text is None:
            return None
        at_s = self._time_s(text)
        if self._last_s is not None and at_s <= self._last_s:
            raise self._wrong(f"its time {text} is not after that of the line before")
        self._last_s = at_s
        return at_s

    def _time_s(self, text: str) -> float:
        try:
            return float(text)
        except ValueError:
            pass
        try:
            return datetime.fromisoformat(text.strip('"')).timestamp()
        except ValueError:
            raise self._wrong(
                f"{text[:40]!r} is no time: Unix seconds, or 2026-11-25T18:00:00Z"
            ) from None

    def _refuse_unit(self, name: str) -> None:
        unit = _OTHER_UNITS.search(name)
        if unit:
            raise self._wrong(f"the column {name} is in {unit[1]}, wanted are watts")

    def _wrong(self, what: str) -> Unavailable:
        return Unavailable(f"{self.name} line {self.number}: {what}")


def _words(text: str) -> list[str]:
    """Cut a line at commas, semicolons or tabs, else at spaces; a date and its time stay one."""
    words = [w.strip() for w in re.split(r"[,;\t]", text)]
    if len(words) == 1:
        words = text.split()
        if len(words) == 3 and re.match(r"\d{4}-\d\d-\d\d$", words[0]):
            words = [f"{words[0]}T{words[1]}", words[2]]
    return words


class Wall:
    """A wall meter that is being read: `lines()` returns those that are new."""

    def __init__(
        self,
        log: Log,
        lines: Callable[[], Sequence[str]],
        offset_s: float,
        unix: Clock = time.time,
    ) -> None:
        """Take where lines come from and how far the meter's clock is ahead of `unix`."""
        self._log, self._lines, self._offset_s, self._unix = log, lines, offset_s, unix

    def read(self, clock: Clock) -> Sequence[Point]:
        """Return the new readings on the clock of the run."""
        now_unix, now = self._unix(), clock()
        points = []
        for line in self._lines():
            reading = self._log.reading(line)
            if reading is not None:
                at, watts = reading
                points.append(Point(now - self._age_s(at, now_unix), watts))
        return points

    def _age_s(self, at: float | None, now_unix: float) -> float:
        if at is None:
            return 0.0
        age_s = now_unix - (at - self._offset_s)
        if age_s < -FUTURE_S:
            raise Unavailable(
                f"{self._log.name} line {self._log.number}: its time is {-age_s:.3g} s ahead of"
                " this machine's clock",
                f"--wall-meter-offset {self._offset_s - age_s:.3g}",
            )
        return age_s


class _File:
    """The whole lines of a file that are new since the last look."""

    def __init__(self, path: Path) -> None:
        self._path, self._seen = path, 0

    def lines(self) -> list[str]:
        try:
            with self._path.open("rb") as file:
                file.seek(self._seen)
                new = file.read()
        except OSError as e:
            raise Unavailable(f"{self._path.name} cannot be read: {e.strerror}") from None
        whole = new[: new.rfind(b"\n") + 1]
        self._seen += len(whole)
        return whole.decode(errors="replace").splitlines()


class _Command:
    """The whole lines that a command has printed since the last look; it ends with this process."""

    def __init__(self, command: str) -> None:
        self._process = subprocess.Popen(
            ["/bin/sh", "-c", command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            start_new_session=True,
            preexec_fn=_die_with_parent if sys.platform.startswith("linux") else None,
        )
        assert self._process.stdout is not None
        self._out = self._process.stdout
        os.set_blocking(self._out.fileno(), False)
        self._buffer = b""
        atexit.register(self._end)

    def lines(self) -> list[str]:
        self._buffer += self._out.read() or b""
        whole, newline, rest = self._buffer.rpartition(b"\n")
        if newline:
            self._buffer = rest
            return whole.decode(errors="replace").splitlines()
        if self._process.poll() is not None:
            raise Unavailable(f"the command ended with status {self._process.returncode}")
        return []

    def _end(self) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)


def _die_with_parent() -> None:
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)


def probe(asked: Asked) -> MeterFacts:
    """Tell whether a wall meter was named that can be read; a command is not run for that."""
    if asked.wall is None:
        return _facts("no wall meter was named", "--wall-meter FILE, or --wall-meter cmd:COMMAND")
    if asked.wall.startswith(COMMAND):
        return _facts(None)
    path = Path(asked.wall)
    if not path.is_file():
        return _facts(
            f"there is no file {asked.wall}", "begin a command with cmd: --wall-meter 'cmd:...'"
        )
    return _facts(None if os.access(path, os.R_OK) else f"{asked.wall} cannot be read")


def channels(asked: Asked) -> Sequence[Channel]:
    """Open the wall meter that was named; its command is started."""
    if asked.wall is None:
        raise Unavailable("no wall meter was named")
    if asked.wall.startswith(COMMAND):
        lines, name = _Command(asked.wall.removeprefix(COMMAND)).lines, "the command's"
    else:
        path = Path(asked.wall)
        lines, name = _File(path).lines, path.name
    wall = Wall(Log(name), lines, asked.wall_offset_s)
    facts = ChannelFacts(meter=METER.name, name="plug", domain="wall", kind="power")
    return [Channel(facts=facts, read=wall.read)]


def _facts(why_not: str | None, remedy: str | None = None) -> MeterFacts:
    return MeterFacts(
        name="wall-meter", domains=("wall",), measured=True, why_not=why_not, remedy=remedy
    )


METER = Meter(
    name="wall-meter",
    summary="a wall meter or smart plug that you name: the whole machine",
    rank=10,
    probe=probe,
    open=channels,
)
