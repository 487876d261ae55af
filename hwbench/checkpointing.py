"""Checkpoints and interruptions: how often to save, and what being interrupted costs in time.

Interruptions come at random, one in M seconds on average (exponential). A checkpoint takes C,
coming back after an interruption R, and the work since the last checkpoint is lost. By Daly (2006),
A higher order estimate of the optimum checkpoint interval for restart dumps, FGCS 22, 303-312, an
attempt of w seconds takes M e^(R/M) (e^(w/M) - 1) on average until it succeeds once; coming back
can be interrupted as well. Young (1974), CACM 17, 530-531, has the first approximation.
"""

from dataclasses import dataclass

from hwbench.montecarlo import inverse_normal, stratified
from hwbench.units import S_PER_H
from hwbench.values import Values, floats, plain

H_PER_MONTH = 730.0
COUNTED = 10.0  # interruptions on average: up to here their number has its exact distribution


@dataclass(frozen=True, kw_only=True)
class Interrupted:
    """What a run that can be interrupted takes on average, in parts that add up to `total_s`.

    `interruptions` is how many there are on average: a new machine has to be waited for each time.
    """

    useful_s: Values
    checkpoints_s: Values
    preemption_s: Values
    attempts: Values  # the stretches between checkpoints; 1: there is no checkpoint
    interruptions: Values

    @property
    def total_s(self) -> Values:
        """Return the mean time from the first step to the last."""
        return self.useful_s + self.checkpoints_s + self.preemption_s

    @property
    def factor(self) -> Values:
        """Return the mean time by the useful time: spot pays where price ratio x factor < 1."""
        return self.total_s / self.useful_s


def rate_per_h(monthly_frac: Values) -> Values:
    """Return -ln(1 - f) / 730, the interruptions an hour where a fraction f is lost in a month."""
    import numpy as np

    return plain(-np.log1p(-floats(monthly_frac)[0]) / H_PER_MONTH)


def young_s(checkpoint_s: Values, mtbf_s: Values) -> Values:
    """Return Young's interval between checkpoints, sqrt(2 C M)."""
    import numpy as np

    c, m = floats(checkpoint_s, mtbf_s)
    return plain(np.sqrt(2 * c * m))


def daly_first_order_s(checkpoint_s: Values, mtbf_s: Values) -> Values:
    """Return sqrt(2 C M) - C; M where C >= M / 2, as Daly limits it."""
    import numpy as np

    c, m = floats(checkpoint_s, mtbf_s)
    return plain(np.where(c < m / 2, np.sqrt(2 * c * m) - c, m))


def daly_s(checkpoint_s: Values, mtbf_s: Values) -> Values:
    """Return Daly's higher-order optimum (2006, eq. 37), M where C >= 2 M.

    sqrt(2 C M) (1 + sqrt(C / 2 M) / 3 + (C / 2 M) / 9) - C: seconds of work between checkpoints.
    """
    import numpy as np

    c, m = floats(checkpoint_s, mtbf_s)
    ratio = c / (2 * m)
    optimum = np.sqrt(2 * c * m) * (1 + np.sqrt(ratio) / 3 + ratio / 9) - c
    return plain(np.where(c < 2 * m, optimum, m))


def time_factor(
    interval_s: Values, checkpoint_s: Values, restart_s: Values, mtbf_s: Values
) -> Values:
    """Return mean by useful time of a long run, (M / tau) e^(R/M) (e^((tau + C)/M) - 1)."""
    import numpy as np

    tau, c, r, m = floats(interval_s, checkpoint_s, restart_s, mtbf_s)
    with np.errstate(over="ignore"):
        return plain(m / tau * np.exp(r / m) * np.expm1((tau + c) / m))


def time_factor_approximate(
    interval_s: Values, checkpoint_s: Values, restart_s: Values, mtbf_s: Values
) -> Values:
    """Return 1 + C / tau + (tau / 2 + R) / M, the factor where all of them are far below M."""
    return 1 + checkpoint_s / interval_s + (interval_s / 2 + restart_s) / mtbf_s


def without_checkpoints_s(useful_s: Values, mtbf_s: Values) -> Values:
    """Return M (e^(T/M) - 1), the mean time of a run that begins anew when it is interrupted."""
    import numpy as np

    t, m = floats(useful_s, mtbf_s)
    with np.errstate(over="ignore"):
        return plain(m * np.expm1(t / m))


def expected(
    useful_s: Values,
    checkpoint_s: Values,
    restart_s: Values,
    rate_per_h: Values,
    *,
    nodes: Values = 1,
    interval_s: Values | None = None,
) -> Interrupted:
    """Return what a run of `useful_s` takes on `nodes` machines, each lost at `rate_per_h`.

    The loss of one stops all: the rate is nodes x rate. The work is cut into n attempts of equal
    length (T + (n - 1) C) / n, each but the last ending in a checkpoint: n as `interval_s` has it,
    else the better of the two next to Daly's. A run short against the interval has n = 1.
    """
    import numpy as np

    t, c, r, rate = floats(useful_s, checkpoint_s, restart_s, np.multiply(rate_per_h, nodes))
    n = _attempts(t, c, r, rate / S_PER_H, interval_s)
    total = _mean_s(n, t, c, r, rate / S_PER_H)
    saving = (n - 1) * c
    with np.errstate(over="ignore"):  # a run that is never done
        interruptions = total * (rate / S_PER_H)  # they come at this rate all the time
    return Interrupted(
        useful_s=plain(t + np.zeros_like(total)),
        checkpoints_s=plain(saving),
        preemption_s=plain(total - t - saving),
        attempts=plain(n),
        interruptions=plain(interruptions),
    )


def _attempts(t: Values, c: Values, r: Values, rate: Values, interval_s: Values | None) -> Values:
    """Return into how many attempts to cut the work; `rate` a second."""
    import numpy as np

    if interval_s is not None:
        return np.maximum(1.0, np.ceil(t / floats(interval_s)[0] - 1e-9)) + 0 * rate
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        interval = floats(daly_s(np.maximum(c, 1e-3), 1 / rate))[0]  # free ones: not one a moment
        fewer = np.where(rate > 0, np.maximum(1.0, np.floor(t / interval)), 1.0)
        better = _mean_s(fewer + 1, t, c, r, rate) < _mean_s(fewer, t, c, r, rate)
        return np.where(better, fewer + 1, fewer)


def _mean_s(n: Values, t: Values, c: Values, r: Values, rate: Values) -> Values:
    """Return n M e^(R/M) (e^(w/M) - 1) of n attempts of w; without interruptions n w."""
    import numpy as np

    w = (t + (n - 1) * c) / n
    safe = np.where(rate > 0, rate, 1.0)
    with np.errstate(over="ignore"):
        return np.where(rate > 0, n / safe * np.exp(r * rate) * np.expm1(w * rate), n * w)


def preemption_draws(
    useful_s: Values,
    checkpoint_s: Values,
    restart_s: Values,
    rate_per_h: Values,
    rng: Values,
    *,
    nodes: Values = 1,
    interval_s: Values | None = None,
    n_draws: int | None = None,
    luck: "Luck | None" = None,
) -> Values:
    """Return random total times, one a draw, whose mean is `expected(...).total_s`.

    The first axis of the arguments counts the draws (`n_draws` where all are floats); luck is
    drawn once for each and shared along the other axes, so that a curve over sizes is smooth. The
    number of interruptions has its exact distribution up to 10 on average, above that the normal
    one with its skewness; what each loses is spread evenly over the length of an attempt. `rng`
    is a numpy.random.Generator, and `luck` what it gave, where many rows are to share it. A run
    that is all but never done is infinite.
    """
    import numpy as np

    mean = expected(
        useful_s, checkpoint_s, restart_s, rate_per_h, nodes=nodes, interval_s=interval_s
    )
    total, useful = np.asarray(mean.total_s), np.asarray(mean.useful_s)
    shape = total.shape if n_draws is None else (n_draws, *total.shape)
    chance = (luck or luck_of(shape[0], rng)).along(len(shape))
    rate = np.multiply(rate_per_h, nodes) / S_PER_H
    w = (useful + mean.checkpoints_s) / mean.attempts
    again = -np.expm1(-(w + restart_s) * rate)  # the chance to be interrupted, once it was
    hopeless = ~np.isfinite(total) | (again >= 1)  # lost before it is back, each time: never done
    attempts, w = np.where(hopeless, 1.0, mean.attempts), np.where(hopeless, 0.0, w)
    first, again = -np.expm1(-w * rate), np.where(hopeless, 0.0, again)
    k = _interruptions(attempts, first, again, chance, shape)
    lost = np.where(hopeless, 0.0, mean.preemption_s)
    each = lost / np.where((rate > 0) & ~hopeless, mean.interruptions, 1.0)
    draws = useful + mean.checkpoints_s + k * each + _spread(k, chance, np.minimum(w / 2, each))
    return np.where(hopeless, np.inf, draws)


@dataclass(frozen=True, kw_only=True)
class Luck:
    """Uniform draws and their normal quantiles: of how many interruptions, and of their losses."""

    count: Values
    count_z: Values
    spread: Values
    spread_z: Values

    def along(self, axes: int) -> "Luck":
        """Return the draws as columns of arrays with so many axes."""
        shape = (-1,) + (1,) * (axes - 1)
        return Luck(**{name: value.reshape(shape) for name, value in vars(self).items()})


def luck_of(n: int, rng: Values) -> Luck:
    """Return the luck of `n` draws."""
    count = stratified(n, rng)
    spread = rng.permutation(stratified(n, rng))
    return Luck(
        count=count,
        count_z=inverse_normal(count),
        spread=spread,
        spread_z=inverse_normal(spread),
    )


def _interruptions(n: Values, first: Values, again: Values, luck: Luck, shape: Values) -> Values:
    """Return the quantile, as luck has it, of how often n attempts are interrupted.

    One attempt is interrupted k times with probability 1 - p, p (1 - q) q^(k-1), p = `first`, q =
    `again`: its generating function is (a + b s) / (1 - q s), a = 1 - p, b = p - q. From the
    logarithmic derivative of its n-th power, that of n attempts has the three-term recursion
    a (k+1) f[k+1] = (n p (1 - q) + (a q - b) k) f[k] + b q (k-1) f[k-1].
    """
    import numpy as np

    n, p, q, u = (np.broadcast_to(v, shape) for v in (n, first, again, luck.count))
    average = n * p / (1 - q)
    found = _many(average, n * p * (1 + q - p) / (1 - q) ** 2, luck.count_z)
    few = average < COUNTED
    if few.any():
        found[few] = _counted(n[few], p[few], q[few], u[few])
    return found


def _many(average: Values, variance: Values, z: Values) -> Values:
    """Return the normal quantile with Poisson's skewness (Cornish and Fisher 1938), at least 0."""
    import numpy as np

    return np.maximum(0.0, average + np.sqrt(variance) * z + (z * z - 1) / 6)


def _counted(n: Values, p: Values, q: Values, u: Values) -> Values:
    """Return the quantile by summing the exact probabilities until they pass u."""
    import numpy as np

    a, b = 1 - p, p - q
    before, f = np.zeros_like(u), a**n
    total, k, last = f.copy(), np.zeros_like(u), 0
    while (open_ := total < u).any() and last < 20 * COUNTED:
        after = ((n * p * (1 - q) + (a * q - b) * last) * f + b * q * (last - 1) * before) / (
            a * (last + 1)
        )
        before, f, last = f, np.maximum(after, 0.0), last + 1
        k[open_] = last
        total += f
    return k


def _spread(k: Values, luck: Luck, half: Values) -> Values:
    """Return the quantile, as luck has it, of the sum of k deviations, each even over +- `half`.

    One is exact; more are normal with variance k half^2 / 3, kept within +- k half: symmetric all
    the same, so that the mean stays 0.
    """
    import numpy as np

    many = np.clip(np.sqrt(k / 3) * luck.spread_z, -k, k)
    return half * np.where(k <= 1, k * (2 * luck.spread - 1), many)


def pays(price_frac: Values, factor: Values) -> Values:
    """Return whether spot is cheaper: price ratio x time factor < 1, waiting for capacity apart."""
    return price_frac * factor < 1
