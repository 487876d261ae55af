"""Uncertain factors, drawn together: intervals of an outcome, and which factor makes them wide.

Factors multiply, so their spreads are of logarithms. The draws of a factor are stratified (Latin
hypercube; McKay, Beckman and Conover 1979, Technometrics 21, 239-245) and come from its name and
the seed alone: rows that share a factor share its draws and so err together, and a factor that is
added changes nobody else's. The first axis of an array counts the draws.
"""

import hashlib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from hwbench import stats
from hwbench.values import Values, plain

# AS 241's coefficients, the highest power first: numerator, denominator.
_MIDDLE = (
    (
        2509.0809287301227,
        33430.57558358813,
        67265.7709270087,
        45921.95393154987,
        13731.69376550946,
        1971.5909503065513,
        133.14166789178438,
        3.3871328727963665,
    ),
    (
        5226.495278852854,
        28729.085735721943,
        39307.89580009271,
        21213.794301586597,
        5394.196021424751,
        687.1870074920579,
        42.31333070160091,
        1.0,
    ),
)
_TAIL = (
    (
        0.0007745450142783414,
        0.022723844989269184,
        0.2417807251774506,
        1.2704582524523684,
        3.6478483247632045,
        5.769497221460691,
        4.630337846156546,
        1.4234371107496835,
    ),
    (
        1.0507500716444169e-09,
        0.0005475938084995345,
        0.015198666563616457,
        0.14810397642748008,
        0.6897673349851,
        1.6763848301838038,
        2.053191626637759,
        1.0,
    ),
)
_FAR = (
    (
        2.0103343992922881e-07,
        2.7115555687434876e-05,
        0.0012426609473880784,
        0.026532189526576124,
        0.29656057182850487,
        1.7848265399172913,
        5.463784911164114,
        6.657904643501103,
    ),
    (
        2.0442631033899397e-15,
        1.421511758316446e-07,
        1.8463183175100548e-05,
        0.0007868691311456133,
        0.014875361290850615,
        0.1369298809227358,
        0.599832206555888,
        1.0,
    ),
)

BINS = 20  # of equal numbers of draws, for the share of one factor


@dataclass(frozen=True, kw_only=True)
class Factor:
    """A factor whose logarithm is spread round 0: its median is 1.

    `below_log` and `above_log` are standard deviations of the logarithm on either side of the
    median (log-normal, in two halves), or half-widths (log-uniform).
    """

    name: str
    below_log: float
    above_log: float
    kind: Literal["log-normal", "log-uniform"] = "log-normal"

    @classmethod
    def of_sigma(cls, name: str, sigma_log: float) -> "Factor":
        """Return the log-normal factor of this standard deviation of the logarithm."""
        return cls(name=name, below_log=sigma_log, above_log=sigma_log)

    @classmethod
    def of_interval(
        cls, name: str, point: float, low: float, high: float, level: float
    ) -> "Factor":
        """Return the factor that spreads `point`, its median, over `low`..`high` at `level`.

        Raises ValueError unless 0 < low <= point <= high.
        """
        if not 0 < low <= point <= high:
            raise ValueError(f"{name}: {low} .. {point} .. {high} is no interval round a point")
        z = stats.normal_quantile(level)
        below, above = math.log(point / low) / z, math.log(high / point) / z
        return cls(name=name, below_log=below, above_log=above)

    @classmethod
    def of_range(cls, name: str, low: float, high: float) -> "Factor":
        """Return the log-uniform factor over `low`..`high`, whose median is sqrt(low high)."""
        half = math.log(high / low) / 2
        return cls(name=name, below_log=half, above_log=half, kind="log-uniform")

    def multiplier(self, z: Values) -> Values:
        """Return the factor at the standard normal `z`: 1 at 0, rising with z."""
        import numpy as np

        z = np.asarray(z, dtype=np.float64)
        unit = z if self.kind == "log-normal" else 2 * normal_cdf(z) - 1
        return plain(np.exp(np.where(z < 0, self.below_log, self.above_log) * unit))


@dataclass(frozen=True, kw_only=True)
class Interval:
    """The median of the draws and the quantiles round it, floats or arrays over the last axis."""

    point: Values
    low: Values
    high: Values
    level: float


@dataclass(frozen=True, kw_only=True)
class Contributor:
    """A factor's share of the variance of the logarithm of an outcome."""

    name: str
    share_frac: float


def draws(n: int, names: Iterable[str], seed: int) -> dict[str, Values]:
    """Return for each name `n` stratified standard normal draws, in random order."""
    import numpy as np

    found = {}
    for name in names:
        digest = hashlib.sha256(name.encode()).digest()
        rng = np.random.default_rng([seed, int.from_bytes(digest[:8], "big")])
        found[name] = inverse_normal(stratified(n, rng))
    return found


def stratified(n: int, rng: Values) -> Values:
    """Return n uniform draws in random order, one in each n-th of 0..1 (ends excluded)."""
    import numpy as np

    found = (rng.permutation(n) + rng.random(n)) / n
    return np.clip(found, 1e-12, 1 - 1e-12)


def inverse_normal(u: Values) -> Values:
    """Return the standard normal quantiles of 0 < u < 1 (Wichura 1988, algorithm AS 241).

    Rational approximations, to the last digits of a double, as in Python's statistics module.
    """
    import numpy as np

    p = np.asarray(u, dtype=np.float64)
    q = p - 0.5
    middle = np.abs(q) <= 0.425
    r = np.sqrt(-np.log(np.where(middle, 0.5, np.minimum(p, 1 - p))))
    far = _rational(_FAR, r - 5.0)
    tail = np.where(r <= 5.0, _rational(_TAIL, r - 1.6), far)
    return plain(np.where(middle, q * _rational(_MIDDLE, 0.180625 - q * q), np.sign(q) * tail))


def _rational(coefficients: tuple[tuple[float, ...], tuple[float, ...]], r: Values) -> Values:
    above, below = coefficients
    num, den = 0.0 * r, 0.0 * r
    for a, b in zip(above, below, strict=True):
        num, den = num * r + a, den * r + b
    return num / den


def normal_cdf(z: Values) -> Values:
    """Return the standard normal distribution function, (1 + erf(z / sqrt 2)) / 2."""
    import numpy as np

    erfc = np.frompyfunc(math.erfc, 1, 1)
    return plain(np.asarray(erfc(-np.asarray(z) / math.sqrt(2)), dtype=np.float64) / 2)


def interval(values: Values, level: float = 0.9) -> Interval:
    """Return the median of the draws (first axis) and the (1 -+ level) / 2 quantiles round it.

    Each is the nearest of the ordered draws, so that an infinite one is no trouble.
    """
    import numpy as np

    ordered = np.sort(np.asarray(values, dtype=np.float64), axis=0)
    last = len(ordered) - 1
    tail = (1 - level) / 2
    return Interval(
        point=plain((ordered[last // 2] + ordered[(last + 1) // 2]) / 2),
        low=plain(ordered[round(tail * last)]),
        high=plain(ordered[round((1 - tail) * last)]),
        level=level,
    )


def contributors(
    outcome: Values,
    factors: Mapping[str, Values],
    most: int = 3,
    orders: Values | None = None,
) -> tuple[Contributor, ...]:
    """Return the factors with the largest first-order shares of the variance of ln(outcome).

    The share is Var(E[ln Y | factor]) / Var(ln Y) (Sobol 1993), the conditional means taken over
    20 bins of equal numbers of draws and corrected for chance as epsilon squared is (Kelley 1935).
    Draws without a finite outcome are left out; shares below 1 % are not told. `orders` are the
    factors' own orders (argsort), a row each, where they are asked for again and again.
    """
    import numpy as np

    y = np.asarray(outcome, dtype=np.float64)
    kept = np.isfinite(y) & (y > 0)
    logs = np.log(y[kept])
    if not factors or len(logs) < 2 * BINS or np.ptp(logs) < 1e-12:
        return ()
    if orders is None or not kept.all():
        orders = np.stack(
            [np.argsort(np.asarray(z)[kept], kind="stable") for z in factors.values()]
        )
    shares = dict(zip(factors, _shares(logs, orders), strict=True))
    largest = sorted(shares.items(), key=lambda item: -item[1])[:most]
    return tuple(Contributor(name=n, share_frac=s) for n, s in largest if s >= 0.01)


def _shares(logs: Values, orders: Values) -> list[float]:
    """Return the corrected correlation ratio of `logs` on each factor, given their orders."""
    import numpy as np

    n = len(logs)
    starts = np.arange(BINS) * n // BINS
    sizes = np.diff([*starts, n])
    away = logs - logs.mean()
    means = np.add.reduceat(away[orders], starts, axis=1) / sizes
    ratio = (sizes * means**2).sum(axis=1) / (away**2).sum()
    return [max(0.0, 1 - (1 - float(r)) * (n - 1) / (n - BINS)) for r in ratio]
