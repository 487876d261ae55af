import errno
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from hwbench import registry
from hwbench.meter import Asked
from hwbench.meters import battery, hwmon, nvml, nvml_power, rapl
from hwbench.probed import MeterFacts
from tests import fake_nvml
from tests.fake_nvml import Card, missing

DOMAINS = {"gpu", "cpu", "dram", "wall"}


def plant(root: Path, files: dict[str, str]) -> Path:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{content}\n")
    return root


def refuse(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Let reading files of that name fail as for a user who is not root."""
    read: Callable[..., str] = Path.read_text

    def guarded(path: Path, *args: str | None, **named: str | None) -> str:
        if path.name == name:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return read(path, *args, **named)

    monkeypatch.setattr(Path, "read_text", guarded)


def test_every_meter_answers_on_this_machine() -> None:
    shelf = registry.meters()
    assert not shelf.broken
    assert set(shelf.items) >= {
        "battery", "cpu-model", "hwmon", "nvml", "nvml-power", "rapl", "wall-meter", "zeus",
    }  # fmt: skip
    for name, meter in shelf.items.items():
        facts = meter.probe(Asked())
        assert isinstance(facts, MeterFacts)
        assert facts.name == meter.name == name
        assert set(facts.domains) <= DOMAINS
        assert facts.why_not is None or facts.why_not.strip()
        assert facts.domains or facts.why_not  # usable means that it measures something


@pytest.mark.parametrize("find", [rapl.find, hwmon.find, battery.find])
def test_a_machine_without_sys_has_no_meter_and_a_reason(
    tmp_path: Path, find: Callable[[Path], MeterFacts]
) -> None:
    assert find(tmp_path).why_not


RAPL = {
    "intel-rapl:0/name": "package-0",
    "intel-rapl:0/energy_uj": "262143328850",
    "intel-rapl:0:0/name": "core",
    "intel-rapl:0:0/energy_uj": "1",
    "intel-rapl:1/name": "psys",
    "intel-rapl:1/energy_uj": "2",
}
DRAM = {"intel-rapl:0:1/name": "dram", "intel-rapl:0:1/energy_uj": "3"}


def powercap(root: Path, files: dict[str, str]) -> Path:
    return plant(root, {f"sys/class/powercap/{name}": text for name, text in files.items()})


def test_rapl_takes_packages_and_memory_and_nothing_twice(tmp_path: Path) -> None:
    facts = rapl.find(powercap(tmp_path / "desktop", RAPL))
    assert (facts.domains, facts.measured, facts.why_not) == (("cpu",), True, None)
    assert rapl.find(powercap(tmp_path / "server", RAPL | DRAM)).domains == ("cpu", "dram")


def test_rapl_that_only_root_may_read_comes_with_the_line_that_opens_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse(monkeypatch, "energy_uj")
    facts = rapl.find(powercap(tmp_path, RAPL))
    assert "root only" in (facts.why_not or "")
    assert (facts.remedy or "").startswith("sudo chmod a+r /sys/class/powercap/")


def test_rapl_that_a_container_hides_is_not_a_broken_machine(tmp_path: Path) -> None:
    zones = tmp_path / "sys/class/powercap"
    zones.mkdir(parents=True)
    (zones / "intel-rapl:0").symlink_to("../../devices/virtual/powercap/gone")
    assert "hidden" in (rapl.find(tmp_path).why_not or "")


def test_rapl_without_a_number_is_not_usable(tmp_path: Path) -> None:
    facts = rapl.find(powercap(tmp_path, RAPL | {"intel-rapl:0/energy_uj": ""}))
    assert "cannot be read" in (facts.why_not or "")


def chips(root: Path, files: dict[str, str]) -> Path:
    return plant(root, {f"sys/class/hwmon/{name}": text for name, text in files.items()})


JETSON = {
    "hwmon3/name": "ina3221",
    "hwmon3/update_interval": "2",
    "hwmon3/in1_label": "VDD_IN",
    "hwmon3/in1_input": "5040",
    "hwmon3/curr1_input": "984",
    "hwmon3/in2_label": "VDD_CPU_GPU_CV",
    "hwmon3/in2_input": "5040",
    "hwmon3/curr2_input": "208",
    "hwmon3/in4_input": "9",  # a shunt's voltage, with a sum of currents: no channel
    "hwmon3/curr4_input": "1192",
}


def test_a_jetson_tells_its_whole_power_and_a_mixed_rail_is_not_guessed(tmp_path: Path) -> None:
    facts = hwmon.find(chips(tmp_path, JETSON))
    assert facts.why_not is None
    assert facts.domains == ("wall",)
    assert facts.resolution_s == pytest.approx(2e-3)


def test_rails_of_a_board_are_told_apart_by_their_labels(tmp_path: Path) -> None:
    rails = {"hwmon3/in2_label": "VDD_GPU_SOC", "hwmon3/in1_label": "VDD_CPU_CV"}
    assert hwmon.find(chips(tmp_path, JETSON | rails)).domains == ("cpu", "gpu")


def test_server_supply_and_amd_gpu_are_told_by_their_chip(tmp_path: Path) -> None:
    files = {
        "hwmon0/name": "power_meter",
        "hwmon0/power1_average": "312000000",
        "hwmon0/power1_average_interval": "1000",
        "hwmon1/name": "amdgpu",
        "hwmon1/power1_average": "41000000",
    }
    facts = hwmon.find(chips(tmp_path, files))
    assert (facts.domains, facts.resolution_s) == (("gpu", "wall"), 1.0)


def test_a_sensor_that_nothing_names_is_not_taken(tmp_path: Path) -> None:
    files = {"hwmon0/name": "ina226", "hwmon0/power1_input": "5000000"}
    facts = hwmon.find(chips(tmp_path, files))
    assert facts.domains == ()
    assert "hwmon0/power1_input" in (facts.why_not or "")


def test_a_sensor_that_may_not_be_read_comes_with_the_line_that_opens_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse(monkeypatch, "energy1_input")
    files = {"hwmon0/name": "amd_energy", "hwmon0/energy1_input": "7"}
    facts = hwmon.find(chips(tmp_path, files))
    assert facts.domains == ("cpu",)
    assert "energy1_input" in (facts.remedy or "")


def test_temperature_and_fan_are_no_meters(tmp_path: Path) -> None:
    files = {"hwmon0/name": "coretemp", "hwmon0/temp1_input": "41000", "hwmon0/fan1_input": "900"}
    assert "no power sensors" in (hwmon.find(chips(tmp_path, files)).why_not or "")


LAPTOP = {
    "AC/type": "Mains",
    "AC/online": "0",
    "BAT0/type": "Battery",
    "BAT0/status": "Discharging",
    "BAT0/power_now": "9800000",
    "hidpp_battery_0/type": "Battery",
    "hidpp_battery_0/scope": "Device",
    "hidpp_battery_0/status": "Discharging",
}


def supplies(root: Path, files: dict[str, str]) -> Path:
    return plant(root, {f"sys/class/power_supply/{name}": text for name, text in files.items()})


def test_a_discharging_battery_measures_the_whole_machine(tmp_path: Path) -> None:
    facts = battery.find(supplies(tmp_path, LAPTOP))
    assert (facts.domains, facts.measured, facts.why_not) == (("wall",), True, None)


@pytest.mark.parametrize("status", ["Charging", "Full", "Not charging"])
def test_a_battery_that_is_not_discharging_says_what_to_do(tmp_path: Path, status: str) -> None:
    facts = battery.find(supplies(tmp_path, LAPTOP | {"BAT0/status": status}))
    assert f"BAT0: {status}" in (facts.why_not or "")
    assert "unplug" in (facts.remedy or "")


def test_the_battery_of_a_mouse_is_not_the_machines(tmp_path: Path) -> None:
    mouse = {name: text for name, text in LAPTOP.items() if name.startswith("hidpp")}
    assert "no battery" in (battery.find(supplies(tmp_path, mouse)).why_not or "")


def test_current_and_voltage_stand_in_for_power(tmp_path: Path) -> None:
    files = {name: text for name, text in LAPTOP.items() if "power_now" not in name}
    current = {"BAT0/current_now": "-812000"}
    assert battery.find(supplies(tmp_path / "a", files | current)).why_not
    both = files | current | {"BAT0/voltage_now": "12100000"}
    assert battery.find(supplies(tmp_path / "b", both)).why_not is None


COUNTER, POWER = "nvmlDeviceGetTotalEnergyConsumption", "nvmlDeviceGetPowerUsage"
FIELDS = "nvmlDeviceGetFieldValues"


def probed(
    monkeypatch: pytest.MonkeyPatch,
    cards: list[Card],
    init: str | None = None,
    meter: str = "nvml",
) -> MeterFacts:
    monkeypatch.setitem(sys.modules, "pynvml", fake_nvml.module(cards, init=init))
    facts: MeterFacts = METERS[meter].probe(Asked())
    return facts


METERS = {"nvml": nvml, "nvml-power": nvml_power}


@pytest.mark.parametrize("meter", METERS)
def test_nvml_is_usable_where_one_card_answers(monkeypatch: pytest.MonkeyPatch, meter: str) -> None:
    silent = Card(faults=missing(COUNTER, POWER, FIELDS))
    for cards in ([Card()], [silent, Card()]):
        facts = probed(monkeypatch, cards, meter=meter)
        assert (facts.domains, facts.why_not) == (("gpu",), None)
        assert facts.resolution_s == 0.1


def test_a_card_without_a_counter_is_left_to_its_power(monkeypatch: pytest.MonkeyPatch) -> None:
    pascal = [Card(faults=missing(COUNTER))]
    assert "NotSupported" in (probed(monkeypatch, pascal).why_not or "")
    assert probed(monkeypatch, pascal, meter="nvml-power").why_not is None


@pytest.mark.parametrize("meter", METERS)
def test_nvml_without_any_reading_says_why(monkeypatch: pytest.MonkeyPatch, meter: str) -> None:
    silent = probed(monkeypatch, [Card(faults=missing(COUNTER, POWER, FIELDS))], meter=meter)
    assert "no GPU" in (silent.why_not or "")
    assert "lists no GPU" in (probed(monkeypatch, [], meter=meter).why_not or "")
    unloaded = probed(monkeypatch, [Card()], "DriverNotLoaded", meter)
    assert "DriverNotLoaded" in (unloaded.why_not or "")
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert METERS[meter].probe(Asked()).remedy == "pip install nvidia-ml-py"


def test_nvml_is_shut_down_after_a_probe(monkeypatch: pytest.MonkeyPatch) -> None:
    probed(monkeypatch, [Card(faults=missing(COUNTER, POWER))])
    assert sys.modules["pynvml"].calls == ["nvmlInit", "nvmlShutdown"]
