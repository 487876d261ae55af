"""The child that fetches prices with gpuhunt: `-m hwbench.catalog_fetch FOLDER PROVIDER...`.

For each provider it leaves FOLDER/<provider>.json, or FOLDER/<provider>.txt with the reason why
not. It is a process of its own because neither the library nor the network has a time limit.
"""

import importlib
import importlib.metadata
import json
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, Protocol

from hwbench import data_sheets, instances
from hwbench.errors import UnknownName, one_line
from hwbench.units import BYTES_PER_GIB

# Our providers by what gpuhunt calls them, the newest name first: those whose lists it publishes.
# The others it asks live, with the keys of an account, which are none of our business.
NAMES = {
    "aws": ("aws",),
    "azure": ("azure",),
    "gcp": ("gcp",),
    "lambda": ("lambdalabs",),
    "nebius": ("nebius",),
    "oci": ("oci",),
    "runpod": ("runpod",),
    "verda": ("verda", "datacrunch"),
}
PROVIDERS = tuple(NAMES)


class Item(Protocol):
    """One offer as gpuhunt's `CatalogItem` has it: GB are GiB, `price` is USD an hour."""

    instance_name: str
    location: str
    price: float
    cpu: int | None
    memory: float | None
    gpu_count: int | None
    gpu_name: str | None
    gpu_memory: float | None
    spot: bool


def main(folder: Path, providers: Sequence[str]) -> None:
    """Fetch each provider's prices into the folder."""
    for provider in providers:
        try:
            rows = rows_of(_query(provider), provider, date.today(), _version())
            text = json.dumps({"provider": provider, "instance": rows}, allow_nan=False, indent=0)
            (folder / f"{provider}.json").write_text(text, encoding="utf-8")
        except Exception as e:  # a stranger's library may fail in any way; the others go on
            why = "".join(f": {x}" for x in (e, e.__cause__) if x)
            reason = one_line(f"{type(e).__name__}{why}")
            (folder / f"{provider}.txt").write_text(reason, encoding="utf-8")


_loaded: list[Any] = []  # gpuhunt's catalogue, downloaded once for all


def _query(provider: str) -> list[Item]:
    if not _loaded:
        gpuhunt = importlib.import_module("gpuhunt")
        catalog = gpuhunt.Catalog(balance_resources=False, auto_reload=False)
        catalog.load()
        _loaded.append(catalog)
    *newer, oldest = NAMES[provider]
    for name in newer:
        try:
            return list(_loaded[0].query(provider=[name]))
        except (ValueError, KeyError):  # this gpuhunt has an older name
            continue
    return list(_loaded[0].query(provider=[oldest]))


def _version() -> str:
    try:
        return importlib.metadata.version("gpuhunt")
    except importlib.metadata.PackageNotFoundError:
        return ""


def rows_of(
    items: Iterable[Item], provider: str, today: date, version: str
) -> list[dict[str, object]]:
    """Return one row for each instance type: in the provider's region here, else the cheapest.

    A spot price is taken from the same region, and only at or below the one on demand.
    """
    known = instances.providers().get(provider)
    home = known.region if known else None
    offers: dict[tuple[str, str], dict[bool, Item]] = {}
    for item in items:
        if _is_whole(item, provider):
            of = offers.setdefault((_sku(item, provider), _region(item, provider)), {})
            if item.spot not in of or item.price < of[item.spot].price:
                of[item.spot] = item
    best: dict[str, tuple[tuple[bool, float], dict[str, object]]] = {}
    for (sku, region), prices in offers.items():
        if False in prices:
            rank = (region != home, prices[False].price)
            if sku not in best or rank < best[sku][0]:
                best[sku] = rank, _row(sku, region, prices)
    source = f"gpuhunt {version}".strip()
    stated = {"source": source, "date": today.isoformat(), "confidence": "high"}
    return [row | stated for _, row in best.values()]


def _is_whole(item: Item, provider: str) -> bool:
    """Return whether an offer is a machine with a price; a TPU's slice is named otherwise."""
    tpu = provider == "gcp" and re.match(r"v\d|tpu", item.gpu_name or "", re.I)
    return bool(item.instance_name) and item.price > 0 and not tpu


def _sku(item: Item, provider: str) -> str:
    name = "_".join(item.instance_name.split())
    if provider == "runpod" and item.gpu_count:  # named after the GPU, whatever their number
        return f"{item.gpu_count}x_{name}"
    attached = provider == "gcp" and name.startswith("n1-") and item.gpu_count
    return f"{name}+{item.gpu_count}x{item.gpu_name}" if attached else name


def _region(item: Item, provider: str) -> str:
    return re.sub(r"-[a-z]$", "", item.location) if provider == "gcp" else item.location


def _row(sku: str, region: str, prices: Mapping[bool, Item]) -> dict[str, object]:
    item, spot = prices[False], prices.get(True)
    row: dict[str, object] = {"sku": sku, "region": region, "usd_per_h": item.price}
    row["vcpus"] = item.cpu or None
    row["memory_bytes"] = round(item.memory * BYTES_PER_GIB) if item.memory else None
    if spot is not None and spot.price <= item.price:
        row["spot_usd_per_h"] = spot.price
    if item.gpu_name and item.gpu_count:
        size = round(item.gpu_memory * BYTES_PER_GIB) if item.gpu_memory else None
        sheet = data_sheets.of_kind(item.gpu_name, size, hint=sku)
        row["accelerator"] = sheet.name if sheet else item.gpu_name
        row["n_accelerators"] = item.gpu_count
        row["accelerator_memory_bytes"] = size
    return row


def source_of(provider: str) -> None:
    """Raise UnknownName where gpuhunt has no prices of a provider."""
    if provider not in PROVIDERS:
        raise UnknownName("provider that can be fetched", provider, PROVIDERS)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
