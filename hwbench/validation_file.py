"""Validations on disk: read with every field checked, written whole or not at all."""

from dataclasses import replace
from pathlib import Path

from hwbench import tree_file
from hwbench.validation import SCHEMA, Validation


def load(path: Path) -> Validation:
    """Read a validation; raise BadRecord naming the file and the field that is wrong."""
    return tree_file.load(Validation, SCHEMA, path)


def save(value: Validation, path: Path) -> None:
    """Write the validation; raise StorageFull if it does not fit."""
    tree_file.save(kept(value), path)


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
