"""The command as users have it, with real processes and a real library: nothing is faked."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import jsonschema
import psutil
import pytest

from hwbench import journal, store
from tests import fakes

pytest.importorskip("torch")

ROOT = Path(__file__).parent.parent
TRAINING = ("--only", "*mlp_small/training*")
NINE_VISITS = (*TRAINING, "--only", "*mlp_small/inference*", "--only", "*gemm*")


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def environment(tmp_path: Path, cache: Path) -> dict[str, str]:
    """Return an environment with a lock and a cache of its own."""
    own = {
        "HWBENCH_CACHE": str(cache),
        "HWBENCH_STATE": str(tmp_path / "state"),
        "TMPDIR": str(tmp_path),
        "PYTHONPATH": str(ROOT),
    }
    return {**os.environ, **own}


def _started(environment: dict[str, str], *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "hwbench", "run", *arguments],
        cwd=environment["TMPDIR"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _smoke(environment: dict[str, str], *only: str) -> subprocess.Popen[str]:
    profile = ("--profile", "smoke", "--runtime", "torch", "--device", "cpu", "--out", "r.json")
    return _started(environment, *profile, *only)


def _until(process: subprocess.Popen[str], text: str) -> None:
    """Read what the run says until it says `text`."""
    assert process.stderr is not None
    said = []
    for line in process.stderr:
        said.append(line)
        if text in line:
            return
    raise AssertionError(f"it never said {text!r}, but: {''.join(said)}")


def _published() -> Any:
    return json.loads((ROOT / "docs" / "record.schema.json").read_text())


def test_a_small_run_end_to_end(environment: dict[str, str], tmp_path: Path) -> None:
    process = _smoke(environment, *TRAINING, "--max-seconds", "120")
    out, err = process.communicate()
    assert process.returncode == 0, err
    jsonschema.validate(json.loads((tmp_path / "r.json").read_text()), _published())
    record = store.load(tmp_path / "r.json")
    (training,) = record.measurements
    assert training.id == "workload/mlp_small/training/train_step/torch/cpu/float32/32/width=128"
    assert training.status == "ok"
    assert training.checked is not None and training.checked.max_relative_error is not None
    assert training.checked.tolerance is not None
    assert training.checked.max_relative_error <= training.checked.tolerance
    assert {s.round for s in training.samples} == {0, 1, 2}
    assert all(0 <= s.start_s <= record.duration_s for s in training.samples)
    assert training.setup_s and training.first_iteration_s and training.warmup_s
    assert training.memory_peak_bytes is not None
    assert (training.memory_peak_bytes.host or 0) > 50 * 1024**2  # torch alone takes more
    assert training.wall_s is not None and training.items_per_s is not None
    assert training.items_per_s.point == pytest.approx(32 / training.wall_s.point)
    assert "mlp_small b32" in out
    assert "record: r.json" in err
    assert "\x1b" not in out + err


def test_ctrl_c_keeps_what_is_finished_and_says_how_to_go_on(
    environment: dict[str, str], tmp_path: Path
) -> None:
    process = _smoke(environment, *NINE_VISITS)
    _until(process, "[5/9]")
    process.send_signal(signal.SIGINT)
    _, err = process.communicate()
    assert process.returncode == 130
    assert "hwbench run --resume r.json" in err
    assert "Traceback" not in err
    record = store.load(tmp_path / "r.json")
    assert sum(m.visits.done for m in record.measurements) == 4
    assert all(m.status == "ok" for m in record.measurements)


def test_a_run_killed_in_the_middle_leaves_no_child_and_is_finished_from_its_journal(
    environment: dict[str, str], tmp_path: Path
) -> None:
    process = _smoke(environment, *NINE_VISITS)
    _until(process, "[5/9]")
    children = [child.pid for child in psutil.Process(process.pid).children(recursive=True)]
    assert children
    process.kill()
    process.communicate()
    deadline = time.monotonic() + 20.0
    while not all(map(fakes.gone, children)):
        assert time.monotonic() < deadline, "a child outlived its parent"
        time.sleep(0.01)
    place = tmp_path / "r.json.jsonl"
    before = journal.read(place)[1]
    assert len(before) == 4
    again = _started(environment, "--resume", "r.json.jsonl", "--json")
    out, err = again.communicate()
    assert again.returncode == 0, err
    visits = journal.read(place)[1]
    assert visits[: len(before)] == before
    record = json.loads(out)
    assert {m["status"] for m in record["measurements"]} == {"ok"}
    every = {(m["id"], number) for m in record["measurements"] for number in range(3)}
    assert len(every) == 9
    assert sorted((v.id, v.round) for v in visits) == sorted(every)


def test_a_server_is_searched_for_the_rate_that_meets_the_bound(
    environment: dict[str, str], tmp_path: Path
) -> None:
    asked = ("--model", "mlp_small", "--scenario", "server", "--latency-bound", "50ms")
    limits = ("--threads", "1", "--processes", "1", "--max-seconds", "8")
    process = _smoke(environment, *asked, *limits)
    out, err = process.communicate()
    assert process.returncode == 0, err
    jsonschema.validate(json.loads((tmp_path / "r.json").read_text()), _published())
    (m,) = store.load(tmp_path / "r.json").measurements
    assert m.id.endswith("/server/torch/cpu/float32/1/width=128/latency_bound_s=0.05")
    assert m.status == "ok" and m.samples and m.wall_s is not None
    assert m.serving is not None and m.serving.loop == "open"
    (search,) = m.serving.searches
    assert search.budget_s <= 8.0
    assert (m.serving.rate_per_s is None) == (search.rate_per_s is None)
    assert search.rate_per_s is not None or search.reason
    for trial in search.trials:
        assert trial.queries <= trial.planned and trial.rate_per_s > 0
        if trial.passed:
            assert trial.latency_estimate_s is not None and trial.latency_estimate_s <= 0.05
            # As many as the plan's, and no faster than they came.
            assert trial.queries == trial.planned
            assert trial.queries / trial.took_s < 1.2 * trial.rate_per_s
    assert "server" in out and "not MLPerf results" in out


def test_shortcuts_and_hardenings_are_timed_beside_the_networks_own_step(
    environment: dict[str, str],
) -> None:
    asked = ("--model", "mlp_small", "--only", "*training*", "--runtime", "jax")
    ways = ("--shortcut", "linear_probe", "--shortcut", "cached_features", "--hardening", "pgd-2")
    process = _smoke(environment, *asked, *ways)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    record = store.load(Path(environment["TMPDIR"]) / "r.json")
    found = {(m.runtime, m.id.rpartition("/")[2]): m for m in record.measurements}
    probe = found["torch", "shortcut=linear_probe"]
    assert probe.status == "ok" and probe.taught is not None and probe.taught.theory_ratio
    assert probe.work.flops_per_iteration == round(probe.taught.flops_per_item or 0) * 32
    assert probe.checked is not None and probe.checked.reference is None
    cached = found["torch", "shortcut=cached_features"].taught
    assert cached is not None and cached.once_s_per_item and cached.once_flops_per_item
    robust = found["torch", "hardening=pgd-2"].taught
    assert robust is not None and robust.theory_ratio and robust.theory_ratio > 2
    in_jax = found["jax", "shortcut=linear_probe"]
    assert in_jax.status == "ok" and in_jax.taught is not None
    assert in_jax.taught.trainable_parameters == probe.taught.trainable_parameters
    skipped = found["jax", "shortcut=cached_features"]
    assert skipped.status == "skipped" and "take --runtime torch" in (skipped.reason or "")
