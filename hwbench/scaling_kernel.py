"""How alike two figures of training throughput are: the covariance of their logarithms.

ln y = level of the training + g(workload, device) + noise. Beyond the prior's physics
(`scaling_facts`) g is a Gaussian process whose covariance is the product of two likenesses:

- of devices: linear in the six facts of the data sheet (by how far the exponents may lie from the
  prior's), a smooth function of them, and a residual of the very device;
- of workloads: what all have in common, what a kind (convolutional, transformer, recurrent) has, a
  family, the workload itself; less between half and full precision.

Rasmussen and Williams, Gaussian Processes for Machine Learning, 2006, chapters 2 and 5.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Codes = NDArray[np.int64]

LEVEL_VARIANCE, DTYPE_VARIANCE = 100.0, 1.0  # a training's level is free: its unit is arbitrary
SHARED_NOISE = 0.5  # of a workload on a device in one publication, in half and full alike


@dataclass(frozen=True, kw_only=True)
class Hyper:
    """Standard deviations of a logarithm; the last five weigh against what all share, 1."""

    exponents: tuple[float, ...]  # of the six facts: how far they may lie from the prior's
    smooth: float
    length: float  # of the smooth function, in e-folds of the facts
    device: float
    noise: float
    kind: float
    family: float
    workload: float
    precision: float


# By marginal likelihood of the whole published table: `python -m bench.scaling --refit`.
HYPER = Hyper(
    exponents=(0.0851, 0.111, 0.055, 0.172, 0.0516, 0.108),
    smooth=0.093,
    length=1.45,
    device=0.058,
    noise=0.0293,
    kind=0.221,
    family=1.01,
    workload=0.207,
    precision=0.405,
)


class Row(NamedTuple):
    """What decides how a figure goes with others."""

    level: str  # the training whose level it shares
    dtype: str
    workload: str
    family: str
    kind: str
    precision: str  # half | full: what it computes in
    device: str
    origin: str  # the publication
    facts: tuple[float, ...]


_NUMBERS = itertools.count()


@cache
def _code(word: str) -> int:
    return next(_NUMBERS)


class Points:
    """Rows as arrays: equal words are equal numbers."""

    def __init__(self, rows: Sequence[Row]) -> None:
        """Turn the words into numbers once: comparing numbers is what a prediction spends."""
        import numpy as np

        codes = np.array([[_code(word) for word in row[:8]] for row in rows], dtype=np.int64)
        (
            self.level,
            self.dtype,
            self.workload,
            self.family,
            self.kind,
            self.precision,
            self.device,
            self.origin,
        ) = codes.reshape(len(rows), 8).T
        self.facts: Floats = np.array([row.facts for row in rows], dtype=float)

    def __len__(self) -> int:
        """Return how many rows there are."""
        return len(self.level)


def levels(a: Points, b: Points) -> "Floats":
    """Return the covariance of the trainings' levels."""
    same = _equal(a.level, b.level)
    found: Floats = same * (LEVEL_VARIANCE + DTYPE_VARIANCE * _equal(a.dtype, b.dtype))
    return found


def covariance(a: Points, b: Points, h: Hyper) -> "Floats":
    """Return the covariance of g, and of the luck that two figures of one publication share."""
    same_device = _equal(a.device, b.device)
    workloads, origin = _workloads(a, b, h), _equal(a.origin, b.origin)
    shared = h.noise**2 * SHARED_NOISE * _equal(a.workload, b.workload) * origin
    found: Floats = workloads * _devices(a, b, same_device, h) + shared * same_device
    return found


def _equal(a: "Codes", b: "Codes") -> "Floats":
    found: Floats = (a[:, None] == b[None, :]).astype(float)
    return found


def _workloads(a: Points, b: Points, h: Hyper) -> "Floats":
    alike = (
        1
        + h.kind**2 * _equal(a.kind, b.kind)
        + h.family**2 * _equal(a.family, b.family)
        + h.workload**2 * _equal(a.workload, b.workload)
    )
    weight = h.precision**2
    found: Floats = alike * (1 + weight * _equal(a.precision, b.precision)) / (1 + weight)
    return found


def _devices(a: Points, b: Points, same: "Floats", h: Hyper) -> "Floats":
    import numpy as np

    linear = (a.facts * np.square(h.exponents)) @ b.facts.T
    squares = (a.facts**2).sum(axis=1)[:, None] + (b.facts**2).sum(axis=1)[None, :]
    distances = np.maximum(squares - 2 * a.facts @ b.facts.T, 0.0)
    smooth = h.smooth**2 * np.exp(-distances / (2 * h.length**2))
    found: Floats = linear + smooth + h.device**2 * same
    return found
