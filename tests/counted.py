"""Numbers that count what is done to them: a formula in NumPy, run on them, tells its FLOPs.

Every addition, subtraction, multiplication, division, exponential, square root and tanh is one;
comparisons are none. NumPy calls these methods on each entry of an array of dtype object.
"""

import math
from collections.abc import Callable
from typing import Any


class Counted:
    """A float; `Counted.flops` is the count of all of them since `count` began."""

    flops = 0

    def __init__(self, value: float) -> None:
        self.value = value

    def __add__(self, other: Any) -> "Counted":
        return done(self.value + plain(other))

    def __sub__(self, other: Any) -> "Counted":
        return done(self.value - plain(other))

    def __rsub__(self, other: Any) -> "Counted":
        return done(plain(other) - self.value)

    def __mul__(self, other: Any) -> "Counted":
        return done(self.value * plain(other))

    def __truediv__(self, other: Any) -> "Counted":
        return done(self.value / plain(other))

    __radd__, __rmul__ = __add__, __mul__

    def __lt__(self, other: Any) -> bool:
        return self.value < plain(other)

    def __le__(self, other: Any) -> bool:
        return self.value <= plain(other)

    def __gt__(self, other: Any) -> bool:
        return self.value > plain(other)

    def __ge__(self, other: Any) -> bool:
        return self.value >= plain(other)

    def exp(self) -> "Counted":
        return done(math.exp(self.value))

    def sqrt(self) -> "Counted":
        return done(math.sqrt(self.value))

    def tanh(self) -> "Counted":
        return done(math.tanh(self.value))


def plain(number: Any) -> float:
    return number.value if isinstance(number, Counted) else float(number)


def done(value: float) -> Counted:
    """Count one operation and return its result."""
    Counted.flops += 1
    return Counted(value)


def count(formula: Callable[..., Any], *arrays: Any) -> tuple[int, Any]:
    """Return (FLOPs, answer in float64) of a NumPy formula; the answer is an array or a tuple."""
    import numpy as np

    wrap, unwrap = np.frompyfunc(Counted, 1, 1), np.frompyfunc(plain, 1, 1)
    Counted.flops = 0
    answer = formula(*(wrap(a) for a in arrays))
    flops = Counted.flops
    if isinstance(answer, tuple):
        return flops, tuple(unwrap(a).astype(np.float64) for a in answer)
    return flops, unwrap(answer).astype(np.float64)
