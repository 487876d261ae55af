"""One run at a time on a machine: two would measure each other.

An advisory lock (flock) on a file in the system's temporary folder, shared by all users; the
kernel drops it when its holder dies, however it dies.
"""

import contextlib
import fcntl
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from hwbench.errors import Busy


def path() -> Path:
    """Return the lock's file."""
    return Path(tempfile.gettempdir()) / "hwbench.lock"


@contextlib.contextmanager
def held(what: str, force: bool) -> Iterator[None]:
    """Hold the machine for `what`; raise Busy if another run holds it, unless forced."""
    descriptor = _open(path())
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if not force:
                raise Busy(
                    f"another hwbench run is measuring on this machine ({_holder(descriptor)});"
                    " two at once would disturb each other: wait for it, or use --force"
                ) from None
        else:
            _sign(descriptor, what)
        yield
    finally:
        os.close(descriptor)


def _open(file: Path) -> int:
    """Open the lock's file, made writable for every user; read-only will do if it is another's."""
    try:
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o666)
        with contextlib.suppress(OSError):
            os.fchmod(descriptor, 0o666)
        return descriptor
    except PermissionError:
        return os.open(file, os.O_RDONLY)


def _sign(descriptor: int, what: str) -> None:
    """Write who holds the lock, for the message that others get."""
    with contextlib.suppress(OSError):
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps({"pid": os.getpid(), "run": what}).encode(), 0)


def _holder(descriptor: int) -> str:
    try:
        held_by = json.loads(os.pread(descriptor, 4096, 0))
        return f"process {held_by['pid']}: {held_by['run']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "its process is not known"
