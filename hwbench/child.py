"""The parent's end of a child process: start it, ask it, wait without spinning, end it."""

import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from hwbench import codec, own_models, protocol, sides
from hwbench.errors import HwbenchError, one_line

TICK_S = 1.0  # how often a waiting parent may redraw its progress


class ChildFailed(HwbenchError):
    """The child died or hung; `code` says which, and it is gone."""

    def __init__(self, code: str, reason: str) -> None:
        """Keep the `code` (crashed | hung) beside the reason."""
        self.code = code
        super().__init__(reason)


class Child:
    """One spawned worker. It never outlives this object's `end`, nor the parent."""

    def __init__(self, number: int, threads: int, extra_env: Mapping[str, str]) -> None:
        """Start the process; `number` counts the children of the run."""
        self.number = number
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  closed in end()
        self._buffer = b""
        python = extra_env.get(sides.PYTHON, sys.executable)
        self._process = subprocess.Popen(
            [python, "-P", "-m", "hwbench.worker", str(os.getpid())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env=environment(threads, extra_env),
            start_new_session=True,  # the terminal's Ctrl-C goes to the parent alone
        )
        assert self._process.stdout is not None
        self._out = self._process.stdout
        os.set_blocking(self._out.fileno(), False)

    @property
    def pid(self) -> int:
        """Return the process id of the worker."""
        return self._process.pid

    def ask(
        self,
        verb: str,
        request: Any,
        timeout_s: float,
        tick: Callable[[], None] = lambda: None,
    ) -> protocol.Reply:
        """Send a request and return the reply; raise ChildFailed if it dies or takes longer."""
        line = json.dumps({"do": verb, "request": codec.encode(request)}) + "\n"
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(line.encode())
            self._process.stdin.flush()
        except BrokenPipeError:
            raise self._death() from None
        deadline = time.monotonic() + timeout_s
        with selectors.DefaultSelector() as selector:
            selector.register(self._out, selectors.EVENT_READ)
            while b"\n" not in self._buffer:
                left = deadline - time.monotonic()
                if left <= 0:
                    self.end()
                    raise ChildFailed(
                        "hung", f"no answer within {timeout_s:.0f} s: the process was ended"
                    )
                if not selector.select(min(left, TICK_S)):
                    tick()
                    continue
                chunk = os.read(self._out.fileno(), 1 << 20)
                if not chunk:
                    raise self._death()
                self._buffer += chunk
        answer, _, self._buffer = self._buffer.partition(b"\n")
        return codec.decode(protocol.Reply, json.loads(answer))

    def end(self) -> None:
        """Kill the worker and whatever it started, and free its log."""
        if self._process.poll() is None:
            try:
                os.killpg(self._process.pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._out):
            if stream is not None:
                try:
                    stream.close()
                except BrokenPipeError:
                    continue
        self._log.close()

    def _death(self) -> ChildFailed:
        """Say how the worker died, with the last line that it wrote."""
        code = self._process.wait()
        last = self._last_words()
        self.end()
        if code < 0:
            name = signal.Signals(-code).name
            how = f"the process was killed by signal {-code} ({name})"
            if -code == signal.SIGKILL:
                how += ", perhaps by the system for lack of memory"
        else:
            how = f"the process ended with exit status {code}"
        return ChildFailed("crashed", how + (f"; its last line: {last}" if last else ""))

    def _last_words(self) -> str:
        self._log.seek(0, os.SEEK_END)
        self._log.seek(max(0, self._log.tell() - 4096))
        lines = self._log.read().decode(errors="replace").split("\n")
        written = [text for line in lines if (text := one_line(line, most=200))]
        return written[-1] if written else ""


def environment(threads: int, extra: Mapping[str, str]) -> dict[str, str]:
    """Return the child's environment: this one's, thread counts set, hwbench importable."""
    package = str(Path(__file__).parent.parent)
    path = os.environ.get("PYTHONPATH")
    return {
        **os.environ,
        "PYTHONPATH": package + (os.pathsep + path if path else ""),
        "OMP_NUM_THREADS": str(threads),
        "MKL_NUM_THREADS": str(threads),
        "OPENBLAS_NUM_THREADS": str(threads),
        "NPROC": str(threads),  # what XLA's CPU client sizes its pool by
        "XLA_PYTHON_CLIENT_PREALLOCATE": "false",  # leave the GPU's memory to be measured
        "TF_CPP_MIN_LOG_LEVEL": "2",
        "PYTHONUNBUFFERED": "1",
        **own_models.environment(),
        **extra,
    }
