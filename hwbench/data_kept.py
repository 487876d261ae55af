"""The user's data in another form, kept in the cache by the file that they are from."""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from hwbench import artifacts
from hwbench.errors import StorageFull

MADE = "made.json"  # what is known of a folder; it is whole where this is there


def folder(kind: str, path: Path, facts: dict[str, Any]) -> Path:
    """Return where a file's data are kept: another file, or another version of it, is elsewhere."""
    found = path.stat()
    told = [kind, str(path.absolute()), found.st_size, found.st_mtime_ns, facts]
    digest = hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:16]
    return artifacts.folder() / f"data-{kind}-{digest}"


def facts(place: Path) -> dict[str, int] | None:
    """Return what was told when the data were kept, None where they are not."""
    try:
        found: dict[str, int] = json.loads((place / MADE).read_text())
    except (OSError, ValueError):
        return None
    with suppress(OSError):
        os.utime(place)
    return found


def keep(place: Path, told: dict[str, int], write: Callable[[Path], None]) -> None:
    """Let `write(folder)` write files beside their place, and move them there whole."""
    try:
        scratch = Path(tempfile.mkdtemp(dir=place.parent, prefix="making-"))
    except OSError as e:
        raise StorageFull(f"{place.parent}: cannot be written: {e.strerror}") from None
    try:
        write(scratch)
        (scratch / MADE).write_text(json.dumps(told))
        shutil.rmtree(place, ignore_errors=True)
        with suppress(OSError):  # another process was quicker: its files are the same
            scratch.rename(place)
    except OSError as e:
        raise StorageFull(
            f"{place.parent}: the data could not be kept: {e.strerror}; make room or set"
            " HWBENCH_CACHE to a folder with more"
        ) from None
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
