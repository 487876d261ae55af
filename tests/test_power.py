"""`hwbench power`: what a command or a while takes, by which meters, and what it costs."""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from hwbench import codec, power, power_view
from hwbench.cli import status_of
from hwbench.energy_planning import EnergyWish
from hwbench.errors import BadInput
from hwbench.power import Wish
from hwbench.power_record import PowerRecord
from hwbench.sensor import ChannelFacts
from tests import metered
from tests.fakes import ENVIRONMENT, FakeClock
from tests.metered import CARD, MEMORY, MODEL, PACKAGE, PLUG, SECOND, Scripted, always

PLUG_COMMAND = "cmd:while :; do echo 42; sleep 0.05; done"


class Watched:
    """Meters that are watched on a clock which waiting moves."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, watts: Mapping[ChannelFacts, Any], dies: Any = None
    ) -> None:
        metered.installed(monkeypatch, *watts)
        self.clock = FakeClock()
        self.scripted = Scripted(self.clock, watts, dies)
        self.looks: list[float] = []
        self.interrupt_at: float | None = None

    def look(self, gone_s: float, *_: Any) -> None:
        self.looks.append(gone_s)
        if self.interrupt_at is not None and gone_s >= self.interrupt_at:
            raise KeyboardInterrupt

    def start(self, names: Sequence[str], asked: Any) -> Any:
        self.clock.advance(3.0)
        return self.scripted.start(names, asked)

    def found(self, **wish: Any) -> PowerRecord:
        fields = {"seconds": 10.0} | wish
        return power.measure(
            Wish(**fields), self, environment=ENVIRONMENT, start=self.start,
            clock=self.clock, sleep=self.clock.advance,
        )  # fmt: skip


def test_a_while_has_energy_by_domain_and_in_total(monkeypatch: pytest.MonkeyPatch) -> None:
    watts = {CARD: always(300.0), PACKAGE: always(50.0), MEMORY: always(10.0)}
    watched = Watched(monkeypatch, watts)
    found = watched.found()
    assert found.duration_s == pytest.approx(10.0)
    assert {n: round(d.energy_j) for n, d in found.domains.items()} == {
        "gpu": 3000, "cpu": 500, "dram": 100,
    }  # fmt: skip
    assert found.total is not None
    assert found.total.energy_j == pytest.approx(3600.0, rel=1e-3)
    assert found.total.mean_w == pytest.approx(360.0, rel=1e-3)
    assert found.total.parts == ("gpu", "cpu", "dram")
    assert found.not_included == ("the rest of the machine",)
    assert (found.exit_status, found.interrupted) == (None, False)
    assert watched.scripted.ended
    assert len(watched.looks) >= 10


def test_what_the_energy_costs_has_the_factors_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    watched = Watched(monkeypatch, {CARD: always(360.0)})
    found = watched.found(
        seconds=100.0, pue=1.5, usd_per_kwh=0.25, energy=EnergyWish(wall_factor=1.2)
    )
    assert found.cost is not None and found.assumed_wall is not None
    assert found.cost.usd.point == pytest.approx(36_000 / 3.6e6 * 1.2 * 1.5 * 0.25, rel=1e-3)
    assert found.cost.usd.low < found.cost.usd.point < found.cost.usd.high
    for said in ("gpu by card", "1.2 for the whole machine (assumed)", "PUE 1.5"):
        assert said in found.cost.of


def test_a_measured_wall_needs_no_assumption(monkeypatch: pytest.MonkeyPatch) -> None:
    watched = Watched(monkeypatch, {PLUG: always(120.0), PACKAGE: always(50.0)})
    found = watched.found(energy=EnergyWish(wall_factor=1.4), usd_per_kwh=0.3)
    assert found.assumed_wall is None and found.not_included == ()
    assert found.total is not None and found.total.energy_j == pytest.approx(1200.0, rel=1e-3)
    assert found.cost is not None and "assumed" not in found.cost.of


def test_a_model_is_named_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    found = Watched(monkeypatch, {MODEL: always(20.0)}).found()
    assert found.total is not None
    assert (found.total.measured, found.total.level) == (False, None)
    assert "modelled" in found.total.basis
    text = power_view.summary(found)
    assert "cpu (modelled)" in text and "a model's range" in text


def test_two_meters_that_disagree_are_both_told(monkeypatch: pytest.MonkeyPatch) -> None:
    found = Watched(monkeypatch, {CARD: always(100.0), SECOND: always(120.0)}).found()
    (warning,) = found.warnings
    assert "gpu: 1000 J by card, 1200 J by second: +20%" in warning.message
    calm = Watched(monkeypatch, {CARD: always(100.0), SECOND: always(104.0)}).found()
    assert not calm.warnings


def test_a_meter_that_vanishes_makes_its_domain_null(monkeypatch: pytest.MonkeyPatch) -> None:
    watts = {CARD: always(100.0), PACKAGE: always(50.0)}
    found = Watched(monkeypatch, watts, {CARD: 8.0}).found()
    assert list(found.domains) == ["cpu"]
    assert "fell off the bus" in found.lost["gpu"]
    assert "gpu" in found.not_included
    assert "gpu: null" in power_view.summary(found)


def test_too_short_a_time_has_no_energy_and_never_0(monkeypatch: pytest.MonkeyPatch) -> None:
    found = Watched(monkeypatch, {CARD: always(100.0)}).found(seconds=0.02, usd_per_kwh=0.2)
    assert found.total is None and not found.domains
    assert "too few" in (found.total_reason or "")
    assert found.cost is None and "too few" in (found.cost_reason or "")


def test_ctrl_c_ends_a_view_and_cuts_a_time_short(monkeypatch: pytest.MonkeyPatch) -> None:
    watched = Watched(monkeypatch, {CARD: always(100.0)})
    watched.interrupt_at = 6.0
    found = watched.found(seconds=None)
    assert not found.interrupted  # nothing was promised
    assert found.total is not None and found.total.energy_j == pytest.approx(600.0, rel=0.05)
    watched = Watched(monkeypatch, {CARD: always(100.0)})
    watched.interrupt_at = 6.0
    assert watched.found(seconds=60.0).interrupted


def test_the_traces_are_kept_with_their_phase(monkeypatch: pytest.MonkeyPatch) -> None:
    found = Watched(monkeypatch, {CARD: lambda t: 100.0 if t < 8 else 200.0}).found()
    (trace,) = found.traces
    assert (trace.channel, trace.start_s, trace.step_s) == ("card/cuda:0", 0.0, 0.25)
    assert len(trace.power_w) == 40
    assert {100.0, 200.0} <= set(trace.power_w)
    (phase,) = found.phases
    assert (phase.begin_s, phase.end_s) == (0.0, found.duration_s)


def test_a_long_time_keeps_a_trace_of_bounded_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(power, "MOST_STEPS", 100)
    found = Watched(monkeypatch, {CARD: always(100.0)}).found(seconds=60.0)  # of 240 steps
    assert 50 < len(found.traces[0].power_w) <= 100


def test_seconds_and_a_command_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadInput, match="--seconds cannot stand beside a command"):
        Watched(monkeypatch, {CARD: always(1.0)}).found(command=("true",))


# --- the command line, with real processes


def run(*arguments: str) -> int:
    return status_of(["power", *arguments])


def told(capfd: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capfd.readouterr().out)


PYTHON = sys.executable


def test_a_commands_energy_is_told_and_its_output_is_its_own(
    capfd: pytest.CaptureFixture[str],
) -> None:
    code = "import time; print('mine'); time.sleep(1.5); raise SystemExit(7)"
    assert run("--wall-meter", PLUG_COMMAND, "--", PYTHON, "-c", code) == 7
    out, err = capfd.readouterr()
    assert out == "mine\n"
    assert "exit status 7" in err and "wall by wall-meter" in err


def test_json_is_alone_on_standard_output(
    capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    kept = tmp_path / "p.json"
    code = "import time; print('mine'); time.sleep(1.5)"
    arguments = ("--json", "--wall-meter", PLUG_COMMAND, "--out", str(kept))
    assert run(*arguments, "--electricity-usd-per-kwh", "0.25", "--", PYTHON, "-c", code) == 0
    found = told(capfd)
    assert found["schema"] == "hwbench.power/1"
    assert found["domains"]["wall"]["mean_w"] == pytest.approx(42.0)
    assert found["total"]["measured"] is True
    assert found["cost"]["usd"]["point"] > 0
    record = codec.decode(PowerRecord, json.loads(kept.read_text()))
    assert record.command[-1] == code and record.total is not None


def test_text_in_a_wall_meters_lines_is_told_and_the_domain_is_null(
    capfd: pytest.CaptureFixture[str],
) -> None:
    bad = "cmd:for i in 1 2 3 4 5 6 7 8 9 10; do echo 42; sleep 0.05; done; echo sixty; sleep 30"
    code = "import time; time.sleep(2)"
    assert run("--json", "--wall-meter", bad, "--", PYTHON, "-c", code) == 0
    found = told(capfd)
    assert (found["total"], found["domains"]) == (None, {})
    assert "line 11: 'sixty' is no number of watts" in found["lost"]["wall"]
    assert found["duration_s"] >= 2


def test_no_meter_is_no_failure_and_says_which_are_missing(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    metered.installed(monkeypatch)
    assert run("--json", "--meter", "none", "--", PYTHON, "-c", "pass") == 0
    found = told(capfd)
    assert (found["total"], found["exit_status"]) == (None, 0)
    assert found["total_reason"] and found["duration_s"] > 0
    assert run() == 0
    out = capfd.readouterr().out
    assert "nothing could be watched" in out and "no meter can be used here" in out


def test_a_command_that_cannot_be_started_is_wrong_use(capfd: pytest.CaptureFixture[str]) -> None:
    assert run("--", "no-such-program-anywhere") == 2
    assert "no-such-program-anywhere: cannot be started" in capfd.readouterr().err


def test_a_meter_that_cannot_be_used_is_refused_with_its_reason(
    capfd: pytest.CaptureFixture[str],
) -> None:
    assert run("--meter", "wall-meter", "--seconds", "1") == 2
    assert "no wall meter was named: --wall-meter FILE" in capfd.readouterr().err


def test_a_pipe_gets_a_line_a_second_and_no_codes(capfd: pytest.CaptureFixture[str]) -> None:
    assert run("--seconds", "1.5", "--wall-meter", PLUG_COMMAND) == 0
    out, err = capfd.readouterr()
    assert "\x1b" not in out + err
    assert "wall by wall-meter/plug: 42.0 W" in err
    assert "total: " in out


def test_a_chart_fills_its_rows_from_the_bottom() -> None:
    lines = power_view.chart([None, 0.0, 50.0, 100.0], rows=2)
    cells = [line[power_view._AXIS :] for line in lines]
    assert cells == ["   █", " ▁██"]
    assert "100 W" in lines[0] and "0 W" in lines[1]
