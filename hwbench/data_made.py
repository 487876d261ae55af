"""Data of the wanted kind and size, made where the user gives none, and kept in the cache.

Images are JPEG files whose spectrum falls with the frequency as that of photographs does (power
1 / f^2: Field 1987), so that their size and the time to decode them are those of photographs.
"""

import hashlib
import json
import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from hwbench import artifacts
from hwbench.dataset import DataKind, Dataset
from hwbench.errors import BadInput, StorageFull, Unavailable
from hwbench.registry import Network

# The usual photograph of ImageNet: 500 x 375 px, about 110 kB (Russakovsky et al. 2015).
WIDTH, HEIGHT, QUALITY = 500, 375, 90
CLASSES = 10
LEAST_IMAGES = 32
DISTINCT = {"images": 512, "pictures": 512, "tokens": 4096, "rows": 60_000}
SEED = 20_26
_FORMAT = 1  # of the files: a change makes them anew


def kind_of(network: Network) -> DataKind:
    """Return what data a network takes, by what its frozen definition draws."""
    import numpy as np

    config = network.variant.config
    inputs, targets = network.workload.batch(config, 1, np.random.default_rng(0))
    if targets.ndim == 4:
        return "pictures"
    if inputs[0].ndim == 4:
        return "images"
    return "tokens" if inputs[0].dtype.kind == "i" else "rows"


def dataset_for(
    network: Network, items: int | None = None, size: tuple[int, int] | None = None
) -> Dataset:
    """Return generated data for a network, made if the cache lacks it.

    `items` (default: as many as an epoch of minutes needs, of images larger than the usual fewer)
    and the pixels of an image are the user's to state. Raises Unavailable where images need Pillow
    and it is not there.
    """
    kind, size = kind_of(network), size or (WIDTH, HEIGHT)
    n = items or _usual_items(kind, size)
    files = "images" if kind == "pictures" else kind  # the same files serve both
    facts = {"kind": files, "n": n, "format": _FORMAT, **_facts(network, kind, size)}
    text = json.dumps(facts, sort_keys=True)
    target = artifacts.folder() / f"data-{files}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"
    if not (target / "made.json").exists():
        _make(target, facts)
    with suppress(OSError):
        os.utime(target)
    return _described(target, facts, kind)


def _usual_items(kind: DataKind, size: tuple[int, int]) -> int:
    """Return how many items are made: of large images fewer, since each takes seconds to make."""
    if kind not in ("images", "pictures"):
        return DISTINCT[kind]
    share = WIDTH * HEIGHT / (size[0] * size[1])
    return max(LEAST_IMAGES, round(DISTINCT[kind] * min(1.0, share)))


def check_size(network: Network, size: tuple[int, int] | None, data: Path | None) -> None:
    """Raise BadInput for a size of images where none are generated."""
    if size is None:
        return
    said = f"--image-px {size[0]}x{size[1]}"
    if data is not None:
        raise BadInput(f"{said}: is of generated images: leave out --data")
    if kind_of(network) not in ("images", "pictures"):
        raise BadInput(f"{said}: {network.name} takes {kind_of(network)}, no images: leave it out")


def _facts(network: Network, kind: DataKind, size: tuple[int, int]) -> dict[str, Any]:
    config = network.variant.config
    if kind in ("images", "pictures"):
        return {"width": size[0], "height": size[1]}
    if kind == "tokens":
        return {"seq": config["seq"], "vocab": config["vocab"]}
    return {"features": config["features"]}


def _make(target: Path, facts: dict[str, Any]) -> None:
    """Write the files beside their place and move them there whole."""
    try:
        scratch = Path(tempfile.mkdtemp(dir=target.parent, prefix="making-"))
    except OSError as e:
        raise StorageFull(f"{target.parent}: no data could be made: {e.strerror}") from None
    try:
        makers = {"images": _images, "tokens": _tokens, "rows": _rows}
        makers[facts["kind"]](scratch, facts)
        (scratch / "made.json").write_text(json.dumps(facts))
        with suppress(OSError):  # another process was quicker: its files are the same
            scratch.rename(target)
    except OSError as e:
        raise StorageFull(
            f"{target.parent}: the data to train on could not be written: {e.strerror}; make room"
            " or set HWBENCH_CACHE to a folder with more"
        ) from None
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _images(folder: Path, facts: dict[str, Any]) -> None:
    """Write JPEG files into one folder a class."""
    import numpy as np

    try:
        from PIL import Image
    except ImportError:
        raise Unavailable(
            "images are written and decoded by Pillow, which is not installed",
            "pip install 'hwbench-dl[data]'",
        ) from None
    rng = np.random.default_rng(SEED)
    for number in range(facts["n"]):
        place = folder / f"class-{number % CLASSES:02d}"
        place.mkdir(exist_ok=True)
        pixels = photograph(facts["width"], facts["height"], rng)
        Image.fromarray(pixels).save(place / f"{number:06d}.jpg", quality=QUALITY)


def photograph(width: int, height: int, rng: Any) -> Any:
    """Return (height, width, 3) bytes whose power falls as 1 / f^2, colours mostly together."""
    import numpy as np

    fy, fx = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None, :]
    falling = 1 / np.maximum(np.hypot(fy, fx), 1 / max(width, height))
    grey, *tints = (_field(falling, (height, width), rng) for _ in range(4))
    grain = rng.standard_normal((height, width, 1)) * 4  # a camera's own
    image = 120 + 48 * grey[..., None] + 14 * np.stack(tints, axis=-1) + grain
    return np.clip(image, 0, 255).astype("uint8")


def _field(falling: Any, size: tuple[int, int], rng: Any) -> Any:
    import numpy as np

    phases = np.exp(2j * np.pi * rng.random(falling.shape))
    made = np.fft.irfft2(falling * phases, s=size)
    return (made - made.mean()) / made.std()


def _tokens(folder: Path, facts: dict[str, Any]) -> None:
    """Write a stream of ids whose frequencies fall as 1 / rank (Zipf), as words do."""
    import numpy as np

    rng = np.random.default_rng(SEED)
    ranks = 1 / np.arange(1, facts["vocab"] + 1)
    edges = np.cumsum(ranks / ranks.sum())
    drawn = np.searchsorted(edges, rng.random(facts["n"] * facts["seq"] + 1))
    np.save(folder / "tokens.npy", np.minimum(drawn, facts["vocab"] - 1).astype("int32"))


def _rows(folder: Path, facts: dict[str, Any]) -> None:
    """Write standard normal features, row by row as a table lies on a disk."""
    import numpy as np

    rng = np.random.default_rng(SEED)
    rows = rng.standard_normal((facts["n"], facts["features"]), dtype="float32")
    np.save(folder / "x.npy", rows)
    np.save(folder / "y.npy", rng.integers(CLASSES, size=facts["n"], dtype="int64"))


def _described(folder: Path, facts: dict[str, Any], kind: DataKind) -> Dataset:
    files = [p for p in folder.rglob("*") if p.is_file() and p.name != "made.json"]
    total = sum(p.stat().st_size for p in files)
    n = facts["n"]
    texts = {
        "tokens": f"{n:,} sequences of {facts.get('seq')} tokens, int32",
        "rows": f"{n:,} rows of {facts.get('features')} float32",
    }
    image = (
        f"{n:,} JPEG files of {facts.get('width')} x {facts.get('height')} px,"
        f" {total / n / 1e3:.0f} kB in the mean"
    )
    return Dataset(
        kind=kind,
        path=str(folder),
        items=n,
        bytes_on_disk=total,
        generated=True,
        description=f"generated: {texts.get(kind, image)}",
    )
