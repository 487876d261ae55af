"""The power of this machine while somebody's loop runs, by the meters that can be read."""

from collections.abc import Callable

from hwbench import energy_planning, host, metering
from hwbench.energy_planning import EnergyWish
from hwbench.sampler import Sampler, reach_s

NONE = "no meter can be used here: `hwbench doctor` says why of each"
LAG_S = 0.5  # of the reader
READ_S = 600.0  # so long they are read: what is kept of days would fill the memory


class LoopPower:
    """Meters that a process beside the loop reads for the first minutes; `end` ends it."""

    def __init__(self, meters: Sampler | None, clock: Callable[[], float]) -> None:
        """Begin now."""
        self._meters, self._clock = meters, clock
        self._begin_s = clock()
        self._kept: tuple[float | None, str] | None = None if meters else (None, NONE)

    @classmethod
    def opened(cls, clock: Callable[[], float]) -> "LoopPower":
        """Open all meters that can be used here; without one it tells why."""
        asked = energy_planning.asked(EnergyWish(), host.environment())
        names = metering.chosen(metering.probe(asked))
        return cls(Sampler(names, asked) if names else None, clock)

    def watts(self) -> tuple[float | None, str]:
        """Return the mean power since the beginning, or of the first READ_S, and what it is of.

        None with the reason where it is not known.
        """
        if self._kept is not None:
            return self._kept
        end_s = self._clock()
        found = self._read(end_s)
        if end_s - self._begin_s >= READ_S:
            self._kept = found
            self.end()
        return found

    def _read(self, end_s: float) -> tuple[float | None, str]:
        meters = self._meters
        assert meters is not None
        traces = meters.traces()
        # A window has to lie between readings: the last ones may not be there yet.
        end_s -= LAG_S + max((reach_s(f) for f in meters.channels), default=0.0)
        if end_s <= self._begin_s:
            return None, "the meters were read for too short a time"
        told = metering.told(meters.channels, traces, meters.lost, self._begin_s, end_s)
        parts, lost = metering.believed(told)
        if not parts:
            return None, "; ".join(dict.fromkeys(lost.values())) or "the meters told nothing yet"
        names = "+".join(p.name for p in parts)
        modelled = "" if all(p.measured for p in parts) else ", modelled in part"
        joules = sum(p.point for p in parts)
        return joules / (end_s - self._begin_s), f"{names}{modelled}"

    def end(self) -> None:
        """End the process that reads; what was read stays."""
        if self._meters is not None:
            if self._kept is None:
                self._kept = self._read(self._clock())
            self._meters.end()
            self._meters = None
