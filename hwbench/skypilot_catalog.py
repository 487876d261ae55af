"""The price lists of a SkyPilot on this machine: `~/.sky/catalogs/v*/<cloud>/vms.csv`.

They are read where they are and never written. Each row is dated by the file's time. Of the
regions of an instance type one is taken: that of the provider's own file here, else the cheapest.
"""

import csv
import math
import re
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any

from hwbench import catalog_file, data_sheets
from hwbench.catalog_file import Listed
from hwbench.instance import Instance, Problem, Provider
from hwbench.units import BYTES_PER_GIB

_NAMES = {"do": "digitalocean", "datacrunch": "verda", "lambda_cloud": "lambda"}  # theirs: ours
# Its list for Google prices the accelerators apart from the machines that hold them.
_PARTS = re.compile(r"(a2|a3|a4|a4x|g2|g4|ct\w*|tpu\w*)-", re.I)


def folder() -> Path | None:
    """Return the newest version's folder, None where there is no SkyPilot."""
    found = [p for p in (Path.home() / ".sky" / "catalogs").glob("v*") if p.name[1:].isdecimal()]
    return max(found, key=lambda p: int(p.name[1:]), default=None)


def read(providers: Mapping[str, Provider]) -> list[Listed]:
    """Return what each cloud's list holds, one row for each instance type."""
    place = folder()
    if place is None:
        return []
    return [_read(path, providers) for path in sorted(place.glob("*/vms.csv"))]


def _read(path: Path, providers: Mapping[str, Provider]) -> Listed:
    name = _NAMES.get(path.parent.name, path.parent.name)
    home = providers[name].region if name in providers else None
    instances, problems = [], []
    try:
        written = date.fromtimestamp(path.stat().st_mtime)
        for line, row in _best(path, home):
            try:
                instances.append(_instance(name, row, written))
            except (ValueError, TypeError) as e:
                problems.append(Problem(where=f"{path}:{line}", what=str(e)))
    except (OSError, ValueError, csv.Error) as e:
        problems.append(Problem(where=str(path), what=f"cannot be read: {e}"))
    return Listed(path=path, instances=tuple(instances), problems=tuple(problems))


def _best(path: Path, home: str | None) -> list[tuple[int, dict[str, str]]]:
    """Return of each instance type the row of the region `home`, else of the cheapest."""
    best: dict[str, tuple[tuple[bool, float], tuple[int, dict[str, str]]]] = {}
    for line, row in _rows(path):
        sku, rank = row["InstanceType"], (row.get("Region") != home, _price(row["Price"]))
        if sku not in best or rank < best[sku][0]:
            best[sku] = rank, (line, row)
    return [found for _, found in best.values()]


def _price(text: str) -> float:
    """Return a price; what is none is beyond all, and comes last where prices are ordered."""
    try:
        value = float(text)
    except ValueError:
        return math.inf
    return value if value > 0 else math.inf


def _rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the rows that price a whole machine on demand, with their lines."""
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        for row in reader:
            sku, count = row.get("InstanceType"), row.get("AcceleratorCount")
            part = path.parent.name == "gcp" and (count or _PARTS.match(sku or ""))
            share = "." in (count or "").removesuffix(".0")  # of a GPU: no data sheet is of one
            if sku and row.get("Price") and not part and not share:
                yield reader.line_num, row


def _instance(provider: str, row: Mapping[str, str], written: date) -> Instance:
    kind, count = row.get("AcceleratorName") or None, row.get("AcceleratorCount")
    sheet = data_sheets.of_kind(kind, hint=row["InstanceType"]) if kind else None
    spot = _price(row.get("SpotPrice") or "")
    values: dict[str, Any] = {
        "provider": provider,
        "sku": row["InstanceType"],
        "region": row.get("Region"),
        "vcpus": _whole(row.get("vCPUs")),
        "memory_bytes": _bytes(row.get("MemoryGiB")),
        "accelerator": sheet.name if sheet else kind,
        "n_accelerators": int(float(count)) if kind and count else 0,
        "usd_per_h": row["Price"],
        "spot_usd_per_h": spot if spot <= _price(row["Price"]) else None,
    }
    given = {"source": "the SkyPilot catalogue on this machine", "date": written}
    return catalog_file.instance(values, {**given, "confidence": "medium"}, {})


def _whole(text: str | None) -> int | None:
    value = float(text) if text else 0.0
    return int(value) if value >= 1 and value.is_integer() else None


def _bytes(text: str | None) -> int | None:
    value = float(text) if text else 0.0
    return round(value * BYTES_PER_GIB) if value > 0 else None
