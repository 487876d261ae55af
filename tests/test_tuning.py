import json
import os
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from hwbench import tuning, tuning_view
from hwbench.cli import doctor
from hwbench.tuning import Setting
from tests import fake_nvml
from tests.fake_nvml import Card

CPUS = "sys/devices/system/cpu"
THP = "sys/kernel/mm/transparent_hugepage/enabled"
# A workstation with nothing to improve.
GOOD = {
    "proc/loadavg": "0.10 0.20 0.30 1/200 4711",
    f"{CPUS}/cpu0/cpufreq/scaling_governor": "performance",
    f"{CPUS}/cpu0/cpufreq/scaling_driver": "intel_pstate",
    f"{CPUS}/intel_pstate/no_turbo": "0",
    f"{CPUS}/smt/active": "0",
    "sys/class/power_supply/BAT0/type": "Battery",
    "sys/class/power_supply/AC/type": "Mains",
    "sys/class/power_supply/AC/online": "1",
    "proc/cmdline": "BOOT_IMAGE=/vmlinuz root=/dev/sda1 quiet",
    "proc/meminfo": "MemTotal: 8388608 kB\nSwapTotal: 4194304 kB\nSwapFree: 4194304 kB",
    "proc/sys/vm/swappiness": "10",
    THP: "[always] madvise never",
    "sys/devices/system/node/online": "0-1",
    "proc/sys/kernel/numa_balancing": "0",
}
NAMES = {
    "other load",
    "governor",
    "turbo",
    "mains power",
    "isolated CPUs",
    "swap in use",
    "swappiness",
    "huge pages",
    "SMT",
    "NUMA balancing",
    "GPU persistence, cuda:0",
}


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this process use CPUs 0-7, with a card whose driver stays awake."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    monkeypatch.setitem(sys.modules, "pynvml", fake_nvml.module([Card()]))


def examined(root: Path, changed: dict[str, str | None]) -> dict[str, Setting]:
    """Return the settings by name on a good machine but for what is changed; None: no such file."""
    for name, text in (GOOD | changed).items():
        if text is not None:
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{text}\n")
    return {s.setting: s for s in tuning.examine(root, {}).settings}


def test_a_good_machine_needs_nothing(tmp_path: Path) -> None:
    found = examined(tmp_path, {})
    assert set(found) == NAMES
    assert {s.would_help for s in found.values()} == {False}
    assert {s.command for s in found.values()} == {None}


@pytest.mark.parametrize(
    ("changed", "setting", "found", "command"),
    [
        (
            {"proc/loadavg": "0.90 0 0 1/2 3"},
            "other load",
            "0.90 runnable in the last minute",
            "ps -eo pcpu,pid,comm --sort=-pcpu | head",
        ),
        (
            {f"{CPUS}/cpu0/cpufreq/scaling_governor": "schedutil"},
            "governor",
            "schedutil",
            "sudo cpupower frequency-set -g performance",
        ),
        (
            {f"{CPUS}/intel_pstate/no_turbo": "1"},
            "turbo",
            "off",
            f"echo 0 | sudo tee /{CPUS}/intel_pstate/no_turbo",
        ),
        (
            {f"{CPUS}/intel_pstate/no_turbo": None, f"{CPUS}/cpufreq/boost": "0"},
            "turbo",
            "off",
            f"echo 1 | sudo tee /{CPUS}/cpufreq/boost",
        ),
        ({"sys/class/power_supply/AC/online": "0"}, "mains power", "battery", None),
        (
            {"proc/meminfo": "SwapTotal: 4194304 kB\nSwapFree: 3145728 kB"},
            "swap in use",
            "1024 of 4096 MiB",
            "sudo swapoff -a && sudo swapon -a",
        ),
        ({"proc/sys/vm/swappiness": "60"}, "swappiness", "60", "sudo sysctl vm.swappiness=10"),
        (
            {THP: "always [madvise] never"},
            "huge pages",
            "madvise",
            f"echo always | sudo tee /{THP}",
        ),
        ({THP: "always madvise [never]"}, "huge pages", "never", f"echo always | sudo tee /{THP}"),
        (
            {f"{CPUS}/smt/active": "1"},
            "SMT",
            "on",
            "OMP_PLACES=cores OMP_PROC_BIND=close hwbench run",
        ),
        (
            {"proc/sys/kernel/numa_balancing": "1"},
            "NUMA balancing",
            "on",
            "sudo sysctl kernel.numa_balancing=0",
        ),
    ],
)
def test_what_would_help_comes_with_its_command(
    tmp_path: Path,
    changed: dict[str, str | None],
    setting: str,
    found: str,
    command: str | None,
) -> None:
    settings = examined(tmp_path, changed)
    told = settings[setting]
    assert (told.found, told.would_help, told.command) == (found, True, command)
    assert told.why
    helping = {s.setting for s in settings.values() if s.would_help}
    assert helping - {"isolated CPUs"} == {setting}  # these where there is a load, see below


@pytest.mark.parametrize(
    ("driver", "words"), [("intel_pstate", "slower to raise"), ("acpi-cpufreq", "at its least")]
)
def test_powersave_is_judged_by_its_driver(tmp_path: Path, driver: str, words: str) -> None:
    folder = f"{CPUS}/cpu0/cpufreq"
    changed = {f"{folder}/scaling_governor": "powersave", f"{folder}/scaling_driver": driver}
    assert words in examined(tmp_path, {**changed})["governor"].why


def test_turbo_that_is_on_is_right(tmp_path: Path) -> None:
    changed = {f"{CPUS}/intel_pstate/no_turbo": None, f"{CPUS}/cpufreq/boost": "1"}
    told = examined(tmp_path, {**changed})["turbo"]
    assert (told.found, told.would_help) == ("on", False)


@pytest.mark.parametrize(
    ("line", "usable", "command"),
    [
        ("isolcpus=2-7 nohz_full=2-7", range(8), "taskset -c 2-7 hwbench run"),
        ("isolcpus=nohz,domain,2-4,7", range(8), "taskset -c 2-4,7 hwbench run"),
        ("quiet nohz_full=5", range(4), "taskset -c 5 hwbench run"),
        ("isolcpus=2-7", range(2, 8), None),
        ("rcu_nocbs=2-7", range(8), None),
    ],
)
def test_isolated_cpus_are_used_only_by_whom_they_are_given(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    line: str,
    usable: range,
    command: str | None,
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(usable), raising=False)
    told = examined(tmp_path, {"proc/cmdline": line})["isolated CPUs"]
    assert (told.command, told.would_help) == (command, command is not None)


def test_cpus_are_worth_isolating_where_others_work_and_some_remain(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    busy: dict[str, str | None] = {"proc/loadavg": "3.00 0 0 1/2 3"}
    told = examined(tmp_path, busy)["isolated CPUs"]
    assert (told.found, told.command) == ("none", "isolcpus=2-7 nohz_full=2-7")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1}, raising=False)
    assert examined(tmp_path, busy)["isolated CPUs"].would_help is False


def test_without_swap_there_is_no_swappiness_to_set(tmp_path: Path) -> None:
    changed = {"proc/meminfo": "SwapTotal: 0 kB\nSwapFree: 0 kB", "proc/sys/vm/swappiness": "60"}
    found = examined(tmp_path, {**changed})
    assert found["swap in use"].found == "no swap"
    assert "swappiness" not in found


def test_one_node_has_nothing_to_balance(tmp_path: Path) -> None:
    changed = {"sys/devices/system/node/online": "0", "proc/sys/kernel/numa_balancing": "1"}
    assert examined(tmp_path, {**changed})["NUMA balancing"].would_help is False


def test_a_card_that_falls_asleep_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cards = [
        Card(persistent=False),
        Card(),
        Card(faults={"nvmlDeviceGetPersistenceMode": "NotSupported"}),
    ]
    monkeypatch.setitem(sys.modules, "pynvml", fake_nvml.module(cards))
    found = examined(tmp_path, {})
    asleep, awake = found["GPU persistence, cuda:0"], found["GPU persistence, cuda:1"]
    assert (asleep.found, asleep.command) == ("off", "sudo nvidia-smi -pm 1")
    assert (awake.found, awake.would_help) == ("on", False)
    assert "cuda:2" in found["GPU persistence"].why


def test_what_cannot_be_read_is_null_with_its_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nothing() -> tuple[float, float, float]:
        raise OSError

    monkeypatch.setattr(os, "getloadavg", nothing, raising=False)
    monkeypatch.setitem(sys.modules, "pynvml", fake_nvml.module([], init="LibraryNotFound"))
    found = examined(tmp_path, dict.fromkeys(GOOD))
    assert set(found) == {*NAMES, "GPU persistence"} - {"GPU persistence, cuda:0", "swappiness"}
    for told in found.values():
        assert (told.found, told.would_help, told.command) == (None, None, None)
        assert told.why


def test_what_helps_comes_first_and_fits_a_terminal(tmp_path: Path) -> None:
    examined(tmp_path, {THP: "[never]", f"{CPUS}/smt/active": "1", "proc/cmdline": "isolcpus=1"})
    value = tuning.examine(tmp_path, {})
    assert [s.would_help for s in value.settings][:4] == [True, True, True, False]
    text = tuning_view.tuning(value)
    assert max(map(len, text.splitlines())) <= 80
    assert text.startswith("would help:")
    assert text.index("would help:") < text.index("huge pages") < text.index("right already:")
    assert "nothing was changed" in text


def test_the_advice_is_read_only(tmp_path: Path) -> None:
    examined(tmp_path, {})
    files = {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in tmp_path.rglob("*") if p.is_file()}
    for path in files:
        path.chmod(0o444)
    tuning.examine(tmp_path, {})
    after = {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in tmp_path.rglob("*") if p.is_file()}
    assert after == files


def test_the_command_prints_text_or_json_of_this_machine() -> None:
    text = CliRunner().invoke(doctor.command, ["--tune-advice"])
    assert text.exit_code == 0
    assert text.output.rstrip().endswith(tuning.NOTE)
    found = json.loads(CliRunner().invoke(doctor.command, ["--tune-advice", "--json"]).stdout)
    assert found["note"] == tuning.NOTE
    assert {*found["settings"][0]} == {"setting", "found", "would_help", "command", "why"}
    for setting in found["settings"]:
        assert (setting["found"] is None) == (setting["would_help"] is None)
