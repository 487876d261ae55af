"""What data cost when they come from the disk for the first time."""

import os
import time
from pathlib import Path

import numpy as np
import pytest

from hwbench import coldness
from hwbench.dataset import Dataset
from tests.fakes import FakeClock


def _data(path: Path, size: int) -> Dataset:
    return Dataset(
        kind="rows", path=str(path), items=10, bytes_on_disk=size, generated=False, description="x"
    )


def _files(folder: Path, *sizes: int) -> Dataset:
    folder.mkdir()
    for n, size in enumerate(sizes):
        (folder / f"{n}.bin").write_bytes(np.random.default_rng(n).bytes(size))
    return _data(folder, sum(sizes))


def _cached_frac(file: Path) -> float:
    """Return the share of a file's pages that the page cache holds (mincore(2))."""
    import ctypes
    import mmap

    size = file.stat().st_size
    with file.open("r+b") as opened, mmap.mmap(opened.fileno(), size) as mapped:
        pages = -(-size // mmap.PAGESIZE)
        found = (ctypes.c_ubyte * pages)()
        view = (ctypes.c_char * size).from_buffer(mapped)
        libc = ctypes.CDLL(None, use_errno=True)
        libc.mincore.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p]
        done = libc.mincore(ctypes.addressof(view), size, found)
        del view
        assert done == 0, os.strerror(ctypes.get_errno())
    return sum(b & 1 for b in found) / pages


def test_the_files_of_data_are_all_but_the_note_of_who_made_them(tmp_path: Path) -> None:
    data = _files(tmp_path / "d", 10, 20)
    (tmp_path / "d" / "made.json").write_text("{}")
    assert [p.name for p in coldness.files_of(data)] == ["0.bin", "1.bin"]
    one = _data(tmp_path / "d" / "0.bin", 10)
    assert coldness.files_of(one) == [tmp_path / "d" / "0.bin"]


def test_what_is_evicted_is_no_longer_in_the_page_cache(tmp_path: Path) -> None:
    data = _files(tmp_path / "d", 4 << 20)
    (file,) = coldness.files_of(data)
    if not coldness.evict([file]) or _cached_frac(file) > 0.5:
        pytest.skip("this file system's pages cannot be evicted")
    coldness.extra_s(data)
    assert _cached_frac(file) == 1.0  # later epochs find them there, and so do the visits


def test_a_file_that_is_gone_or_closed_to_us_is_passed_over(tmp_path: Path) -> None:
    assert coldness.evict([tmp_path / "gone", tmp_path]) == hasattr(os, "posix_fadvise")


def test_the_difference_of_a_sample_is_scaled_to_all_of_the_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = _files(tmp_path / "d", 1000, 1000, 1000, 5000)
    monkeypatch.setattr(coldness, "SAMPLE_BYTES", 2000)
    readings = [3.0, 1.0, 9.0]  # cold, warm, and the rest of it
    clock = FakeClock()
    opened: list[list[str]] = []

    def read(files: list[Path], most_bytes: int) -> tuple[float, int]:
        opened.append([p.name for p in files])
        return readings.pop(0), 2000

    monkeypatch.setattr(coldness, "_reading", read)
    monkeypatch.setattr(coldness, "evict", lambda files: True)
    monkeypatch.setattr(time, "perf_counter", clock)
    found, why_not = coldness.extra_s(data)
    assert found == pytest.approx(2.0 * 8000 / 2000) and why_not is None
    assert opened[0] == opened[1] == ["0.bin", "1.bin"]
    assert len(opened[2]) == 4


def test_a_warm_reading_that_was_slower_is_no_negative_cost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    readings = [1.0, 2.0, 0.0]
    monkeypatch.setattr(coldness, "_reading", lambda files, most: (readings.pop(0), 10))
    assert coldness.extra_s(_files(tmp_path / "d", 10)) == (0.0, None)


def test_what_cannot_be_known_has_a_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = _files(tmp_path / "d", 10)
    with monkeypatch.context() as m:
        m.setattr(coldness, "evict", lambda files: False)
        assert coldness.extra_s(data)[1] == "this system cannot be asked to forget a file's pages"
    with monkeypatch.context() as m:
        m.setattr(coldness, "WARM_BYTES", 5)
        found, why_not = coldness.extra_s(data)
        assert found is None and "too large to be read beforehand" in (why_not or "")


def test_many_small_files_are_looked_at_once_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = _files(tmp_path / "d", *[10] * 300)
    looked, real = [], Path.stat

    def stat(self: Path, **how: bool) -> object:
        looked.append(self)
        return real(self, **how)

    monkeypatch.setattr(Path, "stat", stat)
    coldness.extra_s(data)
    assert len(looked) < 5 * 300


def test_the_disks_speed_is_that_of_a_cold_reading(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = _files(tmp_path / "d", 3000, 5000)
    clock = FakeClock(step_s=2.0)
    monkeypatch.setattr(time, "perf_counter", clock)
    assert coldness.cold_bytes_per_s(data) == pytest.approx(8000 / 2.0)
    assert coldness.cold_bytes_per_s(_data(tmp_path / "gone", 10)) is None
    monkeypatch.delattr(os, "posix_fadvise", raising=False)
    assert coldness.cold_bytes_per_s(data) is None
