"""Texts of the user's (`--data corpus.txt`, `corpus.jsonl`) as a stream of tokens.

No tokenizer is known here: bytes stand for tokens, which are about four times as many as those of
a tokenizer for English, and the description says so. Documents are packed one after the other.
"""

import json
from collections.abc import Iterator
from pathlib import Path

from hwbench import data_kept
from hwbench.dataset import Dataset
from hwbench.errors import BadInput
from hwbench.registry import Network

SUFFIXES = (".txt", ".jsonl", ".ndjson", ".json")
FIELDS = ("text", "content", "body", "document")
PADDED = 32  # documents of a batch, of which the padding is told
MOST_FAULTS = 0.1  # of the lines: with more it is no such file
MOST_BYTES = 1 << 28  # of the file that are taken: enough for any measurement, and for memory


def dataset_of(path: Path, network: Network) -> Dataset:
    """Return the documents of a file, a line each, as a stream; raise BadInput for none."""
    config = network.variant.config
    vocab, seq = config["vocab"], config["seq"]
    if vocab < 257:
        raise BadInput(
            f"--data {path}: texts are taken as bytes, which need a vocabulary of 257;"
            f" {network.name} has {vocab}: give an .npy with token ids"
        )
    whole = path.stat().st_size
    taken = min(whole, MOST_BYTES)
    part = f", its first {taken / whole:.0%}" if taken < whole else ""
    folder = data_kept.folder("text", path, {"most": MOST_BYTES})
    told = data_kept.facts(folder) or _kept(path, folder)
    items = (told["tokens"] - 1) // seq
    if items < 1:
        raise BadInput(f"--data {path}: {told['tokens']:,} bytes of text make no sequence of {seq}")
    lost = f"; {told['lost']:,} lines hold no text and are left out" if told["lost"] else ""
    return Dataset(
        kind="tokens",
        path=str(folder),
        items=items,
        bytes_on_disk=max(1, taken),
        generated=False,
        description=f"{told['documents']:,} documents of {path.name}{part} as bytes, no tokenizer"
        f" being known: {told['tokens']:,}, packed into sequences of {seq}; lengths {told['p10']:,}"
        f" / {told['p50']:,} / {told['p90']:,} (10, 50, 90 %): padded to the longest of {PADDED},"
        f" {told['padding_percent']} % would be padding{lost}",
        left_out=told["lost"],
    )


def _kept(path: Path, folder: Path) -> dict[str, int]:
    import numpy as np

    documents, lost = [], 0
    for text in _documents(path):
        if text:
            documents.append(np.frombuffer(text.encode("utf-8", "replace"), dtype="uint8"))
        else:
            lost += 1
    if not documents:
        raise BadInput(f"--data {path}: there is no text in it")
    if lost > MOST_FAULTS * (lost + len(documents)):
        raise BadInput(
            f"--data {path}: {lost:,} of {lost + len(documents):,} lines hold no text"
            f" ({', '.join(FIELDS)} of a JSON object, or a line)"
        )
    lengths = np.array([len(d) for d in documents])
    p10, p50, p90 = (int(v) for v in np.percentile(lengths, (10, 50, 90)))
    mixed = np.random.default_rng(0).permutation(lengths)
    whole = max(1, len(mixed) // PADDED) * PADDED
    rows = np.resize(mixed, whole).reshape(-1, PADDED)
    padding = 1 - rows.sum() / (rows.max(axis=1) * PADDED).sum()
    end = np.zeros(1, dtype="uint16")  # between documents
    stream = np.concatenate([p for d in documents for p in (d.astype("uint16") + 1, end)])
    told = {
        "documents": len(documents),
        "tokens": len(stream),
        "lost": lost,
        "p10": p10,
        "p50": p50,
        "p90": p90,
        "padding_percent": round(100 * padding),
    }
    data_kept.keep(folder, told, lambda place: np.save(place / "tokens.npy", stream))
    return told


def _documents(path: Path) -> Iterator[str]:
    """Yield the text of each line, empty where it has none."""
    plain, left = path.suffix == ".txt", MOST_BYTES
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
