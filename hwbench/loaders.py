"""How fast loaders gave items on this machine, kept beside its history: a line each."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from hwbench import history_file

FILE = "loaders.jsonl"


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """A loader that was drained with nothing trained; seconds of one item.

    `item_s` is wall time in one process, `cpu_s` core-seconds; `sd_log` is between rounds.
    """

    machine: str
    workload: str
    description: str
    path: str | None  # of the user's data; what was generated, None: of the usual size
    residence: str
    item_s: float
    cpu_s: float
    item_bytes: float
    sd_log: float
    cores: int
    at_s: float
    date: str
    read_bytes_per_s: float | None = None  # of the data's disk, cold; None: not known
    write_bytes_per_s: float | None = None  # of a checkpoint, where the command was given


def source_of(data: Path | None, image_px: tuple[int, int] | None) -> str | None:
    """Return what data a history's line is of."""
    if data is not None:
        return str(data)
    return None if image_px is None else f"generated:{image_px[0]}x{image_px[1]}"


def remember(loaded: Loaded, place: Path) -> None:
    """Add a measurement to the history; raise OSError if it cannot be written."""
    history_file.append(place / FILE, [loaded])


def read(place: Path) -> list[Loaded]:
    """Return what is on file; a line that is torn or of another form is passed over."""
    return history_file.read(place / FILE, Loaded, _sound)


def _sound(loaded: Loaded) -> bool:
    speeds = (loaded.read_bytes_per_s, loaded.write_bytes_per_s)
    if not all(s is None or (s > 0 and math.isfinite(s)) for s in speeds):
        return False
    return loaded.item_s > 0 and math.isfinite(loaded.item_s + loaded.cpu_s + loaded.sd_log)


def newest(
    known: Iterable[Loaded],
    machine: str,
    workload: str,
    path: str | None,
    residence: str,
    since_s: float,
) -> Loaded | None:
    """Return the newest measurement of these data on a machine, None where there is none."""
    key = (machine, workload, path, residence)
    found = [
        k
        for k in known
        if (k.machine, k.workload, k.path, k.residence) == key and k.at_s >= since_s
    ]
    return max(found, key=lambda k: k.at_s, default=None)
