"""zeus, as its source has it (0.16): AMD's counters or powers, Apple's counters."""

import sys
import types
from typing import Any

import pytest

from hwbench.errors import Unavailable
from hwbench.meter import Asked, Channel
from hwbench.meters import zeus


class NotSupported(Exception):
    pass


class ZeusGPUInitError(Exception):
    pass


class ZeusSoCInitError(Exception):
    pass


class AMDGPUs:
    """Cards by what each answers: counter (mJ), instant and average power (mW); None: nothing."""

    def __init__(self, *cards: tuple[int | None, int | None, int | None]) -> None:
        self.cards = cards

    def __len__(self) -> int:
        return len(self.cards)

    def supports_get_total_energy_consumption(self, gpu_index: int) -> bool:
        return self.cards[gpu_index][0] is not None

    def get_total_energy_consumption(self, gpu_index: int) -> int:
        return self._told(gpu_index, 0)

    def get_instant_power_usage(self, gpu_index: int) -> int:
        return self._told(gpu_index, 1)

    def get_average_power_usage(self, gpu_index: int) -> int:
        return self._told(gpu_index, 2)

    def _told(self, gpu_index: int, which: int) -> int:
        value = self.cards[gpu_index][which]
        if value is None:
            raise NotSupported
        return value


class NVIDIAGPUs(AMDGPUs):
    pass


class AppleSilicon:
    """A chip that counts its processor and its GPU, in mJ."""

    def __init__(self) -> None:
        self.told = types.SimpleNamespace(cpu_total_mj=5000, gpu_mj=2000, dram_mj=None)

    def get_total_energy_consumption(self) -> Any:
        return self.told


def installed(monkeypatch: pytest.MonkeyPatch, gpus: Any = None, soc: Any = None) -> None:
    def get_gpus() -> Any:
        if gpus is None:
            raise ZeusGPUInitError
        return gpus

    def get_soc() -> Any:
        if soc is None:
            raise ZeusSoCInitError
        return soc

    top, device, gpu, chip = (
        types.ModuleType(n) for n in ("zeus", "zeus.device", "zeus.device.gpu", "zeus.device.soc")
    )
    vars(gpu).update(get_gpus=get_gpus, ZeusGPUInitError=ZeusGPUInitError)
    vars(chip).update(get_soc=get_soc, ZeusSoCInitError=ZeusSoCInitError)
    vars(top).update(device=device)
    vars(device).update(gpu=gpu, soc=chip)
    for module in (top, device, gpu, chip):
        monkeypatch.setitem(sys.modules, module.__name__, module)


def told(channels: Any) -> list[tuple[str, str, str, str | None, float]]:
    def one(c: Channel) -> tuple[str, str, str, str | None, float]:
        (point,) = c.read(lambda: 0.0)
        return c.facts.name, c.facts.domain, c.facts.kind, c.facts.device, point.value

    return [one(c) for c in channels]


def test_amds_cards_are_read_by_the_best_that_each_answers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cards = AMDGPUs(
        (7_000, 250_000, None), (None, 260_000, None), (None, None, 270_000), (None, None, None)
    )
    installed(monkeypatch, gpus=cards)
    assert told(zeus.channels(Asked())) == [
        ("cuda:0", "gpu", "counter", "cuda:0", 7.0),
        ("cuda:1", "gpu", "power", "cuda:1", 260.0),
        ("cuda:2", "gpu", "power", "cuda:2", 270.0),
    ]
    facts = zeus.probe(Asked())
    assert (facts.domains, facts.why_not) == (("gpu",), None)


def test_apples_chip_is_read_by_its_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, soc=AppleSilicon())
    assert told(zeus.channels(Asked())) == [
        ("cpu_total", "cpu", "counter", None, 5.0),
        ("gpu", "gpu", "counter", "mps", 2.0),
    ]


def test_nvidias_cards_are_left_to_our_own_meter(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, gpus=NVIDIAGPUs((7_000, 1, 1)))
    with pytest.raises(Unavailable, match="no AMD GPU and no Apple chip"):
        zeus.channels(Asked())


def test_zeus_that_is_not_there_comes_with_the_line_that_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "zeus", None)
    facts = zeus.probe(Asked())
    assert facts.why_not == "zeus is not installed"
    assert facts.remedy == "pip install 'hwbench-dl[zeus]'"
