"""Figures of an estimate over dataset sizes: a line a way, its band, where the best one changes."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

from hwbench.chart import Axis, Chart, Format, Mark, Numbers, Series
from hwbench.chart_kind import Given
from hwbench.errors import BadInput

NAMED = 7  # lines with a name and a band; the others are faint
MAKE = "`hwbench estimate ... --out FILE`"


@dataclass(frozen=True, kw_only=True)
class Way:
    """A line: its name, and what it is at each size, in samples, or in tokens of sequences."""

    name: str
    samples: tuple[int, ...]
    point: Numbers
    low: Numbers
    high: Numbers


def charts(given: Sequence[Given], figure: str, label: str, told: Format) -> tuple[Chart, ...]:
    """Return a panel for each file, of `time_s`, `energy_j` or `cost_usd`."""
    return tuple(_chart(g, figure, label, told) for g in given)


def _chart(given: Given, figure: str, label: str, told: Format) -> Chart:
    ways = _ways(given, figure)
    known = [w for w in ways if any(v is not None for v in w.point)]
    if not known:
        raise BadInput(f"{given.path}: {_lacking(given, figure)}")
    plan = given.value.plan
    size = plan.samples * _each(given)
    ordered = sorted(known, key=lambda w: _at(w, size))
    series = tuple(
        Series(name=w.name, x=w.samples, y=w.point, low=w.low, high=w.high, faint=n >= NAMED)
        for n, w in enumerate(ordered)
    )
    word = figure.split("_")[0]
    notes = [f"bands: {plan.level:.0%} intervals of the least"]
    if len(ordered) > NAMED:
        notes.append(f"grey: {len(ordered) - NAMED} more ways, with more at the plan's size")
    return Chart(
        title=f"{word} of training {plan.workload}, against the size of its dataset",
        x=Axis(label=f"{_unit(given)} of the dataset", format="count"),
        y=Axis(label=label, format=told),
        series=series,
        marks=(Mark(text=f"plan: {size:,}", x=size), *crossings(ordered)),
        notes=tuple(notes),
    )


def _ways(given: Given, figure: str) -> list[Way]:
    """Return the lines of a file; a comparison of shortcuts keeps those of time alone."""
    several = len({(r.instance, r.purchase) for r in given.value.rows}) > 1
    found, each = [], _each(given)
    for r in given.value.rows:
        name = _name(r, several)
        if given.kind == "estimate" and r.curve is not None:
            c = r.curve
            points = (getattr(c, figure), getattr(c, f"{figure}_low"), getattr(c, f"{figure}_high"))
            found.append(
                Way(
                    name=name,
                    samples=tuple(n * each for n in c.samples),
                    point=points[0],
                    low=points[1],
                    high=points[2],
                )
            )
        elif given.kind == "shortcuts" and figure == "time_s" and r.curve_samples:
            sizes = tuple(n * each for n in r.curve_samples)
            found.append(Way(name=name, samples=sizes, point=r.curve_time_s, low=(), high=()))
    return found


def _each(given: Given) -> int:
    """Return what a sample counts for: the tokens of a sequence, or one."""
    return given.value.plan.tokens_per_sample or 1


def _unit(given: Given) -> str:
    return "samples" if given.value.plan.tokens_per_sample is None else "tokens"


def _name(row: object, several: bool) -> str:
    """Return what a way is called: the place where there are several, and the shortcut."""
    instance, purchase, shortcut = (getattr(row, k) for k in ("instance", "purchase", "shortcut"))
    place = f"{instance} {purchase}"
    if shortcut == "from_scratch":
        return place if several else shortcut
    return f"{place}, {shortcut}" if several else str(shortcut)


def _lacking(given: Given, figure: str) -> str:
    """Return why a file holds no such line."""
    if given.kind == "shortcuts" and figure != "time_s":
        return f"holds curves of time alone: {MAKE} with --shortcut has all"
    reasons = {r.reasons.get(figure) for r in given.value.rows} - {None}
    why = f": {sorted(reasons)[0]}" if reasons else ""
    return f"holds no {figure}{why}; {MAKE} makes it"


def _at(way: Way, samples: int) -> float:
    """Return a way's value at a size, or at the nearest that it has one for."""
    near = [
        (abs(math.log(n / samples)), v)
        for n, v in zip(way.samples, way.point, strict=True)
        if v is not None
    ]
    return min(near)[1] if near else math.inf


def crossings(ways: Sequence[Way]) -> tuple[Mark, ...]:
    """Return the sizes at which another way becomes the least, of lines in logarithms."""
    if not ways or any(w.samples != ways[0].samples for w in ways):
        return ()
    sizes, found = ways[0].samples, []
    best = [_least(ways, i) for i in range(len(sizes))]
    for i, (a, b) in enumerate(itertools.pairwise(best)):
        if a is None or b is None or a is b:
            continue
        values = (a.point[i], b.point[i], a.point[i + 1], b.point[i + 1])
        if any(v is None or v <= 0 for v in values):
            continue
        g0, g1 = (math.log(x / y) for x, y in (values[:2], values[2:]))  # type: ignore[operator]
        share = g0 / (g0 - g1) if g0 != g1 else 0.5
        n = math.exp(math.log(sizes[i]) + share * math.log(sizes[i + 1] / sizes[i]))
        y = math.exp(
            math.log(a.point[i]) + share * math.log(a.point[i + 1] / a.point[i])  # type: ignore[operator,arg-type]
        )
        found.append(Mark(text=f"{b.name} from {n:,.0f}", x=n, y=y))
    return tuple(found)


def _least(ways: Sequence[Way], i: int) -> Way | None:
    known = [w for w in ways if w.point[i] is not None]
    return min(known, key=lambda w: w.point[i] or 0.0) if known else None
