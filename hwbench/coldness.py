"""What the first reading of data from a disk costs beyond a later one from the page cache."""

import os
import time
from pathlib import Path

from hwbench.dataset import Dataset

SAMPLE_BYTES = 32 << 20  # of the data, read twice
_CHUNK = 1 << 20


def files_of(dataset: Dataset) -> list[Path]:
    """Return the files that hold the data."""
    path = Path(dataset.path)
    if path.is_file():
        return [path]
    return sorted(p for p in path.rglob("*") if p.is_file() and p.name != "made.json")


def evict(files: list[Path]) -> bool:
    """Ask the system to forget the files' pages; return whether it can be asked at all."""
    if not hasattr(os, "posix_fadvise"):
        return False
    for file in files:
        descriptor = os.open(file, os.O_RDONLY)
        try:
            os.fsync(descriptor)  # a page that is not on the disk yet cannot be forgotten
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(descriptor)
    return True


def extra_s(dataset: Dataset) -> tuple[float | None, str | None]:
    """Return the extra seconds of reading all of the data cold, or None with the reason.

    A sample is evicted, read, and read again: the difference, scaled to all bytes. A disk with a
    cache of its own (a virtual machine's) may give it sooner than it was ever given before.
    """
    sample: list[Path] = []
    for file in files_of(dataset):
        sample.append(file)
        if sum(p.stat().st_size for p in sample) >= SAMPLE_BYTES:
            break
    if not evict(sample):
        return None, "this system cannot be asked to forget a file's pages"
    cold_s, read = _reading(sample)
    warm_s, _ = _reading(sample)
    return max(0.0, cold_s - warm_s) * dataset.bytes_on_disk / read, None


def _reading(files: list[Path]) -> tuple[float, int]:
    """Return the seconds and bytes of reading the files, up to the sample's size."""
    began, total = time.perf_counter(), 0
    for file in files:
        with file.open("rb", buffering=0) as opened:
            while total < SAMPLE_BYTES and (chunk := opened.read(_CHUNK)):
                total += len(chunk)
    return time.perf_counter() - began, max(1, total)
