"""One visit in the child: prepare the program, check its answer, time it.

A program whose answer is wrong is never timed. Set-up, compilation and the first iteration are
timed apart from the rest.
"""

import gc
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hwbench import check, interference, registry, timing
from hwbench.case import Case
from hwbench.errors import WrongAnswer
from hwbench.measurement import Checked, Memory, Sample
from hwbench.protocol import CHECK_SEED, CHECK_STEPS, VisitRequest, VisitResult
from hwbench.runtime import Program, Runtime
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


class Visitor:
    """Visits cases on behalf of the parent, keeping programs that it was asked to keep."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """Take the `clock` that times everything here."""
        self.clock = clock
        self.kept: dict[str, Ready] = {}

    def visit(self, request: VisitRequest) -> VisitResult:
        """Prepare and check the case if it is new here, then take its samples."""
        began = self.clock()
        limit_memory(request.memory_limit_bytes)
        reset_peak()
        ready = self.kept.pop(request.case.id, None)
        new = ready is None
        checked_on_its_own = request.check and request.case.kind == "workload"
        if ready is None:
            ready = self._ready(request)
            if request.check:
                reset_peak()  # the reference of the check is not the case's memory
        try:
            done: tuple[list[float], tuple[Sample, ...]] = ([], ())
            if not request.trial:
                done = self._timed(ready.program, request, stale=not new or checked_on_its_own)
            memory = Memory(host=peak_bytes(), device=ready.program.device_peak_bytes())
        finally:
            if request.keep:
                self.kept[request.case.id] = ready
        result = VisitResult(
            id=request.case.id,
            status="ok",
            round=request.round,
            process=request.process,
            setup_s=ready.setup_s if new else None,
            first_iteration_s=ready.first_iteration_s if new else None,
            warmup_s=tuple(done[0]),
            samples=done[1],
            checked=ready.checked if new and request.check else None,
            memory=memory,
            took_s=self.clock() - began,
        )
        if not request.keep:
            del ready
            gc.collect()
        return result

    def _timed(
        self, program: Program, request: VisitRequest, stale: bool
    ) -> tuple[list[float], tuple[Sample, ...]]:
        """Time the program on inputs of this visit's own, watching what else is going on."""
        if stale:
            program.renew(_visit_rng(request))
        before = interference.usage(self.clock())
        visit = timing.visit(program, request.pace, self.clock)
        disturbed = interference.disturbance(before, interference.usage(self.clock()))
        samples = tuple(
            Sample(
                loops=loops,
                wall_s=wall_s,
                start_s=max(0.0, start - request.run_start),
                round=request.round,
                process=request.process,
                disturbed=disturbed,
            )
            for loops, wall_s, start in visit.samples
        )
        return visit.warmup_s, samples

    def _ready(self, request: VisitRequest) -> Ready:
        """Build the program and run it once; where asked, check it first."""
        case = request.case
        runtime = registry.runtimes()[case.runtime]
        runtime.configure(request.threads)
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
                network.workload, network.variant.config, case, rng, model
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
            return _held("NumPy float64", error, TOLERANCE[case.dtype])
        if request.reference is None:
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
        error = check.output_error((outputs,), reference)
        return _held("torch float64 on the CPU", error, tolerance)


def _visit_rng(request: VisitRequest) -> Any:
    """Return the generator of a visit's inputs: of the run's seed and the round."""
    import numpy as np

    return np.random.default_rng([request.seed, request.round + 1])


def _held(reference: str, error: float, tolerance: float) -> Checked:
    """Return the check that passed, or raise WrongAnswer with both figures."""
    if not error <= tolerance:
        raise WrongAnswer(
            f"wrong answer: relative error {error:.2g} against {reference},"
            f" where {tolerance:.2g} is allowed; it was not timed"
        )
    return Checked(reference=reference, max_relative_error=error, tolerance=tolerance)


def _joined(first: Any, rest: Any) -> Any:
    import numpy as np

    return np.concatenate([np.atleast_1d(first), np.atleast_1d(rest)])


def _loaded(path: str) -> Any:
    import numpy as np

    return np.load(path)


def limit_memory(limit_bytes: int | None) -> None:
    """Make an allocation beyond `limit_bytes` fail in this process, not kill another one."""
    if limit_bytes is None or not sys.platform.startswith("linux"):
        return
    import resource

    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_DATA, (limit_bytes, resource.RLIM_INFINITY))


def reset_peak() -> None:
    """Start the peak of this process's resident memory anew (proc(5), clear_refs)."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def peak_bytes() -> int | None:
    """Return the peak resident memory of this process since the last reset."""
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
