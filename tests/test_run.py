import json
import platform
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from hwbench import journal, lock, store, views
from hwbench.child import ChildFailed
from hwbench.errors import BadInput, Busy
from hwbench.journal import Journal
from hwbench.measurement import Measurement
from hwbench.protocol import Reply, VisitRequest, VisitResult
from hwbench.rounds import Rounds
from hwbench.run import Options, make_plan, run
from hwbench.run_outcome import Outcome
from hwbench.selection import Selection, group
from tests import fakes
from tests.fakes import FakeClock, FakeCrew, FakeProgress

THREE = Selection(runtimes=("torch",), only=("*gemm*", "*mlp_small*"))


@pytest.fixture(autouse=True)
def _isolated(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fakes.isolate(monkeypatch, tmp_path)


def _options(folder: Path, selection: Selection = THREE, profile: str = "smoke") -> Options:
    return Options(profile=profile, selection=selection, out=folder / "record.json")


def _of(outcome: Outcome) -> dict[str, Measurement]:
    return {f"{m.name} {m.phase}": m for m in outcome.record.measurements}


def _on(
    part: str, otherwise: Callable[[VisitRequest], VisitResult | Reply]
) -> Callable[[VisitRequest], VisitResult | Reply]:
    """Return a script where the cases whose id has `part` go as `otherwise` says."""
    return lambda r: otherwise(r) if part in r.case.id else fakes.good(r)


def test_a_whole_run_leaves_a_journal_and_a_record(tmp_path: Path) -> None:
    crew, progress = FakeCrew(), FakeProgress()
    outcome = run(_options(tmp_path), progress, crew.spawn)
    assert outcome.ended == "complete"
    assert views.status(outcome) == 0
    saved = store.load(outcome.path)
    assert replace(saved, duration_s=outcome.record.duration_s) == outcome.record
    assert {m.status for m in outcome.record.measurements} == {"ok"}
    assert {m.visits.done for m in outcome.record.measurements} == {3}
    lines = [json.loads(x) for x in journal.path_of(outcome.path).read_text().splitlines()]
    assert [(x["id"], x["round"]) for x in lines[1:]] == crew.visits
    assert {x["status"] for x in lines[1:]} == {"ok"}
    assert progress.begun == [9]
    assert progress.visited == [i for i, _ in crew.visits]
    assert crew.alive == []


def test_every_case_is_visited_once_before_any_is_visited_twice(tmp_path: Path) -> None:
    crew = FakeCrew()
    run(_options(tmp_path), spawn=crew.spawn)
    assert [number for _, number in crew.visits] == [0] * 3 + [1] * 3 + [2] * 3
    assert [r.check for r in crew.requests] == [True] * 3 + [False] * 6
    assert sorted(crew.made) == ["reference mlp_small 32"] * 2  # inference and training
    assert all(r.keep for r in crew.requests)


def test_references_are_made_once_for_all_runs(tmp_path: Path) -> None:
    run(_options(tmp_path), spawn=FakeCrew().spawn)
    crew = FakeCrew()
    run(replace(_options(tmp_path), out=tmp_path / "second.json"), spawn=crew.spawn)
    assert crew.made == []


@pytest.mark.parametrize(
    ("otherwise", "reason"),
    [
        (fakes.crash, "killed by signal 9"),
        (lambda r: _raise(ChildFailed("hung", "no answer within 60 s")), "no answer within 60 s"),
        (lambda r: Reply(ok=False, code="wrong_answer", reason="relative error 0.3"), "error 0.3"),
        (lambda r: Reply(ok=False, code="error", reason="ValueError: no"), "ValueError: no"),
    ],
    ids=["crash", "hang", "wrong answer", "error"],
)
def test_a_failed_case_is_recorded_with_its_reason_and_the_others_go_on(
    tmp_path: Path, otherwise: Callable[[VisitRequest], VisitResult | Reply], reason: str
) -> None:
    crew, progress = FakeCrew(_on("gemm", otherwise)), FakeProgress()
    outcome = run(_options(tmp_path), progress, crew.spawn)
    gemm = _of(outcome)["gemm forward"]
    assert gemm.status == "failed"
    assert reason in (gemm.reason or "")
    assert gemm.wall_s is None and gemm.flops_per_s is None
    assert [m.status for m in outcome.record.measurements].count("ok") == 2
    assert [i for i, _ in crew.visits].count(gemm.id) == 1
    assert any(gemm.id in note for note in progress.notes)
    assert (outcome.ended, views.status(outcome)) == ("complete", 1)
    assert crew.alive == []


def test_a_crash_after_good_visits_keeps_their_samples_and_makes_no_figure(tmp_path: Path) -> None:
    crew = FakeCrew(_on("gemm", lambda r: fakes.crash(r) if r.round == 1 else fakes.good(r)))
    gemm = _of(run(_options(tmp_path), spawn=crew.spawn))["gemm forward"]
    assert gemm.status == "failed"
    assert {s.round for s in gemm.samples} == {0}
    assert gemm.wall_s is None


def test_the_largest_batch_that_fits_is_named(tmp_path: Path) -> None:
    def answer(r: VisitRequest) -> VisitResult | Reply:
        if (r.case.batch_size or 0) > 40:
            return Reply(ok=False, code="memory", reason="12 GiB asked, 8 GiB free")
        return fakes.good(r)

    crew = FakeCrew(_on("training", answer))
    selection = replace(THREE, batch_sizes=(256,))
    training = _of(run(_options(tmp_path, selection), spawn=crew.spawn))["mlp_small training"]
    assert training.status == "failed"
    assert "batch 256 does not fit: 12 GiB asked, 8 GiB free" in (training.reason or "")
    assert "the largest that did: 32" in (training.reason or "")
    assert all(not r.check and not r.keep for r in crew.requests if r.trial)


def test_a_case_that_only_the_child_can_refuse_is_skipped_with_what_helps(tmp_path: Path) -> None:
    no = Reply(ok=False, code="unavailable", reason="no flax", remedy="pip install flax")
    crew = FakeCrew(_on("training", lambda r: no))
    outcome = run(_options(tmp_path), spawn=crew.spawn)
    training = _of(outcome)["mlp_small training"]
    assert (training.status, training.reason) == ("skipped", "no flax: pip install flax")
    assert [i for i, _ in crew.visits].count(training.id) == 1
    assert views.status(outcome) == 0


def test_a_case_whose_export_fails_says_why(tmp_path: Path) -> None:
    class NoExport(fakes.FakeChild):
        def ask(self, verb, request, timeout_s, tick=lambda: None):  # type: ignore[no-untyped-def]
            if verb == "export":
                return Reply(ok=False, code="unavailable", reason="no onnxscript", remedy="pip x")
            return super().ask(verb, request, timeout_s, tick)

    crew = FakeCrew()
    selection = Selection(runtimes=("onnxruntime",), only=("*gemm*", "*mlp_small/inference*"))
    outcome = run(_options(tmp_path, selection), spawn=lambda n, t, e: NoExport(crew, n))
    lost = _of(outcome)["mlp_small inference"]
    assert lost.status != "ok"
    assert lost.reason == "the export to ONNX failed: no onnxscript: pip x"
    assert _of(outcome)["gemm forward"].status == "ok"


def test_ctrl_c_keeps_every_finished_visit(tmp_path: Path) -> None:
    crew = FakeCrew()
    crew.answer = lambda r: _raise(KeyboardInterrupt()) if len(crew.requests) > 4 else fakes.good(r)
    outcome = run(_options(tmp_path), spawn=crew.spawn)
    assert (outcome.ended, views.status(outcome)) == ("interrupted", 130)
    assert f"hwbench run --resume {outcome.path}" in views.ending(outcome)
    _, visits = journal.read(journal.path_of(outcome.path))
    assert [(v.id, v.round) for v in visits] == crew.visits[:4]
    done = store.load(outcome.path).measurements
    assert sorted(m.visits.done for m in done) == [1, 1, 2]
    assert {w.code for m in done for w in m.warnings} >= {"partial"}
    assert crew.alive == []


def test_a_full_disk_ends_the_run_and_keeps_what_was_saved(tmp_path: Path) -> None:
    crew = FakeCrew()
    out = tmp_path / "record.json"
    saved: list[str] = []

    def answer(r: VisitRequest) -> VisitResult:
        if len(crew.requests) == 5:
            saved.append(out.read_text())
            room.__enter__()
        return fakes.good(r)

    crew.answer = answer
    room = fakes.disk_full_after(1)
    try:
        outcome = run(_options(tmp_path), spawn=crew.spawn)
    finally:
        room.__exit__(None, None, None)
    assert (outcome.ended, views.status(outcome)) == ("storage_full", 1)
    assert out.read_text() == saved[0]
    assert len(journal.read(journal.path_of(out))[1]) == 4
    assert sorted(p.name for p in tmp_path.glob("*record*")) == ["record.json", "record.json.jsonl"]
    assert crew.alive == []


def test_visits_left_when_the_time_is_up_are_left_out(tmp_path: Path) -> None:
    clock = FakeClock()

    def answer(r: VisitRequest) -> VisitResult:
        clock.advance(10.0)
        return fakes.good(r)

    limited = replace(fakes.PROTOCOL, max_seconds=35.0)
    head = fakes.header(fakes.planned(fakes.GEMM), fakes.planned(fakes.INFERENCE), protocol=limited)
    out = tmp_path / "record.json"
    with Journal(journal.path_of(out), head) as kept:
        rounds = Rounds(head, (), kept, out, FakeProgress(), FakeCrew(answer).spawn, clock)
        outcome = rounds.go(0.0)
    assert outcome.ended == "out_of_time"
    assert [m.visits.done for m in outcome.record.measurements] == [2, 1]
    assert all("partial" in {w.code for w in m.warnings} for m in outcome.record.measurements)
    assert outcome.record.duration_s == pytest.approx(30.0)
    assert "35 s" in (outcome.message or "")


def test_a_run_without_time_lists_its_cases_as_not_visited(tmp_path: Path) -> None:
    crew = FakeCrew()
    outcome = run(_options(tmp_path, replace(THREE, max_seconds=1e-9)), spawn=crew.spawn)
    assert crew.visits == []
    assert {(m.status, m.visits.planned) for m in outcome.record.measurements} == {("skipped", 3)}
    assert all("not visited" in (m.reason or "") for m in outcome.record.measurements)


def test_fresh_processes_live_for_one_group_of_one_round(tmp_path: Path) -> None:
    _, outcome = _fresh(tmp_path, FakeCrew())
    assert outcome.record.protocol.fresh_processes
    assert all(len({s.process for s in m.samples}) == 2 for m in outcome.record.measurements)


def _fresh(folder: Path, crew: FakeCrew) -> tuple[FakeCrew, Outcome]:
    """Run two rounds of fresh processes and hold what each visit found alive."""
    script = crew.answer

    def answer(r: VisitRequest) -> VisitResult | Reply:
        mine = [q for q in crew.requests if q.process == r.process]
        assert {group(q.case) for q in mine} == {group(r.case)}
        assert {q.round for q in mine} == {r.round}
        assert not r.keep
        assert len(crew.alive) == 1, "a child of another group was still there"
        return script(r)

    crew.answer = answer
    selection = Selection(
        runtimes=("torch",), only=("*gemm*", "*triad*", "*mlp_small*"), processes=2
    )
    return crew, run(_options(folder, selection), spawn=crew.spawn)


def test_a_failed_case_at_the_end_of_a_group_does_not_keep_its_process_alive(
    tmp_path: Path,
) -> None:
    no = Reply(ok=False, code="error", reason="no")
    _, outcome = _fresh(tmp_path, FakeCrew(_on("triad", lambda r: no)))
    assert _of(outcome)["gemm forward"].status == "ok"


def test_a_second_run_is_refused_before_anything_is_asked(tmp_path: Path) -> None:
    crew = FakeCrew()
    with lock.held("/data/first.json", force=False):
        with pytest.raises(Busy, match=r"/data/first\.json") as told:
            run(_options(tmp_path), spawn=crew.spawn)
        assert told.value.exit_code == 2
        assert crew.children == []
        forced = run(replace(_options(tmp_path), force=True), spawn=crew.spawn)
    assert forced.ended == "complete"


def test_an_output_that_cannot_be_written_is_said_before_anything_is_asked(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    crew = FakeCrew()
    for out in (tmp_path / "file" / "record.json", tmp_path):
        with pytest.raises(BadInput, match="--out"):
            run(replace(_options(tmp_path), out=out), spawn=crew.spawn)
    assert crew.children == []


def test_the_host_name_is_hashed_unless_it_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform, "node", lambda: "workstation-of-ada")
    hashed = run(_options(tmp_path), spawn=FakeCrew().spawn)
    assert "workstation-of-ada" not in hashed.path.read_text()
    assert "workstation-of-ada" not in journal.path_of(hashed.path).read_text()
    shown = run(replace(_options(tmp_path), hostname=True), spawn=FakeCrew().spawn)
    assert shown.record.environment.hostname == "workstation-of-ada"


def test_a_dry_run_only_probes(tmp_path: Path) -> None:
    crew = FakeCrew()
    plan = make_plan(_options(tmp_path), crew.spawn)
    assert len(plan.runnable) == 3
    assert (crew.requests, crew.alive) == ([], [])
    assert not (tmp_path / "record.json").exists()


def _raise(error: BaseException) -> VisitResult:
    raise error
