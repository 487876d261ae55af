"""What measuring itself may cost on a rented machine (`--max-usd`), as the time that it buys."""

from pathlib import Path

from hwbench import host, instances
from hwbench.errors import BadInput, UnknownName
from hwbench.instance import Instance
from hwbench.units import S_PER_H


def rented_as(name: str | None, catalog: Path | None = None) -> Instance | None:
    """Return the instance of the catalogue that a cloud calls `provider:sku`, None for no such."""
    if not name or ":" not in name:
        return None
    try:
        return instances.matching(name, instances.catalogue(catalog).instances)[0]
    except UnknownName:
        return None


def capped_s(
    max_usd: float | None, usd_per_h: float | None, catalog: Path | None = None
) -> float | None:
    """Return the seconds that `max_usd` buys, at `usd_per_h` or this cloud instance's price.

    None where nothing is capped; raises BadInput where the price is not known.
    """
    if max_usd is None:
        return None
    if usd_per_h is None:
        known = rented_as(host.environment().cloud_instance, catalog)
        usd_per_h = known.usd_per_h if known else None
    if usd_per_h is None:
        raise BadInput(
            f"--max-usd {max_usd:g}: what an hour of this machine costs is not known:"
            " give --usd-per-h X"
        )
    return max_usd / usd_per_h * S_PER_H


def shorter_s(limit_s: float | None, cap_s: float | None) -> float | None:
    """Return the smaller of two limits, either of which may be none."""
    known = [s for s in (limit_s, cap_s) if s is not None]
    return min(known, default=None)
