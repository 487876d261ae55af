"""The process that reads the meters, `python -m hwbench.sampling PATH`: nothing it does is timed.

It takes one JSON line on its standard input (`Terms`) and answers with one (`Opened`) when all
that can be opened is open. Then it appends a line for every reading to the file at PATH:
`channel time value`, or `channel lost reason`, until its input ends. A meter that vanishes ends
its own channels; the others go on.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TextIO

from hwbench import codec, registry
from hwbench.errors import HwbenchError, one_line
from hwbench.meter import Asked, Channel, Clock
from hwbench.sensor import ChannelFacts

PERIOD_S = 0.05


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What the reader is asked for: meters by name, and how often to read."""

    meters: tuple[str, ...]
    asked: Asked
    period_s: float = PERIOD_S


@dataclass(frozen=True, kw_only=True)
class Opened:
    """The channels in the order of their numbers, and why a meter gave none."""

    channels: tuple[ChannelFacts, ...]
    lost: dict[str, str] = field(default_factory=dict)


class Reader:
    """Reads open channels into a file."""

    def __init__(self, terms: Terms, clock: Clock, out: TextIO) -> None:
        """Open the channels of each meter; one that cannot be opened is lost, with its reason."""
        self.clock, self._out = clock, out
        self._channels: list[Channel] = []
        self._live: list[int] = []
        lost: dict[str, str] = {}
        for name in terms.meters:
            try:
                self._channels += registry.meters()[name].open(terms.asked)
            except Exception as e:  # a stranger's file may fail in any way; the rest must work
                lost[name] = _said(e)
        self._live = list(range(len(self._channels)))
        self.opened = Opened(channels=tuple(c.facts for c in self._channels), lost=lost)

    def turn(self) -> bool:
        """Read every live channel once; return whether any is left."""
        for number in list(self._live):
            try:
                points = self._channels[number].read(self.clock)
            except Exception as e:  # whatever a vanishing device makes its library raise
                self._live.remove(number)
                self._out.write(f"{number} lost {one_line(_said(e))}\n")
                continue
            for p in points:
                self._out.write(f"{number} {p.at_s!r} {p.value!r}\n")
        self._out.flush()
        return bool(self._live)


def _said(error: Exception) -> str:
    return str(error) if isinstance(error, HwbenchError) else f"{type(error).__name__}: {error}"


def read_until(
    ended: Callable[[float], bool], reader: Reader, period_s: float, clock: Clock
) -> None:
    """Read in turns `period_s` apart until `ended(seconds to wait)` says so."""
    coming = clock()
    while True:
        reader.turn()
        coming = max(coming + period_s, clock())  # turns that were missed are not made up
        if ended(max(0.0, coming - clock())):
            return


def _input_ended(wait_s: float) -> bool:
    """Wait so long or until the parent closes our input, or dies; return whether it did."""
    import select

    readable, _, _ = select.select([sys.stdin], [], [], wait_s)
    return bool(readable) and not os.read(sys.stdin.fileno(), 4096)


def main() -> None:
    """Run the reader on this process's standard streams."""
    channel = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    os.dup2(2, 1)  # what a library prints goes where nobody reads it
    terms = codec.decode(Terms, json.loads(_first_line()))
    with open(sys.argv[1], "a", encoding="utf-8") as out:
        reader = Reader(terms, time.perf_counter, out)
        print(json.dumps(codec.encode(reader.opened)), file=channel, flush=True)
        read_until(_input_ended, reader, terms.period_s, time.perf_counter)


def _first_line() -> str:
    """Read a line byte by byte, so that nothing of the input is left in a buffer."""
    line = b""
    while not line.endswith(b"\n"):
        byte = os.read(0, 1)
        if not byte:
            break
        line += byte
    return line.decode()


if __name__ == "__main__":
    main()
