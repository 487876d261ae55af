"""Telling "not enough memory" from other errors, in the words of each library."""

from hwbench.errors import DoesNotFit

# By the type's name: no library is imported to look at its error.
_TYPES = ("MemoryError", "_ArrayMemoryError", "OutOfMemoryError")
_PHRASES = (
    "can't allocate memory",  # torch, CPU: DefaultCPUAllocator
    "not enough memory",  # torch, CPU, Windows and some ports
    "cannot allocate memory",  # errno ENOMEM
    "out of memory",  # CUDA, HIP, MPS, cuBLAS and cuDNN through every library
    "resource_exhausted",  # XLA
    "failed to allocate",  # onnxruntime's arena, XLA
    "bad_alloc",  # C++
    "cublas_status_alloc_failed",
    "cudnn_status_alloc_failed",
    "cudnn_status_internal_error_device_allocation_failed",
)
_SIGNALS = ("(sigsegv)", "(sigabrt)", "(sigbus)", "(sigkill)")


def as_does_not_fit(error: BaseException) -> DoesNotFit | None:
    """Return `error` as DoesNotFit when it says that memory ran out, or None.

    The chain of causes is searched too: torch.compile wraps the error of the kernel it runs.
    """
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, DoesNotFit):
            return seen
        if _tells_of_memory(seen):
            lines = str(seen).strip().splitlines()
            return DoesNotFit(f"not enough memory: {lines[0] if lines else type(seen).__name__}")
        seen = seen.__cause__ or (None if seen.__suppress_context__ else seen.__context__)
    return None


def _tells_of_memory(error: BaseException) -> bool:
    """Say whether the type or the message is one of those known."""
    if any(cls.__name__ in _TYPES for cls in type(error).__mro__):
        return True
    message = str(error).lower()
    return any(phrase in message for phrase in _PHRASES)


def ended_for_memory(reason: str) -> bool:
    """Say whether a process may have ended for want of memory: other causes end one so, too.

    Much native code does not check what it is given: it follows a null pointer, or aborts.
    """
    message = reason.lower()
    return any(phrase in message for phrase in (*_PHRASES, *_SIGNALS))
