"""rapl: exact joules on a made-up powercap tree, nothing twice, and the counters' end."""

from pathlib import Path

import pytest

from hwbench.errors import Unavailable
from hwbench.meters import rapl
from hwbench.window_joules import of_window
from tests.readers import traces
from tests.test_meters import plant, refuse

RANGE_UJ = 262_143_328_850
STEP_UJ = 4_000_000  # of the package, each turn
MIRRORED = {
    "intel-rapl:0/name": "package-0-die-0",
    "intel-rapl:0/energy_uj": "1000000",
    "intel-rapl:1/name": "package-0-die-1",
    "intel-rapl:1/energy_uj": "1000000",
}
SERVER = {
    "intel-rapl:0/name": "package-0",
    "intel-rapl:0/energy_uj": "5000000",
    "intel-rapl:0/max_energy_range_uj": str(RANGE_UJ),
    "intel-rapl:0:0/name": "core",
    "intel-rapl:0:0/energy_uj": "7",
    "intel-rapl:0:1/name": "dram",
    "intel-rapl:0:1/energy_uj": "9000000",
    "intel-rapl:1/name": "package-1",
    "intel-rapl:1/energy_uj": "77000000",
    "intel-rapl:1:0/name": "dram",
    "intel-rapl:1:0/energy_uj": "3000000",
    "intel-rapl:2/name": "psys",
    "intel-rapl:2/energy_uj": "1",
    "intel-rapl-mmio:0/name": "package-0",
    "intel-rapl-mmio:0/energy_uj": "5000000",
}


def powercap(root: Path, files: dict[str, str]) -> Path:
    return plant(root, {f"sys/class/powercap/{name}": text for name, text in files.items()})


def add(root: Path, zone: str, microjoules: int, again_at: int = RANGE_UJ) -> None:
    counter = root / f"sys/class/powercap/{zone}/energy_uj"
    counter.write_text(f"{(int(counter.read_text()) + microjoules) % again_at}\n")


def test_packages_and_memories_are_read_and_nothing_twice(tmp_path: Path) -> None:
    root = powercap(tmp_path, SERVER)
    channels = rapl.open_at(root)
    assert [(c.facts.name, c.facts.domain) for c in channels] == [
        ("package-0", "cpu"),
        ("dram of package-0", "dram"),
        ("package-1", "cpu"),
        ("dram of package-1", "dram"),
    ]

    def moved(n: int) -> None:
        add(root, "intel-rapl:0", STEP_UJ)
        add(root, "intel-rapl:0:0", 1_000_000)
        add(root, "intel-rapl:0:1", 500_000)
        add(root, "intel-rapl:1", 2 * STEP_UJ)
        add(root, "intel-rapl:1:0", 250_000)
        add(root, "intel-rapl:2", 9 * STEP_UJ)

    found, lost = traces(channels, 40, 0.1, moved)
    assert not lost
    joules = {}
    for channel in channels:
        trace = found[channel.facts.key]
        begin, end = trace[5].at_s, trace[35].at_s
        joules[channel.facts.name] = of_window(channel.facts, trace, begin, end)
    exact = {
        "package-0": 30 * 4.0,
        "dram of package-0": 30 * 0.5,
        "package-1": 30 * 8.0,
        "dram of package-1": 30 * 0.25,
    }
    for name, wanted in exact.items():
        assert joules[name].point == pytest.approx(wanted, rel=1e-9)
        assert joules[name].low <= wanted <= joules[name].high
        assert joules[name].gain_frac is None


def test_a_counter_that_begins_again_loses_nothing(tmp_path: Path) -> None:
    root = powercap(tmp_path, SERVER | {"intel-rapl:0/energy_uj": str(RANGE_UJ - 10 * STEP_UJ)})
    channel = next(c for c in rapl.open_at(root) if c.facts.name == "package-0")
    found, _ = traces([channel], 40, 0.1, lambda n: add(root, "intel-rapl:0", STEP_UJ))
    trace = found[channel.facts.key]
    assert trace[-1].value < trace[0].value  # it did begin again
    joules = of_window(channel.facts, trace, trace[2].at_s, trace[32].at_s)
    # The range is one less than what it counts to, as Linux tells it.
    assert joules.point == pytest.approx(120.0, abs=1e-5)


def test_dies_that_show_one_counter_count_once(tmp_path: Path) -> None:
    channels = rapl.open_at(powercap(tmp_path / "mirrored", MIRRORED))
    assert [c.facts.name for c in channels] == ["package-0-die-0"]
    own = MIRRORED | {"intel-rapl:1/energy_uj": "9000000"}
    channels = rapl.open_at(powercap(tmp_path / "own", own))
    assert [c.facts.name for c in channels] == ["package-0-die-0", "package-0-die-1"]


def test_memories_of_dies_that_show_one_counter_count_once(tmp_path: Path) -> None:
    memories = {
        f"intel-rapl:{die}:0/{name}": value
        for die in (0, 1)
        for name, value in (("name", "dram"), ("energy_uj", "777"))
    }
    channels = rapl.open_at(powercap(tmp_path, MIRRORED | memories))
    assert [c.facts.name for c in channels] == ["package-0-die-0", "dram of package-0-die-0"]


def test_dies_of_two_packages_are_no_copies(tmp_path: Path) -> None:
    two = MIRRORED | {"intel-rapl:1/name": "package-1-die-0"}
    assert len(rapl.open_at(powercap(tmp_path, two))) == 2


def test_a_counter_that_goes_ends_its_channel_and_no_other(tmp_path: Path) -> None:
    root = powercap(tmp_path, SERVER)
    channels = rapl.open_at(root)

    def moved(n: int) -> None:
        add(root, "intel-rapl:1", STEP_UJ)
        if n == 10:
            (root / "sys/class/powercap/intel-rapl:0/energy_uj").unlink()

    found, lost = traces(channels, 20, 0.1, moved)
    assert list(lost) == ["rapl/package-0"]
    assert "cannot be read" in lost["rapl/package-0"]
    assert (len(found["rapl/package-0"]), len(found["rapl/package-1"])) == (10, 20)


def test_only_root_may_read_and_the_line_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse(monkeypatch, "energy_uj")
    (channel,) = rapl.open_at(powercap(tmp_path, {"intel-rapl:0/name": "package-0"}))
    with pytest.raises(Unavailable, match="sudo chmod a"):
        channel.read(lambda: 0.0)
