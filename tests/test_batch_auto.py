from dataclasses import replace
from pathlib import Path

import pytest

from hwbench import resuming, store, views
from hwbench.errors import BadInput
from hwbench.measurement import Memory
from hwbench.protocol import Reply, VisitRequest, VisitResult
from hwbench.run import Options, make_plan, run
from hwbench.selection import Selection
from tests import fakes
from tests.fakes import FakeCrew, FakeProgress

AUTO = Selection(runtimes=("torch",), only=("*mlp_small/training*",), auto_batch=True)
FITS = 48


@pytest.fixture(autouse=True)
def _isolated(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fakes.isolate(monkeypatch, tmp_path)


def _options(folder: Path, selection: Selection = AUTO) -> Options:
    return Options(profile="smoke", selection=selection, out=folder / "record.json")


def machine(request: VisitRequest) -> VisitResult | Reply:
    """Take 8 ms up to batch 8 and 1 ms an item above; FITS items have the memory that is there."""
    b = request.case.batch_size
    assert b is not None
    if b > FITS:
        return Reply(ok=False, code="memory", reason="out of memory")
    result = fakes.good(request)
    samples = tuple(replace(s, wall_s=0.001 * max(b, 8)) for s in result.samples)
    return replace(result, samples=samples, memory=Memory(host=(1 << 30) + (b << 26), device=None))


def test_the_batch_is_found_and_the_case_is_measured_at_it(tmp_path: Path) -> None:
    crew, progress = FakeCrew(machine), FakeProgress()
    outcome = run(_options(tmp_path), progress, crew.spawn)
    (m,) = store.load(outcome.path).measurements
    assert (m.status, m.batch_size, m.scenario) == ("ok", 8, "train_step")
    assert m.work.items_per_iteration == 8
    assert m.batch is not None and (m.batch.requested, m.batch.used) == ("auto", 8)
    assert m.batch.largest is not None and FITS * 15 / 16 <= m.batch.largest <= FITS
    assert m.id.split("/")[7] == "8"
    (fit,) = outcome.record.batch_fits
    assert "tries" in fit.basis
    assert any("batch 8" in n for n in progress.notes)
    assert "--batch-size auto:" in views.record(outcome.record)
    assert crew.alive == []


def test_every_try_has_a_process_of_its_own_and_checks_nothing(tmp_path: Path) -> None:
    crew = FakeCrew(machine)
    outcome = run(_options(tmp_path), spawn=crew.spawn)
    (m,) = outcome.record.measurements
    assert m.batch is not None
    tries = crew.requests[: len(m.batch.tried)]
    assert sorted(r.case.batch_size or 0 for r in tries) == [t.batch_size for t in m.batch.tried]
    assert len({r.process for r in tries}) == len(tries)
    assert not any(r.check or r.keep for r in tries)
    assert [made for made in crew.made if "reference" in made] == ["reference mlp_small 8"]


def test_a_dry_run_lists_the_case_as_auto_and_tries_nothing(tmp_path: Path) -> None:
    crew = FakeCrew(machine)
    plan = make_plan(_options(tmp_path), crew.spawn)
    (planned,) = plan.cases
    assert planned.case.id.split("/")[7] == "auto"
    assert "/auto/" in views.plan(plan)
    assert crew.requests == []


def test_numbers_may_stand_beside_auto_and_none_is_measured_twice(tmp_path: Path) -> None:
    selection = replace(AUTO, batch_sizes=(8, 32))
    outcome = run(_options(tmp_path, selection), spawn=FakeCrew(machine).spawn)
    by_batch = {m.batch_size: m for m in outcome.record.measurements}
    assert sorted(by_batch, key=lambda b: b or 0) == [8, 32]
    assert len(outcome.record.measurements) == 2
    assert by_batch[8].batch is not None and by_batch[32].batch is None


def test_where_not_even_one_fits_the_case_fails_with_the_reason(tmp_path: Path) -> None:
    def full(request: VisitRequest) -> Reply:
        return Reply(ok=False, code="memory", reason="out of memory")

    outcome = run(_options(tmp_path), spawn=FakeCrew(full).spawn)
    (m,) = outcome.record.measurements
    assert (m.status, m.batch_size) == ("failed", 1)
    assert m.batch is not None and "not even batch 1" in m.batch.message
    assert views.status(outcome) == 1


def test_an_interrupted_search_keeps_the_batches_found_before(tmp_path: Path) -> None:
    """Two cases: the first search ends, the second is interrupted in its second try."""

    def answer(request: VisitRequest) -> VisitResult | Reply:
        if request.case.phase == "training" and request.case.batch_size == 2:
            raise KeyboardInterrupt
        return machine(request)

    crew = FakeCrew(answer)
    selection = replace(AUTO, only=("*mlp_small*",))
    outcome = run(_options(tmp_path, selection), spawn=crew.spawn)
    assert outcome.ended == "interrupted" and views.status(outcome) == 130
    found, lost = store.load(outcome.path).measurements
    assert found.batch is not None and found.batch.used == 8
    assert (lost.status, lost.batch_size) == ("skipped", None)
    assert "interrupted" in (lost.reason or "")
    assert crew.alive == []
    header, visits, _ = resuming.interrupted(outcome.path)
    assert visits == ()
    assert header.cases[0].batch == found.batch
    resumed = run(Options(resume=outcome.path), spawn=FakeCrew(machine).spawn)
    assert [m.status for m in resumed.record.measurements] == ["ok", "skipped"]
    assert resumed.record.measurements[0].batch == found.batch


def test_a_scenario_has_a_batch_of_its_own(tmp_path: Path) -> None:
    selection = replace(AUTO, only=(), scenarios=("multi_stream",))
    with pytest.raises(BadInput, match="multi_stream"):
        make_plan(_options(tmp_path, selection), FakeCrew().spawn)


def test_a_batch_given_by_number_is_not_looked_for(tmp_path: Path) -> None:
    selection = replace(AUTO, auto_batch=False, batch_sizes=(16,))
    crew = FakeCrew(machine)
    outcome = run(_options(tmp_path, selection), spawn=crew.spawn)
    (m,) = outcome.record.measurements
    assert (m.batch_size, m.batch) == (16, None)
    assert {r.case.batch_size for r in crew.requests} == {16}
