"""Images of the user's: files below a folder, or members of WebDataset's tar shards, or of
a saved dataset of Hugging Face."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hwbench.dataset import IMAGES
from hwbench.dialects import arrow_files
from hwbench.errors import BadInput
from hwbench.shards import Member, members, shards_at

LOOKED_AT = 200  # images that are opened, to see whether they can be
SHOWN = 3


@dataclass(frozen=True, kw_only=True)
class Images:
    """The images of a place: their sizes in bytes, the empty ones by name, what is said of them."""

    sizes: tuple[int, ...]
    empty: tuple[str, ...]
    description: str


def found_at(path: Path) -> Images | None:
    """Return the images at a place, None where it is neither a folder nor a shard.

    Raises BadInput for a shard that is no archive, or where most images cannot be opened.
    """
    saved = arrow_files.saved_at(path)
    if saved:
        within = arrow_files.images(saved)
        return _described(within, f"{len(within):,} images of {saved.said}", path)
    shards = shards_at(path)
    if shards:
        found = [m for shard in shards for m in members(shard)]
        return _described(found, f"{len(found):,} images in {len(shards):,} tar shards", path)
    if not path.is_dir():
        return None
    files = [p for p in sorted(path.rglob("*")) if p.suffix.lower() in IMAGES and p.is_file()]
    plain = [Member(path=str(p), offset=0, size=p.stat().st_size, name=str(p)) for p in files]
    return _described(plain, f"{sum(m.size > 0 for m in plain):,} image files", path)


def _described(found: Sequence[Member], what: str, path: Path) -> Images:
    whole = [m for m in found if m.size > 0]
    empty = tuple(m.name for m in found if not m.size)
    if not whole:
        return Images(sizes=(), empty=empty, description=what)
    sizes = sorted(m.size for m in whole)
    low, high = sizes[len(sizes) // 10], sizes[-1 - len(sizes) // 10]
    said = f"{what}, {sum(sizes) / len(sizes) / 1e3:.0f} kB in the mean"
    if high > 1.2 * low:
        said += f" ({low / 1e3:.0f} to {high / 1e3:.0f} kB are the middle 80 %)"
    if empty:
        said += f"; {len(empty):,} are empty and left out ({_named(empty)})"
    broken, looked = _unreadable(whole)
    if len(broken) * 2 > looked and looked > 1:
        raise BadInput(
            f"--data {path}: {len(broken)} of {looked} images that were opened are none"
            f" ({_named(broken)})"
        )
    if broken:
        said += f"; {len(broken)} of {looked} that were opened are broken ({_named(broken)})"
    return Images(sizes=tuple(m.size for m in whole), empty=empty, description=said)


def _unreadable(found: Sequence[Member]) -> tuple[list[str], int]:
    """Return those of some images that cannot be decoded, and how many were looked at.

    Without Pillow none is: the loop says that it is missing.
    """
    try:
        from PIL import Image
    except ImportError:
        return [], 0
    some = random.Random(0).sample(list(found), min(LOOKED_AT, len(found)))
    broken = []
    for member in some:
        try:
            with Image.open(member.file()) as image:
                image.draft("RGB", (64, 64))  # of a JPEG only what so small a picture needs
                image.load()
        except Exception:  # each format has its own errors
            broken.append(member.name)
    return broken, len(some)


def _named(names: Sequence[str]) -> str:
    shown = ", ".join(Path(n).name for n in names[:SHOWN])
    return shown + (", ..." if len(names) > SHOWN else "")
