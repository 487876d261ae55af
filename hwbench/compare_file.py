"""Comparisons on disk: read with every field checked, written whole or not at all."""

import json
from pathlib import Path

from hwbench import codec, store
from hwbench.compared import SCHEMA, Comparison


def load(path: Path) -> Comparison:
    """Read a comparison; raise BadRecord naming the file and the field that is wrong."""
    value = store.read_json(path)
    store.check_schema(value, SCHEMA, path)
    return codec.decode(Comparison, value, where=str(path))


def save(value: Comparison, path: Path) -> None:
    """Write the comparison; raise StorageFull if it does not fit."""
    text = json.dumps(codec.encode(value), allow_nan=False, separators=(",", ":"))
    store.write_whole(path, text + "\n")
