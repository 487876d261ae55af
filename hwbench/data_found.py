"""The user's data (`--data PATH`): a folder of images, or arrays; what it is and how many items."""

import zipfile
from pathlib import Path
from typing import Any

from hwbench import data_images, data_tables, data_text
from hwbench.data_made import kind_of
from hwbench.dataset import IMAGES, Dataset
from hwbench.dialects import arrow_files
from hwbench.errors import BadInput
from hwbench.registry import Network

SEEN_IDS = 1 << 24  # of a stream of tokens, looked through for ids that the network lacks


def dataset_at(path: Path, network: Network) -> Dataset:
    """Return the dataset at `path` for a network; raise BadInput where it is none for it.

    Images: a folder, searched through, the folder next above an image is its class; or WebDataset
    shards, a `.tar` or a folder of them. A folder that Hugging Face's datasets saved is any of
    these, by its columns. Rows and sequences: an `.npz` with `x` (and `y`), or an
    `.npy`; tokens are a stream of whole numbers. Rows: a table too. Tokens: texts too.
    """
    kind = kind_of(network)
    if not path.exists():
        raise BadInput(f"--data {path}: there is no such file or folder")
    if kind in ("images", "pictures"):
        return _images(path, network)
    if path.is_file() and not path.stat().st_size:
        raise BadInput(f"--data {path}: is empty")
    saved = arrow_files.saved_at(path)
    if saved is not None:
        if kind == "rows":
            return data_tables.dataset_in(saved, network)
        return data_text.dataset_in(saved, network)
    if kind == "rows" and path.suffix in data_tables.SUFFIXES:
        return data_tables.dataset_of(path, network)
    if kind == "tokens" and path.suffix in data_text.SUFFIXES:
        return data_text.dataset_of(path, network)
    if path.suffix not in (".npy", ".npz"):
        also = {
            "rows": "a .csv or .parquet table",
            "tokens": "a .txt or .jsonl of documents",
        }[kind]
        raise BadInput(
            f"--data {path}: {network.name} takes {kind}: give an .npy or .npz file with them, or"
            f" {also}"
        )
    return _array(path, network)


def _images(path: Path, network: Network) -> Dataset:
    found = data_images.found_at(path)
    if found is None:
        raise BadInput(f"--data {path}: {network.name} takes images: give the folder they are in")
    if not found.sizes:
        empty = f", but {len(found.empty)} that are empty" if found.empty else ""
        raise BadInput(
            f"--data {path}: no image in it or below{empty}"
            f" ({', '.join(sorted(IMAGES))} are read, in .tar shards too)"
        )
    return Dataset(
        kind=kind_of(network),
        path=str(path),
        items=len(found.sizes),
        bytes_on_disk=max(1, sum(found.sizes)),
        generated=False,
        description=found.description,
        left_out=len(found.empty),
    )


def _check_ids(path: Path, ids: Any, network: Network) -> None:
    """Raise BadInput where an id is none of the network's vocabulary."""
    vocab = network.variant.config["vocab"]
    low, high = int(ids.min()), int(ids.max())
    if low < 0 or high >= vocab:
        raise BadInput(
            f"--data {path}: {network.name} takes token ids 0 to {vocab - 1}; found {low} to {high}"
        )


def _array(path: Path, network: Network) -> Dataset:
    import numpy as np

    try:
        if path.suffix == ".npy":
            x: Any = np.load(path, mmap_mode="r", allow_pickle=False)
        else:
            with path.open("rb") as file:  # NumPy leaves one open that is no archive
                x = np.load(file, allow_pickle=False)["x"]
    except (OSError, ValueError, LookupError, EOFError, zipfile.BadZipFile) as e:
        raise BadInput(f"--data {path}: is no array with the items ({e})") from None
    kind, config = kind_of(network), network.variant.config
    if kind == "tokens":
        if x.dtype.kind not in "iu" or x.ndim != 1 or len(x) <= config["seq"]:
            raise BadInput(
                f"--data {path}: tokens are one stream of whole numbers, longer than"
                f" {config['seq']}; found {x.dtype} of shape {x.shape}"
            )
        _check_ids(path, x[:SEEN_IDS], network)
        items, what = (len(x) - 1) // config["seq"], f"sequences of {config['seq']} tokens"
    else:
        if x.ndim != 2 or x.shape[1] != config["features"]:
            raise BadInput(
                f"--data {path}: {network.name} takes rows of {config['features']} numbers;"
                f" found an array of shape {x.shape}"
            )
        items, what = len(x), f"rows of {config['features']} numbers"
        if x.dtype.kind not in "iuf":
            raise BadInput(f"--data {path}: rows are of numbers; found an array of {x.dtype}")
    if not items:
        raise BadInput(f"--data {path}: there is no item in it")
    return Dataset(
        kind=kind,
        path=str(path),
        items=items,
        bytes_on_disk=path.stat().st_size,
        generated=False,
        description=f"{items:,} {what}",
    )
