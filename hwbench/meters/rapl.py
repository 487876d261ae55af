"""Intel's and AMD's running average power limit counters (RAPL), by Linux's powercap.

Domains nest: a package holds its cores, and `psys` holds the packages; only packages and memory
are taken here, so that nothing is counted twice. Linux lists one counter a die, and on some AMD
processors all dies of a package show the package's own: such copies are dropped (codecarbon #1274:
137 W told of 68). The counters move about every millisecond and begin again at
`max_energy_range_uj`. No error of their scale is documented, so none is stated.
Sources: Documentation/power/powercap/powercap.rst of Linux; Intel SDM vol. 3B, 16.10; AMD and
Intel processors answer through the same driver. Only root may read them since CVE-2020-8694.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from hwbench.errors import Unavailable
from hwbench.meter import Asked, Channel, Meter, polled
from hwbench.probed import MeterFacts
from hwbench.sensor import ChannelFacts, Domain
from hwbench.units import J_PER_UJ

_RESOLUTION_S = 1e-3
_REMEDY = "sudo chmod a+r /sys/class/powercap/intel-rapl:*/energy_uj (until the next boot)"


class _Zone(NamedTuple):
    """A counter that is taken: its folder, what it feeds, and its name, which is its alone."""

    path: Path
    domain: Domain
    name: str

    @property
    def counter(self) -> Path:
        return self.path / "energy_uj"


def probe(asked: Asked) -> MeterFacts:
    """Tell whether the processor's energy counters are here and can be read."""
    return find(Path("/"))


def find(root: Path) -> MeterFacts:
    """Tell the same of the machine under `root`."""
    if not _listed(root):
        return _facts((), "no RAPL counters are listed (normal in a virtual machine and on ARM)")
    zones = list(_zones(root))
    if "cpu" not in {z.domain for z in zones}:
        why_not = "the RAPL counters are listed but hidden, as container runtimes do"
        return _facts(
            (), why_not, "docker run --security-opt systempaths=unconfined, or run outside"
        )
    for zone in zones:
        try:
            _joules(zone.counter)
        except Unavailable as e:
            return _facts(_domains(zones), e.reason, e.remedy)
    return _facts(_domains(zones), None)


def channels(asked: Asked) -> Sequence[Channel]:
    """Open the packages' and memories' counters."""
    return open_at(Path("/"))


def open_at(root: Path) -> Sequence[Channel]:
    """Open those of the machine under `root`; raise Unavailable where one cannot be read."""
    return [_channel(zone) for zone in _without_copies(list(_zones(root)))]


def _channel(zone: _Zone) -> Channel:
    most_uj = _read(zone.path / "max_energy_range_uj") or ""
    facts = ChannelFacts(
        meter=METER.name,
        name=zone.name,
        domain=zone.domain,
        kind="counter",
        update_s=_RESOLUTION_S,
        range_j=int(most_uj) * J_PER_UJ if most_uj.isdecimal() else None,
    )
    return polled(facts, lambda: _joules(zone.counter))


def _listed(root: Path) -> list[Path]:
    # Not intel-rapl-mmio:*, which shows the same packages by another way.
    return sorted((root / "sys/class/powercap").glob("intel-rapl:*"))


def _zones(root: Path) -> Iterator[_Zone]:
    """Yield the packages, and the memories with their package in the name."""
    listed = {path.name: path for path in _listed(root)}
    for path in listed.values():
        name = _read(path / "name") or ""
        if name.startswith("package"):
            yield _Zone(path, "cpu", name)
        elif name == "dram":
            package = listed.get(path.name.rpartition(":")[0])
            of_package = _read(package / "name") if package else None
            yield _Zone(path, "dram", f"dram of {of_package or path.name}")


def _without_copies(zones: Sequence[_Zone]) -> list[_Zone]:
    """Drop the dies of a package whose counter is that of one before."""
    kept: list[_Zone] = []
    for zone in zones:
        if not any(_copies(zone, other) for other in kept):
            kept.append(zone)
    return kept


def _copies(zone: _Zone, other: _Zone) -> bool:
    """Return whether two dies of one package show the same counter.

    One read between two readings of the other lies between them if they are the same; two counters
    of their own are as near by a chance of one to millions.
    """
    package = zone.name.partition("-die-")[0]
    if (
        zone.domain != other.domain
        or "-die-" not in zone.name
        or other.name.partition("-die-")[0] != package
    ):
        return False
    before, between, after = (_joules(z.counter) for z in (other, zone, other))
    return before <= between <= after or (after < before and not after < between < before)


def _domains(zones: Sequence[_Zone]) -> tuple[str, ...]:
    return tuple(sorted({z.domain for z in zones}))


def _joules(counter: Path) -> float:
    """Return the counter; raise Unavailable, with the line that opens it where that would help."""
    try:
        return int(counter.read_text()) * J_PER_UJ
    except PermissionError:
        raise Unavailable(f"{counter} may be read by root only", _REMEDY) from None
    except (OSError, ValueError) as e:
        raise Unavailable(f"{counter} cannot be read: {e}") from None


def _read(path: Path) -> str | None:
    try:
        return path.read_text().strip()
    except (OSError, ValueError):
        return None


def _facts(domains: tuple[str, ...], why_not: str | None, remedy: str | None = None) -> MeterFacts:
    return MeterFacts(
        name="rapl",
        domains=domains,
        measured=True,
        resolution_s=_RESOLUTION_S if domains else None,
        why_not=why_not,
        remedy=remedy,
    )


METER = Meter(
    name="rapl",
    summary="Intel and AMD processors, by their RAPL counters",
    rank=10,
    probe=probe,
    open=channels,
)
