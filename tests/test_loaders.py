"""The history of loaders, and a loader that is measured."""

import json
import os
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from hwbench import codec, disk_speed, loader_measuring, loaders
from hwbench.child import ChildFailed
from hwbench.errors import BadInput
from hwbench.loaders import Loaded
from hwbench.loop import Drained, LoopPart, Opened, OpenLoop, PartDone
from hwbench.progress import Silent
from hwbench.protocol import Reply
from tests import fakes
from tests.fakes import FakeClock
from tests.loops import rows

LOADED = Loaded(
    machine="here",
    workload="mlp_small",
    description="rows",
    path=None,
    residence="disk",
    item_s=0.01,
    cpu_s=0.02,
    item_bytes=100.0,
    sd_log=0.1,
    cores=2,
    at_s=1000.0,
    date="2026-11-25",
)


def test_what_was_measured_is_read_again(tmp_path: Path) -> None:
    for n in range(3):
        loaders.remember(replace(LOADED, at_s=float(n)), tmp_path / "state")
    assert [k.at_s for k in loaders.read(tmp_path / "state")] == [0.0, 1.0, 2.0]
    assert loaders.read(tmp_path / "gone") == []


@pytest.mark.parametrize(
    "line",
    [
        '{"machine": "he',
        "[]",
        json.dumps({**asdict(LOADED), "item_s": 0}),
        json.dumps({**asdict(LOADED), "item_s": "1"}),
        json.dumps({**asdict(LOADED), "read_bytes_per_s": 0.0}),
        json.dumps({**asdict(LOADED), "at_s": 0.0, "item_s": 10**400}),
        json.dumps({**asdict(LOADED), "cpu_s": float("inf")}),
    ],
)
def test_a_line_that_is_torn_or_wrong_is_passed_over(line: str, tmp_path: Path) -> None:
    (tmp_path / loaders.FILE).write_text(line + "\n" + json.dumps(asdict(LOADED)) + "\n")
    assert loaders.read(tmp_path) == [LOADED]


@pytest.mark.parametrize(
    ("other", "found"),
    [
        ({"at_s": 2000.0}, 2000.0),
        ({"at_s": 2000.0, "machine": "there"}, 1000.0),
        ({"at_s": 2000.0, "workload": "mlp"}, 1000.0),
        ({"at_s": 2000.0, "path": "mine"}, 1000.0),
        ({"at_s": 2000.0, "residence": "memory"}, 1000.0),
        ({"at_s": 500.0}, 1000.0),
    ],
)
def test_the_newest_of_the_same_data_counts(other: dict[str, Any], found: float) -> None:
    known = [LOADED, replace(LOADED, **other)]
    newest = loaders.newest(known, "here", "mlp_small", None, "disk", since_s=0.0)
    assert newest is not None and newest.at_s == found
    assert loaders.newest(known, "here", "mlp_small", None, "disk", since_s=3000.0) is None


class Drain:
    """A child whose rounds bring these items in these seconds."""

    def __init__(self, rounds: list[tuple[int, float, float]]) -> None:
        self.number, self.rounds, self.ended = 0, rounds, False
        self.opened: OpenLoop | None = None

    def ask(
        self, verb: str, request: Any, timeout_s: float, tick: Callable[[], None] = lambda: None
    ) -> Reply:
        if verb == "open_loop":
            self.opened = request
            return Reply(ok=True, result=codec.encode(Opened(read_s=0.0)))
        assert isinstance(request, LoopPart) and request.what == "drain"
        if not self.rounds:
            raise ChildFailed("crashed", "it died")
        items, wall_s, cpu_s = self.rounds.pop(0)
        done = PartDone(drained=Drained(items=items, wall_s=wall_s, cpu_s=cpu_s))
        return Reply(ok=True, result=codec.encode(done))

    def end(self) -> None:
        self.ended = True


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[Drain], Loaded]:
    fakes.isolate(monkeypatch, tmp_path)
    data = rows(tmp_path, items=40)
    return lambda child: loader_measuring.measure(
        "mlp_small", data, None, "disk", "torch", 64, Silent(), lambda *_: child
    )


def test_a_loader_is_measured_in_rounds(measured: Callable[[Drain], Loaded]) -> None:
    child = Drain([(100, 1.0, 0.5)] * 3 + [(50, 1.0, 0.5)])
    found = measured(child)
    assert found.item_s == pytest.approx(4 / 350)
    assert found.cpu_s == pytest.approx(2 / 350)
    assert found.sd_log > 0.3 and found.path is not None and found.residence == "disk"
    assert child.ended and child.opened is not None
    assert child.opened.case.batch_size == 40  # no more than there are items
    assert found.write_bytes_per_s is not None and found.write_bytes_per_s > 0
    assert found.read_bytes_per_s is None or found.read_bytes_per_s > 0


def test_a_loader_that_dies_is_ended(measured: Callable[[Drain], Loaded]) -> None:
    child = Drain([(100, 1.0, 0.5)])
    with pytest.raises(ChildFailed):
        measured(child)
    assert child.ended


def test_data_that_do_not_suit_are_refused_before_a_child_is_started(tmp_path: Path) -> None:
    def spawn(*_: Any) -> Any:
        raise AssertionError("a child was started")

    with pytest.raises(BadInput, match="rows of 784 numbers"):
        loader_measuring.measure("mlp", rows(tmp_path), None, "disk", "torch", 8, Silent(), spawn)


def test_images_of_another_size_are_other_data() -> None:
    usual, large = loaders.source_of(None, None), loaders.source_of(None, (4000, 3000))
    known = [replace(LOADED, path=usual), replace(LOADED, path=large, item_s=0.5)]
    for path, item_s in ((usual, 0.01), (large, 0.5)):
        found = loaders.newest(known, "here", "mlp_small", path, "disk", 0.0)
        assert found is not None and found.item_s == item_s
    assert loaders.newest(known, "here", "mlp_small", "generated:1x1", "disk", 0.0) is None


def test_a_disks_speed_is_what_it_takes_until_the_file_is_flushed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, flushed = FakeClock(), []

    def fsync(descriptor: int) -> None:
        flushed.append(os.fstat(descriptor).st_size)
        clock.advance(4.0)

    monkeypatch.setattr(time, "perf_counter", clock)
    monkeypatch.setattr(os, "fsync", fsync)
    assert disk_speed.write_bytes_per_s(tmp_path) == disk_speed.BYTES / 4.0
    assert flushed == [disk_speed.BYTES]
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_takes_no_file_has_no_speed(tmp_path: Path) -> None:
    assert disk_speed.write_bytes_per_s(tmp_path / "gone") is None
    assert list(tmp_path.iterdir()) == []
