import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hwbench import gpu_watch
from hwbench.counters import Own
from hwbench.interference import Watch
from tests import fake_nvml
from tests.fake_nvml import Card, missing


def looked(monkeypatch: pytest.MonkeyPatch, *moments: dict[str, Any], **card: Any) -> Any:
    """Look at a card at some moments, between which its fields change."""
    here = Card(**card)
    monkeypatch.setitem(sys.modules, "pynvml", fake_nvml.module([here]))
    watched = gpu_watch.opened("cuda:0", {})
    for moment in moments or ({},):
        for name, value in moment.items():
            setattr(here, name, value)
        watched.look()
    return watched.told()


def test_the_worst_of_begin_and_end_is_kept_in_si_units(monkeypatch: pytest.MonkeyPatch) -> None:
    told = looked(
        monkeypatch,
        {"sm_mhz": 990, "temperature_c": 81, "power_mw": 250_000, "pids": []},
        {"sm_mhz": 1980, "temperature_c": 60, "power_mw": 320_000, "pids": [2**22 + 1]},
    )
    assert told.facts == {
        "sm_clock_frac_min": 0.5,
        "temperature_c_max": 81,
        "power_w_max": 320.0,
        "other_processes": 1,
        "throttle_reasons": (),
    }
    assert told.why_null == ()


def test_reasons_have_the_bits_of_nvml() -> None:
    real = pytest.importorskip("pynvml")
    bits = {
        "GpuIdle": None,
        "ApplicationsClocksSetting": "application clocks",
        "SwPowerCap": "software power cap",
        "HwSlowdown": "hardware slowdown",
        "SyncBoost": "sync boost",
        "SwThermalSlowdown": "software thermal slowdown",
        "HwThermalSlowdown": "hardware thermal slowdown",
        "HwPowerBrakeSlowdown": "power brake",
    }
    for name, told in bits.items():
        bit = getattr(real, f"nvmlClocksThrottleReason{name}")
        assert gpu_watch.names(bit) == (() if told is None else (told,))


def test_reasons_of_all_looks_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    told = looked(monkeypatch, {"reasons": 0x4}, {"reasons": 0x1 | 0x40})
    assert told.facts["throttle_reasons"] == ("software power cap", "hardware thermal slowdown")
    assert gpu_watch.holding_back(told.facts["throttle_reasons"]) == ("hardware thermal slowdown",)


def test_the_low_clock_of_an_idle_card_tells_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    told = looked(monkeypatch, {"reasons": 0x1, "sm_mhz": 345})
    assert told.facts["sm_clock_frac_min"] is None
    assert "sm_clock_frac_min" in told.why_null[0]


def test_an_older_driver_is_asked_by_the_older_name(monkeypatch: pytest.MonkeyPatch) -> None:
    faults = {"nvmlDeviceGetCurrentClocksEventReasons": "FunctionNotFound"}
    assert looked(monkeypatch, reasons=0x20, faults=faults).facts["throttle_reasons"] == (
        "software thermal slowdown",
    )
    library = fake_nvml.module([Card(reasons=0x80)])
    del library.nvmlDeviceGetCurrentClocksEventReasons  # an nvidia-ml-py that has it not yet
    monkeypatch.setitem(sys.modules, "pynvml", library)
    card = gpu_watch.opened("cuda", {})
    card.look()
    assert card.told().facts["throttle_reasons"] == ("power brake",)


def test_what_the_card_does_not_tell_is_none_with_its_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    silent = missing(
        "nvmlDeviceGetClockInfo",
        "nvmlDeviceGetTemperature",
        "nvmlDeviceGetPowerUsage",
        "nvmlDeviceGetComputeRunningProcesses",
        "nvmlDeviceGetCurrentClocksEventReasons",
        "nvmlDeviceGetCurrentClocksThrottleReasons",
    )
    told = looked(monkeypatch, faults=silent)
    unknown = {k for k, v in told.facts.items() if v is None}
    assert unknown == {
        "sm_clock_frac_min",
        "temperature_c_max",
        "power_w_max",
        "other_processes",
    }
    assert {w.partition(":")[0] for w in told.why_null} == {*unknown, "throttle_reasons"}
    assert told.facts["throttle_reasons"] == ()


def test_a_card_that_is_lost_meanwhile_does_no_harm(monkeypatch: pytest.MonkeyPatch) -> None:
    gone = {name: "GpuIsLost" for name in vars(fake_nvml.module([])) if "DeviceGet" in name}
    del gone["nvmlDeviceGetHandleByIndex"]
    told = looked(monkeypatch, {}, {"faults": gone, "temperature_c": 99})
    assert told.facts["temperature_c_max"] == 41


def test_the_runs_own_processes_are_not_foreign(monkeypatch: pytest.MonkeyPatch) -> None:
    wait = [sys.executable, "-c", "import sys; sys.stdin.read()"]
    with subprocess.Popen(wait, stdin=subprocess.PIPE) as sibling:
        family = [os.getpid(), os.getppid(), sibling.pid]
        alone = looked(monkeypatch, pids=family).facts["other_processes"]
        shared = looked(monkeypatch, pids=[*family, 2**22 + 1]).facts["other_processes"]
        sibling.communicate()
    assert (alone, shared) == (0, 1)


def test_cuda_counts_the_cards_that_are_visible(monkeypatch: pytest.MonkeyPatch) -> None:
    cards = [Card(temperature_c=30), Card(temperature_c=50)]
    monkeypatch.setitem(sys.modules, "pynvml", fake_nvml.module(cards))
    card = gpu_watch.opened("cuda:0", {"CUDA_VISIBLE_DEVICES": "1"})
    card.look()
    assert card.told().facts["temperature_c_max"] == 50
    hidden = gpu_watch.opened("cuda:1", {"CUDA_VISIBLE_DEVICES": "1"})
    hidden.look()
    assert hidden.told().why_null == ("GPU: the driver lists no cuda:1",)


def test_without_the_library_or_driver_the_reason_is_given(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert "pip install nvidia-ml-py" in gpu_watch.opened("cuda:0", {}).told().why_null[0]
    monkeypatch.setitem(sys.modules, "pynvml", fake_nvml.module([], init="DriverNotLoaded"))
    assert "not loaded" in gpu_watch.opened("cuda:0", {}).told().why_null[0]


def test_other_devices_say_that_nobody_is_asked() -> None:
    assert gpu_watch.opened("mps", {}).told().why_null == ("GPU: no driver is asked for mps",)
    assert gpu_watch.opened("cpu", {}).told().why_null == ()


def test_a_visit_looks_at_its_begin_and_its_end(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    here = Card(temperature_c=70)
    monkeypatch.setitem(sys.modules, "pynvml", fake_nvml.module([here]))
    now_s = iter(range(100))
    watch = Watch(lambda: float(next(now_s)), 1, "cuda:0", tmp_path, own=lambda: Own(0.0, 0))
    watch.begin()
    watch.end()
    here.temperature_c = 60
    here.reasons = 0x8
    found = watch.conditions()
    assert found is not None
    assert found.temperature_c_max == 70
    assert found.throttle_reasons == ("hardware slowdown",)
    assert found.power_w_max == 71.0
    assert found.sm_clock_frac_min == 1.0
