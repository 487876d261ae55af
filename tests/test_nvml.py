import os
import subprocess
import sys
from typing import Any

import pytest

from hwbench import nvml
from hwbench.nvml import Found
from tests import fake_nvml
from tests.fake_nvml import Card, missing


def found(
    monkeypatch: pytest.MonkeyPatch, cards: list[Card], visible: str | None = None, **settings: Any
) -> Found:
    monkeypatch.setitem(sys.modules, "pynvml", fake_nvml.module(cards, **settings))
    return nvml.devices({} if visible is None else {"CUDA_VISIBLE_DEVICES": visible})


def eight() -> list[Card]:
    return [Card(uuid=f"GPU-{n}0000000-1111-2222-3333-444444444444") for n in range(8)]


def test_the_fake_has_the_names_and_codes_of_nvidia_ml_py() -> None:
    real = pytest.importorskip("pynvml")
    fake: Any = fake_nvml.module([])
    for name in (n for n in vars(fake) if n.startswith(("nvml", "NVML"))):
        assert hasattr(real, name), name
    for name in (n for n in vars(fake) if n.startswith("NVML_")):
        assert getattr(fake, name) == getattr(real, name)
    for name, code in fake_nvml.ERRORS.items():
        assert type(real.NVMLError(code)).__name__ == f"NVMLError_{name}"
        assert type(fake_nvml.NVMLError(code)).__name__ == f"NVMLError_{name}"
    assert not issubclass(real.NVMLLibraryMismatchError, real.NVMLError)


def test_a_card_is_listed_in_si_units(monkeypatch: pytest.MonkeyPatch) -> None:
    devices, why_not = found(monkeypatch, [Card()])
    assert why_not is None
    (card,) = devices
    assert (card.name, card.kind, card.index) == ("cuda:0", "cuda", 0)
    assert card.model == "NVIDIA H100 80GB HBM3"
    assert card.memory_bytes == 85899345920
    assert card.power_limit_w == 700.0
    assert card.compute_capability == "9.0"
    assert card.driver == "580.95.05"
    assert card.mig is False
    assert card.other_processes == 0


def test_nvml_is_shut_down_as_often_as_it_was_started(monkeypatch: pytest.MonkeyPatch) -> None:
    found(monkeypatch, [Card(faults={"nvmlDeviceGetName": "GpuIsLost"})])
    assert sys.modules["pynvml"].calls == ["nvmlInit", "nvmlShutdown"]


@pytest.mark.parametrize(
    ("visible", "numbers"),
    [
        (None, [0, 1, 2, 3, 4, 5, 6, 7]),
        ("", []),
        ("-1", []),
        ("none", []),
        ("2,1", [2, 1]),
        ("0,2,-1,1", [0, 2]),  # NVIDIA's own example: what follows the invalid one is ignored
        ("3,99,1", [3]),
        (" 5 , 6 ", [5, 6]),
        ("GPU-60000000-1111-2222-3333-444444444444,1", [6, 1]),
        ("GPU-6,GPU-7", [6, 7]),  # the beginning of a name is enough
        ("GPU-1,GPU-f,GPU-2", [1]),
    ],
)
def test_cards_are_numbered_as_cuda_sees_them(
    monkeypatch: pytest.MonkeyPatch, visible: str | None, numbers: list[int]
) -> None:
    cards = eight()
    for number, card in enumerate(cards):
        card.model = str(number)
    devices, why_not = found(monkeypatch, cards, visible)
    assert [d.model for d in devices] == [str(n) for n in numbers]
    assert [d.name for d in devices] == [f"cuda:{n}" for n in range(len(numbers))]
    assert devices or why_not == f"CUDA_VISIBLE_DEVICES={visible!r} hides every GPU"


def test_a_mig_slice_has_its_own_memory_and_the_limits_of_its_card(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    card = Card(mig=True)
    part = Card(model="NVIDIA H100 MIG 1g.10gb", uuid="MIG-5", memory_bytes=10 * 2**30, whole=card)
    (device,) = found(monkeypatch, [card], "MIG-5", slices=[part]).devices
    assert device.model == "NVIDIA H100 MIG 1g.10gb"
    assert device.memory_bytes == 10 * 2**30
    assert device.mig is True
    assert device.power_limit_w == 700.0
    assert device.compute_capability == "9.0"


def test_a_divided_card_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    assert found(monkeypatch, [Card(mig=True)]).devices[0].mig is True


def test_what_an_old_card_or_driver_does_not_tell_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    faults = {
        **missing("nvmlDeviceGetMigMode", "nvmlDeviceGetEnforcedPowerLimit"),
        "nvmlDeviceGetCudaComputeCapability": "FunctionNotFound",
        "nvmlDeviceGetMemoryInfo": "NotSupported",
    }
    (card,) = found(monkeypatch, [Card(model="Tesla K20", faults=faults)]).devices
    assert card.model == "Tesla K20"
    unknown = (card.mig, card.power_limit_w, card.compute_capability, card.memory_bytes)
    assert unknown == (None, None, None, None)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("LibraryNotFound", "no NVIDIA driver is installed"),
        ("DriverNotLoaded", "not loaded"),
        ("NoPermission", "refuses this user"),
        ("LibRmVersionMismatch", "reboot"),
        ("Unknown", "999"),
    ],
)
def test_a_driver_that_does_not_start_is_a_reason_and_no_error(
    monkeypatch: pytest.MonkeyPatch, fault: str, words: str
) -> None:
    devices, why_not = found(monkeypatch, [Card()], init=fault)
    assert devices == ()
    assert words in (why_not or "")


def test_a_missing_library_is_a_reason_and_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)
    devices, why_not = nvml.devices({})
    assert devices == ()
    assert "pip install nvidia-ml-py" in (why_not or "")


def test_a_driver_without_cards_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    assert found(monkeypatch, []) == ((), "the driver lists no GPU")


@pytest.mark.parametrize("function", ["nvmlDeviceGetHandleByIndex", "nvmlDeviceGetMemoryInfo"])
def test_a_lost_card_is_left_out_and_named(monkeypatch: pytest.MonkeyPatch, function: str) -> None:
    cards = eight()
    cards[3].faults[function] = "GpuIsLost"
    devices, why_not = found(monkeypatch, cards)
    assert [d.index for d in devices] == [0, 1, 2, 4, 5, 6, 7]
    assert "cuda:3" in (why_not or "")
    assert "lost" in (why_not or "").lower()


def test_only_foreign_processes_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    wait = [sys.executable, "-c", "import sys; sys.stdin.read()"]
    with subprocess.Popen(wait, stdin=subprocess.PIPE) as child:
        own = [os.getpid(), child.pid]
        (alone,) = found(monkeypatch, [Card(pids=own)]).devices
        (shared,) = found(monkeypatch, [Card(pids=[*own, 1, 1, 2**22 + 1])]).devices
        child.communicate()
    assert alone.other_processes == 0
    assert shared.other_processes == 2  # a process with two contexts is one


def test_children_that_vanish_while_being_listed_do_no_harm(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import psutil

    def vanished(*_: Any, **__: Any) -> list[psutil.Process]:
        raise psutil.NoSuchProcess(4711)

    monkeypatch.setattr(psutil.Process, "children", vanished)
    (card,) = found(monkeypatch, [Card(pids=[os.getpid(), 1])]).devices
    assert card.other_processes == 1


def test_an_old_driver_is_asked_for_processes_by_the_older_function(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    faults = {"nvmlDeviceGetComputeRunningProcesses": "LibraryMismatch"}
    (card,) = found(monkeypatch, [Card(pids=[1], faults=faults)]).devices
    assert card.other_processes == 1
    faults["nvmlDeviceGetComputeRunningProcesses_v2"] = "FunctionNotFound"
    (older,) = found(monkeypatch, [Card(pids=[1], faults=faults)]).devices
    assert older.other_processes is None


def test_processes_that_the_driver_keeps_secret_are_unknown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    faults = {"nvmlDeviceGetComputeRunningProcesses": "NoPermission"}
    assert found(monkeypatch, [Card(faults=faults)]).devices[0].other_processes is None
