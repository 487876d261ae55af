import gc
import json
import os
from pathlib import Path
from typing import Any

import pytest

from hwbench import codec, store, summary
from hwbench.errors import BadInput, BadRecord, StorageFull
from hwbench.measurement import Record
from tests import fakes
from tests.fakes import GEMM, PROTOCOL, planned, visit_result


def _record() -> Record:
    visits = [visit_result(GEMM, 0, 0.01, 0.011)]
    return fakes.record(summary.measurement(planned(GEMM), visits, PROTOCOL))


def _saved(folder: Path, **changes: Any) -> Path:
    """Write a good record with some top-level fields changed."""
    path = folder / "record.json"
    path.write_text(json.dumps({**codec.encode(_record()), **changes}))
    return path


def test_a_saved_record_loads_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    store.save(_record(), path)
    assert store.load(path) == _record()
    assert path.read_text().endswith("}\n")
    assert os.listdir(tmp_path) == ["record.json"]


@pytest.mark.parametrize("part", [0.0, 0.3, 0.999])
def test_a_truncated_record_is_refused_and_the_journal_named(tmp_path: Path, part: float) -> None:
    path = _saved(tmp_path)
    text = path.read_text().strip()
    path.write_text(text[: int(len(text) * part)])
    with pytest.raises(BadRecord, match=r"record\.json: is not whole JSON.*journal"):
        store.load(path)


def test_a_newer_schema_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(BadRecord, match=r"hwbench\.record/2 is newer than hwbench\.record/1"):
        store.load(_saved(tmp_path, schema="hwbench.record/2"))


def test_an_older_schema_is_read(tmp_path: Path) -> None:
    assert store.load(_saved(tmp_path, schema="hwbench.record/0")).schema == "hwbench.record/0"


@pytest.mark.parametrize(
    "schema", ["hwbench.estimate/1", "1", 1, None, "hwbench.record/\N{SUPERSCRIPT TWO}"]
)
def test_another_schema_is_refused(tmp_path: Path, schema: Any) -> None:
    with pytest.raises(BadRecord, match=r"schema must be hwbench\.record/1, found"):
        store.load(_saved(tmp_path, schema=schema))


def test_json_that_is_no_record_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "list.json"
    path.write_text("[1, 2]")
    with pytest.raises(BadRecord, match="schema must be"):
        store.load(path)


def test_a_wrong_field_is_named_with_the_file(tmp_path: Path) -> None:
    with pytest.raises(BadRecord, match=r"record\.json: duration_s must be at least 0, found -1"):
        store.load(_saved(tmp_path, duration_s=-1))


def test_json_with_nan_is_refused_by_the_field(tmp_path: Path) -> None:
    path = _saved(tmp_path)
    path.write_text(path.read_text().replace('"duration_s": 12.5', '"duration_s": NaN'))
    with pytest.raises(BadRecord, match="duration_s must be finite"):
        store.load(path)


def test_a_file_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    with pytest.raises(BadRecord, match="there is no such file"):
        store.load(tmp_path / "none.json")
    with pytest.raises(BadRecord, match="cannot be read"):
        store.load(tmp_path)
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadRecord, match="cannot be read"):
        store.load(tmp_path / "binary")


def test_a_full_disk_keeps_the_earlier_record_and_leaves_no_scrap(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    store.save(_record(), path)
    before = path.read_text()
    with fakes.disk_full_after(100), pytest.raises(StorageFull, match="is full"):
        store.save(_record(), path)
    assert path.read_text() == before
    assert os.listdir(tmp_path) == ["record.json"]


def test_ctrl_c_while_saving_keeps_the_earlier_record_and_leaves_no_scrap(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "record.json"
    path.write_text("before")

    def interrupted(descriptor: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        store.save(_record(), path)
    assert path.read_text() == "before"
    assert os.listdir(tmp_path) == ["record.json"]


def test_a_folder_that_is_gone_is_said_when_saving(tmp_path: Path) -> None:
    with pytest.raises(StorageFull, match="cannot be written"):
        store.save(_record(), tmp_path / "gone" / "record.json")


def test_a_run_that_stands_at_a_place_is_set_aside_whole_and_never_overwritten(
    tmp_path: Path,
) -> None:
    run = (tmp_path / "record.json", tmp_path / "record.json.jsonl")
    assert store.set_aside(run) is None
    for n in (1, 2):
        for path in run:
            path.write_text(f"run {n}: {path.suffix}")
        aside = store.set_aside(run)
        assert aside == tmp_path / f"record.old-{n}.json"
        assert aside.read_text() == f"run {n}: .json"
        assert aside.with_name(aside.name + ".jsonl").read_text() == f"run {n}: .jsonl"
        assert not any(path.exists() for path in run)
    assert len(os.listdir(tmp_path)) == 4


def test_a_place_that_can_be_written_is_left_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "new" / "deep" / "record.json"
    store.check_writable(path)
    assert os.listdir(path.parent) == []
    path.write_text("something")
    store.check_writable(path)
    assert path.read_text() == "something"


def test_a_place_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match="nothing was measured"):
        store.check_writable(tmp_path / "file" / "record.json")
    with pytest.raises(BadInput, match="is a folder"):
        store.check_writable(tmp_path)


def test_the_collector_runs_again_after_a_load_good_or_bad(tmp_path: Path) -> None:
    assert gc.isenabled()
    store.load(_saved(tmp_path))
    assert gc.isenabled()
    with pytest.raises(BadRecord):
        store.load(_saved(tmp_path, duration_s=None))
    assert gc.isenabled()
