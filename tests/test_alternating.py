"""The two sides of `run --against` in blocks in turn, on a machine whose speed jumps."""

import json
import math
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hwbench import alternating, compare, ratio_tests
from hwbench.case import SIDE
from hwbench.child import ChildFailed
from hwbench.compare import Options as Compared
from hwbench.errors import HwbenchError
from hwbench.measurement import Measurement
from hwbench.protocol import Reply, VisitRequest, VisitResult
from hwbench.run import Options, run
from hwbench.selection import Selection
from tests import estimates, fakes
from tests.fakes import FakeClock, FakeCrew, FakeProgress

TWO = Selection(
    models=("mlp_small",), runtimes=("torch",), only=("*training*",), against="threads=1"
)


@pytest.fixture(autouse=True)
def _isolated(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fakes.isolate(monkeypatch, tmp_path)


class Jumpy:
    """A machine that is 30 % slower for some seconds now and then; one side takes `slower`."""

    def __init__(self, slower: float, seed: int = 5, noise: float = 0.02) -> None:
        """Start in the fast state."""
        self.now, self.slow_until, self.rng = 100.0, 0.0, random.Random(seed)
        self.slower, self.noise = slower, noise

    def visit(self, request: VisitRequest) -> VisitResult:
        """Take the samples that the pace asks for; the side with one thread is the slow one."""
        other = request.threads == 1
        samples = []
        for _ in range(5):
            if self.now > self.slow_until and self.rng.random() < 0.02:
                self.slow_until = self.now + self.rng.uniform(1, 6)
            state = 1.3 if self.now < self.slow_until else 1.0
            wall_s = 0.02 * state * (self.slower if other else 1.0)
            wall_s *= math.exp(self.rng.gauss(0, self.noise))
            made = fakes.sample(wall_s, request.round, start_s=self.now)
            samples.append(replace(made, process=request.process))
            self.now += wall_s
        done = fakes.good(request)
        return replace(done, samples=tuple(samples), took_s=sum(s.wall_s for s in samples))


def against(machine: Jumpy, folder: Path, **changes: Any) -> tuple[Path, FakeCrew]:
    """Run both sides on it, and return the record and the children."""
    crew = FakeCrew(machine.visit)
    selection = replace(TWO, **changes)
    options = Options(profile="quick", selection=selection, out=folder / "r.json")
    run(options, FakeProgress(), crew.spawn)
    return folder / "r.json", crew


def test_a_round_is_blocks_in_turn_in_two_processes_and_the_next_round_in_two_new_ones(
    tmp_path: Path,
) -> None:
    path, crew = against(Jumpy(1.0), tmp_path, processes=2)
    asked = [r for r in crew.requests if not r.trial]
    assert len(asked) == 2 * 2 * alternating.BLOCKS
    for number in range(2):
        mine = [r for r in asked if r.round == number]
        threads = [r.threads for r in mine]
        assert threads == [2, 1] * alternating.BLOCKS or threads == [1, 2] * alternating.BLOCKS
        assert threads[0] == (2, 1)[number]  # every second round begins with the other side
        assert len({r.process for r in mine}) == 2
        # kept from block to block, let go after the last
        assert [r.keep for r in mine] == [True] * (2 * alternating.BLOCKS - 2) + [False] * 2
    assert len({r.process for r in asked}) == 4 and not crew.alive
    assert [r.check for r in asked[:3]] == [True, True, False]
    told = json.loads(path.read_text())
    for m in told["measurements"]:
        assert m["visits"]["done"] == 2 and m["stopped"]["reason"] == "rounds"
        assert len(m["samples"]) == 2 * 5 * alternating.BLOCKS


@pytest.mark.parametrize("slower", [1.0, 1.05])
def test_jumps_of_the_machine_are_in_both_sides_and_a_twentieth_is_found(
    slower: float, tmp_path: Path
) -> None:
    verdicts = []
    for seed in range(6):
        (tmp_path / str(seed)).mkdir()
        path, _ = against(Jumpy(slower, seed), tmp_path / str(seed))
        (pair,) = compare.compare(Compared(records=(str(path),))).pairs
        assert (
            pair.ratio.low < slower < pair.ratio.high or abs(pair.ratio.point / slower - 1) < 0.01
        )
        assert "each in 24 blocks in turn" in pair.basis
        verdicts.append(pair.verdict)
    assert set(verdicts) == ({"slower"} if slower > 1 else {"same"})


def test_a_ratio_that_is_not_sharp_gets_more_rounds_up_to_the_most(tmp_path: Path) -> None:
    rounds = {}
    for noise in (0.01, 0.5):
        folder = tmp_path / str(noise)
        folder.mkdir()
        path, _ = against(Jumpy(1.0, noise=noise), folder, max_seconds=1e6)
        (m, _) = json.loads(path.read_text())["measurements"]
        rounds[noise] = m["visits"]["done"]
        assert m["stopped"]["reason"] == ("ratio" if noise < 0.1 else "rounds")
    assert rounds == {0.01: 8, 0.5: 24}


def test_two_that_do_not_fit_beside_each_other_are_visited_one_by_one(tmp_path: Path) -> None:
    alive: set[int] = set()
    crew: FakeCrew

    def answer(request: VisitRequest) -> VisitResult | Reply:
        alive.add(request.process)
        if len({c.number for c in crew.alive} & alive) > 1:
            raise ChildFailed("crashed", "the process was killed by signal 9 (SIGKILL)")
        return fakes.good(request)

    crew = FakeCrew(answer)
    progress = FakeProgress()
    options = Options(profile="quick", selection=replace(TWO, processes=3), out=tmp_path / "r.json")
    outcome = run(options, progress, crew.spawn)
    assert [m.status for m in outcome.record.measurements] == ["ok", "ok"]
    assert [m.visits.done for m in outcome.record.measurements] == [3, 3]
    assert any("one by one" in n for n in progress.notes)


def test_a_side_that_fails_ends_its_case_and_the_other_is_kept(tmp_path: Path) -> None:
    def answer(request: VisitRequest) -> VisitResult:
        if request.threads == 1:
            raise HwbenchError("it is broken")
        return fakes.good(request)

    crew = FakeCrew(lambda r: answer(r) if r.threads == 2 else Reply(ok=False, reason="broken"))
    options = Options(profile="quick", selection=replace(TWO, processes=2), out=tmp_path / "r.json")
    outcome = run(options, FakeProgress(), crew.spawn)
    assert [m.status for m in outcome.record.measurements] == ["ok", "failed"]


def test_a_slow_case_has_fewer_blocks() -> None:
    clock = FakeClock()
    case = fakes.INFERENCE
    sides = [case, replace(case, options={SIDE: "old"})]

    def block(of: Any, first: bool, last: bool) -> VisitResult:
        clock.advance(10.0)
        return fakes.visit_result(of, 0, 10.0)

    found = alternating.in_turn(sides, block, clock)
    assert [len(v.samples) for v in found] == [alternating.LEAST] * 2
    assert [v.took_s for v in found] == [40.0, 40.0]


def ratio(logs: list[list[float]], base_s: float = 0.1) -> ratio_tests.Ln:
    """Return the ratio of rounds of blocks in turn, each of one sample."""
    sides: list[list[Any]] = [[], []]
    for number, blocks in enumerate(logs):
        for i, log in enumerate(blocks):
            sample = fakes.sample(base_s * math.exp(log), number, start_s=float(i))
            sides[i % 2].append(sample)
    made: list[Measurement] = [
        replace(estimates.measured(estimates.case(100), 0.1), samples=tuple(s)) for s in sides
    ]
    found = ratio_tests.of_pair(*made)
    assert found is not None
    return found


def test_a_rounds_ratio_is_the_median_over_neighbours_in_time() -> None:
    # by hand: other - base of neighbours is 0.1, 0.1, 0.1, and at the jump 0.1 - 0.5; then 0.1
    jump = [0.0, 0.1, 0.0, 0.1, 0.5, 0.6]
    found = ratio([jump, jump])
    assert found.point == pytest.approx(0.1) and found.error == pytest.approx(0.0, abs=1e-12)
    # a drift that goes on is cancelled: neighbours on either side err in opposite ways
    drift = [0.02 * i + 0.1 * (i % 2) for i in range(41)]
    assert ratio([drift, drift]).point == pytest.approx(0.1, abs=0.021)
