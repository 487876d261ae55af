"""`--data FOLDER` of Hugging Face's datasets, and the tokenizer of a model of theirs."""

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hwbench import data_text, model_naming, own_models, registry
from hwbench.cli import status_of
from hwbench.errors import BadInput
from tests import fakes
from tests.test_data_kinds import found, source
from tests.test_own_models import here

arrow = pytest.importorskip("pyarrow")
image = pytest.importorskip("PIL.Image")


@pytest.fixture(autouse=True)
def _isolated(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    fakes.isolate(monkeypatch, tmp_path)
    monkeypatch.chdir(tmp_path)
    yield
    own_models.forget()


def write(path: Path, batches: list[Any], schema: Any, compression: str | None = None) -> None:
    """Write batches as a stream."""
    options = arrow.ipc.IpcWriteOptions(compression=compression)
    with (
        arrow.OSFile(str(path), "wb") as sink,
        arrow.ipc.new_stream(sink, schema, options=options) as writer,
    ):
        for batch in batches:
            writer.write_batch(batch)


def save(folder: str, table: Any, files: int = 1, rows: int = 4) -> None:
    """Write a table as `Dataset.save_to_disk` does: streams of batches, and what they are."""
    place = Path(folder)
    place.mkdir(parents=True)
    size, names = -(-len(table) // files), []
    for n in range(files):
        names.append(f"data-{n:05}-of-{files:05}.arrow")
        part = table.slice(n * size, size).combine_chunks()
        write(place / names[-1], part.to_batches(max_chunksize=rows), table.schema)
    told = {"_data_files": [{"filename": n} for n in names], "_split": None}
    (place / "state.json").write_text(json.dumps(told))
    (place / "dataset_info.json").write_text(json.dumps({"features": {}}))


def png(n: int) -> bytes:
    buffer = io.BytesIO()
    image.new("RGB", (20 + n, 10), (n * 7 % 256, n, 0)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["binary", "large_binary"])
def test_images_are_read_where_they_lie_in_arrow_files(kind: str) -> None:
    Path("outside.png").write_bytes(png(99))
    files: list[dict[str, Any]] = [{"bytes": png(n), "path": None} for n in range(9)]
    files += [{"bytes": None, "path": "outside.png"}, {"bytes": b"", "path": "empty.png"}]
    of_files = arrow.struct([("bytes", getattr(arrow, kind)()), ("path", arrow.string())])
    labels = [n % 4 for n in range(11)]
    whole = arrow.table(
        {"id": list(range(11)), "image": arrow.array(files, of_files), "label": labels}
    )
    save("photos/train", whole, files=2)
    save("photos/test", whole.slice(0, 2))
    Path("photos/dataset_dict.json").write_text(json.dumps({"splits": ["test", "train"]}))
    told = found("photos", "resnet18_small")
    assert (told.kind, told.items, told.left_out) == ("images", 10, 1)
    assert "images of photos, split train" in told.description
    assert "1 are empty and left out" in told.description
    items = source("photos", "resnet18_small")
    assert [f.file().read() for f in items.files] == [*(png(n) for n in range(9)), png(99)]
    pixels, given = items.__getitems__(list(range(10)))
    assert pixels.shape == (10, 3, 64, 64) and list(given) == labels[:10]
    assert found("photos/test", "resnet18_small").items == 2


def test_rows_of_a_saved_dataset_are_columns_or_one_list() -> None:
    pytest.importorskip("duckdb")
    x = np.random.default_rng(0).random((12, 64)).astype("float32")
    named = {f"n{i}": x[:, i] for i in range(64)}
    save("wide", arrow.table({**named, "label": ["a", "b", "c"] * 4}), files=3)
    save("lists", arrow.table({"x": list(x), "name": ["n"] * 12, "label": [2, 5, 9] * 4}))
    for folder in ("wide", "lists"):
        told = found(folder, "mlp_small")
        assert (told.kind, told.items) == ("rows", 12) and "labels in label" in told.description
        rows, labels = source(folder, "mlp_small").__getitems__(list(range(12)))
        order = [int(np.argmin(abs(x - r).sum(axis=1))) for r in rows]
        assert sorted(order) == list(range(12)) and rows == pytest.approx(x[order])
        assert list(labels) == [n % 3 for n in order]


def test_texts_and_ids_of_a_saved_dataset(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = ["long " * 40, "short", "", None, *["more of it"] * 60]
    save("texts", arrow.table({"text": texts, "label": [0] * 64}), files=2)
    told = found("texts", "bert_base_small")
    assert told.left_out == 2 and "62 documents of texts taken as bytes" in told.description
    ids = [list(range(n, n + 50)) for n in range(40)]
    save("ids", arrow.table({"input_ids": ids, "attention_mask": ids}), files=2)
    told = found("ids", "bert_base_small")
    seq = registry.networks()["bert_base_small"].variant.config["seq"]
    assert told.items == (40 * 50 - 1) // seq
    assert "40 documents of ids cut into tokens before: 2,000" in told.description
    inputs, _ = source("ids", "bert_base_small").__getitems__([0, 1])
    assert list(inputs.ravel()) == [i for row in ids for i in row][: 2 * seq]
    save("odd", arrow.table({"input_ids": [[1, -100, 3] * 50]}))
    with pytest.raises(BadInput, match="token ids are whole numbers from 0 on; found -100 to 3"):
        found("odd", "bert_base_small")
    monkeypatch.setattr(data_text, "MOST_IDS", 120)
    save("many", arrow.table({"input_ids": ids}))
    told = found("many", "bert_base_small")
    assert "3 documents of many, its first 3 cut into tokens before: 150" in told.description
    save("high", arrow.table({"input_ids": [[1, 2, 10**6] * 50]}))
    with pytest.raises(BadInput, match=r"takes token ids 0 to .*; found one of 1000000"):
        found("high", "bert_base_small")


def test_what_is_wrong_with_a_saved_dataset_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    save("good", arrow.table({"n": [1, 2, 3]}))
    for network, said in (
        ("bert_base_small", "no column holds token ids .* or text; found n"),
        ("resnet18_small", "no image in it"),
        ("mlp_small", "takes rows of 64 numbers"),
    ):
        with pytest.raises(BadInput, match=said):
            found("good", network)
    Path("good/data-00000-of-00001.arrow").write_bytes(b"torn")
    with pytest.raises(BadInput, match="no Arrow file that can be read"):
        found("good", "mlp_small")
    Path("good/data-00000-of-00001.arrow").unlink()
    with pytest.raises(BadInput, match=r"its data-00000-of-00001\.arrow is not there"):
        found("good", "resnet18_small")
    Path("good/state.json").write_text("{")
    asked = ["estimate", "--workload", "mlp_small", "--samples", "1k", "--epochs", "1"]
    assert status_of([*asked, "--data", "good"]) == 2
    assert "state.json: cannot be read" in capsys.readouterr().err
    save("none", arrow.table({"text": arrow.array([], arrow.string())}))
    with pytest.raises(BadInput, match="there is no item in it"):
        found("none", "bert_base_small")
    table = arrow.table({"image": [{"bytes": png(1) * 50, "path": "a"}]})
    save("packed", table)
    write(Path("packed/data-00000-of-00001.arrow"), table.to_batches(), table.schema, "zstd")
    with pytest.raises(BadInput, match="is compressed"):
        found("packed", "resnet18_small")


def gpt2(folder: str, vocab: int) -> None:
    """Write the configuration of a small model, and a tokenizer of words."""
    tokenizers = pytest.importorskip("tokenizers")
    transformers = pytest.importorskip("transformers")
    place = Path(folder)
    transformers.GPT2Config(
        n_layer=1, n_embd=16, n_head=2, n_positions=32, vocab_size=vocab
    ).save_pretrained(place)
    words = {"<end>": 0, "<unk>": 1, "one": 2, "two": 3, "three": 4}
    made = tokenizers.Tokenizer(tokenizers.models.WordLevel(words, unk_token="<unk>"))
    made.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=made, eos_token="<end>", unk_token="<unk>"
    ).save_pretrained(place)


def test_a_model_of_transformers_takes_texts_by_its_own_tokenizer() -> None:
    gpt2("net", 7)
    Path("c.txt").write_text("one two three\ntwo zwölf\n" * 40)
    (name,) = model_naming.named(["hf:net@seq=8"], here)
    told = found("c.txt", name)
    assert "80 documents of c.txt cut by the tokenizer of net: 280" in told.description
    assert "lengths 2 / 2 / 3" in told.description and told.items == 279 // 8
    inputs, targets = source("c.txt", name).__getitems__([0])
    assert list(inputs[0]) == [2, 3, 4, 0, 3, 1, 0, 2]
    assert list(targets[0]) == [3, 4, 0, 3, 1, 0, 2, 3]
    own_models.forget()
    gpt2("small", 4)
    (name,) = model_naming.named(["hf:small@seq=8"], here)
    with pytest.raises(BadInput, match="needs a vocabulary of 5; hf:small@seq=8 has 4"):
        found("c.txt", name)
    own_models.forget()
    gpt2("bare", 7)
    for file in Path("bare").glob("token*"):
        file.unlink()
    (name,) = model_naming.named(["hf:bare@seq=8"], here)
    with pytest.raises(BadInput, match="as bytes, no vocabulary of its tokenizer being on"):
        found("c.txt", name)
