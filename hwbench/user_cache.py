"""Where this user's cache lies: what can be made or fetched again."""

import os
import sys
from pathlib import Path


def place() -> Path:
    """Return the folder, made or not: $HWBENCH_CACHE, else `hwbench` in the user's caches."""
    named = os.environ.get("HWBENCH_CACHE")
    if named:
        return Path(named)
    if sys.platform == "darwin":
        return Path.home() / "Library/Caches/hwbench"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "hwbench"
