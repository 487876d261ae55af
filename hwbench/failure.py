"""What an error in the child means: a code that the parent can act on, and the reason in words."""

import os
import traceback
from dataclasses import dataclass

from hwbench import oom
from hwbench.errors import DoesNotFit, HwbenchError, Unavailable, WrongAnswer, one_line


@dataclass(frozen=True, kw_only=True)
class Failure:
    """`code` is memory | wrong_answer | unavailable | error."""

    code: str
    reason: str
    remedy: str | None = None


def failure_of(error: BaseException) -> Failure:
    """Return what went wrong; an error that is not hwbench's own says where it was raised."""
    memory = oom.as_does_not_fit(error) if isinstance(error, Exception) else None
    if memory is not None or isinstance(error, DoesNotFit):
        return Failure(code="memory", reason=str(memory or error))
    if isinstance(error, WrongAnswer):
        return Failure(code="wrong_answer", reason=str(error))
    if isinstance(error, Unavailable):
        return Failure(code="unavailable", reason=error.reason, remedy=error.remedy)
    if isinstance(error, HwbenchError):
        return Failure(code="error", reason=str(error))
    where = traceback.extract_tb(error.__traceback__)
    place = f" ({os.path.basename(where[-1].filename)}:{where[-1].lineno})" if where else ""
    text = one_line(str(error))
    return Failure(code="error", reason=f"{type(error).__name__}: {text}{place}")
