import mmap
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from hwbench import counters, cpu, interference
from hwbench.counters import Own
from hwbench.gpu_watch import REASONS
from hwbench.interference import Watch, kind_of, merged, throttled
from hwbench.measurement import Conditions, Sample

TICK = os.sysconf("SC_CLK_TCK")
BASE_KHZ = 2_000_000


@dataclass
class Machine:
    """A machine of four CPUs as its files tell of it, and the clock that its test moves."""

    root: Path
    now_s: float = 100.0
    busy_s: float = 500.0
    steal_s: float = 3.0
    own_s: float = 40.0
    switches: int = 7
    swapped: int = 5
    events: int = 2
    khz: tuple[int, ...] = (BASE_KHZ,) * 4
    stops: int = 1

    def write(self) -> None:
        """Write what the kernel would show now; files that a test removed stay away."""
        ticks = [round(self.busy_s * TICK), 0, 0, 99999, 88888, 0, 0, round(self.steal_s * TICK)]
        self._put("proc/stat", "cpu  " + " ".join(map(str, ticks)) + " 0 0\nintr 5\n")
        self._put("proc/vmstat", f"nr_free_pages 9\npswpin {self.swapped}\npswpout 4\noom_kill 0\n")
        for number, khz in enumerate(self.khz):
            folder = f"sys/devices/system/cpu/cpu{number}"
            self._put(f"{folder}/cpufreq/scaling_cur_freq", khz)
            self._put(f"{folder}/cpufreq/base_frequency", BASE_KHZ)
            events = self.events if number == 0 else 0
            self._put(f"{folder}/thermal_throttle/core_throttle_count", events)
            self._put(f"{folder}/thermal_throttle/core_throttle_total_time_ms", 8000 * events)
        self._put("sys/fs/cgroup/cpu.max", "150000 100000")
        self._put("sys/fs/cgroup/cpu.stat", f"nr_periods 70\nnr_throttled {self.stops}\n")

    def _put(self, name: str, text: object) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n")

    def watch(self, threads: int = 2, device: str = "cpu", **settings: object) -> Watch:
        self.write()
        return Watch(self.clock, threads, device, self.root, own=self.own, **settings)  # type: ignore[arg-type]

    def clock(self) -> float:
        return self.now_s

    def own(self) -> Own:
        return Own(self.own_s, self.switches)

    def stretch(self, watch: Watch, wall_s: float = 1.0, **change: float) -> str | None:
        """Run two threads for a while, with what a test lets happen meanwhile, and ask."""
        watch.begin()
        change.setdefault("own_s", 2 * wall_s)
        change.setdefault("busy_s", change["own_s"])
        for name, value in change.items():
            setattr(self, name, getattr(self, name) + value)
        self.now_s += wall_s
        self.write()
        return watch.end()


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    monkeypatch.setattr(cpu, "usable_cpus", lambda: frozenset(range(4)))
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    return Machine(tmp_path)


def test_the_counters_of_the_kernel_are_read_in_seconds(tmp_path: Path) -> None:
    # user nice system idle iowait irq softirq steal guest guest_nice, in ticks (proc(5))
    fields = [1000, 200, 300, 99999, 88888, 10, 20, 50, 700, 0]
    text = "cpu  " + " ".join(map(str, fields)) + "\ncpu0 1 2 3 4 5 6 7 8 9 10\nintr 5\n"
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/stat").write_text(text)
    found = counters.usage(12.5, tmp_path)
    assert found is not None
    assert found.clock_s == 12.5
    assert found.busy_s == pytest.approx((1000 + 200 + 300 + 10 + 20) / TICK)
    assert found.steal_s == pytest.approx(50 / TICK)
    assert 0 < found.own_s <= sum(os.times()[:4]) + 4 / TICK  # each is cut to ticks


@pytest.mark.parametrize("text", [None, "", "cpu  1 2 3 4\n"])
def test_a_kernel_that_counts_less_tells_nothing(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "proc").mkdir()
        (tmp_path / "proc/stat").write_text(text)
    assert counters.usage(0.0, tmp_path) is None


def test_a_process_bound_to_some_cpus_looks_at_these_alone(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cpu, "usable_cpus", lambda: frozenset({1, 3}))
    machine.write()
    lines = [f"cpu{n} {100 * n} 0 0 9 9 0 0 {n} 0 0" for n in range(4)]
    (machine.root / "proc/stat").write_text("cpu  9 9 9 9 9 9 9 9\n" + "\n".join(lines) + "\n")
    found = counters.Counters(machine.root, machine.own).read(5.0)
    assert found.busy_s == pytest.approx(400 / TICK)
    assert found.steal_s == pytest.approx(4 / TICK)


def test_a_processes_own_work_does_not_disturb_it(machine: Machine) -> None:
    watch = machine.watch()
    assert machine.stretch(watch) is None
    assert machine.stretch(watch, busy_s=2.1, steal_s=0.09) is None
    assert machine.stretch(watch, 0.1, steal_s=0.01) is None  # one tick


def test_work_of_others_is_said_in_cores(machine: Machine) -> None:
    assert machine.stretch(machine.watch(), busy_s=3.5) == "others used 1.50 cores"


def test_stolen_time_is_said_in_cores(machine: Machine) -> None:
    told = machine.stretch(machine.watch(), steal_s=0.4)
    assert told == "steal: the hypervisor took 0.40 cores"


def test_what_stays_is_named_before_what_passes(machine: Machine) -> None:
    told = machine.stretch(machine.watch(), steal_s=0.4, busy_s=3.5)
    assert told == "steal: the hypervisor took 0.40 cores; others used 1.50 cores"
    assert kind_of(told) == "steal"


def test_swapping_and_the_quota_are_said(machine: Machine) -> None:
    watch = machine.watch()
    told = machine.stretch(watch, swapped=3)
    assert told == f"swap: {3 * mmap.PAGESIZE} bytes went in or out"
    assert machine.stretch(watch, stops=4) == "quota: the control group stopped it 4 times"
    assert machine.stretch(watch) is None


def test_a_group_without_a_quota_is_not_watched(machine: Machine) -> None:
    machine.write()
    (machine.root / "sys/fs/cgroup/cpu.max").write_text("max 100000\n")
    watch = Watch(machine.clock, 2, "cpu", machine.root, own=machine.own)
    assert machine.stretch(watch, stops=4) is None


def test_rounding_of_the_ticks_is_no_load_in_one_short_stretch(machine: Machine) -> None:
    """In 0.1 s two ticks of 10 ms look like 0.2 cores; three and a half times that do not."""
    watch = machine.watch()
    assert machine.stretch(watch, 0.1, busy_s=0.22) is None
    assert machine.stretch(watch, 0.1, busy_s=0.27) == "others used 0.70 cores"


def test_a_small_load_is_told_once_it_lasts(machine: Machine) -> None:
    watch = machine.watch()
    told = [machine.stretch(watch, 0.1, busy_s=0.22) for _ in range(10)]
    assert told[0] is None
    assert told[-1] == "others used 0.20 cores"
    assert machine.stretch(watch, 0.1) is None  # the moment that it ends


def test_a_stretch_shorter_than_some_ticks_tells_by_its_own_time_alone(machine: Machine) -> None:
    watch = machine.watch()
    assert machine.stretch(watch, 0.05) is None
    assert machine.stretch(watch, 0.05, busy_s=0.2, steal_s=0.05) is None
    told = machine.stretch(watch, 0.05, own_s=0.06, switches=5)
    assert told == "descheduled: 100 times a second, 60 % of the CPU time of its best stretch"
    assert kind_of(told) == "descheduled"


@pytest.mark.parametrize(
    ("own_s", "switches", "told"),
    [(1.0, 30, False), (0.95, 30, False), (0.8, 30, True), (0.8, 5, False)],
)
def test_a_program_of_one_thread_is_held_against_its_own_best(
    machine: Machine, own_s: float, switches: int, told: bool
) -> None:
    """It uses half of two threads: lost is what it had before, and only if it was taken."""
    watch = machine.watch()
    assert machine.stretch(watch, own_s=1.0) is None
    found = machine.stretch(watch, own_s=own_s, switches=switches)
    assert (found is not None) is told


def test_heat_is_told_until_the_next_look_finds_none(machine: Machine) -> None:
    watch = machine.watch()
    assert machine.stretch(watch, 0.1) is None
    assert machine.stretch(watch, 0.5, events=3) == "throttled: 3 events"
    assert machine.stretch(watch, 0.1) == "throttled: 3 events"
    assert machine.stretch(watch, 0.5) is None


@pytest.mark.parametrize(
    ("mhz", "told"),
    [
        ((2000, 2000, 2000, 2000), None),
        ((800, 1500, 2000, 800), None),  # two threads: the slower of the two fastest CPUs
        ((800, 1200, 2000, 800), "clock at 60 % of base"),
        ((3000, 2900, 800, 800), None),
    ],
)
def test_a_low_clock_is_told_where_the_threads_run(
    machine: Machine, mhz: tuple[int, ...], told: str | None
) -> None:
    watch = machine.watch()
    watch.begin()
    machine.khz = tuple(1000 * m for m in mhz)
    assert machine.stretch(watch) == told


def test_a_low_clock_of_a_processor_that_waits_for_a_gpu_is_normal(machine: Machine) -> None:
    machine.khz = (800_000,) * 4
    assert machine.stretch(machine.watch(device="mps")) is None


def test_slow_files_are_asked_twice_a_second_at_most(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[float] = []
    real = counters.Counters.slow

    def counted(self: counters.Counters, threads: int) -> counters.Slow:
        looks.append(machine.now_s)
        return real(self, threads)

    monkeypatch.setattr(counters.Counters, "slow", counted)
    watch = machine.watch()
    for _ in range(20):
        machine.stretch(watch, 0.125)
    assert len(looks) == 1 + 5  # the first, and every 0.5 s of 2.5 s


def test_the_end_of_a_stretch_stands_for_the_start_of_the_next(machine: Machine) -> None:
    watch = machine.watch()
    machine.stretch(watch, 0.1)
    machine.busy_s += 1.0  # between the stretches, unless they follow at once
    assert "others used" in (machine.stretch(watch, 0.1) or "")
    machine.now_s += 0.01
    machine.busy_s += 1.0
    machine.write()
    assert machine.stretch(watch, 0.1) is None


def test_what_cannot_be_read_is_not_told(tmp_path: Path) -> None:
    now_s = iter(range(100))
    watch = Watch(lambda: float(next(now_s)), 2, "cpu", tmp_path, own=lambda: None)
    watch.begin()
    assert watch.end() is None
    found = watch.conditions()
    assert found is not None
    why = found.why_null or ""
    names = "steal_cores other_cores own_cpu_frac clock_hz_min throttle_events swap_bytes"
    for name in (*names.split(), "involuntary_switches_per_s"):
        assert getattr(found, name) is None
        assert f"{name}: " in why
    assert found == Conditions(why_null=why)


def test_a_clock_that_stands_still_tells_nothing(machine: Machine) -> None:
    assert machine.stretch(machine.watch(), 0.0, busy_s=1.0, own_s=0.0) is None


def test_nothing_watched_has_no_conditions(machine: Machine) -> None:
    assert machine.watch().conditions() is None


def test_conditions_are_of_the_whole_visit(machine: Machine) -> None:
    watch = machine.watch()
    machine.stretch(watch, 1.0, busy_s=3.0, steal_s=0.4, switches=10, swapped=2, events=1)
    machine.khz = (1_800_000,) * 4
    machine.stretch(watch, 3.0, own_s=3.0, events=1)
    machine.khz = (400_000,) * 4  # after the samples the processor idles
    machine.write()
    found = watch.conditions()
    assert found is not None
    assert found.other_cores == pytest.approx(1.0 / 4)
    assert found.steal_cores == pytest.approx(0.4 / 4)
    assert found.involuntary_switches_per_s == pytest.approx(10 / 4)
    assert found.own_cpu_frac == pytest.approx(5 / (4 * 2))
    assert (found.throttle_events, found.swap_bytes) == (2, 2 * mmap.PAGESIZE)
    assert found.clock_hz_min == 1.8e9
    assert found.why_null is None
    assert found.other_processes is None


def test_conditions_of_visits_are_merged_by_their_nature() -> None:
    one = Conditions(
        steal_cores=0.1,
        other_cores=0.4,
        clock_hz_min=2e9,
        throttle_events=1,
        swap_bytes=100,
        temperature_c_max=70.0,
        power_w_max=300.0,
        sm_clock_frac_min=0.9,
        throttle_reasons=("software power cap",),
        other_processes=0,
        why_null="a",
    )
    two = Conditions(
        steal_cores=0.3,
        clock_hz_min=1e9,
        throttle_events=2,
        temperature_c_max=80.0,
        power_w_max=250.0,
        sm_clock_frac_min=0.8,
        throttle_reasons=("hardware slowdown", "software power cap"),
        other_processes=1,
        why_null="a",
    )
    assert merged([one, two]) == Conditions(
        steal_cores=pytest.approx(0.2),  # type: ignore[arg-type]
        other_cores=0.4,
        clock_hz_min=1e9,
        throttle_events=3,
        swap_bytes=100,
        temperature_c_max=80.0,
        power_w_max=300.0,
        sm_clock_frac_min=0.8,
        throttle_reasons=("software power cap", "hardware slowdown"),
        other_processes=1,
        why_null="a",
    )
    assert merged([]) is None
    assert merged([one]) == one


def _samples(texts: list[str | None]) -> list[Sample]:
    return [
        Sample(loops=1, wall_s=1.0, start_s=float(i), round=0, process=0, disturbed=text)
        for i, text in enumerate(texts)
    ]


@pytest.mark.parametrize(
    ("text", "held_back", "word"),
    [
        ("throttled: 3 events", True, "cool"),
        ("clock at 60 % of base", True, "cool"),
        ("quota: the control group stopped it 4 times", True, "--threads"),
        ("others used 1.50 cores", False, ""),
        ("steal: the hypervisor took 0.40 cores", False, ""),
    ],
)
def test_more_than_a_tenth_of_samples_held_back_is_throttled(
    text: str, held_back: bool, word: str
) -> None:
    assert throttled(_samples([text, *[None] * 9]), None) is None
    found = throttled(_samples([text, text, *[None] * 9]), None)
    assert (found is not None) is held_back
    if found is not None:
        assert found.reason.startswith("2 of 11 samples")
        assert text in found.reason
        assert word in found.remedy


def test_no_samples_are_not_throttled() -> None:
    assert throttled([], None) is None


@pytest.mark.parametrize("reason", REASONS.values())
def test_a_gpu_that_names_heat_or_its_supply_is_throttled(reason: str) -> None:
    found = throttled(_samples([None] * 9), Conditions(throttle_reasons=(reason,)))
    grave = reason in {
        "hardware slowdown",
        "software thermal slowdown",
        "hardware thermal slowdown",
        "power brake",
    }
    assert (found is not None) is grave
    if found is not None:
        assert reason in found.reason


@pytest.mark.parametrize(
    ("text", "kind", "passing"),
    [
        ("others used 1.50 cores", "others", True),
        ("descheduled: 100 times a second", "descheduled", True),
        ("swap: 4096 bytes went in or out", "swap", True),
        ("stood still: a sample took 30 times the median", "stood still", True),
        ("steal: the hypervisor took 0.40 cores", "steal", False),
        ("throttled: 3 events", "throttled", False),
        ("clock at 60 % of base", "clock", False),
        ("quota: the control group stopped it 4 times", "quota", False),
    ],
)
def test_the_first_words_tell_the_kind(text: str, kind: str, passing: bool) -> None:
    assert kind_of(text) == kind
    assert (kind in interference.PASSING) is passing


def test_this_machine_can_be_watched() -> None:
    """Its own counters move on, and what was used is this process's."""
    now_s: Callable[[], float] = iter(range(100)).__next__
    watch = Watch(now_s, 1, "cpu")
    watch.begin()
    sum(range(100_000))
    watch.end()
    found = watch.conditions()
    assert found is not None
    assert found.own_cpu_frac is None or found.own_cpu_frac > 0
