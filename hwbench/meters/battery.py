"""A laptop's battery: while it is discharging, what leaves it is what the whole machine draws.

Power is `power_now` in microwatts, else `current_now` times `voltage_now` in microamperes and
microvolts. How often the firmware renews them is not told: seconds, on many machines.
Source: Documentation/ABI/testing/sysfs-class-power of Linux.
"""

from collections.abc import Sequence
from pathlib import Path

from hwbench.errors import Unavailable
from hwbench.meter import Asked, Channel, Meter, polled
from hwbench.probed import MeterFacts
from hwbench.sensor import ChannelFacts
from hwbench.units import A_PER_UA, V_PER_UV, W_PER_UW

_UNPLUG = "unplug the charger to measure"


def probe(asked: Asked) -> MeterFacts:
    """Tell whether this machine runs on a battery that tells its power."""
    return find(Path("/"))


def find(root: Path) -> MeterFacts:
    """Tell the same of the machine under `root`."""
    batteries = _batteries(root)
    if not batteries:
        return _facts("this machine has no battery that Linux lists")
    discharging = [b for b in batteries if _read(b / "status") == "Discharging"]
    if not discharging:
        state = ", ".join(f"{b.name}: {_read(b / 'status') or 'unknown'}" for b in batteries)
        return _facts(f"no battery is discharging ({state})", _UNPLUG)
    silent = [b.name for b in discharging if not _tells_power(b)]
    if silent:
        return _facts(f"{', '.join(silent)} tells neither its power nor its current and voltage")
    return _facts(None)


def channels(asked: Asked) -> Sequence[Channel]:
    """Open the machine's batteries."""
    return open_at(Path("/"))


def open_at(root: Path) -> Sequence[Channel]:
    """Open those of the machine under `root`; one that is full or idle tells 0 W by right."""
    batteries = [b for b in _batteries(root) if _read(b / "status") == "Discharging"]
    return [_channel(b) for b in batteries]


def _channel(battery: Path) -> Channel:
    facts = ChannelFacts(meter=METER.name, name=battery.name, domain="wall", kind="power")
    return polled(facts, lambda: _watts(battery))


def _watts(battery: Path) -> float:
    """Return what leaves the battery; raise Unavailable when it is no longer discharged."""
    status = _read(battery / "status")
    if status != "Discharging":
        raise Unavailable(f"{battery.name} is no longer discharging ({status})", _UNPLUG)
    power = _number(battery / "power_now")
    if power is not None:
        return abs(power) * W_PER_UW
    current, voltage = _number(battery / "current_now"), _number(battery / "voltage_now")
    if current is None or voltage is None:
        raise Unavailable(f"{battery.name} no longer tells its power")
    return abs(current) * A_PER_UA * voltage * V_PER_UV


def _batteries(root: Path) -> list[Path]:
    supplies = sorted((root / "sys/class/power_supply").glob("*"))
    return [s for s in supplies if _feeds_the_machine(s)]


def _feeds_the_machine(supply: Path) -> bool:
    """Tell the machine's own battery from the charger and from those of mice and headsets."""
    return _read(supply / "type") == "Battery" and _read(supply / "scope") != "Device"


def _tells_power(battery: Path) -> bool:
    names = ("power_now", "current_now", "voltage_now")
    known = {n for n in names if _number(battery / n) is not None}
    return "power_now" in known or known == {"current_now", "voltage_now"}


def _number(path: Path) -> float | None:
    """Return the file's number; some drivers count what leaves the battery as negative."""
    text = _read(path) or ""
    return float(text) if text.removeprefix("-").isdecimal() else None


def _read(path: Path) -> str | None:
    try:
        return path.read_text().strip()
    except (OSError, ValueError):
        return None


def _facts(why_not: str | None, remedy: str | None = None) -> MeterFacts:
    return MeterFacts(
        name="battery", domains=("wall",), measured=True, why_not=why_not, remedy=remedy
    )


METER = Meter(
    name="battery",
    summary="a discharging battery: the whole machine",
    rank=20,
    probe=probe,
    open=channels,
)
