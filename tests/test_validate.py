"""A validation from its options to its file, its history and its exit status."""

import json
import math
from pathlib import Path
from typing import Any

import pytest

from hwbench import (
    coldness,
    lock,
    store,
    validation_file,
    validation_view,
    validations,
)
from hwbench.child import ChildFailed
from hwbench.errors import BadInput, Busy, StorageFull
from hwbench.loop import LoopPart, OpenLoop
from hwbench.loop_asking import LoopFailed
from hwbench.protocol import Reply
from hwbench.real_run import NUMBER
from tests.fakes import FakeProgress
from tests.loops import FakeLoop, LoopMachine, Validate, in_run
from tests.loops import go as go
from tests.loops import machine as machine


def test_a_loop_of_constant_speed_takes_what_was_predicted(go: Validate, tmp_path: Path) -> None:
    done = go()
    value = done.validation
    assert (value.status, value.inside, validation_view.status(done)) == ("done", True, 0)
    assert value.ratio == pytest.approx(1, abs=1e-12)
    terms = {t.name: t for t in value.terms}
    assert set(terms) == {"setup", "compile", "steps", "loader", "evaluation", "checkpoint"}
    for term in terms.values():
        assert term.actual_s == pytest.approx(term.point_s, rel=1e-9), term.name
    plan = value.plan
    assert terms["setup"].point_s == 2.0
    assert terms["compile"].point_s == pytest.approx(0.25)
    steps = plan.epochs * plan.steps_per_epoch
    assert terms["steps"].point_s == pytest.approx(steps * (2**-6 - 2**-8))
    assert terms["loader"].point_s == pytest.approx(steps * 2**-8)
    assert value.outcome is not None
    assert value.outcome.wall_s == pytest.approx(60, rel=0.02)  # the minute that was asked for
    assert validation_file.load(tmp_path / "v.json") == value
    assert not list(tmp_path.glob(".hwbench-*"))


def test_a_loop_that_slows_down_in_the_run_is_outside_and_remembered(
    go: Validate, machine: LoopMachine, tmp_path: Path
) -> None:
    machine.script.slowed = lambda at_s: 1.0 if at_s < 165.5 else 1.5
    done = go()
    value = done.validation
    assert (value.status, value.inside, validation_view.status(done)) == ("done", False, 1)
    assert value.ratio is not None and 1.3 < value.ratio < 1.5
    (kept,) = validations.read(tmp_path / "state")
    assert not kept.inside and kept.workload == "mlp_small"
    assert kept.error_log == pytest.approx(math.log(value.ratio))


def test_the_first_epochs_waiting_is_the_cold_term(
    go: Validate, machine: LoopMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of data on the disk: 8 batches of 32 wait 1/4 s more each in the first epoch."""
    monkeypatch.setattr(coldness, "extra_s", lambda dataset: (2.0, None))
    machine.script.cold_step_s = 0.25
    machine.script.step_s = 2.0**-2
    value = go(residence="disk").validation
    terms = {t.name: t for t in value.terms}
    assert value.plan.samples == 256  # the whole of the data: all of it is read cold
    assert terms["cold"].point_s == pytest.approx(2.0)
    assert terms["cold"].actual_s == pytest.approx(2.0)
    assert terms["loader"].actual_s == pytest.approx(terms["loader"].point_s)
    assert value.ratio == pytest.approx(1, abs=1e-12)


def test_the_prediction_is_on_the_disk_before_the_runs_process_starts(
    go: Validate, machine: LoopMachine, tmp_path: Path
) -> None:
    seen = []

    def look(loop: FakeLoop, request: LoopPart | OpenLoop) -> None:
        if loop.number == NUMBER and isinstance(request, OpenLoop):
            seen.append(validation_file.load(tmp_path / "v.json"))

    machine.script.hook = look
    value = go().validation
    (before,) = seen
    assert (before.status, before.outcome, before.ratio) == ("predicted", None, None)
    assert (before.total_s, before.plan) == (value.total_s, value.plan)
    assert [t.point_s for t in before.terms] == [t.point_s for t in value.terms]


def test_generated_data_are_named_without_where_this_users_cache_lies(
    go: Validate, tmp_path: Path
) -> None:
    value = go(data=None, items=256).validation
    used = Path(value.rehearsal.case.loading.dataset.path)
    assert used.is_dir() and used.is_absolute()
    text = (tmp_path / "v.json").read_text()
    assert (
        validation_file.load(tmp_path / "v.json").rehearsal.case.loading.dataset.path == used.name
    )
    assert str(used.parent) not in text


def test_ctrl_c_in_an_epoch_keeps_the_finished_ones(
    go: Validate, machine: LoopMachine, tmp_path: Path
) -> None:
    def stop(loop: FakeLoop, request: LoopPart) -> None:
        if request.what == "epoch" and loop.epochs == 2:
            raise KeyboardInterrupt

    machine.script.hook = in_run(stop)
    done = go()
    assert done.interrupted and validation_view.status(done) == 130
    kept = validation_file.load(tmp_path / "v.json")
    assert kept.status == "interrupted" and kept.outcome is not None
    assert len(kept.outcome.epochs) == 2 and kept.ratio is None
    assert "2 finished epochs" in validation_view.ending(done)
    assert machine.alive == [] and validations.read(tmp_path / "state") == []


def test_ctrl_c_in_the_rehearsal_ends_the_children(go: Validate, machine: LoopMachine) -> None:
    def stop(loop: FakeLoop, request: LoopPart | OpenLoop) -> None:
        if isinstance(request, LoopPart) and request.what == "evaluate":
            raise KeyboardInterrupt

    machine.script.hook = stop
    with pytest.raises(KeyboardInterrupt):
        go()
    assert len(machine.loops) == 2 and machine.alive == []


@pytest.mark.parametrize("code", ["crashed", "hung"])
def test_a_child_that_dies_in_the_run_is_a_failed_run(
    code: str, go: Validate, machine: LoopMachine, tmp_path: Path
) -> None:
    def die(loop: FakeLoop, request: LoopPart) -> None:
        if request.what == "checkpoint":
            loop.end()
            raise ChildFailed(code, f"it {code}")

    machine.script.hook = in_run(die)
    done = go()
    kept = validation_file.load(tmp_path / "v.json")
    assert (kept.status, kept.reason) == ("failed", f"it {code}")
    assert validation_view.status(done) == 1 and machine.alive == []
    assert validations.read(tmp_path / "state") == []  # a run that failed teaches no floor


@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize("when", ["open_loop", "steps", "checkpoint"])
def test_a_child_that_dies_in_the_rehearsal_is_one_line(
    when: str, number: int, go: Validate, machine: LoopMachine, tmp_path: Path
) -> None:
    def die(loop: FakeLoop, request: LoopPart | OpenLoop) -> None:
        what = request.what if isinstance(request, LoopPart) else "open_loop"
        if what == when and loop.number in (number, 0 if when == "checkpoint" else number):
            raise ChildFailed("crashed", "the process was killed by signal 9")

    machine.script.hook = die
    with pytest.raises(LoopFailed, match=r"mlp_small could not be measured: .* signal 9"):
        go()
    assert machine.loops and machine.alive == []
    assert not (tmp_path / "v.json").exists()


def test_what_the_child_refuses_is_told_with_its_remedy(
    go: Validate, machine: LoopMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = Reply(ok=False, code="unavailable", reason="there is no Pillow", remedy="get it")
    monkeypatch.setattr(FakeLoop, "ask", lambda *_: refused)
    with pytest.raises(LoopFailed, match="there is no Pillow: get it"):
        go()
    assert machine.alive == []


def test_a_disk_that_fills_in_the_run_loses_nothing_of_the_answer(
    go: Validate, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    real = store.write_whole

    def full(path: Path, text: str) -> None:
        if json.loads(text)["status"] != "predicted":
            raise StorageFull(f"{path}: the disk is full")
        real(path, text)

    monkeypatch.setattr(store, "write_whole", full)
    progress = FakeProgress()
    done = go(progress)
    assert done.validation.status == "done" and done.validation.ratio == pytest.approx(1)
    assert validation_file.load(tmp_path / "v.json").status == "predicted"
    assert any("could not be written" in n for n in progress.notes)
    assert len(validations.read(tmp_path / "state")) == 1


def test_a_history_that_cannot_be_written_is_a_note(
    go: Validate, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("HWBENCH_STATE", str(tmp_path / "file"))
    progress = FakeProgress()
    assert go(progress).validation.inside
    assert any("history of this machine could not be written" in n for n in progress.notes)


def test_eight_visits_in_two_processes_over_the_spread_in_twenty_seconds(
    go: Validate, machine: LoopMachine
) -> None:
    measured = go().validation.rehearsal
    assert [v.process for v in measured.visits] == [0, 1] * 4
    assert [v.at_s for v in measured.visits] == pytest.approx([22.5 * n for n in range(8)])
    assert 19 < measured.measured_s < 20.5
    shares = [v.stretch.wall_s for v in measured.visits]
    assert max(shares) < 1.05 * min(shares)  # visits of equal length sample the time evenly
    assert len(measured.setups) == 2 and len(measured.saves) == 2
    assert [loop.number for loop in machine.loops] == [0, 1, NUMBER] and machine.alive == []


def test_no_process_finds_what_another_has_compiled(go: Validate, machine: LoopMachine) -> None:
    """As a training anywhere else: the prediction and the run compile alike."""
    go()
    caches = [loop.environment["TORCHINDUCTOR_CACHE_DIR"] for loop in machine.loops]
    assert len(set(caches)) == 3 and all(Path(c).is_absolute() for c in caches)


def test_an_answer_that_makes_no_sense_is_a_failed_run(
    go: Validate, machine: LoopMachine, tmp_path: Path
) -> None:
    def confuse(loop: FakeLoop, request: LoopPart) -> None:
        machine.script.judge_s = -1.0

    machine.script.hook = in_run(confuse)
    assert go().validation.status == "failed"
    assert "wall_s must be at least 0" in (validation_file.load(tmp_path / "v.json").reason or "")
    assert machine.alive == []


def test_slow_steps_make_fewer_visits_over_the_same_time(
    go: Validate, machine: LoopMachine
) -> None:
    machine.script.step_s, machine.script.judge_s = 4.0, 1.0
    value = go().validation
    measured = value.rehearsal
    assert [v.stretch.steps for v in measured.visits] == [1] * 4
    assert [v.process for v in measured.visits] == [0, 1, 0, 1]
    assert measured.visits[-1].at_s == pytest.approx(135)  # three quarters of the spread
    assert value.plan.epochs * value.plan.steps_per_epoch >= 10
    assert value.ratio == pytest.approx(1, rel=0.02)


def test_compiling_for_minutes_leaves_the_visits_half_of_their_time(
    go: Validate, machine: LoopMachine
) -> None:
    machine.script.compile_s = 64.0
    value = go(minutes=3.0).validation
    measured = value.rehearsal
    assert len(measured.visits) == 8 and min(v.stretch.steps for v in measured.visits) > 50
    assert measured.measured_s == pytest.approx(128 + 10, rel=0.02)  # and it says so
    assert value.ratio == pytest.approx(1, rel=1e-9)
    assert next(t for t in value.terms if t.name == "compile").actual_s == pytest.approx(64)


def test_a_step_longer_than_the_minutes_is_still_made_once(
    go: Validate, machine: LoopMachine
) -> None:
    machine.script.step_s = 90.0
    value = go(minutes=0.5).validation
    assert (value.plan.epochs, value.plan.steps_per_epoch) == (1, 1)
    actual = {t.name: t.actual_s for t in value.terms}
    assert actual["compile"] is None and actual["steps"] == pytest.approx(90.25 - 2**-8)


def test_small_data_are_gone_over_several_times_in_an_epoch(
    go: Validate, machine: LoopMachine
) -> None:
    machine.script.step_s, machine.script.wait_s = 2.0**-10, 0.0
    value = go().validation
    assert value.plan.epochs <= 100 and value.plan.samples > 256
    assert value.plan.samples % 32 == 0
    assert value.outcome is not None and 50 < value.outcome.wall_s < 65


def test_an_epoch_is_whole_batches_from_the_first_measurement_on(
    go: Validate, machine: LoopMachine
) -> None:
    value = go(batch_size=100).validation
    samples = [c.case.loading.samples for c in machine.loops if c.case]
    assert samples == [200, 200, value.plan.samples]
    assert value.plan.samples == 100 * value.plan.steps_per_epoch


def test_a_network_without_a_judge_has_no_evaluation_term(
    go: Validate, machine: LoopMachine
) -> None:
    machine.script.judge_s = None
    value = go().validation
    assert "evaluation" not in {t.name for t in value.terms}
    assert value.plan.evaluation_batches == 0 and value.ratio == pytest.approx(1)


def test_from_nine_runs_on_the_interval_is_what_they_missed_by(
    go: Validate, machine: LoopMachine
) -> None:
    for _ in range(9):
        machine.began = machine.clock.now
        assert "assumed" in go().validation.total_s.basis
    machine.began = machine.clock.now
    total = go().validation.total_s
    assert "90% of the 9 validated runs of this machine" in total.basis
    # They missed by nothing: what is left is the least that any machine is trusted with.
    assert total.half_log == pytest.approx(1.6449 * 0.01, rel=1e-3)


def test_an_earlier_file_at_the_same_place_is_set_aside(go: Validate, tmp_path: Path) -> None:
    first = go().validation
    second = go().validation
    assert validation_file.load(tmp_path / "v.old-1.json") == first
    assert validation_file.load(tmp_path / "v.json") == second


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"workload": "resnet19"}, "no workload is named 'resnet19'.*resnet18"),
        ({"runtime": "torhc"}, "no runtime is named 'torhc'"),
        ({"runtime": "onnxruntime"}, "--runtime onnxruntime: it has no training loop here: jax"),
        ({"runtime": "onnxruntime"}, "no training loop here"),
        ({"minutes": 0.0}, "--minutes must be above 0, found 0"),
        ({"minutes": float("nan")}, "--minutes must be above 0"),
        ({"minutes": float("inf")}, "--minutes must be above 0"),
        ({"batch_size": 257}, "a batch of 257 is larger than the dataset of 256 items"),
        ({"dtype": "float61"}, "no dtype is named 'float61'"),
        ({"dtype": "float16"}, "loss scaling"),
        ({"dtype": "tf32"}, "TF32 is a format of NVIDIA GPUs"),
        ({"items": 5}, "--samples 5: is of generated data"),
        ({"data": Path("gone.npz")}, "there is no such file"),
        ({"workload": "lstm_small"}, "tokens are one stream of whole numbers"),
        ({"workload": "resnet18_small"}, "takes images: give the folder"),
    ],
)
def test_a_wrong_request_is_refused_before_anything_is_measured(
    changed: dict[str, Any], told: str, go: Validate, machine: LoopMachine, tmp_path: Path
) -> None:
    with pytest.raises(BadInput, match=told):
        go(**changed)
    assert machine.loops == [] and not (tmp_path / "v.json").exists()


def test_a_machine_that_is_measured_already_is_busy(go: Validate, machine: LoopMachine) -> None:
    with lock.held("another", force=False), pytest.raises(Busy):
        go()
    assert machine.loops == []
    with lock.held("another", force=False):
        assert go(force=True).validation.status == "done"
