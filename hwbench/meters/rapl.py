"""Intel's and AMD's running average power limit counters (RAPL), by Linux's powercap.

Domains nest: a package holds its cores, and `psys` holds the packages; only packages and memory
are taken here, so that nothing is counted twice. The counters move about every millisecond.
Sources: Documentation/power/powercap/powercap.rst of Linux; Intel SDM vol. 3B, 16.10; AMD and
Intel processors answer through the same driver. Only root may read them since CVE-2020-8694.
"""

from pathlib import Path

from hwbench.meter import Meter
from hwbench.probed import MeterFacts

_RESOLUTION_S = 1e-3
_REMEDY = "sudo chmod a+r /sys/class/powercap/intel-rapl:*/energy_uj (until the next boot)"


def probe() -> MeterFacts:
    """Tell whether the processor's energy counters are here and can be read."""
    return find(Path("/"))


def find(root: Path) -> MeterFacts:
    """Tell the same of the machine under `root`."""
    zones = sorted((root / "sys/class/powercap").glob("intel-rapl:*"))
    if not zones:
        return _facts((), "no RAPL counters are listed (normal in a virtual machine and on ARM)")
    named = {zone: domain for zone in zones if (domain := _domain(zone))}
    if "cpu" not in named.values():
        why_not = "the RAPL counters are listed but hidden, as container runtimes do"
        return _facts(
            (), why_not, "docker run --security-opt systempaths=unconfined, or run outside"
        )
    for zone in named:
        if refusal := _why_not(zone / "energy_uj"):
            return _facts(_domains(named), refusal, _REMEDY)
    return _facts(_domains(named), None)


def _domain(zone: Path) -> str | None:
    """Return what the zone measures, or None if that is a part or the whole of something taken."""
    name = _read(zone / "name") or ""
    if name.startswith("package"):
        return "cpu"
    return "dram" if name == "dram" else None


def _domains(named: dict[Path, str]) -> tuple[str, ...]:
    return tuple(sorted(set(named.values())))


def _why_not(counter: Path) -> str | None:
    try:
        int(counter.read_text())
    except PermissionError:
        return f"{counter} may be read by root only"
    except (OSError, ValueError) as e:
        return f"{counter} cannot be read: {e}"
    return None


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


METER = Meter(name="rapl", summary="Intel and AMD processors, by their RAPL counters", probe=probe)
