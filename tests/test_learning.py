"""`shortcuts --learn`: journal, time, failures, Ctrl-C, going on; with scripted children."""

import json
from pathlib import Path
from typing import Any

import pytest

from hwbench import curve_file, journal, learning_journal, learning_view, shortcuts_file
from hwbench.child import ChildFailed
from hwbench.cli import status_of
from hwbench.errors import BadInput, Unavailable, UnknownName
from hwbench.learning_asked import USUAL
from hwbench.learning_asks import OpenStudy, Pretrain, Train
from hwbench.learning_rows import Learning
from hwbench.shortcuts_learn import Learnt, weights_path
from tests import fakes
from tests.fakes import FakeProgress
from tests.learners import FakeLearner, LearnMachine

SIZES = 6
FEW = ("linear_probe",)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> LearnMachine:
    fakes.isolate(monkeypatch, tmp_path)
    monkeypatch.chdir(tmp_path)
    return LearnMachine()


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "learn.json"


def learning(done: Learnt) -> Learning:
    assert done.file.learning is not None
    return done.file.learning


def on_train(action: Any) -> Any:
    """Return a hook that acts on trainings alone."""

    def hook(child: FakeLearner, request: Any) -> None:
        if isinstance(request, Train):
            action(child, request)

    return hook


def interrupting(machine: LearnMachine, after: int) -> Any:
    """Return a hook in which Ctrl-C comes after so many trainings."""

    def hook(child: FakeLearner, request: Train) -> None:
        if len(machine.asked) == after:
            raise KeyboardInterrupt

    return on_train(hook)


def test_every_shortcut_is_trained_at_every_size_with_every_seed(
    machine: LearnMachine, out: Path
) -> None:
    done = machine.learn(out)
    curves = [t.ask for t in learning(done).trainings if t.ask.purpose == "curve"]
    assert len(curves) == len(USUAL) * SIZES * 3
    assert [c.shortcut for c in done.file.curves] == list(USUAL)
    assert all(len(c.points) == SIZES * 3 for c in done.file.curves)
    assert learning(done).status == "complete" and not machine.alive


def test_the_file_is_one_that_an_estimate_can_read_a_curve_of(
    machine: LearnMachine, out: Path
) -> None:
    done = machine.learn(out, shortcuts=FEW)
    curve = curve_file.read(out, "linear_probe")
    assert (curve.classes, curve.n_test) == (5, 300)
    (ours,) = [c for c in done.file.curves if c.shortcut == "linear_probe"]
    assert [p.accuracy for p in curve.points] == [p.accuracy for p in ours.points]
    assert shortcuts_file.load(out) == done.file


def test_pretraining_comes_first_and_its_weights_go_to_what_starts_from_them(
    machine: LearnMachine, out: Path
) -> None:
    done = machine.learn(out, shortcuts=FEW)
    assert len(machine.pretrained) == 1
    given = {a.shortcut: w for a, w in zip(machine.asked, machine.weights, strict=True)}
    assert given == {"from_scratch": None, "linear_probe": str(weights_path(out))}
    first = learning(done).pretraining
    assert first is not None and first.one_off_s == machine.pretrained[0].steps * 2**-7
    assert not weights_path(out).exists()  # the study is complete


def test_nothing_is_pretrained_where_nothing_starts_from_it(
    machine: LearnMachine, out: Path
) -> None:
    machine.learn(out, shortcuts=("from_scratch",))
    assert not machine.pretrained


def test_weights_that_are_given_take_the_place_of_pretraining(
    machine: LearnMachine, out: Path
) -> None:
    done = machine.learn(out, shortcuts=FEW, pretrained="weights.pt")
    assert not machine.pretrained and "weights.pt" in machine.weights
    first = learning(done).pretraining
    assert first is not None and first.one_off_s is None and "not known" in first.source


def test_data_without_a_source_task_leave_out_what_needs_weights(
    machine: LearnMachine, out: Path
) -> None:
    machine.source = None
    done = machine.learn(out)
    assert {t.ask.shortcut for t in learning(done).trainings} == {"from_scratch"}
    refused = {r.shortcut: r.reason for r in done.file.refused}
    assert set(refused) == set(USUAL) - {"from_scratch"}
    assert "--pretrained FILE" in refused["lora"]


def test_each_training_is_on_the_disk_before_the_next(machine: LearnMachine, out: Path) -> None:
    seen: list[int] = []

    def count(child: FakeLearner, request: Train) -> None:
        seen.append(len(journal.path_of(out).read_text().splitlines()))

    machine.hook = on_train(count)
    machine.learn(out, shortcuts=FEW, seeds=1)
    assert seen == list(range(2, len(seen) + 2))  # the header, the pretraining, a line each


def test_what_was_interrupted_goes_on_and_ends_as_if_it_had_not_been(
    machine: LearnMachine, out: Path, tmp_path: Path
) -> None:
    whole = machine.learn(tmp_path / "whole.json", shortcuts=FEW)
    wanted = list(machine.asked)
    machine.asked.clear()
    machine.hook = interrupting(machine, 7)
    cut = machine.learn(out, shortcuts=FEW)
    assert (cut.status, len(machine.asked)) == ("interrupted", 7)
    assert not machine.alive and weights_path(out).exists()
    assert f"--learn --resume {out}.jsonl" in learning_view.ending(cut.status, out)
    assert learning_view.exit_status(cut.status) == 130

    machine.hook = lambda child, request: None
    done = machine.learn(None, resume=journal.path_of(out))
    assert done.status == "complete" and done.path == out
    assert machine.asked == wanted
    assert len(machine.pretrained) == 2  # one for either study: none for its second part
    points = [[(p.samples, p.seed, p.accuracy) for p in c.points] for c in done.file.curves]
    assert points == [
        [(p.samples, p.seed, p.accuracy) for p in c.points] for c in whole.file.curves
    ]


def test_the_result_names_its_journal_as_well(machine: LearnMachine, out: Path) -> None:
    machine.hook = interrupting(machine, 3)
    machine.learn(out, shortcuts=FEW)
    machine.hook = lambda child, request: None
    assert machine.learn(None, resume=out).status == "complete"


def test_a_line_that_was_cut_off_is_trained_again(machine: LearnMachine, out: Path) -> None:
    machine.hook = interrupting(machine, 3)
    machine.learn(out, shortcuts=FEW)
    place = journal.path_of(out)
    place.write_bytes(place.read_bytes()[:-40])
    machine.hook = lambda child, request: None
    done = machine.learn(None, resume=place)
    asks = [t.ask for t in learning(done).trainings]
    assert len(asks) == len(set(asks)) and done.status == "complete"


def test_a_target_may_be_asked_for_afterwards(machine: LearnMachine, out: Path) -> None:
    machine.learn(out, shortcuts=FEW)
    trained = len(machine.asked)
    done = machine.learn(None, resume=journal.path_of(out), target_accuracy=0.9)
    assert learning(done).target_accuracy == 0.9 and len(machine.asked) == trained


def test_weights_that_are_gone_are_made_again(machine: LearnMachine, out: Path) -> None:
    machine.hook = interrupting(machine, 3)
    machine.learn(out, shortcuts=FEW)
    weights_path(out).unlink()
    machine.hook = lambda child, request: None
    progress = FakeProgress()
    machine.learn(None, progress, resume=journal.path_of(out))
    assert len(machine.pretrained) == 2
    assert any("the pretrained weights are gone" in n for n in progress.notes)


def test_data_that_have_changed_are_not_mixed(machine: LearnMachine, out: Path) -> None:
    machine.hook = interrupting(machine, 3)
    machine.learn(out, shortcuts=FEW)
    machine.samples, machine.hook = 700, lambda child, request: None
    with pytest.raises(BadInput, match="the data have changed"):
        machine.learn(None, resume=journal.path_of(out))


def test_a_study_of_another_machine_is_not_gone_on_with(machine: LearnMachine, out: Path) -> None:
    machine.learn(out, shortcuts=FEW)
    place = journal.path_of(out)
    header, *rest = place.read_text().splitlines(keepends=True)
    other = json.dumps({**json.loads(header), "machine_id": "another"})
    place.write_text(other + "\n" + "".join(rest))
    with pytest.raises(BadInput, match="made on another machine"):
        machine.learn(None, resume=place)


@pytest.mark.parametrize("limit_s", [60.0, 200.0, 600.0])
@pytest.mark.parametrize("slower", [1.0, 1.5])
def test_the_time_is_kept(machine: LearnMachine, out: Path, limit_s: float, slower: float) -> None:
    machine.slower = slower
    began = machine.clock.now
    done = machine.learn(out, max_seconds=limit_s, label_noise=(0.2,))
    longest = max(t.trained.took_s for t in learning(done).trainings if t.trained)
    # the first training of a machine that is slower than its paces may end late, no other
    assert machine.clock.now - began <= limit_s + (0.0 if slower == 1.0 else longest)
    assert learning(done).took_s == machine.clock.now - began


def test_ten_minutes_are_enough_for_five_sizes_and_three_seeds(
    machine: LearnMachine, out: Path
) -> None:
    done = machine.learn(out, max_seconds=600.0)
    for curve in done.file.curves:
        assert {p.seed for p in curve.points} == {0, 1, 2}
        assert len({p.samples for p in curve.points}) == SIZES


def test_out_of_time_is_said_and_what_there_is_is_kept(machine: LearnMachine, out: Path) -> None:
    machine.slower = 4.0
    done = machine.learn(out, max_seconds=120.0)
    assert done.status == "out_of_time" and learning(done).left_out > 0
    assert learning_view.exit_status(done.status) == 0
    assert shortcuts_file.load(out).learning == learning(done)
    assert "left out for want of time" in learning_view.text(done.file)


def test_a_child_that_dies_fails_its_training_and_the_rest_goes_on(
    machine: LearnMachine, out: Path
) -> None:
    def die(child: FakeLearner, request: Train) -> None:
        if request.ask.samples == 640 and request.ask.shortcut == "linear_probe":
            child.ended = True
            raise ChildFailed("crashed", "the process was killed by signal 9 (SIGKILL)")

    machine.hook = on_train(die)
    progress = FakeProgress()
    done = machine.learn(out, progress, shortcuts=FEW)
    failed = [t for t in learning(done).trainings if t.status == "failed"]
    assert {(t.ask.shortcut, t.ask.samples) for t in failed} == {("linear_probe", 640)}
    assert all(t.reason and "signal 9" in t.reason for t in failed)
    assert len(machine.children) > 1 and not machine.alive
    assert sum(t.status == "ok" for t in learning(done).trainings) > 2 * 5 * 3
    assert any("signal 9" in n for n in progress.notes)
    # what failed is not tried again
    asked = len(machine.asked)
    machine.learn(None, resume=journal.path_of(out))
    assert len(machine.asked) == asked


def test_a_pretraining_that_fails_takes_only_what_needs_it_along(
    machine: LearnMachine, out: Path
) -> None:
    def die(child: FakeLearner, request: Any) -> None:
        if isinstance(request, Pretrain):
            child.ended = True
            raise ChildFailed("hung", "no answer within 600 s")

    machine.hook = die
    done = machine.learn(out, shortcuts=FEW)
    status = {(t.ask.shortcut, t.status) for t in learning(done).trainings}
    assert status == {("from_scratch", "ok"), ("linear_probe", "failed")}


def test_what_the_network_cannot_take_is_said_and_the_rest_goes_on(
    machine: LearnMachine, out: Path
) -> None:
    machine.refuses = {"lora": "peft is not installed"}
    done = machine.learn(out, shortcuts=("lora", "gan_augment", "linear_probe", "multitask"))
    refused = {r.shortcut: r.reason for r in done.file.refused}
    assert set(refused) == {"lora", "gan_augment", "multitask"}
    assert refused["lora"] == "peft is not installed"
    assert [c.shortcut for c in done.file.curves] == ["from_scratch", "linear_probe"]


def test_wrong_labels_and_poison_are_trained_by_two_shortcuts(
    machine: LearnMachine, out: Path
) -> None:
    done = machine.learn(out, label_noise=(0.0, 0.1, 0.2), poison=0.05)
    found = learning(done)
    names = {n.shortcut for n in found.label_noise}
    assert len(names) == 2 and "from_scratch" in names
    shares = [n.noise_frac for n in found.label_noise if n.shortcut == "from_scratch"]
    assert shares == [0.0, 0.1, 0.2]
    points = [n.accuracy.point for n in found.label_noise if n.shortcut == "from_scratch"]
    assert points == sorted(points, reverse=True)
    assert all(n.samples == 640 and n.accuracy.seeds == 3 for n in found.label_noise)
    assert {p.shortcut for p in found.poison} == names
    for p in found.poison:
        assert p.attack.point == pytest.approx(0.9)
        assert p.attack_after.point == pytest.approx(0.05)
        assert p.removed_frac == pytest.approx(3 * 0.05) and p.found_frac == 1.0
        assert p.accuracy_clean is not None
    shown = learning_view.text(done.file)
    assert "wrong labels" in shown and "a backdoor in 5.0% of the data" in shown


def test_an_untuned_learning_rate_is_tried_at_a_third_and_at_three_times(
    machine: LearnMachine, out: Path
) -> None:
    done = machine.learn(out, shortcuts=FEW)
    rows = {u.shortcut: u for u in learning(done).untuned}
    assert set(rows) == {"from_scratch", "linear_probe"}
    told = rows["from_scratch"]
    assert list(told.accuracies) == ["0.333", "1", "3"]
    assert told.spread == pytest.approx(told.highest - told.lowest)
    assert told.of_seeds == pytest.approx(0.004)  # as the script has it


def test_the_gap_is_told_by_parameters_a_sample(machine: LearnMachine, out: Path) -> None:
    done = machine.learn(out, shortcuts=FEW)
    rows = [g for g in learning(done).gap if g.shortcut == "linear_probe"]
    assert [g.samples for g in rows] == [20, 40, 80, 160, 320, 640]
    assert rows[0].trainable_per_sample == 25.0
    assert all(g.gap == pytest.approx(0.01) for g in rows)


@pytest.mark.parametrize(
    ("changed", "error", "said"),
    [
        ({"target_accuracy": 1.0}, BadInput, "lies between 0 and 1"),
        ({"target_accuracy": 0.2}, BadInput, "guessing among 5 classes"),
        ({"target_accuracy": 0.1}, BadInput, "guessing among 5 classes"),
        ({"sizes": (10, 20)}, BadInput, "needs 5 different sizes"),
        ({"seeds": 0}, BadInput, "--seeds 0"),
        ({"label_noise": (1.0,)}, BadInput, "--label-noise 1"),
        ({"poison": 0.9}, BadInput, "--poison 0.9"),
        ({"poison": 0.0001}, BadInput, "that is none"),
        ({"epochs": 0.0}, BadInput, "--epochs must be above 0"),
        ({"shortcuts": ("linear_prob",)}, UnknownName, "did you mean linear_probe"),
        ({"workload": "gpt2_small"}, BadInput, "tells no classes apart: take .*mlp_small"),
        ({"workload": "dcgan"}, BadInput, "tells no classes apart"),
        ({"pretrained": "a", "source": "b"}, BadInput, "two starts"),
        ({"dtype": "int3"}, UnknownName, "dtype"),
    ],
)
def test_wrong_use_is_one_clear_line(
    machine: LearnMachine, out: Path, changed: dict[str, Any], error: type, said: str
) -> None:
    with pytest.raises(error, match=said):
        machine.learn(out, **changed)
    assert not out.exists() and not machine.asked and not machine.alive


def test_data_that_the_child_refuses_are_the_users_to_mend(
    machine: LearnMachine, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hwbench.protocol import Reply

    said = "--data d: holds one class, a: nothing to tell apart"

    def refuse(self: FakeLearner, *_: Any, **__: Any) -> Reply:
        return Reply(ok=False, code="error", reason=said)

    monkeypatch.setattr(FakeLearner, "ask", refuse)
    with pytest.raises(BadInput, match="holds one class"):
        machine.learn(out)
    monkeypatch.setattr(
        FakeLearner,
        "ask",
        lambda *_, **__: Reply(ok=False, code="unavailable", reason="no sklearn"),
    )
    with pytest.raises(Unavailable, match="no sklearn"):
        machine.learn(out)


def test_the_options_of_learning_need_learn(capsys: pytest.CaptureFixture[str]) -> None:
    assert status_of(["shortcuts", "--workload", "mlp_small", "--seeds", "3"]) == 2
    assert "--seeds is of --learn" in capsys.readouterr().err
    assert status_of(["shortcuts", "--learn"]) == 2
    assert "--workload" in capsys.readouterr().err
    asked = ["shortcuts", "--learn", "--resume", "x.jsonl", "--seeds", "4"]
    assert status_of(asked) == 2
    assert "--seeds cannot stand beside it" in capsys.readouterr().err
    assert status_of(["shortcuts", "--learn", "--resume", "no.jsonl"]) == 2
    assert "there is no journal" in capsys.readouterr().err


def test_the_child_is_asked_for_the_data_that_were_named(machine: LearnMachine, out: Path) -> None:
    machine.learn(out, shortcuts=FEW, seeds=1, data="photos", source="others")
    opened = machine.children[0].opened
    assert isinstance(opened, OpenStudy)
    assert (opened.data, opened.source, opened.workload) == ("photos", "others", "mlp_small")


def test_an_earlier_study_at_the_same_place_is_set_aside(machine: LearnMachine, out: Path) -> None:
    machine.learn(out, shortcuts=FEW, seeds=1)
    progress = FakeProgress()
    machine.learn(out, progress, shortcuts=FEW, seeds=1)
    assert any("learn.old-1.json" in n for n in progress.notes)
    assert (out.parent / "learn.old-1.json.jsonl").exists()


def test_the_journal_has_the_plan(machine: LearnMachine, out: Path) -> None:
    machine.learn(out, shortcuts=FEW, max_seconds=30.0)
    header, lines, place = learning_journal.read(journal.path_of(out))
    assert place == out and header.sizes == (20, 40, 80, 160, 320, 640)
    assert header.asked.workload == "mlp_small" and header.cuts["from_scratch"] < 1
    assert lines[0].pretraining is not None


@pytest.mark.parametrize("columns", [80, 120])
def test_the_tables_fit_the_terminal(
    machine: LearnMachine, out: Path, monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    done = machine.learn(out, target_accuracy=0.9, usd_per_h=1.0, label_noise=(0.1,), poison=0.1)
    text = learning_view.text(done.file)
    assert max(map(len, text.splitlines())) <= columns
    assert all(name in text for name in USUAL)
    assert max(map(len, text.splitlines())) <= columns
    assert all(name in text for name in USUAL)


def test_several_tasks_are_learnt_by_each_way_of_sharing(machine: LearnMachine, out: Path) -> None:
    done = machine.learn(out, shortcuts=("lora",), tasks=2)
    rows = {s.sharing: s for s in learning(done).sharing}
    assert set(rows) == {"separate", "multitask", "progressive", "lora"}
    assert all(len(s.accuracies) == s.tasks == 2 and s.mean.seeds == 3 for s in rows.values())
    assert "separate" in learning_view.text(done.file)
    given = {
        a.shortcut: w
        for a, w in zip(machine.asked, machine.weights, strict=True)
        if a.purpose == "sharing"
    }
    assert given["lora"] and given["multitask"] is None and given["progressive"] is None
    with pytest.raises(BadInput, match="two each at the least"):
        machine.learn(out, tasks=3)
    with pytest.raises(BadInput, match="--sharing is of several tasks"):
        machine.learn(out, sharing=("lora",))
