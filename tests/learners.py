"""Scripted real trainings on a clock of their own: what stands in for a child that learns."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from hwbench import codec, registry, shortcuts_learn
from hwbench.device import Environment
from hwbench.learning_asks import (
    Ask,
    OpenStudy,
    Pace,
    Paced,
    Pretrain,
    Pretrained,
    Screened,
    StudiedData,
    StudyAsked,
    Train,
    Trained,
)
from hwbench.learning_energy import Energies
from hwbench.progress import Progress
from hwbench.protocol import Reply
from hwbench.quality_found import Quality
from hwbench.shortcuts_learn import Learnt, Options
from tests.fakes import FakeClock

STEP_S, OPEN_S, BUILD_S = 2**-7, 2.0, 2**-3
N_TEST = 300
GOOD = Quality(
    duplicates=0,
    near_duplicates=None,
    leaked=0,
    leaked_frac=0.0,
    alike_in_test=0,
    conflicts=0,
    imbalance=1.0,
    effective_classes=5.0,
    classes=5,
)
VERBS: dict[str, Any] = {
    "open_study": OpenStudy,
    "pace": Pace,
    "pretrain": Pretrain,
    "train": Train,
}


def accuracy(ask: Ask) -> float:
    """Return 1 - (0.02 + a N^-0.5), a the smaller for what is pretrained; seeds a bit apart."""
    a = 1.0 if registry.shortcuts()[ask.shortcut].pretrained else 2.0
    wrong = 0.02 + a * ask.samples**-0.5 + 0.5 * ask.noise_frac + 0.002 * (ask.seed % 3)
    return float(max(0.2, 1 - wrong * ask.rate_factor**0.1))


Hook = Callable[["FakeLearner", Any], None]


@dataclass(kw_only=True)
class LearnMachine:
    """Scripted children on one clock; `hook` may raise, as a child does that dies."""

    clock: FakeClock = field(default_factory=FakeClock)
    samples: int = 640
    source: int | None = 800
    classes: int = 5
    slower: float = 1.0  # than the paces say
    refuses: Mapping[str, str] = field(default_factory=dict)  # shortcuts, at their pacing
    hook: Hook = lambda child, request: None
    children: "list[FakeLearner]" = field(default_factory=list)
    asked: list[Ask] = field(default_factory=list)
    weights: list[str | None] = field(default_factory=list)
    pretrained: list[Pretrain] = field(default_factory=list)

    def spawn(self, number: int, threads: int, environment: Mapping[str, str]) -> "FakeLearner":
        """Start a child."""
        child = FakeLearner(self, number)
        self.children.append(child)
        return child

    @property
    def alive(self) -> "list[FakeLearner]":
        """Return the children that were not ended."""
        return [c for c in self.children if not c.ended]

    def learn(self, out: Path | None, progress: Progress | None = None, **changed: Any) -> Learnt:
        """Carry out a study of mlp_small, its choices to be changed."""
        options = {k: changed.pop(k) for k in ("resume", "steps") if k in changed}
        asked: dict[str, Any] = {
            "workload": "mlp_small",
            "data": "digits",
            "threads": 1,
            "batch_size": 32,
        }
        return shortcuts_learn.learn(
            Options(asked=StudyAsked(**(asked | changed)), out=out, **options),
            progress,
            self.spawn,
            self.clock,
            Unmetered,
        )


class Unmetered(Energies):
    """A machine without meters."""

    def __init__(self, environment: Environment, device: str) -> None:
        """Look for none."""
        self.no_energy: str | None = "no meter"

    def __enter__(self) -> "Unmetered":
        """Read none."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End none."""

    def of(self, begin_s: float, end_s: float) -> tuple[float | None, str | None]:
        """Tell nothing."""
        return None, self.no_energy


class FakeLearner:
    """One scripted child with an open study."""

    def __init__(self, machine: LearnMachine, number: int) -> None:
        """Belong to a machine."""
        self.machine, self.number, self.ended = machine, number, False
        self.opened: OpenStudy | None = None

    def ask(
        self, verb: str, request: Any, timeout_s: float, tick: Callable[[], None] = lambda: None
    ) -> Reply:
        """Answer as the script says, through the same encoding as a real child."""
        assert not self.ended, "a child was asked after its end"
        asked = codec.decode(VERBS[verb], codec.encode(request))
        self.machine.hook(self, asked)
        if verb == "pace" and asked.shortcut in self.machine.refuses:
            reason = self.machine.refuses[asked.shortcut]
            return Reply(ok=False, code="unavailable", reason=reason)
        return Reply(ok=True, result=codec.encode(getattr(self, f"_{verb}")(asked)))

    def _open_study(self, request: OpenStudy) -> StudiedData:
        self.opened, m = request, self.machine
        m.clock.advance(OPEN_S)
        source = None if request.pretrained else m.source
        return StudiedData(
            name=request.data,
            what=f"{m.samples} scripted samples",
            classes=m.classes,
            samples=m.samples,
            n_test=N_TEST,
            parameters=50_000,
            source_samples=source,
            source_classes=5 if source else None,
            quality=GOOD,
        )

    def _pace(self, request: Pace) -> Paced:
        self.machine.clock.advance(2 * BUILD_S)
        teaches = registry.shortcuts()[request.shortcut].needs_teacher
        return Paced(
            shortcut=request.shortcut,
            build_s=BUILD_S,
            step_s=STEP_S,
            judge_item_s=0.0,
            teacher_step_s=STEP_S if teaches else 0.0,
        )

    def _pretrain(self, request: Pretrain) -> Pretrained:
        m = self.machine
        m.pretrained.append(request)
        Path(request.path).write_bytes(b"weights")
        took, began = request.steps * STEP_S, m.clock.now
        m.clock.advance(took)
        return Pretrained(
            samples=m.source or 1,
            classes=5,
            n_test=200,
            steps=request.steps,
            epochs=9.0,
            accuracy=0.97,
            train_s=took,
            begin_s=began,
            end_s=m.clock.now,
        )

    def _train(self, request: Train) -> Trained:
        m, ask = self.machine, request.ask
        assert self.opened is not None, "the study is not open in this child"
        m.asked.append(ask)
        m.weights.append(request.weights)
        began, train_s = m.clock.now, (ask.steps + ask.teacher_steps) * STEP_S * m.slower
        m.clock.advance(BUILD_S + train_s)
        found = accuracy(ask)
        return Trained(
            accuracy=found,
            train_accuracy=min(1.0, found + 0.01),
            train_s=train_s,
            step_s=STEP_S * m.slower,
            once_s=0.0,
            teacher_s=ask.teacher_steps * STEP_S * m.slower,
            begin_s=began,
            end_s=m.clock.now,
            took_s=m.clock.now - began,
            epochs=ask.steps * 32 / ask.samples,
            parameters=50_000,
            trainable_parameters=500,
            memory_peak_bytes=None,
            attack_frac=0.9 if ask.poison_frac else None,
            screened=_screened(ask, train_s, found) if ask.poison_frac else None,
            task_accuracies=(found,) * ask.tasks if ask.tasks > 1 else (),
        )

    def end(self) -> None:
        """End the child."""
        self.ended = True


def _screened(ask: Ask, train_s: float, found: float) -> Screened:
    poisoned = round(ask.poison_frac * ask.samples)
    return Screened(
        screen_s=0.5,
        removed=3 * poisoned,
        poisoned=poisoned,
        found=poisoned,
        retrain_s=train_s,
        accuracy=found - 0.01,
        attack_frac=0.05,
    )
