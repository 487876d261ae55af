"""Read what the operating system tells of itself: what is absent or not readable is None.

Every path is under a `root` that callers hand down, so that a folder can stand for a machine.
"""

import subprocess
import sys
from pathlib import Path

from hwbench.units import BYTES_PER_GIB, BYTES_PER_KIB, BYTES_PER_MIB

ROOT = Path("/")
_SYSCTL_TIMEOUT_S = 2.0
_SUFFIX_BYTES = {"K": BYTES_PER_KIB, "M": BYTES_PER_MIB, "G": BYTES_PER_GIB}


def text(path: Path) -> str | None:
    """Return the file's text without the blanks and NULs around it, or None."""
    try:
        return path.read_text(errors="replace").strip("\0 \t\r\n")
    except (OSError, ValueError):
        return None


def integer(path: Path) -> int | None:
    """Return the whole number that is all of the file, or None."""
    try:
        return int(text(path) or "")
    except ValueError:
        return None


def size_bytes(path: Path) -> int | None:
    """Return a size such as `32768K` in bytes, or None."""
    written = text(path) or ""
    digits, factor = written, 1
    if written[-1:] in _SUFFIX_BYTES:
        digits, factor = written[:-1], _SUFFIX_BYTES[written[-1]]
    return int(digits) * factor if digits.isdecimal() else None


def fields(path: Path) -> list[dict[str, str]]:
    """Return the `key : value` lines of the file, one dict per block between empty lines."""
    blocks: list[dict[str, str]] = []
    for block in (text(path) or "").split("\n\n"):
        pairs = (line.partition(":") for line in block.splitlines())
        found = {key.strip(): value.strip() for key, colon, value in pairs if colon}
        if found:
            blocks.append(found)
    return blocks


def command(*argv: str, timeout_s: float = _SYSCTL_TIMEOUT_S) -> str | None:
    """Return what the command prints, or None if it is missing, fails or takes too long."""
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=timeout_s, check=True)
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def sysctl(name: str) -> str | None:
    """Return a kernel value of macOS by name, or None here or where it has no such value."""
    return command("sysctl", "-n", name) if sys.platform == "darwin" else None


def sysctl_integer(name: str) -> int | None:
    """Return a kernel value of macOS as a whole number, or None."""
    written = sysctl(name) or ""
    return int(written) if written.isdecimal() else None
