"""Numbers as people type them: `90s`, `24h`, `3d`, `1.28M`, `50k`."""

import math

from hwbench import units
from hwbench.errors import BadInput

_DURATIONS = {
    "": 1.0,
    "ms": 1e-3,
    "s": 1.0,
    "min": units.S_PER_MIN,
    "m": units.S_PER_MIN,
    "h": units.S_PER_H,
    "d": units.S_PER_DAY,
}
MOST_PIXELS = 8_192  # of a side: an image is made in memory
MOST_DIGITS = 12  # of a number of levels
_SIZES = {
    "": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9,
    "kib": 1024, "mib": 1024**2, "gib": 1024**3, "k": 1024, "m": 1024**2, "g": 1024**3,
}  # fmt: skip
_COUNTS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "b": 10**9, "t": 10**12}


def duration_s(text: str) -> float:
    """Return the seconds of a duration such as `90`, `90s`, `1.5h`; raise BadInput."""
    value = _scaled(text, _DURATIONS)
    if value is None or value <= 0:
        raise BadInput(f"{text!r} is no duration: write seconds, or 90s, 15min, 24h, 3d")
    return value


def size_bytes(text: str) -> int:
    """Return the bytes of a size such as `512MB` or `2GiB`; raise BadInput."""
    value = _scaled(text, _SIZES)
    if value is None or value < 1:
        raise BadInput(f"{text!r} is no size of memory: write 512MB, 2GiB, or bytes")
    return round(value)


def count(text: str) -> int:
    """Return the whole number of a text such as `32`, `50k`, `1.28M`; raise BadInput."""
    value = _scaled(text, _COUNTS)
    if value is None or value < 1 or abs(value - round(value)) > 1e-6 * value:
        raise BadInput(f"{text!r} is no count: write a whole number of at least 1, 50k, 1.28M")
    return round(value)


def pixels(text: str) -> tuple[int, int]:
    """Return the width and height of a text such as `500x375`; raise BadInput."""
    width, cross, height = text.strip().lower().partition("x")
    if not (cross and width.isdecimal() and height.isdecimal()):
        raise BadInput(f"{text!r} is no size of an image: write its pixels as 500x375")
    found = int(width), int(height)
    if not all(1 <= n <= MOST_PIXELS for n in found):
        raise BadInput(f"{text!r} is no size of an image: sides are 1 to {MOST_PIXELS:,} pixels")
    return found


def levels(text: str) -> tuple[int, ...]:
    """Return the levels of each hyperparameter of a text such as `3x3x2`; raise BadInput."""
    parts = text.strip().lower().split("x")
    if not all(p.isdecimal() and len(p) < MOST_DIGITS and int(p) for p in parts):
        raise BadInput(f"{text!r} is no grid: write levels of at least 1 as 3x3x2")
    return tuple(int(p) for p in parts)


def _scaled(text: str, factors: dict[str, float] | dict[str, int]) -> float | None:
    """Return number times factor, None if the text is not a number with a known suffix."""
    bare = text.strip().lower().replace("_", "")
    number = bare.rstrip("abcdefghijklmnopqrstuvwxyz")
    suffix = bare[len(number) :]
    try:
        value = float(number)
    except ValueError:
        return None
    if suffix not in factors or not math.isfinite(value):
        return None
    return value * factors[suffix]
