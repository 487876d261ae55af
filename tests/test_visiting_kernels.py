"""Every kernel on every runtime through a real visit: checked, timed, and checked again.

Each in a process of its own kind is the run's business; here one Visitor serves all of a runtime.
"""

import time
from collections.abc import Iterator

import pytest

from hwbench import cpu
from hwbench.case import Case
from hwbench.protocol import VisitRequest
from hwbench.registry import kernels, runtimes
from hwbench.timing import Pace
from hwbench.visiting import Visitor

DEFAULT = [name for name, r in runtimes().items.items() if r.default]


def _cases() -> Iterator[Case]:
    for runtime in DEFAULT:
        for kernel in kernels().items.values():
            for phase in ("forward", "backward"):
                case = Case(
                    kind="kernel",
                    name=kernel.name,
                    version=kernel.version,
                    phase=phase,
                    scenario="hot",
                    runtime=runtime,
                    device="cpu",
                    dtype=kernel.dtypes[0],
                    shape=next(iter(kernel.shapes.values())),
                )
                if _runs(case):
                    yield case


def _runs(case: Case) -> bool:
    kernel, runtime = kernels()[case.name], runtimes()[case.runtime]
    if case.phase == "backward" and kernel.backward_flops is None:
        return False
    written = getattr(kernel, f"build_{runtime.dialect}") is not None
    return written and case.phase in runtime.phases and runtime.supports(case) is None


def _named(case: Case) -> str:
    return f"{case.runtime}-{case.name}-{case.phase}"


@pytest.mark.parametrize("case", list(_cases()), ids=_named)
def test_a_kernel_is_checked_timed_and_answers_the_same_afterwards(case: Case) -> None:
    request = VisitRequest(
        case=case,
        threads=len(cpu.usable_cpus()),  # jax starts once in a process, with all of them
        pace=Pace(visit_s=0.02, min_samples=3, sample_s=0.001),
        round=0,
        process=0,
        run_start=time.perf_counter(),
        seed=1,
        check=True,
        check_batch=None,
    )
    result = Visitor(time.perf_counter).visit(request)
    assert (result.status, result.reason) == ("ok", None)
    assert len(result.samples) >= 3
    assert result.checked is not None
    assert result.checked.max_relative_error is not None
