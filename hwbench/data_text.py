"""Texts of the user's (`--data corpus.txt`, `corpus.jsonl`, a saved dataset) as a stream of tokens.

The model's own tokenizer cuts them, where it is on this machine. Else bytes stand for tokens, which
are about four times as many as those of a tokenizer for English; the description says which.
Documents are packed one after the other.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hwbench import data_kept, data_tokenizer
from hwbench.data_tokenizer import Tokenizer
from hwbench.dataset import Dataset
from hwbench.dialects import arrow_files
from hwbench.dialects.arrow_files import Saved
from hwbench.errors import BadInput
from hwbench.registry import Network

SUFFIXES = (".txt", ".jsonl", ".ndjson", ".json")
FIELDS = ("text", "content", "body", "document")
IDS = ("input_ids", "tokens", "ids")  # columns of a saved dataset that hold token ids
MOST_IDS = 1 << 27  # tokens that were cut before, of which so many are taken
PADDED = 32  # documents of a batch, of which the padding is told
MOST_FAULTS = 0.1  # of the lines: with more it is no such file


@dataclass(frozen=True, kw_only=True)
class _Texts:
    """Documents: what they are called, their bytes, and each one's text, empty where it has none.

    `documents` takes as many characters as are wanted at most. `ids` are of documents that were
    cut into tokens before.
    """

    path: Path
    name: str
    size: int
    documents: Callable[[int], Iterator[str]]
    version: Sequence[Any] = ()
    ids: Callable[[], Iterator[Any]] | None = None


def dataset_of(path: Path, network: Network) -> Dataset:
    """Return the documents of a file, a line each, as a stream; raise BadInput for none."""
    size = path.stat().st_size
    texts = _Texts(
        path=path, name=path.name, size=size, documents=lambda most: _documents(path, most)
    )
    return _dataset(texts, network)


def dataset_in(saved: Saved, network: Network) -> Dataset:
    """Return the documents of a saved dataset: its token ids, else its column of text."""
    table = arrow_files.table(saved)
    ids = next((n for n in IDS if n in table.column_names), None)
    kinds = {f.name: str(f.type) for f in table.schema}
    held = [n for n, kind in kinds.items() if kind in ("string", "large_string")]
    text = next((n for n in FIELDS if n in held), next(iter(held), None))
    if ids is None and text is None:
        raise BadInput(
            f"--data {saved.path}: {network.name} takes tokens: no column holds token ids"
            f" ({', '.join(IDS)}) or text; found {', '.join(kinds)}"
        )

    def documents(most: int) -> Iterator[str]:
        left = most
        for chunk in table.column(text).chunks:
            for value in chunk:
                said = (value.as_py() or "").strip()
                left -= len(said)
                if left < 0:
                    return
                yield said

    def cut() -> Iterator[Any]:
        for chunk in table.column(ids).chunks:
            for value in chunk:
                yield value.values.to_numpy(zero_copy_only=False) if value.is_valid else ()

    texts = _Texts(
        path=saved.path,
        name=saved.said,
        size=saved.size,
        documents=documents,
        version=saved.version,
        ids=cut if ids is not None else None,
    )
    return _dataset(texts, network)


def _dataset(texts: _Texts, network: Network) -> Dataset:
    config = network.variant.config
    vocab, seq, path = config["vocab"], config["seq"], texts.path
    tokenizer = data_tokenizer.of(network)
    if texts.ids is None and vocab < tokenizer.vocab:
        raise BadInput(
            f"--data {path}: texts are {tokenizer.said}, which needs a vocabulary of"
            f" {tokenizer.vocab:,}; {network.name} has {vocab:,}: give an .npy with token ids"
        )
    taken = min(texts.size, tokenizer.most_bytes) if texts.ids is None else texts.size
    part = f", its first {taken / texts.size:.0%}" if taken < texts.size else ""
    told_by = [tokenizer.version, tokenizer.most_bytes] if texts.ids is None else ["ids"]
    folder = data_kept.folder("text", path, {"by": told_by, "version": texts.version})
    told = data_kept.facts(folder) or _kept(texts, folder, tokenizer)
    if told["highest"] >= vocab:
        raise BadInput(
            f"--data {path}: {network.name} takes token ids 0 to {vocab - 1}; found one of"
            f" {told['highest']}"
        )
    items = (told["tokens"] - 1) // seq
    if items < 1:
        raise BadInput(f"--data {path}: {told['tokens']:,} tokens make no sequence of {seq}")
    if told["cut"]:
        part = f", its first {told['documents']:,}"
    lost = f"; {told['lost']:,} hold no text and are left out" if told["lost"] else ""
    cut = "cut into tokens before" if texts.ids is not None else tokenizer.said
    return Dataset(
        kind="tokens",
        path=str(folder),
        items=items,
        bytes_on_disk=max(1, taken),
        generated=False,
        description=f"{told['documents']:,} documents of {texts.name}{part} {cut}:"
        f" {told['tokens']:,}, packed into sequences of {seq}; lengths {told['p10']:,}"
        f" / {told['p50']:,} / {told['p90']:,} (10, 50, 90 %): padded to the longest of {PADDED},"
        f" {told['padding_percent']} % would be padding{lost}",
        left_out=told["lost"],
    )


def _kept(texts: _Texts, folder: Path, tokenizer: Tokenizer) -> dict[str, int]:
    import numpy as np

    cut = 0
    if texts.ids is not None:
        documents, lost, cut = _cut_before(texts)
    else:
        said = list(texts.documents(tokenizer.most_bytes))
        documents = list(tokenizer.cut([t for t in said if t]))
        lost = sum(not t for t in said)
    if not documents:
        raise BadInput(f"--data {texts.path}: there is no text in it")
    if lost > MOST_FAULTS * (lost + len(documents)):
        raise BadInput(
            f"--data {texts.path}: {lost:,} of {lost + len(documents):,} lines hold no text"
            f" ({', '.join(FIELDS)} of a JSON object, or a line)"
        )
    lengths = np.array([len(d) for d in documents])
    p10, p50, p90 = (int(v) for v in np.percentile(lengths, (10, 50, 90)))
    mixed = np.random.default_rng(0).permutation(lengths)
    whole = max(1, len(mixed) // PADDED) * PADDED
    rows = np.resize(mixed, whole).reshape(-1, PADDED)
    padding = 1 - rows.sum() / (rows.max(axis=1) * PADDED).sum()
    end = np.array([tokenizer.end], dtype=documents[0].dtype)  # between documents
    ended = documents if texts.ids is not None else [p for d in documents for p in (d, end)]
    stream = np.concatenate(ended)
    told = {
        "documents": len(documents),
        "tokens": len(stream),
        "highest": int(stream.max()),
        "lost": lost,
        "cut": cut,
        "p10": p10,
        "p50": p50,
        "p90": p90,
        "padding_percent": round(100 * padding),
    }
    data_kept.keep(folder, told, lambda place: np.save(place / "tokens.npy", stream))
    return told


def _cut_before(texts: _Texts) -> tuple[list[Any], int, int]:
    """Return documents of token ids, how many are empty, and 1 where not all were taken."""
    import numpy as np

    assert texts.ids is not None
    documents, lost, taken = [], 0, 0
    for ids in texts.ids():
        found = np.asarray(ids, dtype="int64")
        if not len(found):
            lost += 1
            continue
        if found.min() < 0 or found.max() >= 1 << 32:
            raise BadInput(
                f"--data {texts.path}: token ids are whole numbers from 0 on; found"
                f" {found.min()} to {found.max()}"
            )
        documents.append(found.astype("uint32"))
        taken += len(found)
        if taken >= MOST_IDS:
            return documents, lost, 1
    return documents, lost, 0


def _documents(path: Path, most: int) -> Iterator[str]:
    """Yield the text of each line, empty where it has none."""
    plain, left = path.suffix == ".txt", most
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            for line in file:
                left -= len(line)
                if left < 0:
                    return
                if line.strip():
                    yield line.strip() if plain else _text(line)
    except OSError as e:
        raise BadInput(f"--data {path}: cannot be read: {e.strerror}") from None


def _text(line: str) -> str:
    try:
        found = json.loads(line)
    except ValueError:
        return ""
    if isinstance(found, str):
        return found
    if not isinstance(found, dict):
        return ""
    value = next((found[f] for f in FIELDS if isinstance(found.get(f), str)), "")
    return str(value)
