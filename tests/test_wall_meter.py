"""The wall meter: what its lines may say, what ends it, and its clock."""

import os
import signal
import time
from pathlib import Path

import pytest

from hwbench.errors import Unavailable
from hwbench.meter import Asked
from hwbench.meters import wall
from hwbench.meters.wall import Log, Wall
from hwbench.sampler import Sampler
from tests.fakes import gone


def readings(*lines: str) -> list[tuple[float | None, float]]:
    log = Log("plug.csv")
    return [r for r in map(log.reading, lines) if r is not None]


@pytest.mark.parametrize(
    "lines",
    [
        ["1732550400,61.5", "1732550401,62"],
        ["1732550400 61.5", "1732550401 62"],
        ["1732550400;61.5W", "1732550401;62 W"],
        ["time,watts", "1732550400,61.5", "1732550401,62"],
        ["Watts\tVolts\tTime", "61.5\t230\t1732550400", "62\t231\t1732550401"],
        ["# a plug", "", "2024-11-25T16:00:00Z,61.5", "2024-11-25T17:00:01+01:00,62"],
        ["2024-11-25 16:00:00+00:00 61.5", "2024-11-25 16:00:01+00:00 62"],
        ['{"ts": 1732550400, "power": 61.5}', '{"power": 62, "ts": 1732550401}'],
    ],
)
def test_the_common_forms_are_understood(lines: list[str]) -> None:
    assert readings(*lines) == [(1732550400.0, 61.5), (1732550401.0, 62.0)]


def test_watts_alone_have_no_time() -> None:
    assert readings("42", "43.5") == [(None, 42.0), (None, 43.5)]


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (["1732550400,61.5", "1732550401,sixty"], "line 2: 'sixty' is no number of watts"),
        (["time,power_kw", "1,2"], "line 1: the column power_kw is in kw, wanted are watts"),
        (["time,energy_kwh"], "line 1: the column energy_kwh is in kwh"),
        (["1732550400,61500 mW"], "line 1: the unit is mW, wanted are watts"),
        (["1732550400,1.2kW"], "line 1: the unit is kW"),
        (["1732550400,61.5", "1732550399,62"], "line 2: its time 1732550399 is not after"),
        (["1732550400,-3"], "line 1: -3 W cannot be"),
        (["1732550400,nan"], "line 1: nan W cannot be"),
        (["yesterday,5"], "line 1: 'yesterday' is no time"),
        (["volts,amperes"], "line 1: it says 'volts amperes'"),
        (["1,2,3"], "line 1: 3 values; wanted is: time,watts"),
        (["time,watts", "1732550400,61,7"], "line 2: 3 values, the first line names 2"),
        (["hello there"], "line 1: it says 'hello there'"),
        (['{"a": 1}'], "line 1: the names are a"),
        (["{oops"], "line 1: '{oops' is no JSON object"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(lines: list[str], told: str) -> None:
    with pytest.raises(Unavailable) as caught:
        readings(*lines)
    assert f"plug.csv {told}" in str(caught.value)


def at(wall_lines: list[str], offset_s: float = 0.0, unix: float = 1000.0) -> list[float]:
    """Return when the readings were, on a clock that says 50 when it is `unix`."""
    meter = Wall(Log("plug"), lambda: wall_lines, offset_s, lambda: unix)
    return [p.at_s for p in meter.read(lambda: 50.0)]


def test_readings_lie_on_the_clock_of_the_run() -> None:
    assert at(["997,60", "999.5,61"]) == [47.0, 49.5]
    assert at(["1027,60"], offset_s=30.0) == [47.0]
    assert at(["60"]) == [50.0]


def test_a_clock_that_is_ahead_is_told_with_the_option() -> None:
    with pytest.raises(Unavailable, match="30 s ahead of this machine's clock") as caught:
        at(["1030,60"])
    assert caught.value.remedy == "--wall-meter-offset 30"


def test_a_file_is_read_on_as_it_grows_and_half_a_line_waits(tmp_path: Path) -> None:
    log = tmp_path / "plug.csv"
    now = time.time()
    log.write_text(f"{now - 2},60\n{now - 1},6")
    (channel,) = wall.channels(Asked(wall=str(log)))
    assert [p.value for p in channel.read(time.perf_counter)] == [60.0]
    with log.open("a") as file:
        file.write(f"1\n{now},62\n")
    assert [p.value for p in channel.read(time.perf_counter)] == [61.0, 62.0]
    assert channel.facts.domain == "wall"


def test_a_probe_says_what_to_name_and_runs_nothing(tmp_path: Path) -> None:
    assert "--wall-meter FILE" in (wall.probe(Asked()).remedy or "")
    missing = wall.probe(Asked(wall=str(tmp_path / "no.csv")))
    assert "there is no file" in (missing.why_not or "")
    touched = tmp_path / "touched"
    assert wall.probe(Asked(wall=f"cmd:touch {touched}")).why_not is None
    assert not touched.exists()


def test_a_commands_watts_are_read_by_the_reading_process_and_it_ends_with_it(
    tmp_path: Path,
) -> None:
    told = tmp_path / "pid"
    command = f"cmd:echo $$ > {told}; while :; do echo 42; sleep 0.05; done"
    with Sampler(("wall-meter",), Asked(wall=command)) as meters:
        deadline = time.monotonic() + 20
        while len(meters.traces()["wall-meter/plug"]) < 5 and time.monotonic() < deadline:
            time.sleep(0.05)
        found = meters.traces()["wall-meter/plug"]
    assert {p.value for p in found} == {42.0}
    assert len(found) >= 5
    assert _ended(int(told.read_text()))


def test_a_command_dies_with_a_reading_process_that_is_killed(tmp_path: Path) -> None:
    told = tmp_path / "pid"
    command = f"cmd:echo $$ > {told}; while :; do echo 42; sleep 0.05; done"
    with Sampler(("wall-meter",), Asked(wall=command)) as meters:
        deadline = time.monotonic() + 20
        while not meters.traces()["wall-meter/plug"] and time.monotonic() < deadline:
            time.sleep(0.05)
        os.kill(meters.pid, signal.SIGKILL)
        assert _ended(int(told.read_text()))
        meters.settle(time.perf_counter())
        assert "died" in meters.lost["wall-meter/plug"]


def test_a_command_that_ends_is_lost_with_its_status() -> None:
    with Sampler(("wall-meter",), Asked(wall="cmd:echo 42; exit 3")) as meters:
        deadline = time.monotonic() + 20
        while "wall-meter/plug" not in meters.lost and time.monotonic() < deadline:
            meters.traces()
            time.sleep(0.05)
        assert "ended with status 3" in meters.lost["wall-meter/plug"]


def _ended(pid: int) -> bool:
    deadline = time.monotonic() + 20
    while not gone(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    return gone(pid)
