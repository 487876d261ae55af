"""Inspections on disk: read with every field checked, written whole or not at all."""

import json
from pathlib import Path

from hwbench import codec, store
from hwbench.inspected import SCHEMA, Inspection


def load(path: Path) -> Inspection:
    """Read an inspection; raise BadRecord naming the file and the field that is wrong."""
    value = store.read_json(path)
    store.check_schema(value, SCHEMA, path)
    return codec.decode(Inspection, value, where=str(path))


def save(value: Inspection, path: Path) -> None:
    """Write the inspection; raise StorageFull if it does not fit."""
    text = json.dumps(codec.encode(value), allow_nan=False, separators=(",", ":"))
    store.write_whole(path, text + "\n")
