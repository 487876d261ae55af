"""Published training throughput: `catalog/published_throughput.csv`, a row a figure.

All are Lambda's deeplearning-benchmark: NVIDIA's reference trainings in one container, batches as
large as the device's memory takes. Rows that contradict others stay in the file with the reason why
they are left out: all of them are figures of several devices.
"""

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from functools import cache

from hwbench import registry
from hwbench.data_sheet import DataSheet
from hwbench.errors import UnknownName
from hwbench.units import BYTES_PER_GIB

BYTES_PER_GB = BYTES_PER_GIB  # the GiB behind the GB of a name, as the data sheets have them


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One published training: `items_per_s` of `n_devices` together, in `unit`."""

    workload: str
    dtype: str  # fp32 (with TF32 where the device has it) | fp16 | amp
    device: str  # as published
    sheet: str  # the data sheet that stands for it
    memory_bytes: float
    n_devices: int
    batch_size: int | None  # of all devices together
    items_per_s: float
    unit: str
    source: str
    date: date
    left_out: str = ""  # why it is not used


@cache
def figures() -> tuple[Figure, ...]:
    """Return all rows of the catalogue, those that are left out too."""
    path = registry.PACKAGE / "catalog" / "published_throughput.csv"
    with path.open(encoding="utf-8", newline="") as file:
        return tuple(_figure(row) for row in csv.DictReader(file))


def _figure(row: Mapping[str, str]) -> Figure:
    return Figure(
        workload=row["workload"],
        dtype=row["dtype"],
        device=row["device"],
        sheet=row["sheet"],
        memory_bytes=float(row["memory_gb"]) * BYTES_PER_GB,
        n_devices=int(row["n_devices"]),
        batch_size=int(row["batch_size"]) if row["batch_size"] else None,
        items_per_s=float(row["items_per_s"]),
        unit=row["unit"],
        source=row["source"],
        date=date.fromisoformat(row["date"]),
        left_out=row["left_out"],
    )


def of_one_device(known: Iterable[Figure]) -> tuple[Figure, ...]:
    """Return the figures of one device that are in use."""
    return tuple(f for f in known if f.n_devices == 1 and not f.left_out)


def sheet_of(figure: Figure, sheets: Mapping[str, DataSheet]) -> DataSheet:
    """Return the sheet of a figure's device, with the memory that this device had.

    The catalogue has no row for the Quadro RTX 8000: it is the Quadro RTX 6000 (Turing) with
    48 GB. Raise UnknownName where `sheets` lacks the device.
    """
    if figure.sheet not in sheets:
        raise UnknownName("data sheet", figure.sheet, sheets)
    return replace(sheets[figure.sheet], memory_bytes=int(figure.memory_bytes))
