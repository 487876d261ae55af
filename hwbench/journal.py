"""The journal of a run: one line a visit, on disk before the next one begins.

`<out>.jsonl` starts with a line that holds the plan; each further line is a visit with the case's
`id` and `status`. A line cut off by a crash is dropped when it is read; all before it count.
"""

import contextlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from hwbench import codec
from hwbench.device import Device, Environment
from hwbench.errors import BadRecord, StorageFull
from hwbench.measurement import Protocol
from hwbench.model_facts import ModelFacts
from hwbench.planning import PlannedCase
from hwbench.probed import MeterFacts
from hwbench.protocol import VisitResult
from hwbench.store import check_schema, write_whole

# hwbench.journal/1  2026-11: the first.
SCHEMA = "hwbench.journal/1"

H = TypeVar("H")
L = TypeVar("L")


@dataclass(frozen=True, kw_only=True)
class Header:
    """The first line: all of the record that is known before the first visit."""

    schema: str
    id: str
    status: str  # "started"
    created_utc: str
    hwbench_version: str
    profile: str
    argv: tuple[str, ...]
    protocol: Protocol
    environment: Environment
    devices: tuple[Device, ...]
    meters: tuple[MeterFacts, ...]
    cases: tuple[PlannedCase, ...]
    models: tuple[ModelFacts, ...] = ()


def path_of(out: Path) -> Path:
    """Return where the journal of the record `out` lies."""
    return out.with_name(out.name + ".jsonl")


class Journal:
    """An open journal: a header, then a line for each of what was done, dataclasses all.

    Every line is flushed to the disk before `append` returns.
    """

    def __init__(self, path: Path, header: object | None, visits: Sequence[object] = ()) -> None:
        """Start a new journal with `header` and `visits`, or go on with the one at `path` (None).

        A new one takes the place of an older one whole or not at all.
        """
        self.path = path
        try:
            if header is None:
                _drop_torn_line(path)
            else:
                write_whole(path, _line(header) + "".join(map(_line, visits)))
            self._file = path.open("ab", buffering=0)
        except OSError as e:
            raise StorageFull(f"{path}: cannot be written: {e.strerror}") from None

    def append(self, visit: object) -> None:
        """Add a visit; on a full disk raise StorageFull with the journal as it was before."""
        line = _line(visit).encode()
        end = os.fstat(self._file.fileno()).st_size
        try:
            left = memoryview(line)
            while left:
                left = left[self._file.write(left) :]
            os.fsync(self._file.fileno())
        except OSError as e:
            with contextlib.suppress(OSError):
                os.ftruncate(self._file.fileno(), end)
            raise StorageFull(
                f"{self.path}: cannot be written on ({e.strerror}); the visits before are kept"
            ) from None

    def close(self) -> None:
        """Close the file."""
        with contextlib.suppress(OSError):
            self._file.close()

    def __enter__(self) -> "Journal":
        """Return the journal itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the file."""
        self.close()


def _line(value: object) -> str:
    return json.dumps(codec.encode(value), allow_nan=False) + "\n"


def _drop_torn_line(path: Path) -> None:
    """Cut the file after its last whole line."""
    data = path.read_bytes()
    whole = data.rfind(b"\n") + 1
    if whole < len(data):
        with path.open("r+b") as file:
            file.truncate(whole)


def read(path: Path) -> tuple[Header, tuple[VisitResult, ...]]:
    """Read a journal; raise BadRecord for a wrong line, but drop a last one that is cut off."""
    return read_as(path, SCHEMA, Header, VisitResult)


def read_as(path: Path, schema: str, first: type[H], others: type[L]) -> tuple[H, tuple[L, ...]]:
    """Read a journal of these dataclasses, as `read` does."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as e:
        raise BadRecord(f"{path}: cannot be read: {e.strerror}") from None
    lines = text.split("\n")[:-1]  # what follows the last newline is empty or torn
    if not lines:
        raise BadRecord(f"{path}: holds no whole line: there is nothing to resume")
    values = [_parsed(line, number, path) for number, line in enumerate(lines, start=1)]
    check_schema(values[0], schema, path)
    header = codec.decode(first, values[0], where=f"{path} line 1")
    visits = tuple(
        codec.decode(others, value, where=f"{path} line {number}")
        for number, value in enumerate(values[1:], start=2)
    )
    return header, visits


def _parsed(line: str, number: int, path: Path) -> Any:
    try:
        return json.loads(line)
    except json.JSONDecodeError as e:
        raise BadRecord(f"{path} line {number}: is not JSON ({e.msg})") from None
