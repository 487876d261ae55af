"""A figure that hwbench is held against, and what every program here shares around it."""

import argparse
import dataclasses
import json
import random
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hwbench.stats import median_interval

SEED, DRAWS = 7, 2000


@dataclass(frozen=True, kw_only=True)
class Figure:
    """What was measured and what is wanted; `met` is None for what is only reported."""

    name: str
    measured: str
    target: str = "-"
    met: bool | None = None


def of_ratios(
    name: str, ratios: Sequence[float], target: str, least: float | None, most: float | None
) -> Figure:
    """Return the figure of paired ratios: the median, its interval, the smallest and largest.

    Whether a target is met goes by the median; an interval wider than the target's says that the
    machine was too restless to tell.
    """
    found = median_interval(ratios)
    middle = found.point
    wanted = least is not None or most is not None
    inside = (least is None or middle >= least) and (most is None or middle <= most)
    return Figure(
        name=name,
        measured=(
            f"{middle:.3f} +-{(found.high - found.low) / 2:.3f}"
            f" ({min(ratios):.3f}..{max(ratios):.3f}, {len(ratios)} pairs)"
        ),
        target=target,
        met=inside if wanted else None,
    )


def in_turn(ours: Callable[[], float], theirs: Callable[[], float], pairs: int) -> list[float]:
    """Return ours / theirs of each pair, measured A B B A: a drift favours neither."""
    return [own / other for own, other in both_in_turn(ours, theirs, pairs)]


def both_in_turn(
    ours: Callable[[], float], theirs: Callable[[], float], pairs: int
) -> list[tuple[float, float]]:
    """Return (ours, theirs) of each pair, measured A B B A."""
    found = []
    for n in range(pairs):
        if n % 2:
            other = theirs()
            found.append((ours(), other))
        else:
            own = ours()
            found.append((own, theirs()))
    return found


def undisturbed(name: str, pairs: Sequence[tuple[float, float]], within: float) -> Figure:
    """Return the ratio of the lower quartiles of both sides, with a bootstrap interval of 90 %.

    On a machine whose speed is others' to change from second to second, pairs say nothing; what
    each side reaches when it is left alone does.
    """
    rng = random.Random(SEED)

    def ratio(of: Sequence[tuple[float, float]]) -> float:
        low = [statistics.quantiles(side, n=4)[0] for side in zip(*of, strict=True)]
        return float(low[0] / low[1])

    middle = ratio(pairs)
    drawn = sorted(ratio(rng.choices(pairs, k=len(pairs))) for _ in range(DRAWS))
    low, high = drawn[DRAWS // 20], drawn[-DRAWS // 20]
    return Figure(
        name=name,
        measured=f"{middle:.3f} +-{(high - low) / 2:.3f} (lower quartiles of {len(pairs)} pairs)",
        target=f"within {within:.0%}",
        met=abs(middle - 1) <= within,
    )


def parser(about: str | None) -> argparse.ArgumentParser:
    """Return the options that every program takes."""
    options = argparse.ArgumentParser(description=about)
    options.add_argument("--json", action="store_true", help="print the figures as JSON")
    options.add_argument("--tiny", action="store_true", help="smallest sizes: does it work?")
    return options


def show(figures: Sequence[Figure], as_json: bool) -> None:
    """Print the figures, as JSON for `python -m bench` or as a table for people."""
    if as_json:
        print(json.dumps([dataclasses.asdict(f) for f in figures]))
        return
    from hwbench.render import table

    met = {True: "yes", False: "NO", None: "-"}
    rows = [(f.name, f.measured, f.target, met[f.met]) for f in figures]
    print(table(("figure", "measured", "target", "met"), rows))
