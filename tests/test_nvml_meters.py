"""nvml and nvml-power against a made-up driver: what is read, how it sees, what is lost."""

import sys

import pytest

from hwbench.meter import Asked, Channel
from hwbench.meters import nvml, nvml_power
from hwbench.sensor import ChannelFacts
from hwbench.window_joules import of_window
from tests import fake_nvml
from tests.fake_nvml import Card, missing
from tests.readers import traces

COUNTER, POWER = "nvmlDeviceGetTotalEnergyConsumption", "nvmlDeviceGetPowerUsage"
INSTANT, AVERAGE = 186, 185


def opened(
    monkeypatch: pytest.MonkeyPatch, cards: list[Card], meter: str = "nvml"
) -> list[Channel]:
    monkeypatch.setitem(sys.modules, "pynvml", fake_nvml.module(cards))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return list({"nvml": nvml, "nvml-power": nvml_power}[meter].channels(Asked()))


def test_the_counter_gives_joules_of_the_card_that_cuda_names(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    card = Card()
    (channel,) = opened(monkeypatch, [card])
    facts = channel.facts
    assert (facts.device, facts.domain, facts.kind, facts.update_s) == (
        "cuda:0", "gpu", "counter", 0.1,
    )  # fmt: skip

    def moved(n: int) -> None:
        card.energy_mj += 30_000  # 300 W

    found, _ = traces([channel], 200, 0.1, moved)
    trace = found["nvml/cuda:0"]
    joules = of_window(facts, trace, trace[20].at_s, trace[120].at_s)
    assert joules.point == pytest.approx(3000.0)
    assert joules.low < 3000 / 1.06 and joules.high > 3000 / 0.94  # the scale's 6 %


def test_cuda_visible_devices_says_which_card_is_which(monkeypatch: pytest.MonkeyPatch) -> None:
    cards = [Card(energy_mj=1000), Card(energy_mj=2000), Card(energy_mj=3000)]
    monkeypatch.setitem(sys.modules, "pynvml", fake_nvml.module(cards))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,0")
    channels = nvml.channels(Asked())
    assert [c.facts.device for c in channels] == ["cuda:0", "cuda:1"]
    assert [c.read(lambda: 0.0)[0].value for c in channels] == [3.0, 1.0]


def test_a_slice_has_no_energy_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Card(mig=True)
    part = Card(uuid="MIG-1", whole=whole)
    monkeypatch.setitem(sys.modules, "pynvml", fake_nvml.module([whole], slices=[part]))
    for asked in ("MIG-1", "0"):  # CUDA runs on a slice of a divided card, named or not
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", asked)
        for meter in (nvml, nvml_power):
            assert "MIG slice's" in (meter.probe(Asked()).why_not or "")
            assert not meter.channels(Asked())


def test_the_fields_are_numbered_as_the_library_has_them() -> None:
    import pynvml

    assert (INSTANT, AVERAGE) == (
        pynvml.NVML_FI_DEV_POWER_INSTANT,
        pynvml.NVML_FI_DEV_POWER_AVERAGE,
    )
    assert nvml_power._INSTANT == INSTANT
    assert nvml_power._AVERAGE == AVERAGE


def test_the_best_power_that_a_card_tells_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    best = Card(fields={INSTANT: 300_000, AVERAGE: 290_000}, power_mw=280_000)
    mean = Card(fields={AVERAGE: 290_000}, power_mw=280_000)
    old = Card(faults=missing("nvmlDeviceGetFieldValues"), power_mw=280_000)
    for card, watts, window_s in ((best, 300.0, 0.025), (mean, 290.0, 1.0), (old, 280.0, 1.0)):
        (channel,) = opened(monkeypatch, [card], "nvml-power")
        assert channel.read(lambda: 0.0)[0].value == watts
        assert channel.facts.window_s == window_s


@pytest.mark.parametrize(
    ("architecture", "capability", "instant", "average"),
    [
        (9, (9, 0), (0.1, 0.025, 0.25), (0.1, 1.0, 1.0)),  # H100
        (8, (8, 9), (0.1, 0.1, 1.0), (0.1, 1.0, 1.0)),  # L4
        (7, (8, 6), (0.1, 0.1, 1.0), (0.1, 1.0, 1.0)),  # A10
        (7, (8, 0), (0.1, 0.025, 0.25), (0.1, 0.025, 0.25)),  # A100
        (6, (7, 5), (0.1, 0.1, 1.0), (0.1, 0.1, 1.0)),  # T4
        (5, (7, 0), (0.02, 0.01, 0.5), (0.02, 0.01, 0.5)),  # V100
        (3, (5, 2), (None, None, 1.0), (None, None, 1.0)),  # Maxwell
    ],
)
def test_how_a_reading_sees_goes_by_the_generation(
    monkeypatch: pytest.MonkeyPatch,
    architecture: int,
    capability: tuple[int, int],
    instant: tuple[float | None, float | None, float],
    average: tuple[float | None, float | None, float],
) -> None:
    for field, wanted in ((INSTANT, instant), (AVERAGE, average)):
        card = Card(architecture=architecture, capability=capability, fields={field: 1000})
        (channel,) = opened(monkeypatch, [card], "nvml-power")
        assert _sees(channel.facts) == wanted


def _sees(facts: ChannelFacts) -> tuple[float | None, float | None, float]:
    return facts.update_s, facts.window_s, facts.seen_frac


@pytest.mark.parametrize(
    ("model", "gain_frac"),
    [("NVIDIA H100 80GB HBM3", 0.06), ("Tesla T4", 0.06), ("NVIDIA GeForce RTX 4090", 0.11)],
)
def test_the_scale_is_as_good_as_the_card(
    monkeypatch: pytest.MonkeyPatch, model: str, gain_frac: float
) -> None:
    (channel,) = opened(monkeypatch, [Card(model=model)])
    assert channel.facts.gain_frac == gain_frac


@pytest.mark.parametrize("meter", ["nvml", "nvml-power"])
def test_a_card_that_falls_off_the_bus_ends_its_channel_alone(
    monkeypatch: pytest.MonkeyPatch, meter: str
) -> None:
    falling, staying = Card(), Card()
    channels = opened(monkeypatch, [falling, staying], meter)

    def moved(n: int) -> None:
        if n == 5:
            falling.faults = {COUNTER: "GpuIsLost", POWER: "GpuIsLost"}

    found, lost = traces(channels, 9, 0.1, moved)
    assert list(lost) == [f"{meter}/cuda:0"]
    assert "cuda:0 no longer answers" in lost[f"{meter}/cuda:0"]
    assert [len(t) for t in found.values()] == [5, 9]
