"""How fast a disk takes a checkpoint."""

import os
import tempfile
import time
from pathlib import Path

BYTES = 64 << 20  # that are written: a small network's checkpoint
_CHUNK = 1 << 20


def write_bytes_per_s(folder: Path) -> float | None:
    """Return the speed of writing a file into a folder, flushed; None where none can be written.

    Random bytes, which nothing on the way can compress.
    """
    chunk = os.urandom(_CHUNK)
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            began = time.perf_counter()
            for _ in range(BYTES // _CHUNK):
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
            return BYTES / (time.perf_counter() - began)
    except OSError:
        return None
