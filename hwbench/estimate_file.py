"""Estimates on disk: read with every field checked, written whole or not at all."""

from pathlib import Path

from hwbench import tree_file
from hwbench.estimated import SCHEMA, EstimateFile


def load(path: Path) -> EstimateFile:
    """Read an estimate; raise BadRecord naming the file and the field that is wrong."""
    return tree_file.load(EstimateFile, SCHEMA, path)


def save(value: EstimateFile, path: Path) -> None:
    """Write the estimate; raise StorageFull if it does not fit."""
    tree_file.save(value, path)
