"""The process that reads the meters, for real: it starts, reads, loses, ends."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from hwbench.meter import Asked
from hwbench.sampler import Sampler
from tests.fakes import gone

WALL = "cmd:while :; do echo 42; sleep 0.05; done"
PLUG = "wall-meter/plug"


def until(true: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 20
    while not true() and time.monotonic() < deadline:
        time.sleep(0.02)
    return true()


def test_readings_lie_on_this_processs_clock_and_go_on() -> None:
    before = time.perf_counter()
    with Sampler(("wall-meter",), Asked(wall=WALL)) as meters:
        assert [f.key for f in meters.channels] == [PLUG]
        assert until(lambda: len(meters.traces()[PLUG]) >= 10)
        end = time.perf_counter()
        meters.settle(end)
        times = [p.at_s for p in meters.traces()[PLUG]]
    assert before < times[0] < end < times[-1]
    assert times == sorted(times)
    assert not meters.lost


def test_a_meter_that_cannot_be_opened_is_lost_and_the_others_are_read(tmp_path: Path) -> None:
    with Sampler(("cpu-model", "wall-meter"), Asked(wall=WALL, no_cpu="not known")) as meters:
        assert [f.meter for f in meters.channels] == ["wall-meter"]
        assert list(meters.lost) == ["cpu-model"]
        assert "not known" in meters.lost["cpu-model"]


def test_a_bad_line_ends_the_meter_with_its_reason(tmp_path: Path) -> None:
    log = tmp_path / "plug.csv"
    log.write_text(f"{time.time()},sixty\n")
    with Sampler(("wall-meter",), Asked(wall=str(log))) as meters:
        assert until(lambda: bool(meters.traces()) and PLUG in meters.lost)
    assert "plug.csv line 1: 'sixty' is no number of watts" in meters.lost[PLUG]


def test_a_reader_that_is_killed_is_noticed_and_what_it_read_is_kept() -> None:
    with Sampler(("wall-meter",), Asked(wall=WALL)) as meters:
        assert until(lambda: len(meters.traces()[PLUG]) >= 3)
        os.kill(meters.pid, signal.SIGKILL)
        assert until(lambda: bool(meters.traces()) and PLUG in meters.lost)
        assert len(meters.traces()[PLUG]) >= 3
    assert "died" in meters.lost[PLUG]


def test_the_reader_ends_with_the_sampler() -> None:
    with Sampler(("wall-meter",), Asked(wall=WALL)) as meters:
        pid = meters.pid
        assert not gone(pid)
    assert until(lambda: gone(pid))
    assert PLUG not in meters.lost  # an end that was asked for is no loss


def test_no_meter_is_no_channel() -> None:
    with Sampler(()) as meters:
        assert meters.channels == ()
        assert meters.traces() == {}
        meters.settle(time.perf_counter())


def test_a_reader_that_does_not_start_loses_every_meter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", "/bin/false")
    with Sampler(("wall-meter",), Asked(wall=WALL)) as meters:
        assert meters.channels == ()
        assert "did not start" in meters.lost["wall-meter"]
        assert meters.traces() == {}
