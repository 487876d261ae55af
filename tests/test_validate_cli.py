"""`hwbench validate` over scripted children: what it prints, and how it exits."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from hwbench import (
    codec,
    validate,
    validation_file,
    validation_view,
)
from hwbench.child import ChildFailed
from hwbench.cli import status_of
from hwbench.errors import HwbenchError, UnknownName
from hwbench.loop import LoopPart
from hwbench.loop_asking import LoopFailed
from hwbench.rehearsing import Terms
from tests import fakes
from tests.loops import FakeLoop, LoopMachine, Script, Validate, in_run, rows
from tests.loops import go as go
from tests.loops import machine as machine


@pytest.fixture
def command(
    monkeypatch: pytest.MonkeyPatch, machine: LoopMachine, tmp_path: Path
) -> Callable[..., int]:
    """Return the command line over scripted children."""
    fakes.isolate(monkeypatch, tmp_path)
    monkeypatch.chdir(tmp_path)
    data, real = rows(tmp_path), validate.validate
    monkeypatch.setattr(
        validate,
        "validate",
        lambda options, progress: real(
            options, progress, machine.spawn, machine.clock, machine.sleep
        ),
    )
    fixed = ("--workload", "mlp_small", "--data", str(data), "--in-memory", "--minutes", "1")
    return lambda *more: status_of(["validate", *fixed, *more])


def test_the_command_prints_the_terms_and_where_the_file_is(
    command: Callable[..., int], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert command("--out", "v.json") == 0
    out, err = capsys.readouterr()
    rows_of = {line.split()[0]: line.split() for line in out.splitlines() if line.strip()}
    assert rows_of["total"][-1] == "1.000" and rows_of["steps"][-1] == "1.00"
    assert "the time was inside its interval; kept in v.json" in err


def test_a_difference_below_zero_and_what_is_not_known_are_shown_as_such(go: Validate) -> None:
    value = go().validation
    for actual_s, shown in ((-0.0331, "-33.1 ms"), (None, " - ")):
        terms = tuple(replace(t, actual_s=actual_s) for t in value.terms)
        lines = validation_view.text(replace(value, terms=terms)).splitlines()
        assert any(line.startswith(" setup") and shown in line for line in lines)


def test_json_is_the_file_and_nothing_else(
    command: Callable[..., int], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert command("--json", "--out", "v.json") == 0
    out, _ = capsys.readouterr()
    assert json.loads(out) == codec.encode(validation_file.load(tmp_path / "v.json"))


def test_a_file_lands_in_results_by_default(command: Callable[..., int], tmp_path: Path) -> None:
    assert command() == 0
    (path,) = (tmp_path / "results").glob("*-validate-mlp_small.json")
    assert validation_file.load(path).argv[0] == "hwbench"


def test_a_short_spread_is_a_short_measurement(command: Callable[..., int], tmp_path: Path) -> None:
    assert command("--spread", "4s", "--out", "v.json") == 0
    measured = validation_file.load(tmp_path / "v.json").rehearsal
    assert measured.measured_s == pytest.approx(4, abs=0.5) and len(measured.visits) == 8


def test_the_command_exits_with_the_contracts_statuses(
    command: Callable[..., int], machine: LoopMachine, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("--runtime", "onnxruntime") == 2
    machine.script.slowed = lambda at_s: 1.0 if at_s < 165.5 else 1.5
    assert command() == 1
    assert "OUTSIDE" in capsys.readouterr().err

    def stop(loop: FakeLoop, request: LoopPart) -> None:
        raise KeyboardInterrupt

    machine.script = Script(hook=in_run(stop))
    assert command() == 130
    err = capsys.readouterr().err
    assert "interrupted" in err and "Traceback" not in err


def test_what_is_no_record_is_refused_by_name(command: Callable[..., int], tmp_path: Path) -> None:
    (tmp_path / "r.json").write_text('{"schema": "hwbench.validation/1"}')
    assert command("r.json") == 2


def test_the_errors_are_hwbenchs_own() -> None:
    """All that a validation raises is one line for the user (hwbench.cli maps these)."""
    assert all(issubclass(e, HwbenchError) for e in (LoopFailed, ChildFailed, UnknownName))
    assert Terms().rounds == 8 and Terms().budget_s == 20.0
