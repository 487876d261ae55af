"""What can go wrong, as types: each message says what was asked, what was found, what to do."""

import re
from collections.abc import Iterable

_COLOUR = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def one_line(text: str, most: int = 300) -> str:
    """Return a library's text as one line without colour codes or control characters."""
    plain = " ".join(_COLOUR.sub("", text).split())
    plain = "".join(c for c in plain if c.isprintable())
    return plain if len(plain) <= most else plain[: most - 3] + "..."


class HwbenchError(Exception):
    """The base: its text is the whole message for the user; `exit_code` is the contract's."""

    exit_code = 1


class BadInput(HwbenchError):
    """The request cannot be carried out as it was made."""

    exit_code = 2


class UnknownName(BadInput):
    """A name that stands for nothing here; the message offers the near ones."""

    def __init__(self, kind: str, asked: str, known: Iterable[str]) -> None:
        """Say which `kind` of thing was `asked` for and which of the `known` come near."""
        import difflib

        names = sorted(known)
        near = difflib.get_close_matches(asked, names, n=3, cutoff=0.5)
        if near:
            hint = f"did you mean {', '.join(near)}?"
        else:
            shown = ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")
            hint = f"there are: {shown}" if names else "there are none"
        super().__init__(f"no {kind} is named {asked!r}: {hint}")


class BadRecord(BadInput):
    """A file that is not the record it should be; the message names the field."""


class Busy(BadInput):
    """Another run holds this machine."""


class StorageFull(HwbenchError):
    """A file could not be written on; what was finished is kept."""


class Unavailable(HwbenchError):
    """A library, device or sensor that this machine lacks, with the line that would help."""

    def __init__(self, reason: str, remedy: str | None = None) -> None:
        """Keep the `reason` and the one-line `remedy` apart, and join them in the message."""
        self.reason = reason
        self.remedy = remedy
        super().__init__(f"{reason}: {remedy}" if remedy else reason)


class WrongAnswer(HwbenchError):
    """A program whose result differs from its reference: it is not timed."""


class DoesNotFit(HwbenchError):
    """The device or the host has not enough memory for the case."""
