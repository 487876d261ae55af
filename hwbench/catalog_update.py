"""Newer prices into the user's cache, by a child with a time limit; a failure keeps the old."""

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hwbench import catalog_fetch, catalog_file, instances, user_cache
from hwbench.errors import HwbenchError, Unavailable, one_line


@dataclass(frozen=True, kw_only=True)
class Updated:
    """What came of one provider: so many instances at `path`, or the reason why the old stay."""

    provider: str
    instances: int | None
    path: str | None
    reason: str | None


def update(providers: Sequence[str], timeout_s: float) -> tuple[Updated, ...]:
    """Fetch the prices of `providers` (none: all that can be) and keep those that are sound.

    Raises UnknownName for a provider that cannot be fetched, Unavailable without gpuhunt, and
    HwbenchError where the cache cannot be written.
    """
    for name in providers:
        catalog_fetch.source_of(name)
    if importlib.util.find_spec("gpuhunt") is None:
        raise Unavailable("gpuhunt is not installed", "pip install 'hwbench-dl[catalog]'")
    asked = tuple(providers) or catalog_fetch.PROVIDERS
    place = user_cache.place()
    try:
        place.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(dir=place, prefix="making-"))
    except OSError as e:
        raise HwbenchError(f"{place}: cannot be written: {e.strerror}; the old ones stay") from None
    try:
        why = _fetch(scratch, asked, timeout_s)
        return tuple(_kept(scratch, name, why) for name in asked)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _fetch(scratch: Path, providers: Sequence[str], timeout_s: float) -> str:
    """Run the child to its end or to the limit; return why a file of it may be missing."""
    command = [sys.executable, "-P", "-m", "hwbench.catalog_fetch", str(scratch), *providers]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=log,
            start_new_session=True,
        )
        try:
            process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return f"nothing came within {timeout_s:g} s (--timeout)"
        finally:
            if process.poll() is None:  # past the limit, or Ctrl-C
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        log.seek(0)
        said = log.read().decode(errors="replace").strip().splitlines()
    return one_line(said[-1]) if said else f"the fetching process ended with {process.returncode}"


def _kept(scratch: Path, provider: str, why: str) -> Updated:
    """Return what a provider's file holds, once it is sound and in its place."""
    new, told = scratch / f"{provider}.json", scratch / f"{provider}.txt"
    target = instances.cached_at(provider)
    reason = None
    count = 0
    try:
        count = len(catalog_file.read(new).instances) if new.exists() else 0
        if not new.exists():
            reason = told.read_text(encoding="utf-8") if told.exists() else why
        elif count == 0:
            reason = "its list came empty: gpuhunt could not load it"
        else:
            new.replace(target)  # whole or not at all: it lies in the same folder
    except (HwbenchError, OSError) as e:
        reason = one_line(str(e))
    if reason is not None:
        return Updated(provider=provider, instances=None, path=None, reason=reason)
    return Updated(provider=provider, instances=count, path=str(target), reason=None)
