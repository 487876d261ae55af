"""Comparisons of shortcuts on disk: read with every field checked, written whole or not at all."""

from pathlib import Path

from hwbench import tree_file
from hwbench.shortcut_rows import SCHEMA, ShortcutsFile


def load(path: Path) -> ShortcutsFile:
    """Read a comparison; raise BadRecord naming the file and the field that is wrong."""
    return tree_file.load(ShortcutsFile, SCHEMA, path)


def save(value: ShortcutsFile, path: Path) -> None:
    """Write the comparison; raise StorageFull if it does not fit."""
    tree_file.save(value, path)
