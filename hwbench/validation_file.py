"""Validations on disk: read with every field checked, written whole or not at all."""

import json
from dataclasses import replace
from pathlib import Path

from hwbench import codec, store
from hwbench.validation import SCHEMA, Validation


def load(path: Path) -> Validation:
    """Read a validation; raise BadRecord naming the file and the field that is wrong."""
    value = store.read_json(path)
    store.check_schema(value, SCHEMA, path)
    return codec.decode(Validation, value, where=str(path))


def save(value: Validation, path: Path) -> None:
    """Write the validation; raise StorageFull if it does not fit."""
    text = json.dumps(codec.encode(kept(value)), allow_nan=False, separators=(",", ":"))
    store.write_whole(path, text + "\n")


def kept(value: Validation) -> Validation:
    """Return the validation as it leaves this machine: of generated data no folder of a user's.

    They are made anew anywhere; the name of their folder says what they are made of.
    """
    case = value.rehearsal.case
    data = case.loading.dataset
    if not data.generated:
        return value
    loading = replace(case.loading, dataset=replace(data, path=Path(data.path).name))
    return replace(value, rehearsal=replace(value.rehearsal, case=replace(case, loading=loading)))
