"""Power sensors that Linux lists as hardware monitors: boards, AMD and Intel GPUs, server supplies.

Power is in microwatts and energy in microjoules; a chip with neither may give millivolts and
milliamperes of a channel (the INA3221 of Jetson boards). What a sensor feeds is told by the chip's
or the channel's name; a sensor that neither tells of is not taken, for its domain would be a guess.
Sources: Documentation/hwmon/sysfs-interface.rst, ina3221.rst, acpi_power_meter.rst of Linux.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from hwbench.errors import Unavailable
from hwbench.meter import Asked, Channel, Meter, polled
from hwbench.probed import MeterFacts
from hwbench.sensor import ChannelFacts, Domain
from hwbench.units import A_PER_MA, J_PER_UJ, S_PER_MS, V_PER_MV, W_PER_UW

_CHIPS: dict[str, Domain] = {
    "amdgpu": "gpu",
    "i915": "gpu",
    "xe": "gpu",
    "amd_energy": "cpu",
    "fam15h_power": "cpu",
    "power_meter": "wall",
}
_LABELS: dict[Domain, re.Pattern[str]] = {
    "wall": re.compile(r"^(vdd_in|vin_sys|pom_5v_in|total)", re.I),
    "gpu": re.compile(r"gpu", re.I),
    "cpu": re.compile(r"cpu", re.I),
    "dram": re.compile(r"ddr|dram", re.I),
}


def probe(asked: Asked) -> MeterFacts:
    """Tell whether this machine lists power sensors and what they feed."""
    return find(Path("/"))


def find(root: Path) -> MeterFacts:
    """Tell the same of the machine under `root`."""
    sensors = list(_listed(root))
    if not sensors:
        return _facts(why_not="no power sensors are listed (normal in a virtual machine)")
    named = _named(sensors)
    if not named:
        listed = ", ".join(f"{path.parent.name}/{path.name}" for path, _ in sensors)
        return _facts(why_not=f"nothing tells what the power sensors feed: {listed}")
    domains, resolution_s = tuple(sorted(set(named.values()))), _resolution_s(named)
    for path in named:
        try:
            _number(path)
        except Unavailable as e:
            return _facts(domains, resolution_s, e.reason, e.remedy)
    return _facts(domains, resolution_s)


def channels(asked: Asked) -> Sequence[Channel]:
    """Open the sensors whose domain is told."""
    return open_at(Path("/"))


def open_at(root: Path) -> Sequence[Channel]:
    """Open those of the machine under `root`."""
    named = _named(_listed(root))
    return [_channel(path, domain) for path, domain in _one_each(named)]


def _one_each(named: dict[Path, Domain]) -> Iterator[tuple[Path, Domain]]:
    """Yield each sensor once: of its energy, its power and its mean power only the first."""
    seen: set[tuple[Path, str]] = set()
    for path, domain in named.items():
        number = (path.parent, re.sub(r"\D", "", path.name.partition("_")[0]))
        if number not in seen:
            seen.add(number)
            yield path, domain


def _channel(path: Path, domain: Domain) -> Channel:
    averaged = path.name.endswith("_average")
    interval_s = _interval_s(path)
    facts = ChannelFacts(
        meter=METER.name,
        name=f"{_read(path.parent / 'name') or path.parent.name} {path.parent.name}/{path.name}",
        domain=domain,
        kind="counter" if path.name.startswith("energy") else "power",
        update_s=interval_s,
        window_s=interval_s if averaged else None,
    )
    return polled(facts, _reading(path))


def _reading(path: Path) -> Callable[[], float]:
    """Return what reads the sensor in joules or watts."""
    if path.name.startswith("energy"):
        return lambda: _number(path) * J_PER_UJ
    if path.name.startswith("power"):
        return lambda: _number(path) * W_PER_UW
    volts = path.with_name(f"in{path.name.removeprefix('curr')}")
    return lambda: abs(_number(path)) * A_PER_MA * _number(volts) * V_PER_MV


def _listed(root: Path) -> Iterator[tuple[Path, Domain | None]]:
    for chip in sorted((root / "sys/class/hwmon").glob("hwmon*")):
        yield from _sensors(chip)


def _named(sensors: Iterable[tuple[Path, Domain | None]]) -> dict[Path, Domain]:
    return {path: domain for path, domain in sensors if domain}


def _sensors(chip: Path) -> Iterator[tuple[Path, Domain | None]]:
    """Yield the files that give energy, power or, without those, a current, and what they feed."""
    of_chip = _CHIPS.get(_read(chip / "name") or "")
    kinds = ("energy*_input", "power*_input", "power*_average")
    direct = [p for kind in kinds for p in sorted(chip.glob(kind))]
    for path in direct:
        label = _read(chip / f"{path.name.partition('_')[0]}_label")
        yield path, of_chip or _by_label(label)
    for path in () if direct else sorted(chip.glob("curr*_input")):
        number = path.name.removeprefix("curr").removesuffix("_input")
        if (chip / f"in{number}_input").exists():
            yield path, of_chip or _by_label(_read(chip / f"in{number}_label"))


def _by_label(label: str | None) -> Domain | None:
    """Return what the label names, or None if it names nothing or several: VDD_CPU_GPU_CV."""
    named = [domain for domain, word in _LABELS.items() if label and word.search(label)]
    return named[0] if len(named) == 1 else None


def _interval_s(path: Path) -> float | None:
    """Return how often a sensor says that it is renewed, None if it does not."""
    own = path.parent / f"{path.name.partition('_')[0]}_average_interval"
    interval_ms = _read(own) or _read(path.parent / "update_interval") or ""
    return int(interval_ms) * S_PER_MS or None if interval_ms.isdecimal() else None


def _resolution_s(sensors: Iterable[Path]) -> float | None:
    """Return the longest interval at which the sensors say that they are renewed, or None."""
    return max((s for path in sensors if (s := _interval_s(path))), default=None)


def _number(path: Path) -> float:
    """Return the file's number; raise Unavailable, with the line that opens it."""
    try:
        return int(path.read_text())
    except PermissionError:
        remedy = f"sudo chmod a+r {path} (until the next boot)"
        raise Unavailable(f"{path} cannot be read", remedy) from None
    except (OSError, ValueError) as e:
        raise Unavailable(f"{path} cannot be read: {e}") from None


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
    name="hwmon",
    summary="power sensors of boards, AMD GPUs and server supplies",
    rank=20,
    probe=probe,
    open=channels,
)
