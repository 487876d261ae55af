"""`--data PATH`: tables, texts, tar shards, and images some of which are broken."""

import csv
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hwbench import data_found, data_tables, data_tokenizer, registry, shards
from hwbench.cli import status_of
from hwbench.dataset import Loading
from hwbench.errors import BadInput
from tests import fakes

image = pytest.importorskip("PIL.Image")


@pytest.fixture(autouse=True)
def _isolated(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fakes.isolate(monkeypatch, tmp_path)
    monkeypatch.chdir(tmp_path)


def found(path: str, name: str) -> Any:
    return data_found.dataset_at(Path(path), registry.networks()[name])


def source(path: str, name: str, residence: Any = "disk") -> Any:
    """Return the items as a loop gets them."""
    pytest.importorskip("torch")
    from hwbench.dialects import torch_loading

    network = registry.networks()[name]
    loading = Loading(dataset=found(path, name), residence=residence)
    return torch_loading.source_of(network.workload, network.variant.config, loading, 0)


def table(rows: int, *, gap: bool = False) -> list[list[str]]:
    """Return a table of 64 numbers and a label in the middle, with a text that is none of them."""
    head = [f"n{i}" for i in range(32)] + ["Label", "a name"] + [f"n{i}" for i in range(32, 64)]
    body = [
        [str(r + i / 100) for i in range(32)]
        + [("cat", "dog", "ox")[r % 3], "猫"]
        + [str(r + i / 100) for i in range(32, 64)]
        for r in range(rows)
    ]
    if gap:
        body[1][0] = ""
    return [head, *body]


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_table_is_its_numbers_and_its_labels(kind: str) -> None:
    duckdb = pytest.importorskip("duckdb")
    with open("rows.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(table(9, gap=True))
    if kind == "parquet":
        duckdb.sql("SELECT * FROM read_csv('rows.csv')").write_parquet("rows.parquet")
    told = found(f"rows.{kind}", "mlp_small")
    assert (told.kind, told.items, told.left_out) == ("rows", 8, 1)
    assert "labels in Label" in told.description and "1 with a gap" in told.description
    assert found(f"rows.{kind}", "mlp_small") == told  # from what was kept
    items = source(f"rows.{kind}", "mlp_small")
    x, y = items.__getitems__(list(range(8)))
    order = np.argsort(x[:, 0])
    kept = [r for r in range(9) if r != 1]
    assert x[order][:, 0] == pytest.approx(kept) and x[order][3] == pytest.approx(
        [kept[3] + i / 100 for i in range(64)]
    )
    assert list(y[order]) == [r % 3 for r in kept]
    Path("rows.csv").write_text("a,b\n1,2\n")
    with pytest.raises(BadInput, match="found 1 beside the labels in b"):
        found("rows.csv", "mlp_small")


def test_a_table_that_is_none_is_said() -> None:
    pytest.importorskip("duckdb")
    Path("t.parquet").write_bytes(b"PAR1 torn")
    with pytest.raises(BadInput, match="is no table that can be read"):
        found("t.parquet", "mlp_small")
    head, *_ = table(0)
    Path("t.csv").write_text(",".join(head) + "\n" + ",".join("" for _ in head) + "\n")
    with pytest.raises(BadInput, match=r"no whole row|takes rows of 64"):
        found("t.csv", "mlp_small")


def test_texts_are_packed_and_their_padding_is_told() -> None:
    long, short = "ж" * 100, "a" * 20  # 200 and 20 bytes
    lines = [json.dumps({"text": t}) for t in [long, short] * 64]
    Path("c.jsonl").write_text("\n".join([*lines, "not JSON", json.dumps({"no": 1}), ""]))
    told = found("c.jsonl", "bert_base_small")
    seq = registry.networks()["bert_base_small"].variant.config["seq"]
    stream = 64 * (200 + 1 + 20 + 1)
    assert told.items == (stream - 1) // seq and told.left_out == 2
    assert "128 documents" in told.description and "no tokenizer" in told.description
    # of 32 at random the longest is 200 bytes: the mean of 110 leaves 45 %
    assert "45 % would be padding" in told.description
    inputs, _ = source("c.jsonl", "bert_base_small").__getitems__([0, 1])
    raw = (long.encode() + b"\xff" + short.encode() + b"\xff") * 2
    wanted = [0 if b == 0xFF else b + 1 for b in raw][: 2 * seq]
    assert list(inputs.ravel()) == wanted[: 2 * seq]
    Path("c.txt").write_text("one line\nanother\n" * 50)
    assert "100 documents" in found("c.txt", "bert_base_small").description
    Path("few.txt").write_text("a\n")
    for path, said in (("few.txt", "make no sequence"), ("none.txt", "is empty")):
        Path("none.txt").write_text("")
        with pytest.raises(BadInput, match=said):
            found(path, "bert_base_small")
    Path("bad.jsonl").write_text('{"text": "x"}\n' + "broken\n" * 9)
    with pytest.raises(BadInput, match="9 of 10 lines hold no text"):
        found("bad.jsonl", "bert_base_small")


def shard(path: str, count: int, first: int = 0, empty: int = 0) -> None:
    """Write a shard of images with their classes."""
    with tarfile.open(path, "w") as archive:
        for n in range(first, first + count):
            buffer = io.BytesIO()
            image.new("RGB", (20, 10), (n * 20 % 256, 0, 0)).save(buffer, "PNG")
            parts = [(f"{n:04d}.png", buffer.getvalue()), (f"{n:04d}.cls", str(n % 4).encode())]
            if n < empty:
                parts[0] = (f"{n:04d}.png", b"")
            for name, data in parts:
                info = tarfile.TarInfo(name)
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))


def test_shards_are_read_where_their_bytes_lie() -> None:
    Path("shards").mkdir()
    shard("shards/a.tar", 5, empty=1)
    shard("shards/b.tar", 3, first=5)
    told = found("shards", "resnet18_small")
    assert (told.items, told.left_out) == (7, 1)
    assert "in 2 tar shards" in told.description and "a.tar:0000.png" in told.description
    pixels, labels = source("shards", "resnet18_small").__getitems__(list(range(7)))
    assert pixels.shape == (7, 3, 64, 64) and list(labels) == [n % 4 for n in range(1, 8)]
    assert found("shards/b.tar", "resnet18_small").items == 3
    Path("torn.tar").write_bytes(b"no archive")
    with pytest.raises(BadInput, match="no tar archive"):
        found("torn.tar", "resnet18_small")
    with tarfile.open("none.tar", "w"):
        pass
    with pytest.raises(BadInput, match="no image in it"):
        found("none.tar", "resnet18_small")


def photos(count: int, broken: int = 0, empty: int = 0) -> None:
    """Write images of two classes; the first ones are cut off, the next ones empty."""
    for n in range(count):
        path = Path(f"photos/{'ab'[n % 2]}/名{n:03d}.png")
        path.parent.mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng(n).integers(0, 255, (16, 16 + n % 5, 3), dtype="uint8")
        image.fromarray(noise).save(path)
        if n < broken:
            path.write_bytes(path.read_bytes()[:200])
        elif n < broken + empty:
            path.write_bytes(b"")


def test_of_a_huge_file_a_part_is_taken_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("c.txt").write_text("x" * 99 + "\n" * 1 + ("y" * 99 + "\n") * 9)
    monkeypatch.setattr(data_tokenizer, "MOST_BYTES", 500)
    told = found("c.txt", "bert_base_small")
    assert "5 documents of c.txt, its first 50%" in told.description
    assert told.bytes_on_disk == 500
    pytest.importorskip("duckdb")
    with open("rows.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(table(8))
    monkeypatch.setattr(data_tables, "MOST_NUMBERS", 65 * 4)
    told = found("rows.csv", "mlp_small")
    assert told.items == 4 and "the first 50% of its rows" in told.description


def test_shards_with_named_classes_and_images_beside_them() -> None:
    assert shards.classes(["cat", None, "ox", "cat"]) == [0, 0, 1, 0]
    assert shards.classes(["3", "10", None]) == [3, 10, 0]
    Path("mixed").mkdir()
    shard("mixed/a.tar", 2)
    image.new("RGB", (8, 8)).save("mixed/b.png")
    with pytest.raises(BadInput, match="holds tar shards and image files"):
        found("mixed", "resnet18_small")


def test_broken_images_are_counted_named_and_passed_over() -> None:
    photos(40, broken=3, empty=2)
    told = found("photos", "resnet18_small")
    assert (told.items, told.left_out) == (38, 2)
    assert "2 are empty and left out (名003.png, 名004.png)" in told.description or (
        "2 are empty and left out (名004.png, 名003.png)" in told.description
    )
    assert "3 of 38 that were opened are broken" in told.description
    for residence in ("disk", "memory"):
        pixels, labels = source("photos", "resnet18_small", residence).__getitems__([*range(38)])
        assert len(pixels) == 38 and np.isfinite(pixels).all() and set(labels) == {0, 1}


def test_too_many_broken_images_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    photos(30, broken=12)
    items = source("photos", "resnet18_small")
    with pytest.raises(BadInput, match=r"11 of 30 images cannot be decoded \(名0"):
        items.__getitems__(list(range(30)))
    photos(30, broken=20)
    asked = ["estimate", "--workload", "resnet18_small", "--samples", "1k", "--epochs", "1"]
    assert status_of([*asked, "--data", "photos"]) == 2
    err = capsys.readouterr().err
    assert "20 of 30 images that were opened are none" in err and "Traceback" not in err
    photos(3, empty=3)
    for path in Path("photos").rglob("*"):
        if path.is_file():
            path.write_bytes(b"")
    with pytest.raises(BadInput, match="but 30 that are empty"):
        found("photos", "resnet18_small")
