"""`run --sustained`: networks that run for minutes without a pause, and what is made of it."""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hwbench import journal, store, sustained, views
from hwbench.cli import status_of
from hwbench.energy import EnergyPass, Window
from hwbench.errors import BadInput
from hwbench.measurement import Measurement
from hwbench.protocol import VisitRequest, VisitResult
from hwbench.run import Options, make_plan, run
from hwbench.selection import Selection
from tests import fakes
from tests.fakes import FakeCrew

MLP = Selection(runtimes=("torch",), models=("mlp_small",))


@pytest.fixture(autouse=True)
def _isolated(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fakes.isolate(monkeypatch, tmp_path)


def windows(times: list[float], begin_s: float = 0.0) -> tuple[Window, ...]:
    """Return windows of a second, of iterations that took these times."""
    found = []
    for n, wall_s in enumerate(times):
        loops = max(1, round(1 / wall_s))
        start = begin_s + n
        found.append(Window(begin_s=start, end_s=start + loops * wall_s, iterations=loops))
    return tuple(found)


def test_a_device_that_throttles_is_told_from_one_that_does_not() -> None:
    noise = [1 + 0.01 * math.sin(7.3 * n) for n in range(120)]
    steady = sustained.summarised(windows([0.01 * x for x in noise]), 120.0)
    assert steady is not None and steady.slows is False
    assert abs(steady.change_frac or 0) < 0.01 and steady.ran_s == pytest.approx(120, rel=0.02)
    hot = [0.01 * x * (1 + 0.3 * min(1.0, n / 60)) for n, x in enumerate(noise)]
    slower = sustained.summarised(windows(hot), 120.0)
    assert slower is not None and slower.slows is True
    # by the thirds' medians: the middle of 0..39 is 9.75 % slower, the last third 30 %
    assert slower.change_frac == pytest.approx(1.30 / 1.0975 - 1, abs=0.01)
    assert slower.last_s.low <= 0.013 <= slower.last_s.high
    quicker = sustained.summarised(windows(hot[::-1]), 120.0)
    assert quicker is not None and quicker.slows is False
    few = sustained.summarised(windows([0.01] * 20), 120.0)
    assert few is not None and few.slows is None and "windows tell no change" in few.method
    assert sustained.summarised((), 120.0) is None
    again = sustained.summarised(sustained.windows_of(slower), 120.0)
    assert again is not None and again.change_frac == pytest.approx(slower.change_frac)


def scripted(time_s: Callable[[int], float]) -> Callable[[VisitRequest], VisitResult]:
    """Return a child's script: its n-th window of running takes `time_s(n)` an iteration."""
    ran = [0]

    def answer(request: VisitRequest) -> VisitResult:
        if request.draw is None:
            return fakes.good(request)
        assert request.keep  # the program stays warm from part to part
        times = [time_s(ran[0] + n) for n in range(request.draw.windows)]
        found = windows(times, float(ran[0]))
        ran[0] += len(times)
        return VisitResult(
            id=request.case.id, status="ok", round=0, process=request.process,
            energy=EnergyPass(windows=found),
        )  # fmt: skip

    return answer


def of(path: Path, phase: str = "inference") -> Measurement:
    return next(m for m in store.load(path).measurements if m.phase == phase)


def test_each_network_runs_for_minutes_after_the_rounds(tmp_path: Path) -> None:
    crew = FakeCrew(scripted(lambda n: 0.01 * (1 + n / 500)))
    out = tmp_path / "r.json"
    done = run(Options(profile="smoke", selection=MLP, out=out, sustained_s=90.0), spawn=crew.spawn)
    assert done.ended == "complete"
    asked = [r for r in crew.requests if r.draw is not None]
    assert [r.draw.windows for r in asked if r.draw] == [30, 30, 30] * 2  # inference, training
    assert all(r.draw is None for r in crew.requests[: -len(asked)])
    m = of(out)
    assert m.sustained is not None and len(m.sustained.stretches) == 90
    assert m.sustained.slows and "slows" in {w.code for w in m.warnings}
    text = views.record(store.load(out))
    assert "without a pause" in text and "slows" in text and "mlp_small b32, torch, infer" in text
    assert max(map(len, text.splitlines())) <= 100
    assert status_of(["plot", "sustained", str(out), "-o", str(tmp_path / "s.svg")]) == 0
    assert "since it began" in (tmp_path / "s.svg").read_text()
    before = len(crew.requests)
    again = run(Options(resume=out), spawn=crew.spawn)  # all is there
    assert again.ended == "complete" and len(crew.requests) == before
    assert of(out).sustained == m.sustained


def test_what_ran_before_an_interruption_is_kept_and_made_whole_later(tmp_path: Path) -> None:
    out = tmp_path / "r.json"
    script = scripted(lambda n: 0.01)
    drawn: list[int] = []

    def cut(request: VisitRequest) -> VisitResult:
        if request.draw is not None:
            drawn.append(1)
            if len(drawn) == 3:
                raise KeyboardInterrupt
        return script(request)

    options = Options(profile="smoke", selection=MLP, out=out, sustained_s=90.0)
    first = run(options, spawn=FakeCrew(cut).spawn)
    assert first.ended == "interrupted"
    _, visits = journal.read(journal.path_of(out))
    assert sum(v.code == "sustained" for v in visits) == 2
    part = next(m.sustained for m in store.load(out).measurements if m.sustained)
    assert part.ran_s == pytest.approx(60, rel=0.02) and part.asked_s == 90.0
    crew = FakeCrew(scripted(lambda n: 0.01))
    assert run(Options(resume=out), spawn=crew.spawn).ended == "complete"
    whole = [m.sustained for m in store.load(out).measurements if m.sustained]
    # It began anew: a device cools down between two runs.
    assert [round(s.ran_s) for s in whole] == [90, 90]


def test_a_case_that_dies_while_it_runs_says_so_and_the_others_run(tmp_path: Path) -> None:
    out = tmp_path / "r.json"
    script = scripted(lambda n: 0.01)
    options = Options(profile="smoke", selection=MLP, out=out, sustained_s=60.0)

    def dies(request: VisitRequest) -> VisitResult:
        if request.draw is not None and request.case.phase == "inference":
            return fakes.crash(request)
        return script(request)

    assert run(options, spawn=FakeCrew(dies).spawn).ended == "complete"
    m = of(out)
    assert m.status == "ok" and m.wall_s is not None and m.sustained is None
    assert "signal 9" in (m.sustained_reason or "")
    assert of(out, "training").sustained is not None
    assert "ended while it ran for minutes" in views.record(store.load(out))


@pytest.mark.parametrize(("options", "said"), [
    (Options(profile="smoke", selection=MLP, sustained_s=5.0), "too short for a device"),
    (
        Options(
            profile="smoke",
            selection=replace(MLP, models=(), only=("kernel/*",)),
            sustained_s=60.0,
        ),
        "there is no network that runs here",
    ),
    (
        Options(profile="smoke", selection=replace(MLP, against="threads=1"), sustained_s=60.0),
        "--against visits two sides",
    ),
])  # fmt: skip
def test_what_cannot_run_for_minutes_is_said_before(options: Options, said: str) -> None:
    with pytest.raises(BadInput, match=said):
        make_plan(options, FakeCrew().spawn)


def test_the_time_for_it_is_told_and_taken_from_the_users() -> None:
    plan = make_plan(Options(profile="smoke", selection=MLP, sustained_s=60.0), FakeCrew().spawn)
    bare = make_plan(Options(profile="smoke", selection=MLP), FakeCrew().spawn)
    assert plan.expected_s == pytest.approx(bare.expected_s + 2 * 65)
    assert "then each network for 60.0 s without a pause" in views.plan(plan)
    short = replace(MLP, max_seconds=300.0)
    cut = make_plan(Options(profile="smoke", selection=short, sustained_s=60.0), FakeCrew().spawn)
    assert cut.protocol.sustained is not None and cut.protocol.max_seconds is not None
    total: Any = cut.protocol.max_seconds + cut.protocol.sustained.max_s
    assert total <= 300.0
