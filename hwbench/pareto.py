"""Which rows no other beats in everything, and how sure it is that one is the best."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from hwbench.values import Values

K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True, kw_only=True)
class Best(Generic[K]):
    """The row of the smallest median, and how far that can be told from the draws.

    `probability` is its chance to be the smallest of all, `indistinguishable` the other rows that
    beat it with a chance of at least (1 - level) / 2, the likeliest first.
    """

    row: K
    probability: float
    indistinguishable: tuple[K, ...]
    level: float


def pareto(rows: Sequence[Sequence[float | None]]) -> tuple[bool, ...]:
    """Return which rows are not dominated, everything to be small.

    A row is dominated where another is nowhere larger and somewhere smaller. One that lacks a
    figure cannot be compared: it is never marked, and dominates none.
    """
    whole = [tuple(v for v in row if v is not None) for row in rows]
    width = max((len(row) for row in rows), default=0)
    known = {row for row in whole if len(row) == width}
    front = {a for a in known if not any(_dominates(b, a) for b in known)}
    return tuple(row in front for row in whole)


def _dominates(b: tuple[float, ...], a: tuple[float, ...]) -> bool:
    return b != a and all(x <= y for x, y in zip(b, a, strict=True))


def cheapest(draws_by_row: Mapping[K, Values]) -> dict[K, float]:
    """Return each row's chance to be the smallest, over draws that the rows have in common.

    Rows that are equally small in a draw share it; a row may also be one number. A draw in which
    none is finite counts for none. Rows that are always NaN do not belong here.
    """
    import numpy as np

    if not draws_by_row:
        return {}
    table = _table(draws_by_row)
    least = table.min(axis=0)
    smallest = (table == least) & np.isfinite(least)
    shared = smallest / np.maximum(1, smallest.sum(axis=0))
    return dict(zip(draws_by_row, shared.mean(axis=1).tolist(), strict=True))


def best(draws_by_row: Mapping[K, Values], level: float = 0.9) -> Best[K] | None:
    """Return the row of the smallest median and those it cannot be told from; None for no row."""
    import numpy as np

    if not draws_by_row:
        return None
    rows, table = list(draws_by_row), _table(draws_by_row)
    first = int(np.argmin(np.median(table, axis=1)))
    beats = (table < table[first]).mean(axis=1) + (table == table[first]).mean(axis=1) / 2
    near = [n for n in np.argsort(-beats, kind="stable") if n != first]
    return Best(
        row=rows[first],
        probability=cheapest(draws_by_row)[rows[first]],
        indistinguishable=tuple(rows[n] for n in near if beats[n] >= (1 - level) / 2),
        level=level,
    )


def _table(draws_by_row: Mapping[K, Values]) -> Values:
    """Return the draws as an array, a row each."""
    import numpy as np

    arrays = [np.atleast_1d(np.asarray(v, dtype=np.float64)) for v in draws_by_row.values()]
    return np.stack(np.broadcast_arrays(*arrays))
