"""`run --data`: the trainings on the user's data, kept in the record, resumed, in their time."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hwbench import afterwards, host, journal, store, views
from hwbench.cli import status_of
from hwbench.errors import BadInput
from hwbench.measurement import Measurement
from hwbench.run import Options, make_plan, run
from hwbench.run_outcome import Outcome
from hwbench.selection import Selection
from tests import fakes
from tests.fakes import FakeCrew
from tests.test_advise import LoopChild, Loops

ROWS = Selection(runtimes=("torch",), only=("*mlp_small*", "*resnet18_small*"))


@pytest.fixture(autouse=True)
def _isolated(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fakes.isolate(monkeypatch, tmp_path)
    monkeypatch.chdir(tmp_path)
    np.savez("rows.npz", x=np.zeros((320, 64), "float32"), y=np.arange(320) % 4)


class Crew(FakeCrew):
    """Children that visit, and hold loops too; `stop` is asked before a loop is opened."""

    def __init__(self, stop: Callable[[], None] = lambda: None) -> None:
        super().__init__()
        self.loops, self.stop, self.opened = Loops(0.01, 0.05), stop, 0

    def spawn(self, number: int, threads: int, environment: Mapping[str, str]) -> Any:
        return Child(super().spawn(number, threads, environment), self)


class Child:
    """Passes what is of a loop to one that has it."""

    def __init__(self, child: Any, crew: Crew) -> None:
        self.child, self.crew, self.number = child, crew, child.number
        self.loop: LoopChild | None = None

    def ask(self, verb: str, request: Any, timeout_s: float, tick: Any = None) -> Any:
        if verb not in ("open_loop", "loop_part"):
            return self.child.ask(verb, request, timeout_s, tick)
        if self.loop is None:
            self.crew.stop()
            self.crew.opened += 1
            self.loop = self.crew.loops.spawn(0, 1, {})  # type: ignore[assignment]
        assert self.loop is not None
        return self.loop.ask(verb, request, timeout_s, tick)

    def end(self) -> None:
        self.child.end()
        if self.loop is not None:
            self.loop.end()


def asked(path: str = "rows.npz", **more: Any) -> Options:
    return Options(
        profile="smoke", out=Path("r.json"), data=Path(path), **{"selection": ROWS, **more}
    )


def training(outcome: Outcome, name: str) -> Measurement:
    return next(m for m in outcome.record.measurements if (m.name, m.phase) == (name, "training"))


def test_a_network_is_trained_on_the_users_data_after_the_rounds() -> None:
    crew = Crew()
    outcome = run(asked(), spawn=crew.spawn)
    assert outcome.ended == "complete" and views.status(outcome) == 0
    mlp, resnet = training(outcome, "mlp_small"), training(outcome, "resnet18_small")
    counts = host.environment().cpu.cores + 1
    assert crew.opened == counts and crew.alive == [] and crew.loops.alive == 0
    assert mlp.loader is not None and mlp.wall_s is not None
    assert (mlp.loader.synthetic_s, mlp.loader.bound) == (mlp.wall_s.point, "loader")
    assert mlp.loader.rows[0].step_s == pytest.approx(0.06) and len(mlp.loader.rows) == counts
    assert "takes images" in (resnet.loader_reason or "") and resnet.loader is None
    saved = store.load(outcome.path)
    assert replace(saved, duration_s=outcome.record.duration_s) == outcome.record
    text = views.record(saved)
    assert "mlp_small b32, torch, on --data:" in text and "bound by the loader" in text
    assert text.count("on --data") == 2 and "takes images" in text
    inference = [m for m in saved.measurements if m.phase == "inference"]
    assert all(m.loader is None and m.loader_reason is None for m in inference)
    lines = [json.loads(x) for x in journal.path_of(outcome.path).read_text().splitlines()]
    assert [x["id"] for x in lines[-2:]] == [mlp.id, resnet.id]


@pytest.mark.parametrize("left", ["record", "journal"])
def test_a_loop_that_was_interrupted_is_run_when_the_run_is_resumed(left: str) -> None:
    def stop() -> None:
        raise KeyboardInterrupt

    cut = run(asked(), spawn=Crew(stop).spawn)
    assert cut.ended == "interrupted" and training(cut, "mlp_small").loader is None
    assert training(cut, "mlp_small").visits.done == 3
    (Path("r.json.jsonl") if left == "record" else Path("r.json")).unlink()
    named = Path("r.json") if left == "record" else Path("r.json.jsonl")
    crew = Crew()
    whole = run(Options(resume=named), spawn=crew.spawn)
    assert whole.ended == "complete" and training(whole, "mlp_small").loader is not None
    assert crew.visits == []
    again = Crew()
    Path("r.json.jsonl").unlink()  # the record alone holds it
    done = run(Options(resume=Path("r.json")), spawn=again.spawn)
    assert again.opened == 0
    assert training(done, "mlp_small").loader == training(whole, "mlp_small").loader


def test_data_for_none_of_the_networks_are_refused_before_anything_is_measured() -> None:
    crew = Crew()
    np.save("wide.npy", np.zeros((9, 3)))
    small = Selection(runtimes=("torch",), only=("*mlp_small*",))
    for path, said in (
        ("nowhere", "no such file"),
        ("wide.npy", "takes rows of 64 numbers"),
    ):
        with pytest.raises(BadInput, match=said):
            run(asked(path, selection=small), spawn=crew.spawn)
    np.savez("few.npz", x=np.zeros((9, 64), "float32"))
    with pytest.raises(BadInput, match="a batch of 32 is larger than its 9 items"):
        run(asked("few.npz", selection=small), spawn=crew.spawn)
    kernels = Selection(runtimes=("torch",), only=("*gemm*",))
    with pytest.raises(BadInput, match="no network is trained here by a runtime with a loop"):
        run(asked(selection=kernels), spawn=crew.spawn)
    assert crew.visits == [] and not Path("r.json").exists()


def test_the_loops_have_a_time_of_their_own_or_a_part_of_the_users() -> None:
    one_s = afterwards.expected_s(1)
    plan = make_plan(asked(), Crew().spawn)
    terms = plan.protocol.data
    assert terms is not None and (terms.path, terms.max_s) == ("rows.npz", 3 * one_s)
    limit = Selection(runtimes=("torch",), only=("*mlp_small*",), max_seconds=4 * one_s)
    plan = make_plan(asked(selection=limit), Crew().spawn)
    terms = plan.protocol.data
    assert terms is not None and plan.protocol.max_seconds is not None
    assert terms.max_s == pytest.approx(one_s)
    assert plan.protocol.max_seconds + terms.max_s == pytest.approx(4 * one_s)
    short = Selection(runtimes=("torch",), only=("*mlp_small*",), max_seconds=one_s)
    crew = Crew()
    outcome = run(asked(selection=short), spawn=crew.spawn)
    assert outcome.ended == "out_of_time" and crew.opened == 0
    assert training(outcome, "mlp_small").loader_reason == afterwards.TOO_LATE


def test_the_command_trains_on_data(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("torch")
    from hwbench import loader_search

    monkeypatch.setattr(loader_search, "STEPS_S", 0.2)
    monkeypatch.setattr(loader_search, "DRAIN_S", 0.1)
    monkeypatch.setattr(loader_search, "counts", lambda cores: (0,))
    command = ["run", "--model", "mlp_small", "--data", "rows.npz", "--profile", "smoke"]
    command += ["--runtime", "torch", "--only", "*training*", "--threads", "1", "--out", "r.json"]
    assert status_of(command) == 0
    assert "320 rows of 64 numbers" in capsys.readouterr().out
    (m,) = store.load(Path("r.json")).measurements
    assert m.loader is not None and [r.workers for r in m.loader.rows] == [0]
    monkeypatch.setattr(loader_search, "counts", lambda cores: (0,))
    taken_apart = ["inspect", "--workload", "mlp_small", "--data", "rows.npz", "--threads", "1"]
    assert status_of(taken_apart) == 0
    out = capsys.readouterr().out
    assert "data (0 workers)" in out and "320 rows of 64 numbers" in out
    assert status_of([*taken_apart, "--batch-size", "500"]) == 2
    assert "a batch of 500 is larger than the dataset of 320" in capsys.readouterr().err
