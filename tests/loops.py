"""A scripted training loop on a clock of its own: what stands in for a child that trains."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from hwbench import codec, validate
from hwbench.errors import BadRecord
from hwbench.loop import (
    Drained,
    Evaluated,
    LoopCase,
    LoopPart,
    Opened,
    OpenLoop,
    PartDone,
    Saved,
    Stretch,
)
from hwbench.looping import STEP_MARGIN
from hwbench.progress import Progress
from hwbench.protocol import Reply
from hwbench.real_run import NUMBER
from hwbench.validate import Options, Validated
from tests import fakes
from tests.fakes import FakeClock

Hook = Callable[["FakeLoop", LoopPart | OpenLoop], None]


@dataclass(kw_only=True)
class Script:
    """What a loop takes, in seconds, all powers of 2; `slowed(at_s)` multiplies its steps."""

    step_s: float = 2**-6  # its wait included
    wait_s: float = 2**-8
    open_s: float = 2.0
    read_s: float = 0.5
    compile_s: float = 0.25  # of a process's first step, beyond a later one
    judge_s: float | None = 2**-7  # of a batch; None: it has no judge
    save_s: float = 2**-5
    once_item_s: float = 2**-5  # of a shortcut's pass before the first epoch
    once_extra_s: float = 0.25  # of its first batch, beyond a later one
    cold_step_s: float = 0.0  # more waiting in each step of the run's first epoch
    slowed: Callable[[float], float] = lambda at_s: 1.0
    hook: Hook = lambda loop, request: None  # may raise, as a child does that dies
    loss: float | None = 1.5


@dataclass
class LoopMachine:
    """Scripted children on one clock: give `spawn`, `clock` and `sleep` to a validation."""

    script: Script = field(default_factory=Script)
    clock: FakeClock = field(default_factory=FakeClock)
    loops: "list[FakeLoop]" = field(default_factory=list)
    parts: list[tuple[int, LoopPart]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Remember when it all began."""
        self.began = self.clock.now

    def spawn(self, number: int, threads: int, environment: Mapping[str, str]) -> "FakeLoop":
        """Start a child."""
        loop = FakeLoop(self, number)
        loop.environment = dict(environment)
        self.loops.append(loop)
        return loop

    def sleep(self, seconds: float) -> None:
        """Let time go by, in which nothing runs."""
        self.clock.advance(seconds)

    @property
    def alive(self) -> "list[FakeLoop]":
        """Return the children that were not ended."""
        return [c for c in self.loops if not c.ended]

    @property
    def run(self) -> "FakeLoop":
        """Return the child of the run itself."""
        return next(c for c in self.loops if c.number == NUMBER)


class FakeLoop:
    """One scripted child with an open loop."""

    def __init__(self, machine: LoopMachine, number: int) -> None:
        """Belong to a machine."""
        self.machine, self.number, self.ended = machine, number, False
        self.case: LoopCase | None = None
        self.environment: dict[str, str] = {}
        self.steps = self.epochs = 0

    def ask(
        self, verb: str, request: Any, timeout_s: float, tick: Callable[[], None] = lambda: None
    ) -> Reply:
        """Answer as the script says, through the same encoding as a real child."""
        assert not self.ended, "a child was asked after its end"
        cls: Any = {"open_loop": OpenLoop, "loop_part": LoopPart}[verb]
        try:
            asked = codec.decode(cls, codec.encode(request))
        except BadRecord as e:
            return Reply(ok=False, code="error", reason=str(e))
        self.machine.script.hook(self, asked)
        done = self._opened(asked) if verb == "open_loop" else self._part(asked)
        return Reply(ok=True, result=codec.encode(done))

    def _opened(self, request: OpenLoop) -> Opened:
        self.case = request.case
        self.machine.clock.advance(self.machine.script.open_s)
        return Opened(read_s=self.machine.script.read_s)

    def _part(self, request: LoopPart) -> PartDone:
        script, clock = self.machine.script, self.machine.clock
        self.machine.parts.append((self.number, request))
        if request.what in ("steps", "epoch"):
            return PartDone(stretch=self._stretch(request))
        if request.what == "once":
            return PartDone(once=self._once(request))
        if request.what == "evaluate":
            if script.judge_s is None:
                return PartDone()
            seconds, one = request.seconds, script.judge_s
            batches = request.batches or max(1, int((seconds or 0.0) / one))
            clock.advance(batches * one)
            return PartDone(
                evaluated=Evaluated(batches=batches, wall_s=batches * one, accuracy_frac=0.5)
            )
        assert request.path is not None
        Path(request.path).write_bytes(b"weights")
        clock.advance(script.save_s)
        return PartDone(saved=Saved(wall_s=script.save_s, bytes_written=7))

    def _once(self, request: LoopPart) -> Drained:
        script, case = self.machine.script, self.case
        assert case is not None and case.loading.samples is not None
        items = case.loading.samples
        if request.seconds is not None:
            items = min(items, max(1, int(request.seconds / script.once_item_s)))
        wall_s = items * script.once_item_s + script.once_extra_s
        self.machine.clock.advance(wall_s)
        first = min(items, case.batch_size)
        return Drained(
            items=items,
            wall_s=wall_s,
            cpu_s=wall_s,
            first_items=first,
            first_s=first * script.once_item_s + script.once_extra_s,
        )

    def _stretch(self, request: LoopPart) -> Stretch:
        script, clock, case = self.machine.script, self.machine.clock, self.case
        assert case is not None and case.loading.samples is not None
        began, first_s, steps, waited = clock.now, 0.0, 0, 0.0
        whole = case.loading.samples // case.batch_size
        while True:
            slow = script.slowed(clock.now - self.machine.began)
            cold = script.cold_step_s if request.what == "epoch" and not self.epochs else 0.0
            took = script.step_s * slow + cold
            took += script.compile_s if self.steps == 0 else 0.0
            clock.advance(took)
            steps, self.steps = steps + 1, self.steps + 1
            waited += script.wait_s * slow + cold
            first_s = first_s or took
            if request.what == "epoch":
                if steps == whole:
                    self.epochs += 1
                    break
            elif (s := clock.now - began) + STEP_MARGIN * s / steps >= (request.seconds or 0.0):
                break
        return Stretch(
            steps=steps,
            items=steps * case.batch_size,
            wall_s=clock.now - began,
            first_step_s=first_s,
            loader_wait_s=waited,
            first_wait_s=waited / steps,
            loss=script.loss,
        )

    def end(self) -> None:
        """End the child."""
        self.ended = True


def rows(folder: Path, items: int = 256, features: int = 64) -> Path:
    """Write rows that mlp_small can be trained on; return their file."""
    np = pytest.importorskip("numpy")
    rng = np.random.default_rng(0)
    x = rng.standard_normal((items, features)).astype("float32")
    path = folder / "rows.npz"
    np.savez(path, x=x, y=(x[:, 0] > 0).astype("int64"))
    return path


def validation_of(
    machine: LoopMachine, monkeypatch: pytest.MonkeyPatch, folder: Path
) -> Callable[..., Validated]:
    """Return a validation of mlp_small by scripted children, in a folder of its own."""
    fakes.isolate(monkeypatch, folder)
    data = rows(folder)

    def run(progress: Progress | None = None, **changed: Any) -> Validated:
        asked = {"workload": "mlp_small", "data": data, "residence": "memory", "threads": 1}
        options = Options(**{**asked, "out": folder / "v.json", "minutes": 1.0, **changed})
        return validate.validate(options, progress, machine.spawn, machine.clock, machine.sleep)

    return run


def in_run(action: Callable[[FakeLoop, LoopPart], None]) -> Callable[[FakeLoop, Any], None]:
    """Return a hook that acts in the parts of the run itself."""

    def hook(loop: FakeLoop, request: LoopPart | OpenLoop) -> None:
        if loop.number == NUMBER and isinstance(request, LoopPart):
            action(loop, request)

    return hook


Validate = Callable[..., Validated]


@pytest.fixture
def machine() -> LoopMachine:
    """Be on a machine of scripted loops."""
    return LoopMachine()


@pytest.fixture
def go(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, machine: LoopMachine) -> Validate:
    """Return a validation over them, its options to be changed."""
    return validation_of(machine, monkeypatch, tmp_path)
