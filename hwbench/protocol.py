"""What parent and child say to each other: one JSON object a line, dataclasses on both sides.

The parent asks with one of the requests; the child answers `Reply`. Nothing of a framework
crosses: the parent never imports one.
"""

from dataclasses import dataclass, field
from typing import Any, Literal

from hwbench.advised import LoaderAdvice
from hwbench.bounds import NonNegativeFloat as Seconds
from hwbench.case import Case
from hwbench.edge_facts import EdgeModel as EdgeModelFacts
from hwbench.edge_facts import OperatorTime
from hwbench.energy import EnergyPass
from hwbench.measurement import Checked, Conditions, Memory, Sample, SteadyKind
from hwbench.served import Search, Terms
from hwbench.taught import Taught
from hwbench.timing import Pace

# Seeds: the check is the same everywhere; each visit draws inputs of its own.
CHECK_SEED = 0
CHECK_STEPS = 3  # training steps whose losses are compared


@dataclass(frozen=True, kw_only=True)
class Probe:
    """Import the runtime's library and say what it can use."""

    runtime: str


@dataclass(frozen=True, kw_only=True)
class Describe:
    """Build a model of the user's own and say what it is.

    A model of transformers whose training would take more than `room_bytes`, or that is `outlined`,
    is told by its configuration and not built.
    """

    spec: str
    name: str
    pretrained: bool = False
    outlined: bool = False
    room_bytes: int | None = None


@dataclass(frozen=True, kw_only=True)
class Reference:
    """Compute the float64 reference of a network and leave it at `path` (.npy)."""

    workload: str
    phase: str
    batch_size: int
    path: str


@dataclass(frozen=True, kw_only=True)
class Export:
    """Export a network at `path`: to ONNX, or to what `form` says (a runtime's dialect)."""

    workload: str
    batch_size: int
    dtype: str
    path: str
    form: str = "onnx"


@dataclass(frozen=True, kw_only=True)
class EdgeModel:
    """Make a float32 file's form in a precision at `path`, calibrated on `data`."""

    workload: str
    model: str
    precision: str
    batch_size: int
    data: str | None
    path: str
    form: str = "onnx"  # of the file: the dialect of the runtime that runs it


@dataclass(frozen=True, kw_only=True)
class DrawTerms:
    """What a pass for energy is given: so many windows, so long, after a rise that does not count.

    `pause_s` in all are paused within a window, so that the work does not keep step with a sensor.
    """

    windows: int
    window_s: Seconds
    rise_s: Seconds
    pause_s: Seconds


@dataclass(frozen=True, kw_only=True)
class VisitRequest:
    """Visit a case. `reference` is a file of Reference or None with `no_reference` saying why."""

    case: Case
    threads: int
    pace: Pace
    round: int
    process: int
    run_start: float  # on the parent's perf_counter, which children share
    seed: int
    check: bool
    check_batch: int | None
    reference: str | None = None
    no_reference: str | None = None
    model: str | None = None  # an exported file
    check_model: str | None = None  # the same at the check's batch size
    keep: bool = False  # keep the program for the next visit (persistent children)
    memory_limit_bytes: int | None = None
    trial: bool = False  # run one iteration only: does it fit?
    serving: Terms | None = None  # of a scenario that was asked for
    draw: DrawTerms | None = None  # run for the meters: nothing is timed
    model_limit_bytes: int | None = None  # of an edge profile: beside what the library takes


@dataclass(frozen=True, kw_only=True)
class LossesRequest:
    """Make a training case ready, train `steps` steps (two or more) on one batch, and keep it."""

    case: Case
    threads: int
    steps: int
    memory_limit_bytes: int | None = None


@dataclass(frozen=True, kw_only=True)
class Profile:
    """Train some steps of a case and say where their time and memory went."""

    case: Case
    threads: int


@dataclass(frozen=True, kw_only=True)
class CountMemory:
    """Count what a network keeps of a forward pass, with fake tensors; `seq` instead of its own."""

    workload: str
    seq: int | None


@dataclass(frozen=True, kw_only=True)
class LossesDone:
    """The loss before each step (null: no number), and what the parts took.

    `first_step_s` is the first step, compilation in it; `wall_s` all the others.
    """

    losses: tuple[float | None, ...]
    setup_s: Seconds
    first_step_s: Seconds
    wall_s: Seconds


@dataclass(frozen=True, kw_only=True)
class VisitResult:
    """The raw outcome of a visit, as the journal keeps it."""

    id: str
    status: Literal["ok", "failed"]
    round: int
    process: int
    reason: str | None = None
    code: str | None = None  # of a failure: wrong_answer | memory | hung | crashed | error | ...
    setup_s: Seconds | None = None
    first_iteration_s: Seconds | None = None
    warmup_s: tuple[Seconds, ...] = ()
    steady: SteadyKind | None = None  # how the visit's times ran; null: too few to tell
    samples: tuple[Sample, ...] = ()
    conditions: Conditions | None = None
    checked: Checked | None = None
    memory: Memory | None = None
    took_s: Seconds = 0.0
    search: Search | None = None  # of the scenario `server`
    taught: Taught | None = None  # of a step by a shortcut or a hardening
    energy: EnergyPass | None = None  # of a pass for energy, or of an idle stretch
    loader: LoaderAdvice | None = None  # of a loop on the user's data
    model_bytes: int | None = None  # of memory, under an edge profile: beside the library's
    edge: EdgeModelFacts | None = None  # what the file is
    kept_bytes: int | None = None  # of a cut's training: activations that autograd keeps, counted
    operators: tuple[OperatorTime, ...] = ()  # under an edge profile, of the visit that checks


@dataclass(frozen=True, kw_only=True)
class Reply:
    """The child's answer: a result by kind of request, or the failure with its code."""

    ok: bool
    result: dict[str, Any] = field(default_factory=dict)
    code: str | None = None
    reason: str | None = None
    remedy: str | None = None
