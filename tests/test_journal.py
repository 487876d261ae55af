import json
import os
from pathlib import Path

import pytest

from hwbench import journal
from hwbench.errors import BadRecord, StorageFull
from hwbench.journal import Journal
from tests import fakes
from tests.fakes import GEMM, INFERENCE, header, planned, visit_result

HEADER = header(planned(GEMM), planned(INFERENCE, skip="it is not there"))
VISITS = (visit_result(GEMM, 0, 0.01, 0.02), visit_result(GEMM, 1, 0.03))


def _written(folder: Path) -> Path:
    path = folder / "record.json.jsonl"
    with Journal(path, HEADER) as kept:
        for visit in VISITS:
            kept.append(visit)
    return path


def test_what_was_written_is_read_back(tmp_path: Path) -> None:
    assert journal.read(_written(tmp_path)) == (HEADER, VISITS)


def test_a_journal_can_start_with_visits(tmp_path: Path) -> None:
    path = tmp_path / "record.json.jsonl"
    with Journal(path, HEADER, VISITS[:1]) as kept:
        kept.append(VISITS[1])
    assert journal.read(path) == (HEADER, VISITS)


def test_the_journal_lies_beside_its_record() -> None:
    assert journal.path_of(Path("results/a.json")) == Path("results/a.json.jsonl")


def test_a_visit_is_on_disk_when_append_returns(tmp_path: Path) -> None:
    path = tmp_path / "record.json.jsonl"
    with Journal(path, HEADER) as kept:
        kept.append(VISITS[0])
        assert journal.read(path) == (HEADER, VISITS[:1])


def test_each_line_names_the_case_and_its_status(tmp_path: Path) -> None:
    lines = [json.loads(x) for x in _written(tmp_path).read_text().splitlines()]
    assert lines[0]["status"] == "started"
    assert [(x["id"], x["status"]) for x in lines[1:]] == [(GEMM.id, "ok")] * 2


def test_a_torn_last_line_is_dropped_and_the_rest_counts(tmp_path: Path) -> None:
    path = _written(tmp_path)
    path.write_bytes(path.read_bytes()[:-20])
    assert journal.read(path) == (HEADER, VISITS[:1])


def test_going_on_cuts_the_torn_line_off(tmp_path: Path) -> None:
    path = _written(tmp_path)
    path.write_bytes(path.read_bytes()[:-20])
    with Journal(path, None) as kept:
        kept.append(VISITS[1])
    assert journal.read(path) == (HEADER, VISITS)


def test_bytes_that_are_no_text_at_the_torn_end_do_no_harm(tmp_path: Path) -> None:
    path = _written(tmp_path)
    path.write_bytes(path.read_bytes() + b"\x00\xff\xfe")
    assert journal.read(path) == (HEADER, VISITS)


def test_a_wrong_line_in_the_middle_is_named(tmp_path: Path) -> None:
    path = _written(tmp_path)
    lines = path.read_text().splitlines(keepends=True)
    path.write_text(lines[0] + '{"id": "x", \n' + lines[2])
    with pytest.raises(BadRecord, match=r"jsonl line 2: is not JSON"):
        journal.read(path)


def test_a_wrong_value_is_named_by_line_and_field(tmp_path: Path) -> None:
    path = _written(tmp_path)
    lines = path.read_text().splitlines()
    visit = json.loads(lines[2])
    visit["samples"][0]["wall_s"] = -1
    path.write_text("\n".join([*lines[:2], json.dumps(visit)]) + "\n")
    with pytest.raises(BadRecord, match=r"jsonl line 3: samples\[0\]\.wall_s must be above 0"):
        journal.read(path)


def test_a_newer_journal_is_refused_by_name(tmp_path: Path) -> None:
    path = _written(tmp_path)
    path.write_text(path.read_text().replace("hwbench.journal/1", "hwbench.journal/2"))
    with pytest.raises(BadRecord, match=r"hwbench\.journal/2 is newer"):
        journal.read(path)


def test_an_empty_or_missing_journal_is_said(tmp_path: Path) -> None:
    path = tmp_path / "record.json.jsonl"
    with pytest.raises(BadRecord, match="cannot be read"):
        journal.read(path)
    path.write_text('{"schema": "hwbench.jour')
    with pytest.raises(BadRecord, match="nothing to resume"):
        journal.read(path)


def test_a_full_disk_leaves_the_visits_before_and_room_brings_the_next(tmp_path: Path) -> None:
    path = tmp_path / "record.json.jsonl"
    with Journal(path, HEADER, VISITS[:1]) as kept:
        before = path.read_bytes()
        # The kernel takes 40 bytes of the line and refuses the others.
        with fakes.disk_full_after(len(before) + 40), pytest.raises(StorageFull, match="are kept"):
            kept.append(VISITS[1])
        assert path.read_bytes() == before
        kept.append(VISITS[1])
    assert journal.read(path) == (HEADER, VISITS)


def test_a_line_that_does_not_reach_the_disk_is_taken_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "record.json.jsonl"
    with Journal(path, HEADER) as kept:
        before = path.read_bytes()

        def full(descriptor: int) -> None:
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", full)
            with pytest.raises(StorageFull, match="No space left"):
                kept.append(VISITS[0])
        assert path.read_bytes() == before


def test_a_new_journal_replaces_an_older_one_whole_or_not_at_all(tmp_path: Path) -> None:
    path = _written(tmp_path)
    before = path.read_bytes()
    with fakes.disk_full_after(50), pytest.raises(StorageFull):
        Journal(path, HEADER)
    assert path.read_bytes() == before
    Journal(path, HEADER).close()
    assert journal.read(path) == (HEADER, ())
