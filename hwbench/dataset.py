"""Data to train on, as parent and child speak of it: what it is, where it lies, how it comes."""

from dataclasses import dataclass
from typing import Literal

from hwbench.bounds import NonNegativeInt, PositiveFloat, PositiveInt

# images: files to decode; pictures: images that are a target, not an input; tokens: a stream of
# ids that is cut into sequences; rows: numbers of a fixed count.
DataKind = Literal["images", "pictures", "tokens", "rows"]
Residence = Literal["memory", "disk"]
IMAGES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp"})  # names of files that are decoded


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """A dataset on this machine: `path` is a folder of images or of arrays, or one array file."""

    kind: DataKind
    path: str
    items: PositiveInt
    bytes_on_disk: PositiveInt
    generated: bool  # by hwbench, for want of the user's
    description: str  # 1,024 JPEG files of 500 x 375 px, 94 kB in the mean
    left_out: NonNegativeInt = 0  # items that are empty, cut off or have a gap

    @property
    def item_bytes(self) -> float:
        """Return the mean bytes on disk of an item."""
        return self.bytes_on_disk / self.items


@dataclass(frozen=True, kw_only=True)
class Loading:
    """How a training loop gets its items.

    `memory`: all are read and decoded once, before the first step. `disk`: each is read and decoded
    when its turn comes, by `workers` processes beside the loop, or in it where that is 0.
    """

    dataset: Dataset
    residence: Residence
    workers: NonNegativeInt = 0
    samples: PositiveInt | None = None  # items of an epoch, over and over the dataset's; all
    augmented: bool = True  # images at a random crop, flipped at random; else at their centre


@dataclass(frozen=True, kw_only=True)
class LoaderSpeed:
    """How fast a loader alone gives items, its processes and its core-seconds included."""

    item_s: PositiveFloat  # wall seconds an item
    cpu_s: PositiveFloat  # core-seconds an item, of all its processes
    workers: NonNegativeInt
    items: PositiveInt  # that were drawn
