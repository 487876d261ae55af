"""Importing a framework, and saying plainly why it could not be imported."""

import importlib
from typing import Any

from hwbench.errors import Unavailable


def load(name: str, remedy: str) -> Any:
    """Return the module `name`; raise Unavailable when it is absent or breaks at import."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as e:
        if e.name == name:
            raise Unavailable(f"{name} is not installed", remedy) from e
        raise Unavailable(f"{name} is installed but needs {e.name}, which is not", remedy) from e
    except Exception as e:  # a broken library fails in its own way: a missing .so, a clash
        reason = f"{name} is installed but fails at import ({type(e).__name__}: {e})"
        raise Unavailable(reason, f"reinstall it: {remedy}") from e


def family(device: str) -> str:
    """Return the kind of a device name: `cuda` for `cuda:1`."""
    return device.partition(":")[0]


def index(device: str) -> int:
    """Return the number of a device name: 1 for `cuda:1`, 0 for `cpu`."""
    return int(device.partition(":")[2] or 0)


def absent(library: str, device: str, found: tuple[str, ...], remedy: str | None) -> Unavailable:
    """Say that `library` has no such device, and which it has."""
    return Unavailable(f"{library} finds no {device} here, only {', '.join(found)}", remedy)
