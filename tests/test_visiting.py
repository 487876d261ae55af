import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hwbench import interference, memory_use, registry
from hwbench.case import Case
from hwbench.errors import WrongAnswer
from hwbench.protocol import VisitRequest
from hwbench.registry import Shelf
from hwbench.runtime import Answer, Program, Runtime
from hwbench.timing import Pace
from hwbench.visiting import Visitor
from tests.fakes import GEMM, INFERENCE, FakeClock

ROOT = Path(__file__).parent.parent
SMALL = replace(GEMM, shape={"m": 4, "n": 3, "k": 5})
TRAINING = replace(INFERENCE, phase="training", scenario="train_step")
LOSSES = [2.3, 2.2, 2.1]


class Library:
    """A runtime whose iterations take 20 ms, with answers that are right unless it is told."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.clock = FakeClock()
        self.error = 0.0  # relative, of every answer
        self.prepared: list[tuple[Case, float, str | None]] = []  # case, first draw, model
        self.renewed: list[float] = []
        self.steps = 0
        self.breaks_at: int | None = None  # the step that raises
        self.changes_at: int | None = None  # the step after which its answer is another
        runtime = Runtime(
            name="torch",
            dialect="torch",
            library="numpy",
            remedy="",
            summary="",
            phases=("forward", "inference", "training"),
            supports=lambda case: None,
            probe=self._never,
            configure=lambda threads: None,
            prepare_kernel=self._kernel,
            prepare_workload=self._workload,
        )
        shelf = Shelf(kind="runtime", items={"torch": runtime}, broken={})
        monkeypatch.setattr(registry, "runtimes", lambda: shelf)

    def _never(self, *_: Any) -> Any:
        raise AssertionError("not asked for here")

    def _kernel(self, kernel: Any, case: Case, rng: Any) -> Program:
        a, b = kernel.inputs(case.shape, rng)
        answer = Answer(inputs=(a, b), outputs=(a @ b * (1 + self.error),))
        return self._program(case, float(a.flat[0]), None, [answer])

    def _workload(self, workload: Any, config: Any, case: Case, rng: Any, model: Any) -> Program:
        parts: list[Any] = [[[1.0, 2.0]]]
        if case.phase == "training":
            parts = [LOSSES[:1], LOSSES[1:]]
        answers = [
            Answer(inputs=(), outputs=(np.array(part) * (1 + self.error),)) for part in parts
        ]
        return self._program(case, float(rng.random()), model, answers)

    def _program(self, case: Case, drawn: float, model: Any, answers: list[Answer]) -> Program:
        self.clock.advance(1.0)
        self.prepared.append((case, drawn, model))
        waiting = iter(answers)

        def answer(steps: int) -> Answer:
            found = next(waiting, answers[-1])
            if self.changes_at is not None and self.steps >= self.changes_at:
                found = replace(found, outputs=tuple(o + 0.5 for o in found.outputs))
            return found

        return Program(
            step=self._step,
            wait=lambda result: self.clock.advance(0.020),
            renew=lambda rng: self.renewed.append(float(rng.random())),
            answer=answer,
            device_peak_bytes=lambda: 4096,
        )

    def _step(self) -> None:
        self.steps += 1
        if self.steps == self.breaks_at:
            raise RuntimeError(f"step {self.steps} broke")


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> Library:
    return Library(monkeypatch)


def _request(case: Case = SMALL, **more: Any) -> VisitRequest:
    fields: Mapping[str, Any] = {
        "threads": 1,
        "pace": Pace(visit_s=0.2, min_samples=5),
        "round": 0,
        "process": 4,
        "run_start": 100.0,
        "seed": 1,
        "check": True,
        "check_batch": case.batch_size,
        **more,
    }
    return VisitRequest(case=case, **fields)


def test_a_right_answer_is_checked_and_then_timed(library: Library) -> None:
    result = Visitor(library.clock).visit(_request(round=2))
    assert result.status == "ok"
    assert result.checked is not None and result.checked.reference == "NumPy float64"
    assert (result.checked.max_relative_error or 0.0) <= 1e-12
    assert {(s.round, s.process) for s in result.samples} == {(2, 4)}
    assert len(result.samples) >= 5
    assert len(result.warmup_s) >= 2
    assert result.samples[0].start_s >= 28.0  # the clock began at 128, the run at 100
    assert result.setup_s == 1.0
    assert result.first_iteration_s == pytest.approx(0.020)
    assert result.memory is not None and result.memory.device == 4096


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (1e-3, r"0\.001 against NumPy float64, where 0\.0001 is allowed"),
        (-1.0, "relative error 1 against"),
        (float("nan"), "12 of 12 numbers that are not finite"),
        (float("inf"), "12 of 12 numbers that are not finite"),
    ],
)
def test_wrong_answers_are_not_timed(library: Library, error: float, told: str) -> None:
    library.error = error
    with pytest.raises(WrongAnswer, match=told):
        Visitor(library.clock).visit(_request())
    assert library.steps == 1  # the first iteration, which the answer needs


@pytest.mark.parametrize("case", [SMALL, INFERENCE])
def test_an_answer_that_changes_while_it_is_timed_is_a_failure(
    library: Library, case: Case
) -> None:
    library.changes_at = 6
    with pytest.raises(WrongAnswer, match="its answer changed while it was timed"):
        Visitor(library.clock).visit(_request(case, no_reference="none"))


def test_an_error_while_it_is_timed_keeps_the_samples_before_it(library: Library) -> None:
    library.breaks_at = 500
    pace = Pace(visit_s=100.0, min_samples=5, max_samples=1000)
    result = Visitor(library.clock).visit(_request(pace=pace))
    assert (result.status, result.code) == ("failed", "error")
    assert "RuntimeError: step 500 broke" in (result.reason or "")
    assert 490 <= len(result.samples) + len(result.warmup_s) < 500


def test_an_error_before_the_first_sample_is_the_visits_own(library: Library) -> None:
    library.breaks_at = 2
    with pytest.raises(RuntimeError, match="step 2 broke"):
        Visitor(library.clock).visit(_request())


def test_a_wrong_loss_is_a_wrong_answer(library: Library, tmp_path: Path) -> None:
    np.save(tmp_path / "losses.npy", np.array(LOSSES))
    asked = _request(TRAINING, reference=str(tmp_path / "losses.npy"))
    checked = Visitor(library.clock).visit(asked).checked
    assert checked is not None and checked.max_relative_error == pytest.approx(0.0, abs=1e-12)
    library.error = 0.01
    with pytest.raises(WrongAnswer, match="torch float64"):
        Visitor(library.clock).visit(asked)


def test_a_missing_reference_is_said_and_the_case_is_timed(library: Library) -> None:
    asked = _request(INFERENCE, no_reference="it needs 80 GiB")
    result = Visitor(library.clock).visit(asked)
    assert result.checked is not None
    assert (result.checked.reference, result.checked.max_relative_error) == (None, None)
    assert result.checked.reason == "it needs 80 GiB"
    assert result.samples


def test_a_large_network_is_checked_at_a_small_batch_and_timed_at_its_own(
    library: Library, tmp_path: Path
) -> None:
    np.save(tmp_path / "logits.npy", np.array([[1.0, 2.0]]))
    asked = _request(
        INFERENCE,
        check_batch=8,
        reference=str(tmp_path / "logits.npy"),
        model="whole.onnx",
        check_model="small.onnx",
    )
    result = Visitor(library.clock).visit(asked)
    assert [(c.batch_size, m) for c, _, m in library.prepared] == [
        (8, "small.onnx"),
        (32, "whole.onnx"),
    ]
    assert result.checked is not None and result.checked.max_relative_error == 0.0
    assert result.first_iteration_s == pytest.approx(0.020)


def test_a_kept_program_is_prepared_once_and_gets_fresh_inputs(library: Library) -> None:
    visitor = Visitor(library.clock)
    first = visitor.visit(_request(INFERENCE, no_reference="none", keep=True))
    second = visitor.visit(_request(INFERENCE, check=False, keep=True, round=1))
    assert len(library.prepared) == 1
    assert (second.setup_s, second.first_iteration_s, second.checked) == (None, None, None)
    assert first.setup_s == 1.0
    assert len(set(library.renewed)) == 2


def test_a_program_that_is_not_kept_is_prepared_again(library: Library) -> None:
    visitor = Visitor(library.clock)
    for number in range(2):
        visitor.visit(_request(check=False, round=number))
    assert len(library.prepared) == 2


def test_inputs_are_those_of_the_runs_seed_and_the_round(library: Library) -> None:
    visitor = Visitor(library.clock)
    for seed, number in ((1, 0), (1, 0), (1, 1), (2, 0)):
        visitor.visit(_request(check=False, seed=seed, round=number))
    draws = [drawn for _, drawn, _ in library.prepared]
    assert draws[0] == draws[1]
    assert len(set(draws)) == 3


def test_a_trial_runs_one_iteration_and_times_nothing(library: Library) -> None:
    result = Visitor(library.clock).visit(_request(INFERENCE, check=False, trial=True))
    assert library.steps == 1
    assert (result.samples, result.warmup_s) == ((), ())
    assert result.memory is not None


def test_samples_say_what_else_used_the_machine(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = "others used 1.50 cores"
    monkeypatch.setattr(interference.Watch, "begin", lambda self: None)
    monkeypatch.setattr(interference.Watch, "end", lambda self: told)
    result = Visitor(library.clock).visit(_request())
    assert {s.disturbed for s in result.samples} == {told}


def test_the_peak_of_memory_starts_anew_with_each_visit() -> None:
    code = (
        "from hwbench import memory_use\n"
        "block = bytearray(200_000_000); del block\n"
        "before = memory_use.peak_bytes()\n"
        "memory_use.reset_peak(); after = memory_use.peak_bytes()\n"
        "block = bytearray(100_000_000)\n"
        "print(before, after, memory_use.peak_bytes())"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True)
    before, after, again = map(int, done.stdout.split())
    assert before > 200_000_000
    if sys.platform.startswith("linux"):
        assert after < 100_000_000 < again < 200_000_000


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other systems have no such limit")
def test_an_allocation_beyond_the_limit_fails_in_this_process() -> None:
    code = (
        "from hwbench import memory_use\n"
        "memory_use.limit_memory(300_000_000)\n"
        "bytearray(100_000_000)\n"
        "try:\n    bytearray(400_000_000)\n"
        "except MemoryError:\n    print('refused')\n"
        "memory_use.limit_memory(None)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True)
    assert done.stdout == b"refused\n"


def test_no_limit_is_no_change() -> None:
    memory_use.limit_memory(None)
