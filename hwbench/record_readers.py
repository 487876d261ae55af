"""The processes that read many records into parts of the table of cases, one a core."""

import json
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from hwbench import cpu, record_parts
from hwbench.record_parts import File

FEW = 200  # records that are read here sooner than a process has started
MOST = 8  # processes


def read(files: Sequence[File], folder: Path) -> dict[str, str]:
    """Write the cases of files as Parquet into the folder; return what is no record, and why.

    Raises duckdb.Error where a part cannot be written.
    """
    readers = min(MOST, len(cpu.usable_cpus()), len(files) // FEW)
    if readers < 2:
        return record_parts.write(files, folder, 0)
    size = -(-len(files) // readers)
    shares = [files[n : n + size] for n in range(0, len(files), size)]
    running = [_started(folder, n) for n in range(len(shares))]
    try:
        for process, share in zip(running, shares, strict=True):
            _give(process, share)
        left_out: dict[str, str] = {}
        for n, (process, share) in enumerate(zip(running, shares, strict=True)):
            assert process.stdout is not None
            said = process.stdout.read()
            # One that was killed told nobody why: if it is its files, that shows itself here.
            failed = process.wait() != 0
            left_out |= record_parts.write(share, folder, n) if failed else json.loads(said)
        return left_out
    finally:
        for process in running:
            process.kill()  # after Ctrl-C; one that has ended is not there to be killed
            with suppress(BrokenPipeError), process:
                pass  # it closes the pipes, and waits


def _give(process: "subprocess.Popen[str]", share: Sequence[File]) -> None:
    assert process.stdin is not None
    with suppress(BrokenPipeError):  # it has ended, which its status tells
        json.dump(share, process.stdin)
        process.stdin.close()


def _started(folder: Path, number: int) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "hwbench.record_parts", str(folder), str(number)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
