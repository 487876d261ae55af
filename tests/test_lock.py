import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from hwbench import lock
from hwbench.errors import Busy


@pytest.fixture(autouse=True)
def place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    file = tmp_path / "hwbench.lock"
    monkeypatch.setattr(lock, "path", lambda: file)
    return file


def _take(force: bool = False) -> None:
    with lock.held("second.json", force):
        pass


def test_a_second_holder_is_told_who_the_first_is() -> None:
    with lock.held("first.json", force=False), pytest.raises(Busy) as told:
        _take()
    assert f"process {os.getpid()}: first.json" in str(told.value)
    assert "--force" in str(told.value)
    assert told.value.exit_code == 2


def test_force_goes_past_the_lock_and_leaves_it_to_its_holder() -> None:
    with lock.held("first.json", force=False):
        _take(force=True)
        with pytest.raises(Busy, match=r"first\.json"):
            _take()


def test_the_lock_is_free_again_afterwards_also_after_an_error() -> None:
    with pytest.raises(ValueError), lock.held("first.json", force=False):
        raise ValueError
    _take()


def test_an_unsigned_lock_is_still_a_lock(place: Path) -> None:
    with lock.held("first.json", force=False):
        for text in ("", "[]", "not json", json.dumps({"pid": 1})):
            place.write_text(text)
            with pytest.raises(Busy, match="its process is not known"):
                _take()


def test_every_user_may_open_the_file(place: Path) -> None:
    before = os.umask(0o077)
    try:
        _take()
    finally:
        os.umask(before)
    assert place.stat().st_mode & 0o777 == 0o666


def test_the_lock_dies_with_its_holder(place: Path) -> None:
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import pathlib, sys\n"
            "from hwbench import lock\n"
            f"lock.path = lambda: pathlib.Path({str(place)!r})\n"
            "with lock.held('first.json', False):\n"
            "    print('held', flush=True)\n"
            "    sys.stdin.read()\n",
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parent.parent,
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(Busy, match=f"process {holder.pid}"):
            _take()
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        _take()
