"""A laptop's battery: while it is discharging, what leaves it is what the whole machine draws.

Power is `power_now` in microwatts, else `current_now` times `voltage_now` in microamperes and
microvolts. How often the firmware renews them is not told: seconds, on many machines.
Source: Documentation/ABI/testing/sysfs-class-power of Linux.
"""

from pathlib import Path

from hwbench.meter import Meter
from hwbench.probed import MeterFacts


def probe() -> MeterFacts:
    """Tell whether this machine runs on a battery that tells its power."""
    return find(Path("/"))


def find(root: Path) -> MeterFacts:
    """Tell the same of the machine under `root`."""
    supplies = sorted((root / "sys/class/power_supply").glob("*"))
    batteries = [s for s in supplies if _feeds_the_machine(s)]
    if not batteries:
        return _facts("this machine has no battery that Linux lists")
    discharging = [b for b in batteries if _read(b / "status") == "Discharging"]
    if not discharging:
        state = ", ".join(f"{b.name}: {_read(b / 'status') or 'unknown'}" for b in batteries)
        return _facts(f"no battery is discharging ({state})", "unplug the charger to measure")
    silent = [b.name for b in discharging if not _tells_power(b)]
    if silent:
        return _facts(f"{', '.join(silent)} tells neither its power nor its current and voltage")
    return _facts(None)


def _feeds_the_machine(supply: Path) -> bool:
    """Tell the machine's own battery from the charger and from those of mice and headsets."""
    return _read(supply / "type") == "Battery" and _read(supply / "scope") != "Device"


def _tells_power(battery: Path) -> bool:
    known = {n for n in ("power_now", "current_now", "voltage_now") if _is_number(battery / n)}
    return "power_now" in known or known == {"current_now", "voltage_now"}


def _is_number(path: Path) -> bool:
    # Some drivers count what leaves the battery as negative.
    return (_read(path) or "").removeprefix("-").isdecimal()


def _read(path: Path) -> str | None:
    try:
        return path.read_text().strip()
    except (OSError, ValueError):
        return None


def _facts(why_not: str | None, remedy: str | None = None) -> MeterFacts:
    return MeterFacts(
        name="battery", domains=("wall",), measured=True, why_not=why_not, remedy=remedy
    )


METER = Meter(name="battery", summary="a discharging battery: the whole machine", probe=probe)
