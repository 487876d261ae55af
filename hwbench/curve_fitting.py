"""Families of learning curves, err(N) = c + a g(N; s), and their weighted least squares.

power: g = N^-b, the error falls to the floor c by a power of the samples (Hestness et al. 2017,
arXiv:1712.00409). logarithm: g = -ln N. arctan: g = 1 - (2 / pi) arctan(s N). The last two are
alternatives of Mahmood et al. 2022 (CVPR, arXiv:2207.01725).

Given the shape s, a and c are a linear regression in closed form; so only s is searched, over all
of its range and then closer and closer round the best (variable projection; Golub and Pereyra 1973,
SIAM J. Numer. Anal. 10, 413-432). No start has to be guessed, the same points give the same curve,
and thousands of curves are fitted at once.
"""

from collections.abc import Callable
from dataclasses import dataclass

from hwbench.values import Values

GRID, CLOSER, TIMES = 60, 21, 5  # shapes looked at: at first, then each time round the best
_ROW, _SHAPE, _POINT = 0, 1, 2  # the axes of the arrays below


@dataclass(frozen=True, kw_only=True)
class Family:
    """A form of curve: g falls with N; `shapes(least N, most N)` are the ends of the range of s.

    `inverse` gives N for a value of g. With `floored`, 0 <= c <= the least error found; else c may
    be any number.
    """

    name: str
    shape_name: str | None
    basis: Callable[[Values, Values], Values]
    inverse: Callable[[Values, Values], Values]
    shapes: Callable[[float, float], tuple[float, float]]
    floored: bool


def _power(n: Values, b: Values) -> Values:
    return n**-b


def _power_inverse(g: Values, b: Values) -> Values:
    return g ** (-1 / b)


def _logarithm(n: Values, _: Values) -> Values:
    import numpy as np

    return -np.log(n)


def _logarithm_inverse(g: Values, _: Values) -> Values:
    import numpy as np

    return np.exp(-g)


def _arctan(n: Values, s: Values) -> Values:
    import numpy as np

    return 1 - np.arctan(s * n) * (2 / np.pi)


def _arctan_inverse(g: Values, s: Values) -> Values:
    import numpy as np

    return np.tan((1 - np.minimum(g, 1.0)) * (np.pi / 2)) / s


FAMILIES = {
    f.name: f
    for f in (
        Family(
            name="power",
            shape_name="b",
            basis=_power,
            inverse=_power_inverse,
            shapes=lambda least, most: (0.02, 1.0),
            floored=True,
        ),
        Family(
            name="logarithm",
            shape_name=None,
            basis=_logarithm,
            inverse=_logarithm_inverse,
            shapes=lambda least, most: (1.0, 1.0),
            floored=False,
        ),
        Family(
            name="arctan",
            shape_name="s",
            basis=_arctan,
            inverse=_arctan_inverse,
            shapes=lambda least, most: (0.01 / most, 100 / least),
            floored=True,
        ),
    )
}


@dataclass(frozen=True, kw_only=True)
class Coefficients:
    """a, c and the shape s of one curve, or arrays of many; `misfit` is the weighted sum."""

    a: Values
    c: Values
    shape: Values
    misfit: Values


def least_squares(family: Family, n: Values, errors: Values, weights: Values) -> Coefficients:
    """Return the best curve through each row of `errors`, at the sizes `n` with these weights.

    `errors` is (rows, sizes). a > 0 and c within the family's bounds; the minimum is the global one
    as far as the grid of shapes tells (60 over the range, even in logarithms).
    """
    import numpy as np

    low, high = np.log(family.shapes(float(n.min()), float(n.max())))
    rows = len(errors)
    count = GRID if high > low else 1
    shapes = np.exp(np.broadcast_to(np.linspace(low, high, count), (rows, count)))
    best = _best(family, n, errors, weights, shapes)
    step = (high - low) / max(1, count - 1)
    for _ in range(TIMES if high > low else 0):
        ends = np.log(best.shape) - step, np.log(best.shape) + step
        near = np.clip(np.linspace(*ends, CLOSER, axis=1), low, high)
        best = _best(family, n, errors, weights, np.exp(near))
        step *= 2 / (CLOSER - 1)
    return best


def _best(family: Family, n: Values, y: Values, w: Values, shapes: Values) -> Coefficients:
    """Return each row's best curve among its `shapes`, (rows, shapes)."""
    import numpy as np

    x = family.basis(n[None, None, :], shapes[:, :, None])
    y = y[:, None, :]
    tried = [_line(x, y, w)]
    if family.floored:
        most = y.min(axis=_POINT)
        tried = [_within(tried[0], most)]
        tried += [_slope(x, y, w, c) for c in (np.zeros_like(most), most)]
    else:
        tried = [(np.maximum(tried[0][0], np.finfo(float).tiny), tried[0][1])]
    misfits = np.stack([_misfit(x, y, w, a, c) for a, c in tried])
    chosen = misfits.argmin(axis=0)
    pick = [np.take_along_axis(np.stack(v), chosen[None], 0)[0] for v in zip(*tried, strict=True)]
    least = np.take_along_axis(misfits, chosen[None], 0)[0]
    at = least.argmin(axis=_SHAPE)[:, None]
    a, c, shape, misfit = (np.take_along_axis(v, at, _SHAPE)[:, 0] for v in (*pick, shapes, least))
    return Coefficients(a=a, c=c, shape=shape, misfit=misfit)


def _line(x: Values, y: Values, w: Values) -> tuple[Values, Values]:
    """Return a and c of the weighted regression of y on x, without bounds."""
    import numpy as np

    total = w.sum()
    mx, my = (w * x).sum(axis=_POINT) / total, (w * y).sum(axis=_POINT) / total
    dx = x - mx[..., None]
    square = (w * dx * dx).sum(axis=_POINT)
    a = (w * dx * y).sum(axis=_POINT) / np.maximum(square, np.finfo(float).tiny)
    return a, my - a * mx


def _within(line: tuple[Values, Values], most: Values) -> tuple[Values, Values]:
    """Return the line where it keeps to a > 0, 0 <= c <= most; NaN, which is no best, elsewhere."""
    import numpy as np

    a, c = line
    kept = (a > 0) & (c >= 0) & (c <= most)
    return np.where(kept, a, np.nan), np.where(kept, c, np.nan)


def _slope(x: Values, y: Values, w: Values, c: Values) -> tuple[Values, Values]:
    """Return the best a with the floor at a bound: there it is where the free line leaves them."""
    import numpy as np

    a = (w * x * (y - c[..., None])).sum(axis=_POINT) / (w * x * x).sum(axis=_POINT)
    return a, np.broadcast_to(c, a.shape)


def _misfit(x: Values, y: Values, w: Values, a: Values, c: Values) -> Values:
    """Return the weighted sum of squares, infinite where there is no such curve."""
    import numpy as np

    left = y - a[..., None] * x - c[..., None]
    return np.nan_to_num((w * left * left).sum(axis=_POINT), nan=np.inf)
