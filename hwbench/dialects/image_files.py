"""The images of a place, as a loader reads them: files of a folder, members of tar shards, or of a
saved dataset's Arrow files."""

import os
from pathlib import Path
from typing import Any

from hwbench.dataset import IMAGES
from hwbench.dialects import arrow_files
from hwbench.errors import BadInput
from hwbench.shards import classes, members, shards_at


def images_at(path: Path) -> tuple[list[Any], list[int]]:
    """Return images and the numbers of their classes: of a folder's files, of shards."""
    saved = arrow_files.saved_at(path)
    shards = [] if saved else shards_at(path)
    if not shards and not saved:
        files, labels = image_files(path)
        return list(files), labels
    every = arrow_files.images(saved) if saved else [m for s in shards for m in members(s)]
    found = [m for m in every if m.size]
    if not found:
        raise BadInput(f"{path}: the images that were in it are gone")
    return list(found), classes([m.label for m in found])


def name_of(file: Any) -> str:
    """Return what an image is called in a message."""
    return os.path.basename(file) if isinstance(file, str) else str(file.name)


def image_files(folder: Path) -> tuple[list[str], list[int]]:
    """Return the image files below a folder that are not empty, and each one's class by number."""
    found = sorted(
        p
        for p in folder.rglob("*")
        if p.suffix.lower() in IMAGES and p.is_file() and p.stat().st_size
    )
    if not found:
        raise BadInput(f"{folder}: the images that were in it are gone")
    classes = {name: n for n, name in enumerate(sorted({str(p.parent) for p in found}))}
    return [str(p) for p in found], [classes[str(p.parent)] for p in found]
