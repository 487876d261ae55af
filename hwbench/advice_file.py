"""Advice on disk: read with every field checked, written whole or not at all."""

import json
from pathlib import Path

from hwbench import codec, store
from hwbench.advised import SCHEMA, Advice


def load(path: Path) -> Advice:
    """Read an advice; raise BadRecord naming the file and the field that is wrong."""
    value = store.read_json(path)
    store.check_schema(value, SCHEMA, path)
    return codec.decode(Advice, value, where=str(path))


def save(value: Advice, path: Path) -> None:
    """Write the advice; raise StorageFull if it does not fit."""
    text = json.dumps(codec.encode(value), allow_nan=False, separators=(",", ":"))
    store.write_whole(path, text + "\n")
