"""A folder that Hugging Face's datasets saved: Arrow files, read where they lie.

`Dataset.save_to_disk` writes `dataset_info.json` beside `data-*.arrow`, a dict of splits a
`dataset_dict.json` above such folders; the cache of `load_dataset` holds the first without more.
"""

import json
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from hwbench.errors import BadInput, Unavailable, one_line
from hwbench.shards import Member

IMAGES = ("image", "img", "jpg", "png")  # names of a column, where several hold files
LABELS = ("label", "labels", "target", "class", "y", "cls")


@dataclass(frozen=True)
class Saved:
    """A saved dataset, one split of it: its Arrow files, and the names of ClassLabel columns."""

    path: Path
    files: tuple[Path, ...]
    split: str | None  # which one of several

    @property
    def size(self) -> int:
        """Return the bytes of its files."""
        return sum(f.stat().st_size for f in self.files)

    @property
    def version(self) -> list[list[str | int]]:
        """Return what changes when it is saved anew."""
        found = [(f.name, f.stat()) for f in self.files]
        return [[name, s.st_size, s.st_mtime_ns] for name, s in found]

    @property
    def said(self) -> str:
        """Return how it is spoken of."""
        return f"{self.path.name}, split {self.split}" if self.split else self.path.name


def saved_at(path: Path) -> Saved | None:
    """Return the saved dataset at a folder, None where it is none.

    Of splits that of training is taken, else the first. Raises BadInput for one that is not whole.
    """
    if not path.is_dir():
        return None
    splits = path / "dataset_dict.json"
    if splits.is_file():
        names = _json(splits).get("splits")
        if not isinstance(names, list) or not names:
            raise BadInput(f"--data {path}: its dataset_dict.json names no split")
        name = "train" if "train" in names else str(names[0])
        return _saved(path / name, path, name)
    return _saved(path, path, None) if (path / "dataset_info.json").is_file() else None


def _saved(folder: Path, path: Path, split: str | None) -> Saved:
    state = folder / "state.json"
    if state.is_file():
        named = _json(state).get("_data_files") or []
        files = tuple(folder / Path(str(f.get("filename", ""))).name for f in named)
    else:
        files = tuple(sorted(folder.glob("*.arrow")))
    lacking = [f.name for f in files if not f.is_file()]
    if lacking or not files:
        what = f"its {lacking[0]} is not there" if lacking else "there is no .arrow file in it"
        raise BadInput(f"--data {path}: is a saved dataset, but {what}")
    return Saved(path=path, files=files, split=split)


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as e:
        raise BadInput(f"--data {path}: cannot be read ({e})") from None
    if not isinstance(found, dict):
        raise BadInput(f"--data {path}: is no JSON object")
    return found


def table(saved: Saved) -> Any:
    """Return all its rows as a table that is mapped from its files; raise BadInput, Unavailable."""
    arrow = _arrow()
    batches = [b for f in saved.files for b in _opened(f)[1]]
    if not sum(len(b) for b in batches):
        raise BadInput(f"--data {saved.path}: there is no item in it")
    try:
        return arrow.Table.from_batches(batches)
    except arrow.ArrowInvalid as e:
        raise BadInput(f"--data {saved.path}: its files differ: {one_line(str(e))}") from None


def images(saved: Saved) -> tuple[Member, ...]:
    """Return the images of its column of them, each by where its bytes lie; none without one."""
    found: list[Member] = []
    for file in saved.files:
        mapped, batches = _opened(file)
        for batch in batches:
            found += _in_file(batch, file, mapped)
    return tuple(found)


def _opened(file: Path) -> tuple[Any, list[Any]]:
    """Return a file's memory, and its batches, which lie in it."""
    arrow = _arrow()
    try:
        mapped = arrow.memory_map(str(file))
        try:
            batches = list(arrow.ipc.open_stream(mapped))
        except arrow.ArrowInvalid:  # of another writer: with an index at its end
            mapped.seek(0)
            reader = arrow.ipc.open_file(mapped)
            batches = [reader.get_batch(n) for n in range(reader.num_record_batches)]
        mapped.seek(0)
        return mapped.read_buffer(), batches
    except (arrow.ArrowException, OSError) as e:
        raise BadInput(
            f"--data {file}: is no Arrow file that can be read: {one_line(str(e))}"
        ) from None


def _in_file(batch: Any, file: Path, mapped: Any) -> list[Member]:
    name = _image_column(batch.schema)
    if name is None:
        return []
    column = batch.column(name)
    struct = _arrow().types.is_struct(column.type)
    content = column.field("bytes") if struct else column
    paths = column.field("path").to_pylist() if struct else [None] * len(column)
    label = next((n for n in batch.schema.names if n.lower() in LABELS), None)
    labels = batch.column(label).to_pylist() if label else [None] * len(column)
    members = []
    for n, (begin, end) in enumerate(_spans(content, file, mapped)):
        told = None if labels[n] is None else str(labels[n])
        path, name = str(file), f"{file.name}:{n}"
        if paths[n] and not content[n].is_valid:  # it lies outside, as a file of its own
            path = name = str(paths[n])
            begin, end = 0, Path(path).stat().st_size if Path(path).is_file() else 0
        members.append(Member(path=path, offset=begin, size=end - begin, name=name, label=told))
    return members


def _spans(content: Any, file: Path, mapped: Any) -> list[tuple[int, int]]:
    """Return where each value of a column of bytes begins and ends in its file."""
    import numpy as np

    _, offsets, values = content.buffers()
    kind = np.int64 if _arrow().types.is_large_binary(content.type) else np.int32
    n = len(content)
    ends = np.frombuffer(offsets, dtype=kind)[content.offset : content.offset + n + 1]
    start = values.address - mapped.address if values is not None and values.size else 0
    if not 0 <= start <= mapped.size:
        raise BadInput(
            f"--data {file}: is compressed, and images are read where they lie: save it without"
        )
    places = (ends.astype(np.int64) + start).tolist()
    return list(pairwise(places))


def _image_column(schema: Any) -> str | None:
    kinds = _arrow().types

    def holds(kind: Any) -> bool:
        if kinds.is_struct(kind):
            return {kind.field(i).name for i in range(kind.num_fields)} >= {"bytes", "path"}
        return bool(kinds.is_binary(kind) or kinds.is_large_binary(kind))

    names = [f.name for f in schema if holds(f.type)]
    return next((n for n in names if n.lower() in IMAGES), next(iter(names), None))


def _arrow() -> Any:
    try:
        import pyarrow
        import pyarrow.ipc
    except ImportError:
        raise Unavailable(
            "a dataset of Hugging Face is read by pyarrow, which is not installed",
            "pip install 'hwbench-dl[data]'",
        ) from None
    return pyarrow
