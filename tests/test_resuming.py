import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from hwbench import host, journal, resuming, store
from hwbench.errors import BadInput, BadRecord, StorageFull
from hwbench.protocol import Reply, VisitRequest, VisitResult
from hwbench.run import Options, run
from hwbench.run_outcome import Outcome
from hwbench.selection import Selection
from tests import fakes
from tests.fakes import FakeCrew

MADE = 4  # visits before the interruption, of 9


@pytest.fixture(autouse=True)
def _isolated(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fakes.isolate(monkeypatch, tmp_path)


def _start(
    out: Path, answer: Callable[[VisitRequest], VisitResult | Reply] | None = None
) -> Outcome:
    selection = Selection(runtimes=("torch",), only=("*gemm*", "*mlp_small*"))
    return run(Options(profile="smoke", selection=selection, out=out), spawn=FakeCrew(answer).spawn)


def _interrupted(out: Path) -> set[tuple[str, int]]:
    """Leave a run that was interrupted after four visits; return all that it should make."""
    seen: list[VisitRequest] = []

    def answer(r: VisitRequest) -> VisitResult:
        seen.append(r)
        if len(seen) > MADE:
            raise KeyboardInterrupt
        return fakes.good(r)

    outcome = _start(out, answer)
    assert outcome.ended == "interrupted"
    return {(m.id, n) for m in outcome.record.measurements for n in range(3)}


def _resume(path: Path, crew: FakeCrew | None = None) -> Outcome:
    return run(Options(resume=path), spawn=(crew or FakeCrew()).spawn)


@pytest.mark.parametrize(
    ("left", "named"),
    [("both", "record"), ("both", "journal"), ("record", "record"), ("journal", "journal")],
)
def test_a_resumed_run_makes_what_is_left_and_nothing_twice(
    tmp_path: Path, left: str, named: str
) -> None:
    out = tmp_path / "record.json"
    every = _interrupted(out)
    if left == "record":
        journal.path_of(out).unlink()
    if left == "journal":
        out.unlink()
    crew = FakeCrew()
    outcome = _resume(out if named == "record" else journal.path_of(out), crew)
    assert outcome.ended == "complete"
    assert outcome.path == out
    assert len(crew.visits) == len(every) - MADE
    measured = store.load(out).measurements
    assert {(m.id, s.round) for m in measured for s in m.samples} == every
    assert {(m.status, m.visits.done) for m in measured} == {("ok", 3)}
    _, visits = journal.read(journal.path_of(out))
    assert sorted((v.id, v.round) for v in visits) == sorted(every)


def test_a_line_torn_by_a_crash_is_visited_again(tmp_path: Path) -> None:
    out = tmp_path / "record.json"
    every = _interrupted(out)
    place = journal.path_of(out)
    place.write_bytes(place.read_bytes()[:-7])
    crew = FakeCrew()
    _resume(place, crew)
    assert len(crew.visits) == len(every) - MADE + 1
    _, visits = journal.read(place)
    assert sorted((v.id, v.round) for v in visits) == sorted(every)


@pytest.mark.parametrize("named", ["record", "journal", "record alone"])
def test_a_finished_run_is_complete_without_a_visit(tmp_path: Path, named: str) -> None:
    out = tmp_path / "record.json"
    first = _start(out)
    if named == "record alone":
        journal.path_of(out).unlink()
    crew = FakeCrew()
    again = _resume(journal.path_of(out) if named == "journal" else out, crew)
    assert again.ended == "complete"
    assert crew.children == []
    assert again.record.measurements == first.record.measurements
    assert again.record.id == first.record.id


def test_what_failed_or_was_skipped_is_not_tried_again(tmp_path: Path) -> None:
    out = tmp_path / "record.json"

    def answer(r: VisitRequest) -> VisitResult | Reply:
        if r.case.phase == "training":
            return Reply(ok=False, code="error", reason="ValueError: no")
        return fakes.good(r)

    first = _start(out, answer)
    journal.path_of(out).unlink()
    crew = FakeCrew()
    again = _resume(out, crew)
    assert crew.visits == []
    assert again.record.measurements == first.record.measurements
    assert [m.status for m in again.failed] == ["failed"]


def test_the_runs_own_time_and_the_count_of_processes_go_on(tmp_path: Path) -> None:
    out = tmp_path / "record.json"
    _interrupted(out)
    before = [s for m in store.load(out).measurements for s in m.samples]
    crew = FakeCrew()
    _resume(out, crew)
    end_s = max(s.start_s + s.wall_s for s in before)
    assert all(time.perf_counter() - r.run_start >= end_s for r in crew.requests)
    assert min(r.process for r in crew.requests) > max(s.process for s in before)


def test_the_plan_comes_from_the_file(tmp_path: Path) -> None:
    out = tmp_path / "record.json"
    _interrupted(out)
    before = store.load(out)
    after = _resume(out).record
    assert (after.protocol, after.profile) == (before.protocol, before.profile)
    assert (after.argv, after.created_utc) == (before.argv, before.created_utc)
    assert after.environment == before.environment


def test_a_record_of_another_machine_is_not_resumed_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "record.json"
    _interrupted(out)
    elsewhere = replace(host.environment(), machine_id="another")
    monkeypatch.setattr(host, "environment", lambda **_: elsewhere)
    with pytest.raises(BadInput, match="another machine"):
        _resume(out)


def test_a_change_of_software_is_refused_by_name_unless_forced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "record.json"
    _interrupted(out)
    here = host.environment()
    monkeypatch.setattr(
        host, "environment", lambda **_: replace(here, packages={**here.packages, "numpy": "1.0"})
    )
    with pytest.raises(BadInput, match=r"numpy .* here is 1\.0"):
        _resume(out)
    forced = run(Options(resume=out, force=True), spawn=FakeCrew().spawn)
    assert forced.ended == "complete"


def test_a_journal_that_cannot_be_read_is_set_aside_and_the_record_goes_on(tmp_path: Path) -> None:
    out = tmp_path / "record.json"
    _interrupted(out)
    place = journal.path_of(out)
    place.write_text("not a journal\n")
    crew = FakeCrew()
    outcome = _resume(out, crew)
    assert outcome.ended == "complete"
    assert len(crew.visits) == 9 - MADE
    assert len(journal.read(place)[1]) == 9
    assert "not a journal\n" in {p.read_text() for p in tmp_path.iterdir() if p.is_file()}


def test_a_journal_of_another_run_beside_the_record_is_refused_and_kept(tmp_path: Path) -> None:
    first, second = tmp_path / "first.json", tmp_path / "second.json"
    _interrupted(first)
    _interrupted(second)
    shutil.copy(journal.path_of(second), journal.path_of(first))
    text = journal.path_of(first).read_text()
    with pytest.raises(BadInput, match="of another run"):
        _resume(first)
    assert journal.path_of(first).read_text() == text


@pytest.mark.parametrize("name", ["record.json", "record.json.jsonl"])
def test_a_file_that_is_not_there_is_said(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadRecord, match=name):
        _resume(tmp_path / name)


def test_the_record_alone_holds_every_visit(tmp_path: Path) -> None:
    out = tmp_path / "record.json"
    _interrupted(out)
    told, by_journal, _ = resuming.interrupted(out)
    journal.path_of(out).unlink()
    header, by_record, place = resuming.interrupted(out)
    assert (header, place) == (told, out)
    assert {(v.id, v.round): v.samples for v in by_record} == {
        (v.id, v.round): v.samples for v in by_journal
    }


def test_a_disk_that_fills_while_the_journal_is_rebuilt_loses_no_visit(tmp_path: Path) -> None:
    out = tmp_path / "record.json"
    _interrupted(out)
    place = journal.path_of(out)
    head = len(place.read_bytes().split(b"\n")[0])
    place.unlink()
    with fakes.disk_full_after(head + 100), pytest.raises(StorageFull):
        _resume(out)
    crew = FakeCrew()
    _resume(out, crew)
    assert len(crew.visits) == 9 - MADE
