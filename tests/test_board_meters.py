"""hwmon and battery: what their files say, in watts and joules."""

from pathlib import Path

import pytest

from hwbench.errors import Unavailable
from hwbench.meter import Channel
from hwbench.meters import battery, hwmon
from tests.test_meters import JETSON, LAPTOP, chips, supplies


def value(channel: Channel) -> float:
    (point,) = channel.read(lambda: 5.0)
    assert point.at_s == 5.0
    return point.value


def test_a_jetsons_rail_is_volts_times_amperes(tmp_path: Path) -> None:
    (channel,) = hwmon.open_at(chips(tmp_path, JETSON))
    assert value(channel) == pytest.approx(5.040 * 0.984)
    facts = channel.facts
    assert (facts.domain, facts.kind, facts.update_s) == ("wall", "power", 0.002)
    assert facts.window_s is None


def test_a_supplys_average_says_over_how_long(tmp_path: Path) -> None:
    files = {
        "hwmon0/name": "power_meter",
        "hwmon0/power1_average": "312000000",
        "hwmon0/power1_average_interval": "1000",
    }
    (channel,) = hwmon.open_at(chips(tmp_path, files))
    assert value(channel) == pytest.approx(312.0)
    assert (channel.facts.update_s, channel.facts.window_s) == (1.0, 1.0)


def test_of_energy_and_power_of_one_sensor_the_energy_is_read(tmp_path: Path) -> None:
    files = {
        "hwmon0/name": "xe",
        "hwmon0/energy1_input": "2500000",
        "hwmon0/power1_input": "9000000",
        "hwmon0/power2_average": "3000000",
    }
    counter, other = hwmon.open_at(chips(tmp_path, files))
    assert (counter.facts.kind, value(counter)) == ("counter", 2.5)
    assert (other.facts.kind, value(other)) == ("power", 3.0)


def test_two_chips_of_one_name_have_names_of_their_own(tmp_path: Path) -> None:
    files = {
        f"hwmon{n}/{k}": v
        for n in (1, 2)
        for k, v in {"name": "amdgpu", "power1_average": "41000000"}.items()
    }
    assert len({c.facts.key for c in hwmon.open_at(chips(tmp_path, files))}) == 2


def test_a_sensor_that_stops_answering_is_unavailable(tmp_path: Path) -> None:
    (channel,) = hwmon.open_at(chips(tmp_path, JETSON))
    (tmp_path / "sys/class/hwmon/hwmon3/curr1_input").write_text("")
    with pytest.raises(Unavailable, match="curr1_input cannot be read"):
        channel.read(lambda: 0.0)


def test_a_battery_tells_watts_by_power_or_by_current_and_voltage(tmp_path: Path) -> None:
    (direct,) = battery.open_at(supplies(tmp_path / "a", LAPTOP | {"BAT0/power_now": "-9800000"}))
    assert value(direct) == pytest.approx(9.8)
    files = {name: text for name, text in LAPTOP.items() if "power_now" not in name}
    both = {"BAT0/current_now": "-812000", "BAT0/voltage_now": "12100000"}
    (product,) = battery.open_at(supplies(tmp_path / "b", files | both))
    assert value(product) == pytest.approx(0.812 * 12.1)


def test_a_charger_that_is_plugged_in_ends_the_battery(tmp_path: Path) -> None:
    (channel,) = battery.open_at(supplies(tmp_path, LAPTOP))
    (tmp_path / "sys/class/power_supply/BAT0/status").write_text("Charging\n")
    with pytest.raises(Unavailable, match="no longer discharging"):
        channel.read(lambda: 0.0)
