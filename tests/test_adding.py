"""docs/adding.md keeps its word: its examples are files that work, with nothing else touched."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "adding.md").read_text(encoding="utf-8")
EXAMPLES = dict(
    re.findall(r"^## A [a-z]+: `([a-z_/0-9]+\.py)`\n.*?^```python\n(.*?)^```$", PAGE, re.M | re.S)
)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Return a copy of the package in a folder of its own, as a clone has it."""
    for name in ("hwbench", "kernels"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def add(checkout: Path, path: str) -> None:
    assert not (checkout / path).exists(), f"the example of the page is in the project: {path}"
    (checkout / path).write_text(EXAMPLES[path], encoding="utf-8")


def hwbench(checkout: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-P", "-m", "hwbench", *arguments],
        env={
            **os.environ,
            "PYTHONPATH": str(checkout),
            "HWBENCH_CACHE": str(checkout / "cache"),
            "HWBENCH_STATE": str(checkout / "state"),
            "PATH": f"{checkout / 'bin'}{os.pathsep}{os.environ['PATH']}",
        },
        cwd=checkout,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def _a_controller_of_312_watts(checkout: Path) -> None:
    """Let the page's meter find an ipmitool that answers as a server's does."""
    tool = checkout / "bin" / "ipmitool"
    tool.parent.mkdir()
    tool.write_text("#!/bin/sh\necho '    Instantaneous power reading:         312 Watts'\n")
    tool.chmod(0o755)


def test_the_page_has_one_example_of_each_kind() -> None:
    assert [path.rpartition("/")[0] for path in EXAMPLES] == [
        "kernels",
        "hwbench/workloads",
        "hwbench/runtimes",
        "hwbench/meters",
        "hwbench/shortcuts",
        "hwbench/hardenings",
        "hwbench/settings",
        "hwbench/charts",
    ]


def test_a_kernel_is_one_file_and_runs_on_every_runtime(checkout: Path) -> None:
    add(checkout, "kernels/gemv.py")
    asked = ("--profile", "full", "--only", "kernel/gemv/*/m=256,k=256", "--processes", "1",
             "--max-seconds", "40")  # fmt: skip
    record = json.loads(hwbench(checkout, "run", *asked, "--json", "--force"))
    found = {(m["runtime"], m["phase"], m["status"]) for m in record["measurements"]}
    assert found == {
        ("torch", "forward", "ok"),
        ("torch", "backward", "ok"),
        ("jax", "forward", "ok"),
        ("jax", "backward", "ok"),
        ("onnxruntime", "forward", "ok"),
    }
    assert all(m["checked"]["max_relative_error"] <= 1e-4 for m in record["measurements"])


def test_a_workload_is_one_file_and_runs_on_every_runtime(checkout: Path) -> None:
    add(checkout, "hwbench/workloads/lenet5.py")
    asked = ("--model", "lenet5_small", "--only", "workload/*", "--processes", "1")
    record = json.loads(hwbench(checkout, "run", "--profile", "smoke", *asked, "--json", "--force"))
    assert {(m["runtime"], m["phase"], m["status"]) for m in record["measurements"]} == {
        ("torch", "inference", "ok"),
        ("torch", "training", "ok"),
        ("jax", "inference", "ok"),
        ("jax", "training", "ok"),
        ("onnxruntime", "inference", "ok"),
    }
    assert all(m["checked"]["reference"] for m in record["measurements"])


def test_a_runtime_and_a_meter_are_one_file_each(checkout: Path) -> None:
    add(checkout, "hwbench/runtimes/torch_channels_last.py")
    add(checkout, "hwbench/meters/ipmi.py")
    assert "torch-channels-last" in hwbench(checkout, "list", "runtimes")
    assert "ipmi" in hwbench(checkout, "list", "meters")
    _a_controller_of_312_watts(checkout)
    noise = "def channels(asked: Asked) -> Sequence[Channel]:\n    print('a library that talks')\n"
    meter = checkout / "hwbench/meters/ipmi.py"
    meter.write_text(meter.read_text().replace(noise.partition("    print")[0], noise))
    assert "that talks" in meter.read_text()
    # The page's sensor renews itself each second, and takes a minute a case: this one is quicker.
    quicker = meter.read_text().replace("_RENEWAL_S = 1.0", "_RENEWAL_S = 0.05")
    assert quicker != meter.read_text()
    meter.write_text(quicker)
    power = json.loads(hwbench(checkout, "power", "--meter", "ipmi", "--seconds", "4", "--json"))
    assert power["total_reason"] is None
    assert power["domains"]["wall"]["mean_w"] == pytest.approx(312.0)
    assert power["total"]["parts"] == ["wall"]
    asked = ("--model", "resnet18_small", "--runtime", "torch-channels-last", "--processes", "1")
    record = json.loads(
        hwbench(checkout, "run", "--only", "*/inference/*", *asked, "--json", "--force")
    )
    assert {m["status"] for m in record["measurements"]} == {"ok"}
    assert all(m["energy_j"]["parts"] == ["wall"] for m in record["measurements"])


def test_a_hardening_a_setting_and_a_figure_are_one_file_each(checkout: Path) -> None:
    add(checkout, "hwbench/hardenings/smoothing.py")
    add(checkout, "hwbench/settings/mkldnn_off.py")
    add(checkout, "hwbench/charts/setup.py")
    asked = ("--only", "workload/*", "--model", "mlp_small", "--runtime", "torch")
    ways = ("--hardening", "smoothing", "--setting", "mkldnn_off+fused")
    more = (*ways, "--processes", "1", "--out", "r.json", "--force")
    hwbench(checkout, "run", "--profile", "smoke", *asked, *more)
    record = json.loads((checkout / "r.json").read_text())
    found = [m for m in record["measurements"] if "hardening=smoothing" in m["id"]]
    found += [m for m in record["measurements"] if "setting=mkldnn_off+fused" in m["id"]]
    assert [m["status"] for m in found] == ["ok", "ok"]
    told = hwbench(checkout, "plot", "setup", "r.json")
    assert "getting ready against an iteration" in told and "a  torch" in told


def test_a_shortcut_and_a_provider_are_one_file_each(checkout: Path) -> None:
    add(checkout, "hwbench/shortcuts/bitfit.py")
    (path, text), *_ = re.findall(
        r"^## A provider: `([a-z_/-]+\.toml)`\n.*?^```toml\n(.*?)^```$", PAGE, re.M | re.S
    )
    (checkout / path).write_text(text, encoding="utf-8")
    assert "bitfit" in hwbench(checkout, "list", "shortcuts")
    listed = json.loads(hwbench(checkout, "instances", "list", "--provider", "acme", "--json"))
    assert "gpu-1" in json.dumps(listed)
    record = sorted((ROOT / "results").glob("*-standard.json"))[-1]
    plan = ("--workload", "resnet50", "--samples", "50k", "--no-measure", "--json")
    where = ("--on", "acme:gpu-1", "--shortcut", "bitfit")
    (row,) = json.loads(hwbench(checkout, "estimate", str(record), *plan, *where))["rows"]
    assert (row["instance"], row["basis"], row["epochs"]) == ("acme:gpu-1", "modelled", 5.0)
    assert row["price"]["usd_per_h"] == 0.6 and row["cost_usd"]["point"] > 0
