import os
from dataclasses import replace
from pathlib import Path

import pytest

from hwbench import artifacts
from hwbench.artifacts import Artifacts
from hwbench.errors import Unavailable
from hwbench.protocol import Export, Reference, Reply
from tests.fakes import INFERENCE

TRAINING = replace(INFERENCE, phase="training", scenario="train_step")


class Torch:
    """A child that writes what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[object] = []
        self.refuse = False

    def ask(self, verb: str, request: object) -> Reply:
        assert isinstance(request, (Reference, Export))
        self.asked.append(request)
        Path(request.path).write_text(f"{verb} {len(self.asked)}")
        if self.refuse:
            return Reply(ok=False, reason="no onnxscript", remedy="pip install onnxscript")
        return Reply(ok=True)


def test_an_artifact_is_made_once_and_found_again(tmp_path: Path) -> None:
    child = Torch()
    first = Artifacts(child.ask, tmp_path).reference(INFERENCE, 8)
    again = Artifacts(child.ask, tmp_path).reference(INFERENCE, 8)
    assert first == again
    assert first.read_text() == "reference 1"
    assert len(child.asked) == 1


def test_artifacts_that_differ_in_anything_are_kept_apart(tmp_path: Path) -> None:
    child = Torch()
    made = Artifacts(child.ask, tmp_path)
    paths = [
        made.reference(INFERENCE, 8),
        made.reference(INFERENCE, 16),
        made.reference(TRAINING, 8),
        made.reference(replace(INFERENCE, name="mlp"), 8),
        made.export(INFERENCE, 8),
        made.export(INFERENCE, 16),
        made.export(replace(INFERENCE, dtype="float16"), 8),
    ]
    assert len(set(paths)) == len(paths) == len(child.asked)


def test_the_key_follows_the_library_and_the_source(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    key = artifacts.key("onnx", "mlp", batch_size=8)
    assert key == artifacts.key("onnx", "mlp", batch_size=8)
    monkeypatch.setattr(artifacts, "_version", lambda name: "99.0")
    other_library = artifacts.key("onnx", "mlp", batch_size=8)
    monkeypatch.undo()
    read = Path.read_bytes

    def changed(path: Path) -> bytes:
        return read(path) + (b"#" if path.name == "mlp.py" else b"")

    monkeypatch.setattr(Path, "read_bytes", changed)
    other_source = artifacts.key("onnx", "mlp", batch_size=8)
    assert artifacts.key("onnx", "resnet18", batch_size=8) != other_source
    assert len({key, other_library, other_source}) == 3


def test_what_cannot_be_made_is_tried_once_and_leaves_nothing(tmp_path: Path) -> None:
    child = Torch()
    child.refuse = True
    made = Artifacts(child.ask, tmp_path)
    for _ in range(2):
        with pytest.raises(Unavailable, match="no onnxscript: pip install onnxscript"):
            made.export(INFERENCE, 8)
    assert len(child.asked) == 1
    assert os.listdir(tmp_path) == []


def test_a_child_that_dies_leaves_no_half_of_an_artifact(tmp_path: Path) -> None:
    def dies(verb: str, request: object) -> Reply:
        assert isinstance(request, Export)
        Path(request.path).write_text("half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Artifacts(dies, tmp_path).export(INFERENCE, 8)
    assert os.listdir(tmp_path) == []


def test_the_longest_unused_goes_when_the_cache_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, used_s in (("old", 100), ("older", 0), ("new", 200)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.onnx").write_bytes(b"x" * 100)
        os.utime(tmp_path / name, (1e9 + used_s, 1e9 + used_s))
    monkeypatch.setattr(artifacts, "KEEP_BYTES", 250)
    artifacts.prune(tmp_path, keep=tmp_path / "new")
    assert sorted(os.listdir(tmp_path)) == ["new", "old"]
    monkeypatch.setattr(artifacts, "KEEP_BYTES", 10)
    artifacts.prune(tmp_path, keep=tmp_path / "new")
    assert os.listdir(tmp_path) == ["new"]


def test_the_cache_is_where_the_user_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HWBENCH_CACHE", str(tmp_path / "mine"))
    assert artifacts.folder() == tmp_path / "mine"
    assert (tmp_path / "mine").is_dir()
    monkeypatch.delenv("HWBENCH_CACHE")
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert artifacts.folder() == tmp_path / "xdg" / "hwbench"


def test_a_cache_that_cannot_be_written_is_replaced_by_a_temporary_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("HWBENCH_CACHE", str(tmp_path / "file" / "cache"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    found = artifacts.folder()
    assert found.is_dir()
    assert found.parent == tmp_path
