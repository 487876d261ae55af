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
    """Return the standard normal quantiles of 0 < u < 1 (Wichura 1988, AS 241, as in Python)."""
    from statistics import NormalDist

    import numpy as np

    quantile = np.frompyfunc(NormalDist().inv_cdf, 1, 1)
    return plain(np.asarray(quantile(u), dtype=np.float64))


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
    outcome: Values, factors: Mapping[str, Values], most: int = 3
) -> tuple[Contributor, ...]:
    """Return the factors with the largest first-order shares of the variance of ln(outcome).

    The share is Var(E[ln Y | factor]) / Var(ln Y) (Sobol 1993), the conditional means taken over
    20 bins of equal numbers of draws and corrected for chance as epsilon squared is (Kelley 1935).
    Draws without a finite outcome are left out; shares below 1 % are not told.
    """
    import numpy as np

    y = np.asarray(outcome, dtype=np.float64)
    kept = np.isfinite(y) & (y > 0)
    logs = np.log(y[kept])
    if len(logs) < 2 * BINS or np.ptp(logs) < 1e-12:
        return ()
    shares = {name: _share(logs, np.asarray(z)[kept]) for name, z in factors.items()}
    largest = sorted(shares.items(), key=lambda item: -item[1])[:most]
    return tuple(Contributor(name=n, share_frac=s) for n, s in largest if s >= 0.01)


def _share(logs: Values, z: Values) -> float:
    """Return the corrected correlation ratio of `logs` on the ranks of `z`."""
    import numpy as np

    n = len(logs)
    bins = np.array_split(logs[np.argsort(z, kind="stable")], BINS)
    between = sum(len(b) * (b.mean() - logs.mean()) ** 2 for b in bins)
    ratio = float(between / ((logs - logs.mean()) ** 2).sum())
    return max(0.0, 1 - (1 - ratio) * (n - 1) / (n - BINS))
