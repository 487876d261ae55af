"""What NVIDIA's driver tells of a GPU while a case runs on it: clocks, heat, power, who else.

Asked at the begin and the end of a visit, in the child. Source: NVML API reference,
nvmlDeviceGetCurrentClocksEventReasons. What a driver or card does not tell is None.
"""

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import reduce
from operator import or_
from typing import Any

from hwbench import nvml
from hwbench.cards import Opened
from hwbench.units import W_PER_MW

# Bits of the clocks' event reasons; 0x1, idle, says only that nothing ran just then.
IDLE = 0x1
REASONS = {
    0x2: "application clocks",
    0x4: "software power cap",
    0x8: "hardware slowdown",
    0x10: "sync boost",
    0x20: "software thermal slowdown",
    0x40: "hardware thermal slowdown",
    0x80: "power brake",
}
_HOLDING_BACK = frozenset({0x8, 0x20, 0x40, 0x80})


@dataclass(frozen=True, kw_only=True)
class Told:
    """Fields of `Conditions` by name, and why some are null."""

    facts: dict[str, Any] = field(default_factory=dict)
    why_null: tuple[str, ...] = ()


class Card:
    """No GPU to look at: the processor, or a device that NVML does not know, for the `why`."""

    def __init__(self, why: str | None = None) -> None:
        """Take why a GPU cannot be looked at, None where there is none."""
        self._why = why

    def look(self) -> None:
        """Do nothing."""

    def told(self) -> Told:
        """Say why nothing is known."""
        return Told(why_null=() if self._why is None else (f"GPU: {self._why}",))


class Nvidia(Card):
    """A card as NVML tells of it; the worst of all looks counts."""

    def __init__(self, library: Any, opened: Opened, ours: Callable[[], set[int]]) -> None:
        """Take the started library, the card, and who may use it without being foreign."""
        super().__init__()
        self._nvml, self._opened, self._ours = library, opened, ours
        self._clock_fracs: list[float] = []
        self._temperatures_c: list[float] = []
        self._powers_w: list[float] = []
        self._others: list[int] = []
        self._bits: list[int] = []

    def look(self) -> None:
        """Ask the card all that it tells now."""
        library, whole = self._nvml, self._opened.whole
        bits = self._asked("nvmlDeviceGetCurrentClocksEventReasons", whole)
        if bits is None:  # the name that it had before driver 535
            bits = self._asked("nvmlDeviceGetCurrentClocksThrottleReasons", whole)
        _keep(self._bits, bits)
        clock = self._asked("nvmlDeviceGetClockInfo", whole, library.NVML_CLOCK_SM)
        most = self._asked("nvmlDeviceGetMaxClockInfo", whole, library.NVML_CLOCK_SM)
        if clock and most and not (bits or 0) & IDLE:  # an idle card's clock is low by itself
            self._clock_fracs.append(clock / most)
        sensor = library.NVML_TEMPERATURE_GPU
        _keep(self._temperatures_c, self._asked("nvmlDeviceGetTemperature", whole, sensor))
        power_mw = self._asked("nvmlDeviceGetPowerUsage", whole)
        _keep(self._powers_w, None if power_mw is None else power_mw * W_PER_MW)
        _keep(self._others, self._foreign())

    def told(self) -> Told:
        """Return the worst that was seen."""
        seen = {
            "sm_clock_frac_min": min(self._clock_fracs, default=None),
            "temperature_c_max": max(self._temperatures_c, default=None),
            "power_w_max": max(self._powers_w, default=None),
            "other_processes": max(self._others, default=None),
        }
        unknown = [name for name, value in seen.items() if value is None]
        unknown += [] if self._bits else ["throttle_reasons"]
        return Told(
            facts={**seen, "throttle_reasons": names(reduce(or_, self._bits, 0))},
            why_null=tuple(f"{name}: the driver did not tell" for name in unknown),
        )

    def _foreign(self) -> int | None:
        try:
            return nvml.foreign_processes(self._nvml, self._opened.handle, self._ours())
        except self._nvml.NVMLError:  # the card is gone
            return None

    def _asked(self, name: str, *about: Any) -> Any:
        """Return the answer, None where library, driver or card has none."""
        question = getattr(self._nvml, name, None)
        try:
            return None if question is None else question(*about)
        except self._nvml.NVMLError:
            return None


def names(bits: int) -> tuple[str, ...]:
    """Return the names of the event reasons that are set."""
    return tuple(name for bit, name in REASONS.items() if bits & bit)


def holding_back(reasons: Iterable[str]) -> tuple[str, ...]:
    """Return those reasons that mean less than the card can: heat, its supply, a slowdown."""
    grave = {REASONS[bit] for bit in _HOLDING_BACK}
    return tuple(r for r in reasons if r in grave)


def opened(device: str, environ: Mapping[str, str] = os.environ) -> Card:
    """Return the card that CUDA calls `device`, or one that says why it cannot be looked at."""
    kind, _, index = device.partition(":")
    if kind == "cpu":
        return Card()
    if kind != "cuda":
        return Card(f"no driver is asked for {kind}")
    library, why = nvml.started()  # and never shut down: the child's end does that
    if library is None:
        return Card(why)
    found, why = nvml.opened(library, int(index or 0), environ)
    return Card(why) if found is None else Nvidia(library, found, family)


def family() -> set[int]:
    """Return this child's parent and all that it started: the run's own processes."""
    return nvml.with_children(os.getppid()) | {os.getpid()}


def _keep(seen: list[Any], value: Any) -> None:
    if value is not None:
        seen.append(value)
