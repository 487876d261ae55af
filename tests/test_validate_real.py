"""`hwbench validate` as users have it: real processes, a real library, real files."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hwbench import validation_file, validations
from tests import fakes

pytest.importorskip("torch")

ROOT = Path(__file__).parent.parent


def _started(folder: Path, *more: str) -> subprocess.Popen[str]:
    own = {
        "HWBENCH_CACHE": str(folder / "cache"),
        "HWBENCH_STATE": str(folder / "state"),
        "TMPDIR": str(folder),
        "PYTHONPATH": str(ROOT),
    }
    fixed = ("--workload", "mlp_small", "--samples", "2k", "--threads", "1", "--out", "v.json")
    return subprocess.Popen(
        [sys.executable, "-m", "hwbench", "validate", *fixed, *more],
        cwd=folder,
        env={**os.environ, **own},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_network_is_predicted_trained_and_held(tmp_path: Path) -> None:
    process = _started(tmp_path, "--minutes", "0.05", "--spread", "1s", "--json")
    out, err = process.communicate()
    assert process.returncode in (0, 1), err  # the machine may do what it likes meanwhile
    done = validation_file.load(tmp_path / "v.json")
    assert json.loads(out)["id"] == done.id and "Traceback" not in err
    assert done.status == "done" and done.ratio is not None and done.outcome is not None
    assert process.returncode == (0 if done.inside else 1)
    assert len(done.outcome.epochs) == done.plan.epochs
    for epoch in done.outcome.epochs:
        assert epoch.stretch.steps == done.plan.steps_per_epoch
        assert epoch.stretch.items == done.plan.samples
        assert epoch.evaluated is not None and epoch.saved is not None
        assert epoch.evaluated.batches == done.plan.evaluation_batches
    parts = {t.name: t.actual_s for t in done.terms}
    assert {"setup", "compile", "steps", "loader", "evaluation", "checkpoint"} <= set(parts)
    # What is timed in the child makes up what the parent saw, but for the talk between them.
    told = sum(v or 0.0 for v in parts.values())
    assert told == pytest.approx(done.outcome.wall_s, rel=0.5) and told <= done.outcome.wall_s
    assert [h.workload for h in validations.read(tmp_path / "state")] == ["mlp_small"]
    assert sorted(p.name for p in tmp_path.glob(".hwbench*")) == []


def test_ctrl_c_in_the_training_keeps_its_epochs_and_ends_its_process(tmp_path: Path) -> None:
    process = _started(tmp_path, "--minutes", "5", "--spread", "1s")
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        path = tmp_path / "v.json"
        if path.exists() and validation_file.load(path).status == "training":
            break
        time.sleep(0.05)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    pids = [int(p) for p in children.read_text().split()] if children.exists() else []
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130 and "Traceback" not in err
    kept = validation_file.load(tmp_path / "v.json")
    assert kept.status == "interrupted" and kept.outcome is not None and kept.outcome.epochs
    assert all(fakes.gone(p) for p in pids)
