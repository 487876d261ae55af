"""What the first reading of data from a disk costs beyond a later one from the page cache."""

import os
import time
from contextlib import suppress
from pathlib import Path

from hwbench import host
from hwbench.dataset import Dataset

SAMPLE_BYTES = 32 << 20  # of the data, read twice
WARM_BYTES = 2 << 30  # of data that are read once before a loop on them is measured
_CHUNK = 1 << 20


def files_of(dataset: Dataset) -> list[Path]:
    """Return the files that hold the data."""
    path = Path(dataset.path)
    if path.is_file():
        return [path]
    return sorted(p for p in path.rglob("*") if p.is_file() and p.name != "made.json")


def evict(files: list[Path]) -> bool:
    """Ask the system to forget the files' pages; return whether it can be asked at all.

    A file that cannot be opened is passed over: whoever needs it will say so.
    """
    if not hasattr(os, "posix_fadvise"):
        return False
    for file in files:
        try:
            descriptor = os.open(file, os.O_RDONLY)
        except OSError:
            continue
        try:
            with suppress(OSError):  # of a file system that has no pages
                os.fsync(descriptor)  # a page that is not on the disk yet cannot be forgotten
                os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(descriptor)
    return True


def extra_s(dataset: Dataset) -> tuple[float | None, str | None]:
    """Return the extra seconds of reading all of the data cold, or None with the reason.

    A sample is evicted, read, and read again: the difference, scaled to all bytes. A disk with a
    cache of its own (a virtual machine's) may give it sooner than it was ever given before.
    Afterwards all of the data are in the page cache, as they are in every epoch but the first.
    """
    if dataset.bytes_on_disk > _most_bytes():
        return None, "the data are too large to be read beforehand: the visits read them cold too"
    files = files_of(dataset)
    sample = _sample(files)
    try:
        if not evict(sample):
            return None, "this system cannot be asked to forget a file's pages"
        cold_s, read = _reading(sample, SAMPLE_BYTES)
        warm_s, _ = _reading(sample, SAMPLE_BYTES)
        _reading(files, WARM_BYTES)
    except OSError as e:
        return None, f"the data could not be read beforehand: {e.strerror}"
    return max(0.0, cold_s - warm_s) * dataset.bytes_on_disk / read, None


def cold_bytes_per_s(dataset: Dataset) -> float | None:
    """Return how fast the disk gives the data, a sample evicted and read; None if not known."""
    try:
        sample = _sample(files_of(dataset))
        if not sample or not evict(sample):
            return None
        cold_s, read = _reading(sample, SAMPLE_BYTES)
    except OSError:
        return None
    return read / cold_s if cold_s > 0 else None


def _sample(files: list[Path]) -> list[Path]:
    """Return the first files, as many as hold the sample's bytes."""
    sample, total = [], 0
    for file in files:
        sample.append(file)
        total += file.stat().st_size
        if total >= SAMPLE_BYTES:
            break
    return sample


def _most_bytes() -> float:
    """Return how much data can be read beforehand and is then in the page cache."""
    free = host.available_memory_bytes()
    return min(WARM_BYTES, free / 2) if free else WARM_BYTES


def _reading(files: list[Path], most_bytes: int) -> tuple[float, int]:
    """Return the seconds and bytes of reading the files, up to so many bytes."""
    began, total = time.perf_counter(), 0
    for file in files:
        if total >= most_bytes:
            break
        with file.open("rb", buffering=0) as opened:
            while total < most_bytes and (chunk := opened.read(_CHUNK)):
                total += len(chunk)
    return time.perf_counter() - began, max(1, total)
