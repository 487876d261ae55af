"""The user's data: what it is, how many items, and why it does not suit."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hwbench import data_found, registry
from hwbench.errors import BadInput
from tests.loops import rows


def _found(path: Path, name: str) -> Any:
    return data_found.dataset_at(path, registry.networks()[name])


def test_a_folder_of_images_is_counted_with_all_below_it(tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    sizes = []
    for n, name in enumerate(["cats/a.jpg", "cats/b.JPEG", "dogs/big/c.png", "d.webp"]):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        image.new("RGB", (8 + n, 9)).save(tmp_path / name)
        sizes.append((tmp_path / name).stat().st_size)
    (tmp_path / "notes.txt").write_text("no image")
    (tmp_path / "folder.jpg").mkdir()
    found = _found(tmp_path, "resnet18")
    assert (found.kind, found.items, found.bytes_on_disk) == ("images", 4, sum(sizes))
    assert not found.generated and found.path == str(tmp_path) and not found.left_out
    assert _found(tmp_path, "dcgan").kind == "pictures"


def test_rows_and_tokens_are_counted(tmp_path: Path) -> None:
    assert _found(rows(tmp_path, items=7), "mlp_small").items == 7
    np.save(tmp_path / "x.npy", np.zeros((9, 64), dtype="float32"))
    assert _found(tmp_path / "x.npy", "mlp_small").items == 9
    np.save(tmp_path / "t.npy", np.arange(33, dtype="int32"))  # two sequences of 16 and the next id
    assert _found(tmp_path / "t.npy", "lstm_small").items == 2
    np.save(tmp_path / "t.npy", np.arange(32, dtype="uint16"))
    assert _found(tmp_path / "t.npy", "lstm_small").items == 1


def _saved(value: Any) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        np.save(folder / "x.npy", value, allow_pickle=True)
        return folder / "x.npy"

    return make


def _written(name: str, content: bytes) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        (folder / name).write_bytes(content)
        return folder / name

    return make


def _plain_as_npz(folder: Path) -> Path:
    return _saved(np.zeros((3, 64)))(folder).rename(folder / "x.npz")


def _without_x(folder: Path) -> Path:
    np.savez(folder / "z.npz", rows=np.zeros((3, 64)))
    return folder / "z.npz"


@pytest.mark.parametrize(
    ("name", "make", "told"),
    [
        ("mlp_small", lambda folder: folder / "gone", "there is no such file or folder"),
        ("mlp_small", lambda folder: folder, "takes rows: give an .npy or .npz"),
        ("mlp_small", _written("x.xls", b"1,2"), "takes rows: give an .npy or .npz"),
        ("mlp_small", _written("x.csv", b"1,2\n3,4\n"), "takes rows of 64 numbers; found 1"),
        ("mlp_small", _written("x.npy", b"no array"), "is no array with the items"),
        ("mlp_small", _written("x.npy", b""), "is empty"),
        ("mlp_small", _written("x.npz", b"PK\x03\x04torn"), "is no array with the items"),
        ("mlp_small", _plain_as_npz, "is no array with the items"),
        ("mlp_small", _without_x, "is no array with the items"),
        ("mlp_small", _saved(np.zeros((3, 63))), r"rows of 64 numbers; found .* \(3, 63\)"),
        ("mlp_small", _saved(np.zeros(64)), r"found an array of shape \(64,\)"),
        ("mlp_small", _saved(np.zeros(())), r"found an array of shape \(\)"),
        ("mlp_small", _saved(np.zeros((0, 64))), "there is no item in it"),
        ("mlp_small", _saved(np.array([["a"] * 64])), "rows are of numbers; found an array of <U1"),
        ("mlp_small", _saved(np.array([{}], dtype=object)), "is no array with the items"),
        ("lstm_small", _saved(np.zeros(100)), "tokens are one stream of whole numbers"),
        ("lstm_small", _saved(np.zeros((5, 20), dtype=int)), "tokens are one stream"),
        ("lstm_small", _saved(np.zeros(16, dtype=int)), "longer than 16"),
        ("lstm_small", _saved(np.arange(900)), "token ids 0 to 499; found 0 to 899"),
        ("lstm_small", _saved(np.arange(-3, 90)), "found -3 to 89"),
        ("resnet18", _written("a.jpg", b"x"), "give the folder they are in"),
        ("resnet18", lambda folder: folder, r"no image in it or below .*\.jpg"),
    ],
)
def test_data_that_do_not_suit_say_why(
    name: str, make: Callable[[Path], Path], told: str, tmp_path: Path
) -> None:
    with pytest.raises(BadInput, match=told):
        _found(make(tmp_path), name)
