"""A history of this machine on the disk: a line of JSON each, appended, the newest part read."""

import json
import os
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")
NEWEST_BYTES = 8 << 20  # of a file: older lines are not read


def append(path: Path, rows: Iterable[Any]) -> None:
    """Add dataclasses to a history, its folder made; raise OSError if it cannot be written."""
    lines = [json.dumps(asdict(row)) + "\n" for row in rows]
    if not lines:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write("".join(lines))  # one write: lines of two runs never mix


def read(
    path: Path, cls: type[T], sound: Callable[[T], bool], newest_bytes: int = NEWEST_BYTES
) -> list[T]:
    """Return the rows that are `sound`; a line that is torn or of another form is passed over."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - newest_bytes))
            lines = file.read().split(b"\n")
    except OSError:
        return []
    return [row for line in lines if (row := _parsed(line, cls, sound)) is not None]


def _parsed(line: bytes, cls: type[T], sound: Callable[[T], bool]) -> T | None:
    try:
        row = cls(**json.loads(line))
        return row if sound(row) else None
    except (ValueError, TypeError, ArithmeticError):  # numbers no float holds among them
        return None
