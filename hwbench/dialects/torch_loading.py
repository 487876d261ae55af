"""Items for a training loop in torch: read, decoded, augmented, put into batches.

The sources below are plain picklable objects, since a worker process is spawned and gets a copy.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hwbench.dataset import Dataset, Loading
from hwbench.dialects.image_files import images_at, name_of
from hwbench.dialects.torch_device import library
from hwbench.errors import BadInput, Unavailable
from hwbench.workload import Config, Workload

# Channel means and deviations of ImageNet, as its usual recipes subtract them.
_MEAN, _DEVIATION = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
LEAST_BROKEN, MOST_BROKEN = 10, 0.01  # images, and of all, that may be broken and are passed over
_CENTRE = 0.875  # of the shorter side, which evaluation's square takes
_LEAST_AREA = 0.35  # of the image that a random crop keeps, at least


class Images:
    """Image files, decoded at a random crop and flipped at random: the usual augmentation."""

    def __init__(
        self,
        files: Sequence[Any],
        labels: Sequence[int],
        side: int,
        seed: int,
        *,
        augmented: bool = True,
    ) -> None:
        """Take the files (paths, or members of shards) with their classes, and the side of the
        square that comes out; not `augmented`, it is cut from the middle, as in evaluation."""
        self.files, self.labels, self.side, self.seed = list(files), list(labels), side, seed
        self.augmented = augmented
        self._rng: Any = None
        self._broken: dict[int, str] = {}

    def __len__(self) -> int:
        """Return the number of files."""
        return len(self.files)

    def __getitems__(self, indices: Sequence[int]) -> Any:
        """Return float32 images (batch, 3, side, side) and their labels."""
        import numpy as np

        made = np.stack([self.pixels(i) for i in indices])
        return normalised(made), np.asarray([self.labels[i] for i in indices])

    def pixels(self, index: int) -> Any:
        """Return (side, side, 3) bytes; of a file that cannot be decoded, those of the next one.

        Raises BadInput, naming some, where more are broken than MOST_BROKEN allows.
        """
        for ahead in range(len(self.files)):
            at = (index + ahead) % len(self.files)
            if at in self._broken:
                continue
            try:
                return self._decoded(at)
            except Exception as e:  # each format breaks in its own way
                self._broken[at] = f"{name_of(self.files[at])}: {type(e).__name__}"
                if len(self._broken) > max(LEAST_BROKEN, MOST_BROKEN * len(self.files)):
                    break
        some = "; ".join(list(self._broken.values())[:3])
        raise BadInput(
            f"{len(self._broken)} of {len(self.files)} images cannot be decoded ({some}, ...):"
            " mend or remove them"
        )

    def _decoded(self, index: int) -> Any:
        import numpy as np
        from PIL import Image

        if self._rng is None:  # in the process that decodes: each has its own
            self._rng = np.random.default_rng((self.seed, os.getpid()))
        file = self.files[index]
        with Image.open(file if isinstance(file, str) else file.file()) as image:
            width, height = image.size
            if not self.augmented:
                edge = _CENTRE * min(width, height)
                left, top = (width - edge) / 2, (height - edge) / 2
                middle = (left, top, left + edge, top + edge)
                sized = (self.side, self.side)
                whole = image.convert("RGB").resize(sized, Image.Resampling.BILINEAR, middle)
                return np.asarray(whole)
            share = self._rng.uniform(_LEAST_AREA, 1.0) ** 0.5
            w, h = max(1, int(width * share)), max(1, int(height * share))
            x, y = self._rng.integers(width - w + 1), self._rng.integers(height - h + 1)
            box = (int(x), int(y), int(x) + w, int(y) + h)
            small = image.convert("RGB").resize(
                (self.side, self.side), Image.Resampling.BILINEAR, box
            )
        pixels = np.asarray(small)
        return pixels[:, ::-1] if self._rng.random() < 0.5 else pixels


def normalised(pixels: Any) -> Any:
    """Return bytes (batch, side, side, 3) as float32 of about unit variance, channels first."""
    import numpy as np

    mean, deviation = np.array(_MEAN, "float32"), np.array(_DEVIATION, "float32")
    scaled = (pixels.astype("float32") / 255 - mean) / deviation
    return np.ascontiguousarray(scaled.transpose(0, 3, 1, 2))


class KeptImages:
    """Images decoded once and kept as bytes, crop and flip too; each turn scales them anew."""

    def __init__(self, images: Images) -> None:
        """Decode all of them."""
        import numpy as np

        self.labels = np.asarray(images.labels)
        shape = (len(images), images.side, images.side, 3)
        self.pixels = np.empty(shape, dtype="uint8")  # filled in place: a list would need it twice
        for i in range(len(images)):
            self.pixels[i] = images.pixels(i)

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.pixels)

    def __getitems__(self, indices: Sequence[int]) -> Any:
        """Return the float32 images and labels of a batch."""
        return normalised(self.pixels[indices]), self.labels[indices]


class Rows:
    """Rows of numbers, from memory or from a file that stays on the disk."""

    def __init__(self, x: Any, y: Any) -> None:
        """Take the features and the labels."""
        self.x, self.y = x, y

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.x)

    def __getitems__(self, indices: Sequence[int]) -> Any:
        """Return the features and labels of a batch."""
        import numpy as np

        return np.asarray(self.x[indices], dtype="float32"), self.y[indices]


class Tokens:
    """Sequences cut from a stream of token ids; the target is the next token, or a class."""

    def __init__(self, stream: Any, seq: int, classes: int | None) -> None:
        """Take the stream; `classes` where a sequence has one label."""
        self.stream, self.seq, self.classes = stream, seq, classes

    def __len__(self) -> int:
        """Return the number of whole sequences."""
        return (len(self.stream) - 1) // self.seq

    def __getitems__(self, indices: Sequence[int]) -> Any:
        """Return int64 ids (batch, seq) and targets: next ids, or one class a sequence."""
        import numpy as np

        cut = np.stack([self.stream[i * self.seq : (i + 1) * self.seq + 1] for i in indices])
        wide = cut.astype("int64")
        if self.classes is None:
            return wide[:, :-1], wide[:, 1:]
        return wide[:, :-1], wide[:, -1] % self.classes


class Repeated:
    """A source of which an epoch has as many items as stated.

    Fewer are taken evenly from all of it (images lie sorted by class), more come round again.
    """

    def __init__(self, source: Any, samples: int) -> None:
        """Take the source and the items of an epoch."""
        self.source, self.samples = source, samples

    def __len__(self) -> int:
        """Return the items of an epoch."""
        return self.samples

    def __getitems__(self, indices: Sequence[int]) -> Any:
        """Return a batch."""
        n = len(self.source)
        if self.samples < n:
            return self.source.__getitems__([i * n // self.samples for i in indices])
        return self.source.__getitems__([i % n for i in indices])


def source_of(workload: Workload, config: Config, loading: Loading, seed: int) -> Any:
    """Return the items of a dataset for a network, kept in memory where that was asked."""
    dataset = loading.dataset
    if dataset.kind in ("images", "pictures"):
        files, labels = images_at(Path(dataset.path))
        classes = config.get("classes")
        labels = [n % classes for n in labels] if classes else labels
        source: Any = Images(files, labels, _side(config), seed, augmented=loading.augmented)
        source = KeptImages(source) if loading.residence == "memory" else source
    elif dataset.kind == "tokens":
        stream = _array(dataset, "tokens.npy", loading)
        source = Tokens(stream, config["seq"], config.get("classes"))
    else:
        source = _rows(dataset, loading, config)
    return Repeated(source, loading.samples) if loading.samples else source


def _side(config: Config) -> int:
    return config["image"]


def _array(dataset: Dataset, name: str, loading: Loading) -> Any:
    """Return an array of the dataset: mapped from the disk, or read whole."""
    import numpy as np

    path = Path(dataset.path)
    file = path / name if path.is_dir() else path
    if file.suffix == ".npz":  # cannot be mapped: it is read whole
        with np.load(file, allow_pickle=False) as loaded:
            return loaded["y" if name == "y.npy" else "x"]
    mapped = np.load(file, mmap_mode="r", allow_pickle=False)
    return np.array(mapped) if loading.residence == "memory" else mapped


def _rows(dataset: Dataset, loading: Loading, config: Config) -> Rows:
    import numpy as np

    x = _array(dataset, "x.npy", loading)
    try:
        y = np.asarray(_array(dataset, "y.npy", loading)).astype("int64")
    except (FileNotFoundError, KeyError):
        y = np.zeros(len(x), dtype="int64")
    if y.shape != (len(x),):  # a single .npy has rows alone
        y = np.zeros(len(x), dtype="int64")
    classes = config.get("classes")  # a network without any takes targets of its own
    return Rows(x, y % classes if classes else y)


def batches(source: Any, batch_size: int, workers: int, seed: int, pinned: bool) -> Any:
    """Return torch's DataLoader over a source, shuffled.

    Workers are spawned, since a fork after torch has run hangs, and live from epoch to epoch.
    """
    torch = library()
    return torch.utils.data.DataLoader(
        source,
        batch_size=batch_size,
        shuffle=True,
        num_workers=workers,
        persistent_workers=workers > 0,
        multiprocessing_context="spawn" if workers else None,
        collate_fn=_tensors,
        pin_memory=pinned,
        generator=torch.Generator().manual_seed(seed),
    )


def _tensors(batch: Any) -> tuple[Any, Any]:
    """Return a batch of arrays as tensors on their memory."""
    torch = library()
    inputs, targets = batch
    return torch.from_numpy(inputs), torch.from_numpy(targets)


def check_pillow(kind: str) -> None:
    """Raise Unavailable where images cannot be decoded here."""
    if kind not in ("images", "pictures"):
        return
    try:
        import PIL.Image  # noqa: F401
    except ImportError:
        raise Unavailable(
            "images are decoded by Pillow, which is not installed",
            "pip install 'hwbench-dl[data]'",
        ) from None
