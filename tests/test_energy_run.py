"""A run that measures energy: the pass, the figures, the record, the journal, what goes wrong."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hwbench import energy_pass, energy_planning, journal, metering, resuming, store
from hwbench.child import ChildFailed
from hwbench.cpu_power import HIGH, LOW, CpuPower
from hwbench.device import Device
from hwbench.energy import EnergyPass, EnergyTerms, Window
from hwbench.measurement import Conditions, Measurement, Protocol, Record
from hwbench.meter import Asked
from hwbench.protocol import VisitRequest, VisitResult
from hwbench.rounds import Rounds
from hwbench.run_outcome import Outcome
from tests import metered
from tests.fakes import (
    GEMM,
    INFERENCE,
    PROTOCOL,
    FakeClock,
    FakeCrew,
    FakeProgress,
    good,
    header,
    planned,
)  # fmt: skip
from tests.metered import CARD, MEMORY, MODEL, PACKAGE, PLUG, SECOND, Scripted, always

ON_CARD = replace(INFERENCE, device="cuda:0")
TERMS = EnergyTerms(
    meters=("card", "second", "package", "plug", "model"),
    windows=3,
    window_s=10.0,
    idle_s=30.0,
    kinds=("workload",),
    max_s=1000.0,
)
METERED = replace(PROTOCOL, energy=TERMS)
ITERATION_S = 0.01
IDLE_S = (0.0, 32.0)  # of the script: before the first case


class Machine:
    """A scripted machine: children that draw, meters that follow the clock."""

    def __init__(
        self,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        watts: dict[Any, Any],
        *,
        cases: Any = (INFERENCE,),
        protocol: Protocol = METERED,
        dies: Any = None,
        draw: Callable[[VisitRequest], VisitResult] | None = None,
    ) -> None:
        self.clock, self.out = FakeClock(), tmp_path / "r.json"
        metered.installed(monkeypatch, *watts)
        self.crew = FakeCrew(self._answer)
        self._draw = draw or self.drawn
        self.meters: Scripted | None = None
        self.notes = FakeProgress()
        self.head = header(*map(planned, cases), protocol=protocol)
        self._watts, self._dies = watts, dies

    def start(self, names: Any, asked: Asked) -> Any:
        """Open the scripted meters, as a run opens its Sampler."""
        self.meters = Scripted(self.clock, self._watts, self._dies)
        return self.meters.start(names, asked)

    def _answer(self, request: VisitRequest) -> VisitResult:
        return good(request) if request.draw is None else self._draw(request)

    def drawn(self, request: VisitRequest) -> VisitResult:
        """Run windows as long as asked, at one iteration each 10 ms."""
        assert request.draw is not None
        terms, windows = request.draw, []
        self.clock.advance(terms.rise_s)
        for _ in range(terms.windows):
            begin = self.clock.now - request.run_start
            self.clock.advance(terms.window_s)
            end = self.clock.now - request.run_start
            n = round(terms.window_s / ITERATION_S)
            windows.append(Window(begin_s=begin, end_s=end, iterations=n))
        self.clock.advance(terms.rise_s)
        return VisitResult(
            id=request.case.id, status="ok", round=0, process=request.process,
            energy=EnergyPass(windows=tuple(windows)),
        )  # fmt: skip

    def run(self) -> Outcome:
        with journal.Journal(journal.path_of(self.out), self.head) as kept:
            return self.rounds((), kept).go(1.0)

    def rounds(self, visits: tuple[VisitResult, ...], kept: journal.Journal) -> Rounds:
        return Rounds(
            self.head,
            visits,
            kept,
            self.out,
            self.notes,
            self.crew.spawn,
            self.clock,
            took_before=1000.0 if visits else 0.0,
            start_meters=self.start,
            sleep=self.clock.advance,
        )

    def one(self) -> Measurement:
        (found,) = self.run().record.measurements
        return found


def busy(idle_w: float, work_w: float) -> Callable[[float], float]:
    """Return a power that is idle before and after one case's pass."""
    last = IDLE_S[1] + 33.0 + 1.0
    return lambda t: work_w if IDLE_S[1] <= t < last else idle_w


def test_joules_per_iteration_are_watts_times_seconds_by_iterations(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    m = Machine(tmp_path, monkeypatch, {PACKAGE: always(40.0)}).one()
    assert m.energy_j is not None and m.energy_reason is None
    energy = m.energy_j
    assert energy.point == pytest.approx(40.0 * ITERATION_S, rel=1e-3)
    assert energy.low <= energy.point <= energy.high
    assert (energy.measured, energy.level, energy.parts) == (True, 0.95, ("cpu",))
    assert energy.per_item_j is not None
    assert energy.per_item_j.point == pytest.approx(energy.point / 32)
    assert m.wall_s is not None
    assert energy.energy_delay_js == pytest.approx(energy.point * m.wall_s.mean)
    assert m.power_w is not None and m.power_w.point == pytest.approx(40.0, rel=1e-3)
    assert m.power_w.peak == pytest.approx(40.0)
    cpu = energy.domains["cpu"]
    assert (cpu.meter, cpu.windows, cpu.gain_frac) == ("package", 3, None)
    assert energy.not_included == ("dram", "the rest of the machine")


def test_idle_is_measured_before_and_after_and_net_is_what_is_above(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = Machine(tmp_path, monkeypatch, {PACKAGE: busy(15.0, 55.0)})
    record = machine.run().record
    energy = record.measurements[0].energy_j
    assert energy is not None and energy.net_j is not None
    assert energy.idle_w == pytest.approx(15.0, rel=0.01)
    assert energy.point == pytest.approx(0.55, rel=0.01)
    assert energy.idle_j == pytest.approx(0.15, rel=0.01)
    assert energy.net_j.point == pytest.approx(0.40, rel=0.01)
    assert energy.net_j.low < 0.40 < energy.net_j.high
    assert len(record.idle) == 2
    for stretch in record.idle:
        (window,) = stretch.windows
        assert window.iterations == 0
        assert window.end_s - window.begin_s >= 30.0


def test_time_is_measured_before_energy_and_not_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A meter's cost is not in any time: the pass is another one, and adds no sample."""
    with_meter = Machine(tmp_path / "a", monkeypatch, {PACKAGE: always(40.0)})
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    measured = with_meter.one()
    kinds = ["draw" if r.draw else "time" for r in with_meter.crew.requests]
    assert kinds == ["time"] * 3 + ["draw"]
    assert all(r.check is False for r in with_meter.crew.requests if r.draw)
    without = Machine(
        tmp_path / "b", monkeypatch, {PACKAGE: always(40.0)},
        protocol=replace(PROTOCOL, no_energy="no meter"),
    ).one()  # fmt: skip
    assert [s.wall_s for s in measured.samples] == [s.wall_s for s in without.samples]
    assert (without.energy_j, without.energy_reason) == (None, "no meter")


def test_a_card_its_processor_and_memory_are_added_and_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watts = {CARD: always(300.0), PACKAGE: always(50.0), MEMORY: always(10.0)}
    m = Machine(tmp_path, monkeypatch, watts, cases=(ON_CARD,)).one()
    energy = m.energy_j
    assert energy is not None
    assert energy.parts == ("gpu", "cpu", "dram")
    assert energy.point == pytest.approx(3.60, rel=1e-3)
    assert energy.not_included == ("the rest of the machine",)
    assert "gpu by card + cpu by package + dram by package, 3 windows" in energy.basis
    half = (energy.high - energy.low) / 2
    assert half == pytest.approx(3.0 * 0.05, rel=0.1)  # the card's scale, the rest is exact


def test_a_case_on_the_processor_does_not_count_the_card(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watts = {CARD: always(300.0), PACKAGE: always(50.0)}
    energy = Machine(tmp_path, monkeypatch, watts).one().energy_j
    assert energy is not None and energy.parts == ("cpu",)


def test_a_wall_meter_is_the_total_and_the_parts_stand_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watts = {PLUG: always(120.0), PACKAGE: always(50.0)}
    protocol = replace(PROTOCOL, energy=TERMS, wall_factor=1.4)
    energy = Machine(tmp_path, monkeypatch, watts, protocol=protocol).one().energy_j
    assert energy is not None
    assert (energy.parts, set(energy.domains)) == (("wall",), {"wall", "cpu"})
    assert energy.point == pytest.approx(1.2, rel=1e-3)
    assert energy.not_included == ()
    assert energy.assumed_wall is None  # it is measured: nothing to assume


def test_the_rest_of_the_machine_is_an_assumption_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    protocol = replace(PROTOCOL, energy=TERMS, wall_factor=1.4)
    machine = Machine(tmp_path, monkeypatch, {PACKAGE: always(50.0)}, protocol=protocol)
    energy = machine.one().energy_j
    assert energy is not None and energy.assumed_wall is not None
    assert energy.point == pytest.approx(0.5, rel=1e-3)
    assert energy.assumed_wall.energy_j == pytest.approx(0.7, rel=1e-3)
    assert "assumed" in energy.assumed_wall.source


def test_a_model_beside_a_meter_is_labelled_and_widens_the_total(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watts = {CARD: always(300.0), MODEL: always(50.0)}
    energy = Machine(tmp_path, monkeypatch, watts, cases=(ON_CARD,)).one().energy_j
    assert energy is not None
    assert (energy.measured, energy.level) == (False, None)
    assert energy.domains["gpu"].measured and not energy.domains["cpu"].measured
    assert "modelled: cpu" in energy.basis
    cpu = energy.domains["cpu"]
    assert (cpu.low_j, cpu.high_j) == pytest.approx((0.5 * LOW, 0.5 * HIGH), rel=1e-3)


def test_more_power_than_the_cards_limit_is_implausible_whatever_the_rest_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for card_w, verdict in ((690.0, "valid"), (900.0, "implausible")):
        watts = {CARD: always(card_w), PACKAGE: always(400.0)}
        machine = Machine(tmp_path, monkeypatch, watts, cases=(ON_CARD,))
        card = Device(name="cuda:0", kind="cuda", index=0, power_limit_w=700.0)
        machine.head = replace(machine.head, devices=(card,))
        assert machine.one().verdict == verdict


def test_windows_that_differ_widen_the_interval_by_students_t(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def drifting(t: float) -> float:
        return 40.0 + 0.4 * t

    steady = Machine(tmp_path, monkeypatch, {PACKAGE: always(40.0)}).one().energy_j
    energy = Machine(tmp_path, monkeypatch, {PACKAGE: drifting}).one().energy_j
    assert steady is not None and energy is not None
    assert steady.domains["cpu"].spread_frac == pytest.approx(0.0, abs=1e-6)
    spread_j = 4.303 * (0.4 * 10 * ITERATION_S) / 3**0.5  # windows 10 s apart: sd 4 W
    found = energy.domains["cpu"].spread_frac
    assert found is not None and found * energy.point == pytest.approx(spread_j, rel=0.05)


def test_one_window_has_no_spread_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    protocol = replace(PROTOCOL, energy=replace(TERMS, windows=1))
    machine = Machine(tmp_path, monkeypatch, {PACKAGE: always(40.0)}, protocol=protocol)
    energy = machine.one().energy_j
    assert energy is not None
    assert energy.domains["cpu"].spread_frac is None
    assert "one window" in energy.basis


def test_two_meters_that_disagree_are_a_warning_with_both_figures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for second_w, warned in ((104.0, False), (112.0, True)):
        watts = {CARD: always(100.0), SECOND: always(second_w)}
        m = Machine(tmp_path, monkeypatch, watts, cases=(ON_CARD,)).one()
        found = [w for w in m.warnings if w.code == "meters_disagree"]
        assert bool(found) is warned
        assert m.energy_j is not None
        (check,) = m.energy_j.domains["gpu"].checks
        assert check.ratio == pytest.approx(second_w / 100)
    assert "gpu: 1 J by card, 1.12 J by second: +12%" in found[0].message


def test_a_meter_that_vanishes_half_way_costs_the_energy_and_not_the_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = Machine(
        tmp_path, monkeypatch, {PACKAGE: always(40.0)}, dies={PACKAGE: IDLE_S[1] + 12.0}
    )
    m = machine.one()
    assert (m.status, m.energy_j) == ("ok", None)
    assert m.wall_s is not None
    assert "it fell off the bus" in (m.energy_reason or "")
    assert m.energy_pass is not None and len(m.energy_pass.windows) == 3


def test_a_case_that_fails_while_it_draws_keeps_its_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(request: VisitRequest) -> VisitResult:
        raise ChildFailed("crashed", "the process was killed by signal 9 (SIGKILL)")

    machine = Machine(tmp_path, monkeypatch, {PACKAGE: always(40.0)}, draw=crash)
    m = machine.one()
    assert (m.status, m.energy_j) == ("ok", None)
    assert "signal 9" in (m.energy_reason or "")
    assert any("signal 9" in note for note in machine.notes.notes)


def test_meters_that_cannot_be_opened_are_told_and_nothing_is_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = Machine(tmp_path, monkeypatch, {PACKAGE: always(40.0)})
    opened = machine.start

    def start(names: Any, asked: Asked) -> Any:
        meters = opened(names, asked)
        meters.channels, meters.lost = (), {"package": "it was just there"}
        return meters

    machine.start = start  # type: ignore[method-assign]
    m = machine.one()
    assert m.energy_j is None
    assert machine.notes.notes == ["package is not read: it was just there"]
    assert not [r for r in machine.crew.requests if r.draw]


def test_only_the_kinds_of_the_profile_are_drawn_and_never_cold_caches_or_a_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cases = (GEMM, replace(GEMM, scenario="cold"), INFERENCE)
    machine = Machine(tmp_path, monkeypatch, {PACKAGE: always(40.0)}, cases=cases)
    hot, cold, network = machine.run().record.measurements
    assert network.energy_j is not None
    assert "--profile full" in (hot.energy_reason or "")
    everything = replace(TERMS, kinds=("workload", "kernel"))
    protocol = replace(PROTOCOL, energy=everything)
    machine = Machine(
        tmp_path, monkeypatch, {PACKAGE: always(40.0)}, cases=cases, protocol=protocol
    )
    hot, cold, network = machine.run().record.measurements
    assert hot.energy_j is not None and network.energy_j is not None
    assert "emptying the caches" in (cold.energy_reason or "")
    served = replace(INFERENCE, scenario="server", batch_size=1)
    machine = Machine(tmp_path, monkeypatch, {PACKAGE: always(40.0)}, cases=(served,))
    assert "rate of the queries" in (machine.one().energy_reason or "")


def test_time_that_is_up_leaves_cases_for_resume(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    second = replace(INFERENCE, name="resnet18_small", batch_size=2, shape={"image": 32})
    protocol = replace(PROTOCOL, energy=replace(TERMS, max_s=120.0))
    machine = Machine(
        tmp_path, monkeypatch, {PACKAGE: always(40.0)}, cases=(INFERENCE, second),
        protocol=protocol,
    )  # fmt: skip
    outcome = machine.run()
    first, other = outcome.record.measurements
    assert outcome.ended == "out_of_time"
    assert first.energy_j is not None
    assert "before its turn" in (other.energy_reason or "")
    _resumed(machine, outcome.record, drawn=[second.id])


def test_a_time_too_short_for_one_case_is_not_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    protocol = replace(PROTOCOL, energy=replace(TERMS, max_s=60.0))
    machine = Machine(tmp_path, monkeypatch, {PACKAGE: always(40.0)}, protocol=protocol)
    outcome = machine.run()
    assert outcome.ended == "out_of_time"
    assert machine.meters is None  # not even idle power, which alone would fill it
    assert outcome.record.idle == ()


def test_a_run_is_taken_up_in_the_middle_of_the_pass_from_journal_or_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    second = replace(INFERENCE, name="resnet18_small", batch_size=2, shape={"image": 32})

    def interrupted(request: VisitRequest) -> VisitResult:
        if request.case.id == second.id:
            raise KeyboardInterrupt
        return machine.drawn(request)

    machine = Machine(
        tmp_path, monkeypatch, {PACKAGE: always(40.0)}, cases=(INFERENCE, second), draw=interrupted
    )
    outcome = machine.run()
    assert outcome.ended == "interrupted"
    assert machine.meters is not None and machine.meters.ended
    machine._draw = machine.drawn
    for remove_journal in (False, True):
        if remove_journal:
            journal.path_of(machine.out).unlink()
            store.save(outcome.record, machine.out)
        _resumed(machine, outcome.record, drawn=[second.id])


def _resumed(machine: Machine, before: Record, drawn: list[str]) -> None:
    """Take the run up again: only what is missing is drawn, and what was measured is the same."""
    machine.crew.requests.clear()
    head, visits, out = resuming.interrupted(machine.out)
    with resuming.reopened(head, visits, out) as kept:
        outcome = machine.rounds(visits, kept).go(0.0)
    assert [r.case.id for r in machine.crew.requests] == drawn
    assert all(r.draw for r in machine.crew.requests)
    assert outcome.ended == "complete"
    assert all(m.energy_j is not None for m in outcome.record.measurements)
    first = before.measurements[0]
    assert outcome.record.measurements[0].energy_pass == first.energy_pass
    assert len(outcome.record.idle) >= 3


def test_the_record_reads_back_as_it_was_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watts = {CARD: always(300.0), SECOND: always(400.0), PACKAGE: always(50.0)}
    machine = Machine(tmp_path, monkeypatch, watts, cases=(ON_CARD,))
    record = machine.run().record
    assert store.load(machine.out) == record
    energy = json.loads(machine.out.read_text())["measurements"][0]["energy_j"]
    assert {"energy_j", "meter", "measured"} <= set(energy["domains"]["gpu"])
    assert {"point", "low", "high", "domains", "measured", "idle_w", "basis"} <= set(energy)


def test_the_power_over_the_pass_is_kept_for_a_figure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    m = Machine(tmp_path, monkeypatch, {PACKAGE: busy(15.0, 55.0)}).one()
    assert m.energy_pass is not None
    (trace,) = m.energy_pass.traces
    assert trace.channel == "package/package-0"
    assert max(w for w in trace.power_w if w is not None) == pytest.approx(55.0)
    assert len(trace.power_w) * trace.step_s == pytest.approx(32.0, abs=1.0)


def test_without_a_meter_a_known_processor_is_modelled_and_labelled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cpu = CpuPower(tdp_w=40.0, threads=4, basis="a test")
    protocol = replace(PROTOCOL, no_energy="no meter can be used here", cpu_power=cpu)

    def half_busy(request: VisitRequest) -> VisitResult:
        return replace(good(request), conditions=Conditions(own_cpu_frac=0.9))

    machine = Machine(tmp_path, monkeypatch, {PACKAGE: always(1.0)}, protocol=protocol)
    machine.crew.answer = half_busy
    m = machine.one()
    energy = m.energy_j
    assert energy is not None and m.wall_s is not None and m.energy_reason is None
    watts = 40.0 * 0.9 * 2 / 4  # two threads of four, 90 % busy
    assert energy.point == pytest.approx(watts * m.wall_s.mean)
    assert (energy.measured, energy.level) == (False, None)
    assert (energy.low, energy.high) == pytest.approx((energy.point * LOW, energy.point * HIGH))
    assert energy.idle_w == pytest.approx(4.0)
    assert "modelled" in energy.basis and "-41..+64 %" in energy.basis
    assert m.power_w is not None and m.power_w.peak is None


def test_without_meter_and_model_energy_is_null_with_both_reasons(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    protocol = replace(PROTOCOL, no_energy="no meter can be used here", no_cpu_power="TDP unknown")
    m = Machine(tmp_path, monkeypatch, {PACKAGE: always(1.0)}, protocol=protocol).one()
    assert (m.energy_j, m.power_w) == (None, None)
    assert m.energy_reason == "no meter can be used here; no model either: TDP unknown"


@pytest.mark.parametrize(
    ("slowest_s", "window_s"), [(0.1, 10.0), (1.0, 60.0), (0.3, 30.0), (None, 10.0)]
)
def test_a_window_holds_a_hundred_renewals_or_a_minute(
    slowest_s: float | None, window_s: float
) -> None:
    channel = replace(PACKAGE, update_s=slowest_s)
    assert energy_pass.terms_of(TERMS, [channel]).window_s == pytest.approx(window_s)


def test_only_sensors_that_do_not_see_all_make_the_work_pause() -> None:
    blind = replace(CARD, seen_frac=0.25, window_s=0.025)
    assert energy_pass.terms_of(TERMS, [PACKAGE]).pause_s == 0.0
    assert energy_pass.terms_of(TERMS, [PACKAGE, blind]).pause_s == 0.1


def test_a_plan_has_its_pass_or_the_reason_why_not(monkeypatch: pytest.MonkeyPatch) -> None:
    from hwbench import profile
    from hwbench.energy_planning import EnergyWish
    from hwbench.planning import Plan
    from tests.fakes import ENVIRONMENT

    metered.installed(monkeypatch, PACKAGE, MODEL)
    plan = Plan(profile="quick", protocol=PROTOCOL, cases=(planned(INFERENCE),), expected_s=5.0)

    def made(name: str, *meters: str, seconds: float | None = None) -> Protocol:
        wish = EnergyWish(meters=meters)
        return energy_planning.planned(
            plan, profile.named(name), wish, ENVIRONMENT, seconds
        ).protocol

    terms = made("quick").energy
    assert terms is not None and terms.meters == ("package", "model")
    assert (terms.windows, terms.idle_s, terms.kinds) == (1, 10.0, ("workload",))
    assert made("smoke").energy is None and "too short" in (made("smoke").no_energy or "")
    assert "--meter none" in (made("quick", "none").no_energy or "")
    assert made("quick", "model").energy is None  # a model needs no pass
    cut = made("quick", seconds=100.0)
    assert cut.energy is not None and cut.max_seconds is not None
    assert cut.max_seconds + cut.energy.max_s == pytest.approx(100.0)
    assert cut.max_seconds >= 50.0
    assert metering.NONE not in terms.meters
