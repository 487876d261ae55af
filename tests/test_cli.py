import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hwbench import codec, journal, probing
from hwbench import run as verb
from hwbench.cli import COMMANDS, status_of
from hwbench.measurement import Record
from hwbench.protocol import Reply
from tests import fakes
from tests.fakes import FACTS, FakeCrew

ROOT = Path(__file__).parent.parent
HEAVY = {"numpy", "torch", "jax", "flax", "onnx", "onnxruntime", "matplotlib", "rich", "psutil"}


@pytest.fixture(autouse=True)
def crew(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FakeCrew:
    """Run the command line in this process over a scripted machine, in a folder of its own."""
    fakes.isolate(monkeypatch, tmp_path)
    monkeypatch.chdir(tmp_path)
    made, real = FakeCrew(), verb.run
    monkeypatch.setattr(verb, "run", lambda options, progress: real(options, progress, made.spawn))
    for place in (verb, probing):
        monkeypatch.setattr(place, "probe", lambda names, *_: {n: FACTS[n] for n in names})
    return made


def _shell(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the real command with its output piped."""
    return subprocess.run(
        [sys.executable, "-m", "hwbench", *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_every_help_has_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert status_of([*filter(None, [command]), "--help"]) == 0
    out, err = capsys.readouterr()
    assert f"Example: hwbench {command}" in out
    assert err == ""


def test_no_command_is_a_call_for_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert status_of([]) == 0
    assert set(COMMANDS) <= set(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("rnu", "no command is named 'rnu': did you mean run?"),
        ("list kernesl", "did you mean kernels"),
        ("run --frobnicate", "No such option '--frobnicate'"),
        ("run surplus", "unexpected extra argument"),
        ("run --only", "'--only' requires an argument"),
        ("run --profile quikc", "no profile is named 'quikc': did you mean quick?"),
        ("run --runtime tocrh", "no runtime is named 'tocrh': did you mean torch?"),
        ("run --dtype float23", "no dtype is named 'float23': did you mean float32"),
        ("run --device cuda:7", "no device is named 'cuda:7'"),
        ("run --model resnet81", "no workload is named 'resnet81': did you mean resnet18"),
        (
            "run --only *gemn*",
            "--only *gemn*: matches no case id of the profile; near: kernel/gemm",
        ),
        ("run --exclude *", "no case is left to run"),
        ("run --max-seconds soon", "'soon' is no duration"),
        ("run --batch-size none", "'none' is no count"),
        (
            "run --batch-size auto --scenario multi_stream",
            "--batch-size auto: the scenario multi_stream states its own batch",
        ),
        ("run --scenario sever", "no scenario is named 'sever': did you mean server?"),
        ("run --scenario server", "say which, such as --latency-bound 50ms"),
        ("run --latency-bound 50ms", "--latency-bound is for scenarios"),
        ("run --scenario offline --only *gemm*", "--only *gemm*: matches no case"),
        ("run --resume a.json --scenario offline", "--scenario cannot stand beside it"),
        ("run --threads 0", "'--threads'"),
        ("run --resume none.json", "none.json: there is no such file"),
        ("run --resume a.json --profile smoke", "--profile cannot stand beside it"),
        ("run --out .", "--out .: is a folder"),
        ("completion tcsh", "'tcsh' is not one of 'bash', 'zsh', 'fish'"),
    ],
)
def test_wrong_use_exits_2_with_one_line(
    line: str, told: str, crew: FakeCrew, capsys: pytest.CaptureFixture[str]
) -> None:
    assert status_of(line.split()) == 2
    out, err = capsys.readouterr()
    assert told in err
    assert err.startswith("hwbench: ") and err.count("\n") == 1
    assert out == ""
    assert crew.requests == []


def test_an_output_that_cannot_be_written_exits_2_before_anything_is_measured(
    tmp_path: Path, crew: FakeCrew, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    assert status_of(["run", "--out", str(tmp_path / "file" / "r.json")]) == 2
    assert "nothing was measured" in capsys.readouterr().err
    assert crew.children == []


def test_an_internal_error_is_one_line_that_asks_for_a_report(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: Any) -> None:
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr(verb, "make_plan", broken)
    assert status_of(["run", "--dry-run"]) == 1
    err = capsys.readouterr().err
    assert "ZeroDivisionError: by zero" in err and "HWBENCH_TRACEBACK=1" in err
    monkeypatch.setenv("HWBENCH_TRACEBACK", "1")
    with pytest.raises(ZeroDivisionError):
        status_of(["run", "--dry-run"])


def _run(*more: str) -> int:
    return status_of(["run", "--profile", "smoke", "--runtime", "torch", "--only", "*gemm*", *more])


def test_run_prints_the_table_and_says_where_the_record_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run("--out", "r.json") == 0
    out, err = capsys.readouterr()
    assert "gemm large" in out
    assert "FLOP/s" in out
    assert "record: r.json  (1 ok;" in err
    assert "\x1b" not in out + err
    assert (tmp_path / "r.json").exists() and (tmp_path / "r.json.jsonl").exists()


def test_run_with_json_prints_the_record_and_nothing_else(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run("--json", "--out", "r.json") == 0
    printed = codec.decode(Record, json.loads(capsys.readouterr().out))
    saved = codec.decode(Record, json.loads((tmp_path / "r.json").read_text()))
    assert printed.measurements == saved.measurements
    assert printed.argv[0] == "hwbench"


def test_a_second_run_to_the_same_place_keeps_the_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run("--out", "r.json") == 0
    first = {p.read_text() for p in tmp_path.glob("r.json*")}
    assert _run("--out", "r.json") == 0
    now = {p.read_text() for p in tmp_path.glob("r.*")}
    assert len(first) == 2 and len(now) == 4
    assert first < now
    assert "was there already" in capsys.readouterr().err


def test_a_failed_measurement_exits_1_and_says_why(
    crew: FakeCrew, capsys: pytest.CaptureFixture[str]
) -> None:
    crew.answer = lambda r: Reply(ok=False, code="error", reason="ValueError: no")
    assert _run() == 1
    out, err = capsys.readouterr()
    assert "ValueError: no" in out
    assert "1 failed" in err


def test_an_interrupted_run_exits_130_and_says_how_to_go_on(
    crew: FakeCrew, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(r: object) -> Reply:
        raise KeyboardInterrupt

    crew.answer = interrupt
    assert _run("--out", "r.json") == 130
    assert "hwbench run --resume r.json" in capsys.readouterr().err
    crew.answer = fakes.good
    assert status_of(["run", "--resume", "r.json.jsonl"]) == 0
    assert len(journal.read(Path("r.json.jsonl"))[1]) == 3


def test_records_land_in_results_by_default(tmp_path: Path) -> None:
    assert _run() == 0
    (record,) = (tmp_path / "results").glob("*-smoke.json")
    assert journal.path_of(record).exists()


@pytest.mark.parametrize(
    "line",
    [
        "list",
        "list kernels",
        "list instances",
        "doctor",
        "run --dry-run",
        "run --dry-run --profile full",
        "completion zsh",
    ],
)
def test_json_on_stdout_is_json_and_nothing_else(
    line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert status_of([*line.split(), "--json"]) == 0
    json.loads(capsys.readouterr().out)


def test_a_dry_run_names_every_case_and_the_expected_time(
    tmp_path: Path, crew: FakeCrew, capsys: pytest.CaptureFixture[str]
) -> None:
    assert status_of(["run", "--dry-run", "--profile", "smoke", "--json"]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert plan["expected_s"] > 0
    assert status_of(["run", "--dry-run", "--profile", "smoke"]) == 0
    out = capsys.readouterr().out
    for planned in plan["cases"]:
        assert f"/{planned['case']['name']}/" in out
    assert f"{len(plan['cases'])} cases x 3 visits, about" in out
    assert list(tmp_path.glob("results/*")) == []
    assert crew.requests == []


@pytest.mark.parametrize("arguments", [["--help"], ["list"], ["list", "--json"], ["run", "--help"]])
def test_help_and_list_load_no_heavy_library(arguments: list[str]) -> None:
    code = (
        "import sys; from hwbench.cli import status_of\n"
        f"assert status_of({arguments!r}) == 0\n"
        "print(*{name.split('.')[0] for name in sys.modules}, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert HEAVY & set(done.stderr.split()) == set()
    assert "click" in done.stderr.split()  # the list of modules is there


def test_piped_output_has_no_colour_codes() -> None:
    for line in ("list", "--help", "list nothing"):
        done = _shell(*line.split(), FORCE_COLOR="1", CLICOLOR_FORCE="1", TERM="xterm-256color")
        assert done.stdout + done.stderr
        assert "\x1b" not in done.stdout + done.stderr


def test_a_reader_that_goes_away_is_no_error() -> None:
    command = [sys.executable, "-m", "hwbench", "list"]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 0


def test_completion_prints_the_line_that_turns_it_on(capsys: pytest.CaptureFixture[str]) -> None:
    assert status_of(["completion", "bash"]) == 0
    assert "_HWBENCH_COMPLETE=bash_source" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("hwbench run --profile sm", ["smoke"]),
        ("hwbench run --runtime torch-", ["torch-compile"]),
        ("hwbench run --model resnet18_", ["resnet18_small"]),
        ("hwbench list kern", ["kernels"]),
        ("hwbench do", ["doctor"]),
    ],
)
def test_the_shell_completes_commands_and_names(words: str, found: list[str]) -> None:
    done = _shell(
        _HWBENCH_COMPLETE="bash_complete",
        COMP_WORDS=words,
        COMP_CWORD=str(len(words.split()) - 1),
    )
    assert [line.split(",")[1] for line in done.stdout.split()] == found
