"""A comparison of one record with many: a line a case over all of them, and the ends of their list.

What `compare_view` tells of each record by itself nobody reads of thousands.
"""

from collections.abc import Sequence

from hwbench import stats
from hwbench.compared import Comparison, Overall, Pair
from hwbench.render import digits, seconds

MANY = 8  # records beside the base, from which on they are told together
ENDS = 5  # records named at either end
COLUMNS = ("case", "base", "ratio", "5 .. 95 %", "- slower", "+ faster", "= same", "?")
_VERDICTS = ("slower", "faster", "same", "ambiguous")


def rows(pairs: Sequence[Pair], names: Sequence[str]) -> list[tuple[str, ...]]:
    """Return a row for each case of the base, the slowest first."""
    by_name: dict[str, list[Pair]] = {}
    for p, name in zip(pairs, names, strict=True):
        by_name.setdefault(name, []).append(p)
    found = [(stats.median([p.ratio.point for p in of]), name, of) for name, of in by_name.items()]
    return [_row(name, of, ratio) for ratio, name, of in sorted(found, key=lambda f: -f[0])]


def _row(name: str, of: Sequence[Pair], ratio: float) -> tuple[str, ...]:
    ratios = sorted(p.ratio.point for p in of)
    low, high = (ratios[round(q * (len(ratios) - 1))] for q in (0.05, 0.95))
    verdicts: list[str] = [p.verdict for p in of]
    counts = [f"{verdicts.count(v):,}" for v in _VERDICTS]
    return (
        name,
        seconds(of[0].base_s),
        f"{ratio:.3f}",
        f"{digits(low)} .. {digits(high)}",
        *counts,
    )


def ends(done: Comparison) -> list[tuple[str, Overall]]:
    """Return the records with the slowest and the fastest means, named by their files."""
    paths = {s.record: s.path for s in done.others}
    means = sorted(done.summary, key=lambda o: -o.geometric_mean.point)
    chosen = means if len(means) <= 2 * ENDS else [*means[:ENDS], *means[-ENDS:]]
    return [(paths[o.record], o) for o in chosen]


def lines(done: Comparison) -> list[str]:
    """Return what is told after the table: the records at either end, and how verdicts are made."""
    found = [
        "ratio: time an item, other / base: the median over records, and where 90 % of them are;"
        f" - slower, + faster: so many records, by more than {done.threshold:.0%}, and p < 5 %"
        f" after Holm over all {len(done.pairs):,} pairs; ? ambiguous",
        f"geometric means of {len(done.summary):,} records, "
        + ("all:" if len(done.summary) <= 2 * ENDS else f"the {ENDS} at either end:"),
    ]
    for path, o in ends(done):
        g = o.geometric_mean
        found.append(f"  {g.point:.3f} ({g.low:.3f} .. {g.high:.3f}) {o.verdict}: {path}")
    return found
