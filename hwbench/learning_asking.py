"""The parent's side of real trainings: a child that holds the data, started anew when it dies."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

from hwbench import codec, host
from hwbench.child import ChildFailed
from hwbench.crew import MEMORY_FRAC
from hwbench.errors import BadInput, HwbenchError, Unavailable
from hwbench.learning_asks import (
    OpenStudy,
    Pace,
    Paced,
    Pretrain,
    Pretrained,
    StudiedData,
    Train,
    Trained,
)
from hwbench.probing import ChildLike, Spawn
from hwbench.protocol import Reply

T = TypeVar("T")
OPEN_LIMIT_S = 1800.0  # a folder of images is decoded
SLOWEST = 20.0  # times what a training is expected to take, before it is given up as hung
LEAST_LIMIT_S = 600.0


class TrainingFailed(HwbenchError):
    """A training could not be carried out; the text says why, and the others go on."""


class StudyChild:
    """A child with the data of a study. A request to one that has died starts another."""

    def __init__(self, request: OpenStudy, spawn: Spawn, tick: Callable[[], None]) -> None:
        """Start nothing yet."""
        self._request, self._spawn, self._tick = request, spawn, tick
        self._child: ChildLike | None = None
        self._number = 0

    def open(self) -> StudiedData:
        """Start the process and read the data; raise BadInput or Unavailable as the child says."""
        free = host.available_memory_bytes()
        limit = int(free * MEMORY_FRAC) if free and self._request.device == "cpu" else None
        self._number += 1
        self._child = self._spawn(self._number, self._request.threads, {})
        try:
            request = replace(self._request, memory_limit_bytes=limit)
            reply = self._child.ask("open_study", request, OPEN_LIMIT_S, self._tick)
        except BaseException as e:
            self.end()
            if isinstance(e, ChildFailed):
                raise TrainingFailed(f"the data could not be read: {e}") from None
            raise
        if not reply.ok:
            self.end()
            raise _refusal(reply)
        return codec.decode(StudiedData, reply.result)

    def pace(self, shortcut: str) -> Paced:
        """Return what a training by the shortcut takes here; raise TrainingFailed."""
        return self._asked("pace", Pace(shortcut=shortcut), Paced, 0.0)

    def pretrain(self, request: Pretrain, expected_s: float) -> Pretrained:
        """Have the network trained on the source task; raise TrainingFailed."""
        return self._asked("pretrain", request, Pretrained, expected_s)

    def train(self, request: Train, expected_s: float) -> Trained:
        """Have a training carried out; raise TrainingFailed."""
        return self._asked("train", request, Trained, expected_s)

    def _asked(self, verb: str, request: Any, cls: type[T], expected_s: float) -> T:
        if self._child is None:
            self.open()
        assert self._child is not None
        limit_s = max(LEAST_LIMIT_S, SLOWEST * expected_s)
        try:
            reply = self._child.ask(verb, request, limit_s, self._tick)
        except ChildFailed as e:
            self.end()
            raise TrainingFailed(str(e)) from None
        if not reply.ok:
            remedy = f": {reply.remedy}" if reply.remedy else ""
            raise TrainingFailed(f"{reply.reason}{remedy}")
        return codec.decode(cls, reply.result)

    def end(self) -> None:
        """End the process, where there is one."""
        child, self._child = self._child, None
        if child is not None:
            child.end()


def _refusal(reply: Reply) -> HwbenchError:
    """Return why data were not opened: something is not installed, or they are not usable."""
    reason = reply.reason or "the data could not be read"
    if reply.code == "unavailable":
        return Unavailable(reason, reply.remedy)
    return BadInput(reason)
