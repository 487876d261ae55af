"""What stands in for slow or random things in tests: a clock, a child process, a listener."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hwbench import codec, lock, planning, probing, protocol
from hwbench.case import Case
from hwbench.child import ChildFailed
from hwbench.device import Cpu, Device, Environment
from hwbench.journal import Header
from hwbench.measurement import Checked, Measurement, Memory, Protocol, Record, Sample
from hwbench.planning import PlannedCase
from hwbench.probed import RuntimeFacts
from hwbench.protocol import Reply, VisitRequest, VisitResult

FACTS = {
    name: RuntimeFacts(name=name, version="1.0", devices=("cpu",))
    for name in ("torch", "torch-compile", "jax", "onnxruntime", "openvino", "litert")
}
GEMM = Case(
    kind="kernel",
    name="gemm",
    version=1,
    phase="forward",
    scenario="hot",
    runtime="torch",
    device="cpu",
    dtype="float32",
    shape={"m": 1024, "n": 1024, "k": 1024},
)
INFERENCE = Case(
    kind="workload",
    name="mlp_small",
    version=1,
    phase="inference",
    scenario="offline",
    runtime="torch",
    device="cpu",
    dtype="float32",
    batch_size=32,
    shape={"width": 128},
)
PROTOCOL = Protocol(
    rounds=3,
    visit_s=0.2,
    visit_limit_s=60.0,
    min_samples=5,
    fresh_processes=False,
    threads=2,
    max_seconds=None,
    seed=1,
)
ENVIRONMENT = Environment(
    hostname="0123456789ab",
    machine_id="fedcba9876543210",
    os="Linux",
    kernel="6.1",
    python="3.11.7",
    packages={"numpy": "2.4.6"},
    cpu=Cpu(model="a processor", cores=2, threads=2, isa=("avx2",)),
    memory_bytes=24 * 1024**3,
)


def planned(case: Case, skip: str | None = None) -> PlannedCase:
    """Return the case as a plan holds it."""
    return PlannedCase(case=case, work=planning.work(case), skip=skip)


def sample(wall_s: float, number: int = 0, loops: int = 1, start_s: float = 0.0) -> Sample:
    """Return a sample of round `number`."""
    return Sample(loops=loops, wall_s=wall_s, start_s=start_s, round=number, process=0)


def visit_result(case: Case, number: int, *walls_s: float) -> VisitResult:
    """Return a finished visit with one sample for each time; the first round is checked."""
    checked = Checked(reference="NumPy float64", max_relative_error=1e-7, tolerance=1e-4)
    return VisitResult(
        id=case.id,
        status="ok",
        round=number,
        process=0,
        setup_s=0.5,
        first_iteration_s=0.1,
        warmup_s=(0.02, 0.01),
        samples=tuple(sample(w, number, start_s=float(number)) for w in walls_s),
        checked=checked if number == 0 else None,
        memory=Memory(host=100_000_000, device=None),
        took_s=sum(walls_s),
    )


def record(*measurements: Measurement) -> Record:
    """Return a record of these measurements."""
    return Record(
        schema="hwbench.record/1",
        id="20261123T220000-01234567",
        created_utc="2026-11-23T22:00:00+00:00",
        hwbench_version="0.1.0",
        profile="smoke",
        argv=("hwbench", "run"),
        duration_s=12.5,
        protocol=PROTOCOL,
        environment=ENVIRONMENT,
        devices=(Device(name="cpu", kind="cpu", index=0),),
        meters=(),
        measurements=measurements,
    )


class FakeClock:
    """A clock that moves only when it is told to, or by `step_s` at each reading."""

    def __init__(self, step_s: float = 0.0) -> None:
        """Start at 128 s: a clock's zero means nothing, and sums of powers of 2 are exact."""
        self.now, self.step_s = 128.0, step_s

    def __call__(self) -> float:
        """Return the time."""
        self.now += self.step_s
        return self.now

    def advance(self, seconds: float) -> None:
        """Let time go by."""
        self.now += seconds


class FakeProgress:
    """A listener that remembers what it was told."""

    def __init__(self) -> None:
        """Start with nothing heard."""
        self.begun: list[int] = []
        self.visited: list[str] = []
        self.notes: list[str] = []

    def begin(self, visits: int, left_s: float) -> None:
        """Remember the number of visits."""
        self.begun.append(visits)

    def visiting(self, what: str, number: int, visits: int, left_s: float) -> None:
        """Remember the case."""
        assert left_s >= 0
        self.visited.append(what)

    def note(self, text: str) -> None:
        """Remember the note."""
        self.notes.append(text)

    def tick(self) -> None:
        """Pass over it."""


Answer = Callable[[VisitRequest], VisitResult | Reply]


class FakeCrew:
    """A machine of scripted children: give `spawn` to a run, and look afterwards at what it did.

    `answer(request)` makes the outcome of a visit: a result, a Reply that says why not, or a raised
    ChildFailed or KeyboardInterrupt. Without one every visit goes well.
    """

    def __init__(
        self, answer: Answer | None = None, facts: Mapping[str, RuntimeFacts] = FACTS
    ) -> None:
        """Take the script and what the runtimes can use."""
        self.answer, self.facts = answer or good, facts
        self.requests: list[VisitRequest] = []
        self.made: list[str] = []  # references and exports
        self.children: list[FakeChild] = []

    def spawn(self, number: int, threads: int, environment: Mapping[str, str]) -> "FakeChild":
        """Start a child."""
        child = FakeChild(self, number)
        self.children.append(child)
        return child

    @property
    def alive(self) -> "list[FakeChild]":
        """Return the children that were not ended."""
        return [c for c in self.children if not c.ended]

    @property
    def visits(self) -> list[tuple[str, int]]:
        """Return (case id, round) of each visit that was asked for, trials left out."""
        return [(r.case.id, r.round) for r in self.requests if not r.trial]


class FakeChild:
    """One scripted child."""

    def __init__(self, crew: FakeCrew, number: int) -> None:
        """Belong to a crew."""
        self.crew, self.number, self.ended = crew, number, False

    def ask(
        self,
        verb: str,
        request: Any,
        timeout_s: float,
        tick: Callable[[], None] = lambda: None,
    ) -> Reply:
        """Answer as the script says, through the same encoding as a real child."""
        assert not self.ended, "a child was asked after its end"
        if verb == "probe":
            return Reply(ok=True, result=codec.encode(self.crew.facts[request.runtime]))
        if verb in ("reference", "export"):
            self.crew.made.append(f"{verb} {request.workload} {request.batch_size}")
            Path(request.path).write_bytes(b"made")
            return Reply(ok=True)
        asked = codec.decode(protocol.VisitRequest, codec.encode(request))
        self.crew.requests.append(asked)
        try:
            outcome = self.crew.answer(asked)
        except ChildFailed:
            self.ended = True
            raise
        return (
            outcome if isinstance(outcome, Reply) else Reply(ok=True, result=codec.encode(outcome))
        )

    def end(self) -> None:
        """End the child."""
        self.ended = True


def good(request: VisitRequest) -> VisitResult:
    """Return what a visit brings when nothing goes wrong."""
    walls_s = [0.010 + 0.0001 * i for i in range(6)]
    result = visit_result(request.case, request.round, *walls_s)
    samples = tuple(replace(s, process=request.process) for s in result.samples)
    checked = Checked(reference="NumPy float64", max_relative_error=1e-7, tolerance=1e-4)
    return replace(
        result,
        process=request.process,
        samples=samples,
        checked=checked if request.check else None,
    )


def crash(request: VisitRequest) -> VisitResult:
    """Die as a process that the system killed."""
    raise ChildFailed("crashed", "the process was killed by signal 9 (SIGKILL)")


@contextmanager
def disk_full_after(room_bytes: int) -> Iterator[None]:
    """Let the kernel refuse to make any file longer than `room_bytes` (RLIMIT_FSIZE)."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def gone(pid: int) -> bool:
    """Return whether a process is dead, a zombie counted as dead."""
    try:
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (ProcessLookupError, FileNotFoundError):
        return True
    return state == "Z"


def header(*cases: PlannedCase, protocol: Protocol = PROTOCOL) -> Header:
    """Return the first line of a journal of these cases."""
    return Header(
        schema="hwbench.journal/1",
        id="20261123T220000-01234567",
        status="started",
        created_utc="2026-11-23T22:00:00+00:00",
        hwbench_version="0.1.0",
        profile="smoke",
        argv=("hwbench", "run"),
        protocol=protocol,
        environment=ENVIRONMENT,
        devices=(Device(name="cpu", kind="cpu", index=0),),
        meters=(),
        cases=cases,
    )


def isolate(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Give a run a lock and a cache of its own, and every library installed by its word."""
    monkeypatch.setattr(lock, "path", lambda: folder / "hwbench.lock")
    monkeypatch.setenv("HWBENCH_CACHE", str(folder / "cache"))
    monkeypatch.setenv("HWBENCH_STATE", str(folder / "state"))
    monkeypatch.setattr(probing, "installed", lambda name: None)
