"""A child process that measures on demand: one runtime each, since torch and jax share none.

The parent keeps several and asks them in turn, so that all of them see the machine in the same
minutes. While one measures, the others wait on their input and use no processor.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any

from hwbench import child

SETTLE_S = 0.3  # OpenMP's threads spin for up to 0.2 s after their last loop


class Partner:
    """One `python -m bench.PROGRAM --child ARGUMENTS`, asked by line."""

    def __init__(self, program: str, threads: int, *arguments: str) -> None:
        """Start the process."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", f"bench.{program}", "--child", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=child.environment(threads, {}),
            text=True,
        )

    def ask(self, question: str) -> Any:
        """Return the child's answer; raise RuntimeError if it is gone."""
        assert self._process.stdin is not None and self._process.stdout is not None
        time.sleep(SETTLE_S)
        self._process.stdin.write(question + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self._process.args!r} ended with {self._process.wait()}")
        return json.loads(line)

    def __enter__(self) -> "Partner":
        """Return the partner itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the process: it ends at the end of its input."""
        self._process.communicate()


def serve(answer: Callable[[str], Any]) -> None:
    """Answer each line of standard input with one line of JSON; libraries print elsewhere."""
    channel = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    for line in sys.stdin:
        print(json.dumps(answer(line.strip())), file=channel, flush=True)
