"""Short memory is told from other errors, in the words of each library."""

import numpy as np
import pytest

from hwbench import oom
from hwbench.errors import DoesNotFit
from hwbench.oom import as_does_not_fit

# Messages as the libraries print them; those of GPUs from their sources.
TOLD = [
    "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: you "
    "tried to allocate 4000000000000000 bytes. Error code 12 (Cannot allocate memory)",
    "CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has a total capacity of 139.80 GiB",
    "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
    "MPS backend out of memory (MPS allocated: 8.00 GB, other allocations: 1.00 GB)",
    "RESOURCE_EXHAUSTED: Out of memory while trying to allocate 64000000000 bytes.",
    "[ONNXRuntimeError] : 6 : RUNTIME_EXCEPTION : Failed to allocate memory for requested buffer",
    "[ONNXRuntimeError] : 6 : RUNTIME_EXCEPTION : std::bad_alloc",
]


@pytest.mark.parametrize("message", TOLD)
def test_the_words_of_every_library_are_known(message: str) -> None:
    told = as_does_not_fit(RuntimeError(message))
    assert isinstance(told, DoesNotFit)
    assert message in str(told)


def test_torch_really_says_so() -> None:
    torch = pytest.importorskip("torch")
    with pytest.raises(RuntimeError) as caught:
        torch.empty(1 << 50)
    assert as_does_not_fit(caught.value)


def test_numpy_and_python_really_say_so() -> None:
    with pytest.raises(MemoryError) as caught:
        np.empty(1 << 50)
    assert as_does_not_fit(caught.value)
    assert as_does_not_fit(MemoryError())


def test_a_type_is_known_by_its_name_alone() -> None:
    named = type("OutOfMemoryError", (RuntimeError,), {})
    assert as_does_not_fit(named("allocation of 3 pages"))


def test_the_cause_of_an_error_is_searched_too() -> None:
    with pytest.raises(ValueError, match="wrapped") as caught:
        raise_wrapped()
    assert as_does_not_fit(caught.value)


def raise_wrapped() -> None:
    try:
        raise MemoryError
    except MemoryError as e:
        raise ValueError("wrapped") from e


def test_other_errors_are_left_alone() -> None:
    assert as_does_not_fit(ValueError("shapes (2,) and (3,) do not match")) is None
    assert as_does_not_fit(RuntimeError("an illegal memory access was encountered")) is None


def test_what_is_already_told_stays_as_it_is() -> None:
    told = DoesNotFit("128 GiB are needed, 24 are there")
    assert as_does_not_fit(told) is told


@pytest.mark.parametrize(("reason", "memory"), [
    ("the process was killed by signal 11 (SIGSEGV)", True),
    ("the process ended with exit status 127; its last line: cannot allocate memory for"
     " thread-local data: ABORT", True),
    ("the process was killed by signal 15 (SIGTERM)", False),
    ("the process ended with exit status 1; its last line: no such operator", False),
])  # fmt: skip
def test_a_process_under_a_limit_ends_in_these_ways(reason: str, memory: bool) -> None:
    assert oom.ended_for_memory(reason) is memory
