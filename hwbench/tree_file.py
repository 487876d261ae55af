"""What a verb found, on disk: read with every field checked, written whole or not at all."""

import json
from pathlib import Path
from typing import TypeVar

from hwbench import codec, store

T = TypeVar("T")


def load(cls: type[T], schema: str, path: Path) -> T:
    """Read a `cls` of this schema; raise BadRecord naming the file and the field that is wrong."""
    value = store.read_json(path)
    store.check_schema(value, schema, path)
    return codec.decode(cls, value, where=str(path))


def save(value: object, path: Path) -> None:
    """Write a value of dataclasses; raise StorageFull if it does not fit."""
    text = json.dumps(codec.encode(value), allow_nan=False, separators=(",", ":"))
    store.write_whole(path, text + "\n")
