import os
from pathlib import Path

import pytest

from hwbench import interference
from hwbench.interference import Usage

TICK = os.sysconf("SC_CLK_TCK")


def _stat(folder: Path, text: str) -> Path:
    (folder / "proc").mkdir()
    (folder / "proc" / "stat").write_text(text)
    return folder


def test_the_counters_of_the_kernel_are_read_in_seconds(tmp_path: Path) -> None:
    # user nice system idle iowait irq softirq steal guest guest_nice, in ticks (proc(5))
    fields = [1000, 200, 300, 99999, 88888, 10, 20, 50, 700, 0]
    text = "cpu  " + " ".join(map(str, fields)) + "\ncpu0 1 2 3 4 5 6 7 8 9 10\nintr 5\n"
    found = interference.usage(12.5, _stat(tmp_path, text))
    assert found is not None
    assert found.clock_s == 12.5
    assert found.busy_s == pytest.approx((1000 + 200 + 300 + 10 + 20) / TICK)
    assert found.steal_s == pytest.approx(50 / TICK)
    used = os.times()
    assert 0 < found.own_s <= used.user + used.system


@pytest.mark.parametrize("text", ["", "cpu  1 2 3 4\n"])
def test_a_kernel_that_counts_less_tells_nothing(tmp_path: Path, text: str) -> None:
    assert interference.usage(0.0, _stat(tmp_path, text)) is None


def test_no_proc_tells_nothing(tmp_path: Path) -> None:
    assert interference.usage(0.0, tmp_path) is None


def _between(busy_s: float, own_s: float, steal_s: float, wall_s: float = 2.0) -> str | None:
    before = Usage(clock_s=10.0, busy_s=500.0, steal_s=3.0, own_s=40.0)
    after = Usage(
        clock_s=10.0 + wall_s, busy_s=500.0 + busy_s, steal_s=3.0 + steal_s, own_s=40.0 + own_s
    )
    return interference.disturbance(before, after)


def test_a_processes_own_work_does_not_disturb_it() -> None:
    assert _between(busy_s=4.0, own_s=4.0, steal_s=0.0) is None
    assert _between(busy_s=4.15, own_s=4.0, steal_s=0.1) is None


def test_work_of_others_is_said_in_cores() -> None:
    assert _between(busy_s=4.0, own_s=1.0, steal_s=0.0) == "other processes used 1.50 cores"


def test_stolen_time_is_said_in_cores() -> None:
    assert _between(busy_s=2.0, own_s=2.0, steal_s=0.5) == "the hypervisor took 0.25 cores"
    both = _between(busy_s=4.0, own_s=1.0, steal_s=0.5)
    assert both == "other processes used 1.50 cores; the hypervisor took 0.25 cores"


def test_a_stretch_shorter_than_some_ticks_says_nothing() -> None:
    assert _between(busy_s=0.05, own_s=0.0, steal_s=0.0, wall_s=0.05) is None


def test_a_reading_that_failed_says_nothing() -> None:
    usage = Usage(clock_s=1.0, busy_s=0.0, steal_s=0.0, own_s=0.0)
    assert interference.disturbance(None, usage) is None
    assert interference.disturbance(usage, None) is None
