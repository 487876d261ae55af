"""WebDataset's shards: tar files of samples, whose members of one name before its dot belong
together (`0001.jpg`, `0001.cls`); each image is found by where its bytes begin."""

import io
import os
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

from hwbench.dataset import IMAGES
from hwbench.errors import BadInput


@dataclass(frozen=True, kw_only=True)
class Member:
    """An image: a stretch of a file. `label` is what its `.cls` says."""

    path: str
    offset: int
    size: int
    name: str
    label: str | None = None

    def file(self) -> BinaryIO:
        """Return its bytes as a file."""
        with open(self.path, "rb") as shard:
            return io.BytesIO(os.pread(shard.fileno(), self.size, self.offset))


def shards_at(path: Path) -> list[Path]:
    """Return the shards that a path is, or that a folder holds.

    Raises BadInput where a folder holds images beside them: which of the two is meant?
    """
    if path.is_file():
        return [path] if path.suffix == ".tar" else []
    shards = sorted(path.glob("*.tar"))
    if shards and any(p.suffix.lower() in IMAGES for p in path.rglob("*")):
        raise BadInput(f"--data {path}: holds tar shards and image files: name one of the two")
    return shards


def classes(labels: Sequence[str | None]) -> list[int]:
    """Return the numbers of labels: themselves where all are numbers, else their place by name.

    Images without one are all of the first class.
    """
    named = sorted({x for x in labels if x})
    if all(x.isdigit() for x in named):
        return [int(x) if x else 0 for x in labels]
    place = {x: n for n, x in enumerate(named)}
    return [place.get(x or "", 0) for x in labels]


@lru_cache(maxsize=64)
def members(shard: Path) -> tuple[Member, ...]:
    """Return the images of a shard in their order; raise BadInput for what is no archive."""
    try:
        with tarfile.open(shard, "r:") as archive:
            return tuple(_images(archive, shard))
    except (tarfile.TarError, OSError, EOFError) as e:
        raise BadInput(f"--data {shard}: is no tar archive that can be read ({e})") from None


def _images(archive: tarfile.TarFile, shard: Path) -> Iterator[Member]:
    labels: dict[str, str] = {}
    images = []
    for info in archive:
        key, _, kind = info.name.rpartition(".")
        if not info.isfile():
            continue
        if f".{kind.lower()}" in IMAGES:
            images.append((key, info))
        elif kind == "cls":
            file = archive.extractfile(info)
            labels[key] = file.read().decode("utf-8", "replace").strip() if file else ""
    for key, info in images:
        yield Member(
            path=str(shard),
            offset=info.offset_data,
            size=info.size,
            name=f"{shard.name}:{info.name}",
            label=labels.get(key),
        )
