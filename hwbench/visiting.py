"""One visit in the child: prepare the program, check its answer, time it.

A program whose answer is wrong is never timed. Set-up, compilation and the first iteration are
timed apart from the rest.
"""

import gc
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from hwbench import (
    building,
    check,
    drawing,
    first_losses,
    interference,
    registry,
    serving,
    timing,
    visit_facts,
)
from hwbench.case import Case
from hwbench.energy import EnergyPass
from hwbench.failure import Failure, failure_of
from hwbench.measurement import Checked, Conditions, Memory, Sample
from hwbench.memory_use import ModelMemory, limit_memory, peak_bytes, reset_peak
from hwbench.protocol import (
    CHECK_SEED,
    CHECK_STEPS,
    LossesDone,
    LossesRequest,
    VisitRequest,
    VisitResult,
)
from hwbench.runtime import Program, Runtime
from hwbench.served import Search
from hwbench.units import TOLERANCE

# How many losses are compared in training, and how near they must be. Rounding grows from step to
# step (batch norm of a small batch is chaotic in bfloat16 from the third on); a step without its
# update would be off by far more than any of these.
LOSSES = {"float32": (CHECK_STEPS, 1e-3), "tf32": (CHECK_STEPS, 1e-2), "bfloat16": (2, 1e-1)}


@dataclass(kw_only=True)
class Ready:
    """A program with what getting it ready took."""

    program: Program
    setup_s: float
    first_iteration_s: float | None = None
    checked: Checked | None = None


@dataclass(kw_only=True)
class Timed:
    """The samples of a visit with the conditions they were taken in."""

    visit: timing.Visit = field(default_factory=timing.Visit)
    search: Search | None = None
    conditions: Conditions | None = None
    failure: Failure | None = None


class Visitor:
    """Visits cases on behalf of the parent, keeping programs that it was asked to keep."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """Take the `clock` that times everything here."""
        self.clock = clock
        self.kept: dict[str, Ready] = {}
        self._model_memory = ModelMemory()

    def visit(self, request: VisitRequest) -> VisitResult:
        """Prepare and check the case if it is new here, then take its samples.

        An error before the first sample is raised; a later one is the result's, with the samples.
        """
        began = self.clock()
        limit_memory(request.memory_limit_bytes)
        if request.draw is not None:
            return self._drawn(request, began)
        reset_peak()
        ready = self.kept.pop(request.case.id, None)
        new = ready is None
        if ready is None:
            ready = self._ready(request)
        held = new and request.check and not request.trial
        try:
            timed, memory = self._timed(ready, request, new, held)
        finally:
            if request.keep:
                self.kept[request.case.id] = ready
        whole = new and timed.failure is None
        result = VisitResult(
            id=request.case.id,
            status="ok" if timed.failure is None else "failed",
            code=timed.failure.code if timed.failure else None,
            reason=timed.failure.reason if timed.failure else None,
            round=request.round,
            process=request.process,
            setup_s=ready.setup_s if new else None,
            first_iteration_s=ready.first_iteration_s if new else None,
            warmup_s=tuple(timed.visit.warmup_s),
            steady=timed.visit.steady,
            samples=tuple(_sample(t, request) for t in timed.visit.samples),
            conditions=timed.conditions,
            checked=ready.checked if new and request.check else None,
            memory=memory,
            taught=ready.program.taught,
            took_s=self.clock() - began,
            search=timed.search,
            model_bytes=self._model_memory.of(memory.host),
            kept_bytes=visit_facts.kept_bytes(request) if whole else None,
            operators=visit_facts.operators(ready.program, request) if whole else (),
        )
        if not request.keep:
            del ready
            gc.collect()
        return result

    def losses(self, request: LossesRequest) -> LossesDone:
        """Train some steps on one batch, the same for whoever asks, and keep the program."""
        program, done = first_losses.of(request, self.clock)
        self.kept[request.case.id] = Ready(
            program=program, setup_s=done.setup_s, first_iteration_s=done.first_step_s
        )
        return done

    def _drawn(self, request: VisitRequest, began: float) -> VisitResult:
        """Run the case for the meters; its answer was checked when it was timed."""
        assert request.draw is not None
        ready = self.kept.pop(request.case.id, None) or self._ready(request)
        windows = drawing.draw(
            ready.program, request.draw, self.clock, time.sleep, request.run_start
        )
        if request.keep:
            self.kept[request.case.id] = ready
        return VisitResult(
            id=request.case.id,
            status="ok",
            round=request.round,
            process=request.process,
            took_s=self.clock() - began,
            energy=EnergyPass(windows=windows),
        )

    def _timed(
        self, ready: Ready, request: VisitRequest, new: bool, held: bool
    ) -> tuple[Timed, Memory]:
        """Time the program on inputs of this visit's own; `held`: its answer must stay the same."""
        program = ready.program
        if not request.trial and (not new or held):
            program.renew(_visit_rng(request))  # the check's inputs go, and what it did to them
        before = program.answer(1) if held and request.case.phase != "training" else None
        if request.check:
            reset_peak()  # neither the check's reference nor its answers are the case's memory
        timed = Timed() if request.trial else self._visited(program, request)
        memory = Memory(host=peak_bytes(), device=program.device_peak_bytes())
        if before is not None and timed.failure is None:
            program.renew(_visit_rng(request))  # some programs change their inputs
            check.same(before, program.answer(1), TOLERANCE[request.case.dtype])
        return timed, memory

    def _visited(self, program: Program, request: VisitRequest) -> Timed:
        """Take the samples of a visit, watching what else is going on."""
        watch = interference.Watch(self.clock, request.threads, request.case.device)
        visit, search = serving.visit(program, request, self.clock, watch=watch)
        if visit.failure is not None and not visit.samples:
            raise visit.failure
        return Timed(
            visit=visit,
            search=search,
            conditions=watch.conditions(),
            failure=failure_of(visit.failure) if visit.failure else None,
        )

    def _ready(self, request: VisitRequest) -> Ready:
        """Build the program and run it once; where asked, check it first."""
        case = request.case
        runtime = registry.runtimes()[case.runtime]
        runtime.configure(request.threads)
        if request.model_limit_bytes is not None:
            registry.networks()  # what is imported later would count as the model's
            self._model_memory.hold(request.model_limit_bytes)
        if not gc.get_freeze_count():  # a library's half a million objects would be looked at again
            gc.freeze()  # before every visit: 70 ms with torch, 3 % of one
        apart = request.check and request.check_batch not in (None, case.batch_size)
        checked = None
        if apart:
            small = replace(case, batch_size=request.check_batch)
            trial = self._prepare(runtime, small, request, request.check_model)
            checked = self._checked(trial, request)
            del trial
            gc.collect()
        ready = self._prepare(runtime, case, request, request.model)
        if request.check and not apart:
            ready.checked = self._checked(ready, request)
        else:
            ready.checked = checked
            start = self.clock()
            ready.program.wait(ready.program.step())
            ready.first_iteration_s = self.clock() - start
        return ready

    def _prepare(
        self, runtime: Runtime, case: Case, request: VisitRequest, model: str | None
    ) -> Ready:
        """Have the runtime make the program, with the check's inputs in place if it is checked."""
        import numpy as np

        checked = request.check and case.kind == "workload"
        rng = np.random.default_rng(CHECK_SEED) if checked else _visit_rng(request)
        start = self.clock()
        if case.kind == "kernel":
            program = runtime.prepare_kernel(registry.kernels()[case.name], case, rng)
        else:
            network = registry.networks()[case.name]
            program = runtime.prepare_workload(
                network.workload,
                network.variant.config,
                case,
                rng,
                model,
                **building.made_by(runtime, case),
            )
        return Ready(program=program, setup_s=self.clock() - start)

    def _checked(self, ready: Ready, request: VisitRequest) -> Checked:
        """Hold the program's answer against the reference; raise WrongAnswer beyond tolerance."""
        case = request.case
        start = self.clock()
        if case.phase == "training":
            answers = ready.program.answer(1)
            ready.first_iteration_s = self.clock() - start
        else:
            ready.program.wait(ready.program.step())
            ready.first_iteration_s = self.clock() - start
            answers = ready.program.answer(1)
        if case.kind == "kernel":
            kernel = registry.kernels()[case.name]
            check.sound_reference(kernel)
            error = check.kernel_error(kernel, case.shape, case.phase, answers)
            return check.held("NumPy float64", error, TOLERANCE[case.dtype])
        if request.reference is None:
            check.finite(answers)
            return Checked(
                reference=None,
                max_relative_error=None,
                tolerance=None,
                reason=request.no_reference,
            )
        outputs, reference = answers.outputs[0], _loaded(request.reference)
        tolerance = TOLERANCE[case.dtype]
        if case.phase == "training":
            steps, tolerance = LOSSES.get(case.dtype, (CHECK_STEPS, tolerance))
            outputs = _joined(outputs, ready.program.answer(steps - 1).outputs[0])
            reference = reference[:steps]
        routed = case.phase == "inference" and registry.networks()[case.name].workload.routed
        error = check.output_error((outputs,), reference, routed)
        told = ", the median row: rounding decides some routes" if routed else ""
        return check.held(f"torch float64 on the CPU{told}", error, tolerance)


def _sample(taken: timing.Taken, request: VisitRequest) -> Sample:
    return Sample(
        loops=taken.loops,
        wall_s=taken.wall_s,
        start_s=max(0.0, taken.start - request.run_start),
        round=request.round,
        process=request.process,
        disturbed=taken.disturbed,
    )


def _visit_rng(request: VisitRequest) -> Any:
    """Return the generator of a visit's inputs: of the run's seed and the round."""
    import numpy as np

    return np.random.default_rng([request.seed, request.round + 1])


def _joined(first: Any, rest: Any) -> Any:
    import numpy as np

    return np.concatenate([np.atleast_1d(first), np.atleast_1d(rest)])


def _loaded(path: str) -> Any:
    import numpy as np

    return np.load(path)
