"""Power sensors that Linux lists as hardware monitors: boards, AMD and Intel GPUs, server supplies.

Power is in microwatts and energy in microjoules; a chip with neither may give millivolts and
milliamperes of a channel (the INA3221 of Jetson boards). What a sensor feeds is told by the chip's
or the channel's name; a sensor that neither tells of is not taken, for its domain would be a guess.
Sources: Documentation/hwmon/sysfs-interface.rst, ina3221.rst, acpi_power_meter.rst of Linux.
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from hwbench.meter import Meter
from hwbench.probed import MeterFacts

_S_PER_MS = 1e-3
_CHIPS = {
    "amdgpu": "gpu",
    "i915": "gpu",
    "xe": "gpu",
    "amd_energy": "cpu",
    "fam15h_power": "cpu",
    "power_meter": "wall",
}
_LABELS = {
    "wall": re.compile(r"^(vdd_in|vin_sys|pom_5v_in|total)", re.I),
    "gpu": re.compile(r"gpu", re.I),
    "cpu": re.compile(r"cpu", re.I),
    "dram": re.compile(r"ddr|dram", re.I),
}


def probe() -> MeterFacts:
    """Tell whether this machine lists power sensors and what they feed."""
    return find(Path("/"))


def find(root: Path) -> MeterFacts:
    """Tell the same of the machine under `root`."""
    chips = sorted((root / "sys/class/hwmon").glob("hwmon*"))
    sensors = [(path, domain) for chip in chips for path, domain in _sensors(chip)]
    if not sensors:
        return _facts(why_not="no power sensors are listed (normal in a virtual machine)")
    named = {path: domain for path, domain in sensors if domain}
    if not named:
        listed = ", ".join(f"{path.parent.name}/{path.name}" for path, _ in sensors)
        return _facts(why_not=f"nothing tells what the power sensors feed: {listed}")
    domains, resolution_s = tuple(sorted(set(named.values()))), _resolution_s(named)
    refused = next(
        (path for path in named if not (_read(path) or "").lstrip("-").isdecimal()), None
    )
    if refused:
        remedy = f"sudo chmod a+r {refused} (until the next boot)"
        return _facts(domains, resolution_s, f"{refused} cannot be read", remedy)
    return _facts(domains, resolution_s)


def _sensors(chip: Path) -> Iterator[tuple[Path, str | None]]:
    """Yield the files that give energy, power or, without those, a current, and what they feed."""
    of_chip = _CHIPS.get(_read(chip / "name") or "")
    direct = sorted(
        p for g in ("energy*_input", "power*_input", "power*_average") for p in chip.glob(g)
    )
    for path in direct:
        label = _read(chip / f"{path.name.partition('_')[0]}_label")
        yield path, of_chip or _by_label(label)
    for path in () if direct else sorted(chip.glob("curr*_input")):
        number = path.name.removeprefix("curr").removesuffix("_input")
        if (chip / f"in{number}_input").exists():
            yield path, of_chip or _by_label(_read(chip / f"in{number}_label"))


def _by_label(label: str | None) -> str | None:
    """Return what the label names, or None if it names nothing or several: VDD_CPU_GPU_CV."""
    named = [domain for domain, word in _LABELS.items() if label and word.search(label)]
    return named[0] if len(named) == 1 else None


def _resolution_s(sensors: Iterable[Path]) -> float | None:
    """Return the longest interval at which the sensors say that they are renewed, or None."""
    found = []
    for path in sensors:
        own = path.parent / f"{path.name.partition('_')[0]}_average_interval"
        interval_ms = _read(own) or _read(path.parent / "update_interval") or ""
        if interval_ms.isdecimal():
            found.append(int(interval_ms) * _S_PER_MS)
    return max(found, default=None)


def _read(path: Path) -> str | None:
    try:
        return path.read_text().strip()
    except (OSError, ValueError):
        return None


def _facts(
    domains: tuple[str, ...] = (),
    resolution_s: float | None = None,
    why_not: str | None = None,
    remedy: str | None = None,
) -> MeterFacts:
    return MeterFacts(
        name="hwmon",
        domains=domains,
        measured=True,
        resolution_s=resolution_s,
        why_not=why_not,
        remedy=remedy,
    )


METER = Meter(
    name="hwmon", summary="power sensors of boards, AMD GPUs and server supplies", probe=probe
)
