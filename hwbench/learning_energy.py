"""The energy of trainings: the meters are read beside them all, and each has its own window."""

from collections.abc import Callable, Sequence
from types import TracebackType

from hwbench import energy_planning, metering
from hwbench.device import Environment
from hwbench.energy_planning import EnergyWish
from hwbench.meter import Asked
from hwbench.sampler import Sampler

NO_METER = "no meter that measures can be used here (`hwbench doctor` says why of each)"

Start = Callable[[Sequence[str], Asked], Sampler]


class Energies:
    """Meters that are read while trainings run. Use it in a `with`.

    Only what measures counts: `no_energy` says why there is nothing.
    """

    def __init__(self, environment: Environment, device: str, start: Start = Sampler) -> None:
        """Look for meters; none is read yet."""
        asked = energy_planning.asked(EnergyWish(), environment)
        facts = metering.probe(asked)
        self._names = tuple(f.name for f in facts if f.why_not is None and f.measured)
        self._asked, self._device, self._start = asked, device, start
        self._sampler: Sampler | None = None
        self.no_energy: str | None = None if self._names else NO_METER

    def __enter__(self) -> "Energies":
        """Begin to read."""
        if self._names:
            self._sampler = self._start(self._names, self._asked)
            if not self._sampler.channels:
                self.no_energy = "; ".join(self._sampler.lost.values()) or NO_METER
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the reader."""
        if self._sampler is not None:
            self._sampler.end()

    def of(self, begin_s: float, end_s: float) -> tuple[float | None, str | None]:
        """Return the joules of a window on the machine's clock, or None and why."""
        if self._sampler is None or not self._sampler.channels:
            return None, self.no_energy
        self._sampler.settle(end_s)
        told = metering.told(
            self._sampler.channels,
            self._sampler.traces(),
            self._sampler.lost,
            begin_s,
            end_s,
        )
        domains, why = metering.believed(told, self._device)
        measured = [d for d in domains if d.measured]
        if not measured:
            return None, next(iter(why.values()), "the meters told nothing of this training")
        return sum(d.point for d in measured), None
