"""Comparisons on disk: read with every field checked, written whole or not at all."""

from pathlib import Path

from hwbench import tree_file
from hwbench.compared import SCHEMA, Comparison


def load(path: Path) -> Comparison:
    """Read a comparison; raise BadRecord naming the file and the field that is wrong."""
    return tree_file.load(Comparison, SCHEMA, path)


def save(value: Comparison, path: Path) -> None:
    """Write the comparison; raise StorageFull if it does not fit."""
    tree_file.save(value, path)
