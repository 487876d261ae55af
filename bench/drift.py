"""Predictions from a short measurement, held against what came after in a trace.

    python -m bench.trace trace.csv --hours 2       # first, with nothing else running
    python -m bench.drift trace.csv

From each trace: trials that do not overlap. A trial measures for three minutes in one of two ways
that cost the same time, 8 visits of 2.5 s spread over the three minutes (as a run does) or one
block of 20 s at their end, and predicts the mean of the three minutes after it, and of the thirty.
The error is |predicted / what came - 1|; the interval of the visits is hwbench's own predictive
one, that of the block is Student's over its steps, as most tools would state it.
"""

import argparse
import csv
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.figure import Figure, show
from hwbench import foresight, outcomes, stats

MEASURED_S, VISITS, VISIT_S = 180.0, 8, 2.5
LATER_S = {"3 minutes": 180.0, "30 minutes": 1800.0}


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One prediction: its error and whether its interval held what came."""

    error: float
    held: bool
    half_width: float


class Trace:
    """The steps of one network: when each began, and how long it took."""

    def __init__(self, steps: Sequence[tuple[float, float]]) -> None:
        """Take (start, seconds) pairs in order."""
        self.steps = steps
        self.end_s = steps[-1][0]

    def within(self, begin_s: float, end_s: float) -> list[float]:
        """Return the seconds of the steps that began in an interval."""
        return [step for start, step in self.steps if begin_s <= start < end_s]


def read(path: Path) -> dict[str, Trace]:
    """Return the trace of each network."""
    found: dict[str, list[tuple[float, float]]] = {}
    with path.open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            step = float(row["start_s"]), float(row["step_s"])
            found.setdefault(row["network"], []).append(step)
    return {name: Trace(steps) for name, steps in found.items()}


def mean(values: Sequence[float]) -> float:
    """Return the arithmetic mean: what a total is made of."""
    return sum(values) / len(values)


def by_visits(trace: Trace, begin_s: float, hours: bool) -> tuple[float, float, float]:
    """Return (predicted, low, high) from visits spread over the measured minutes."""
    every = MEASURED_S / VISITS
    starts = [begin_s + n * every + every - VISIT_S for n in range(VISITS)]
    means = [mean(trace.within(start, start + VISIT_S)) for start in starts]
    told = foresight.predictive(means, VISIT_S, outcomes.ASSUMED)
    bounds = told.hours if hours else told
    assert bounds is not None and bounds.low is not None and bounds.high is not None
    return mean(means), bounds.low, bounds.high


def by_block(trace: Trace, begin_s: float, _: bool) -> tuple[float, float, float]:
    """Return (predicted, low, high) from one block, its interval that of its steps' mean."""
    end_s = begin_s + MEASURED_S
    steps = trace.within(end_s - VISITS * VISIT_S, end_s)
    middle = mean(steps)
    half = stats.student_t(0.90, len(steps) - 1) * stats.standard_deviation(steps)
    half /= math.sqrt(len(steps))
    return middle, middle - half, middle + half


WAYS = {"visits": by_visits, "block": by_block}


def trials(trace: Trace, later_s: float, way: str) -> Iterator[Outcome]:
    """Yield the outcome of each trial; no two of them share a second."""
    begin_s, hours = 0.0, later_s > 600
    while begin_s + MEASURED_S + later_s <= trace.end_s:
        came = mean(trace.within(begin_s + MEASURED_S, begin_s + MEASURED_S + later_s))
        predicted, low, high = WAYS[way](trace, begin_s, hours)
        yield Outcome(
            error=abs(predicted / came - 1),
            held=low <= came <= high,
            half_width=(high - low) / 2 / predicted,
        )
        begin_s += MEASURED_S + later_s


def figures(paths: Sequence[Path]) -> list[Figure]:
    """Return error and coverage by network, way and horizon."""
    found: list[Figure] = []
    traces = [(name, trace) for path in paths for name, trace in read(path).items()]
    for horizon, later_s in LATER_S.items():
        for way in WAYS:
            pooled: list[Outcome] = []
            for name, trace in traces:
                done = list(trials(trace, later_s, way))
                pooled += done
                if done:
                    found.append(_figure(f"{name}: next {horizon}, by {way}", done, None))
            if pooled:
                least = 0.85 if way == "visits" else None
                found.append(_figure(f"all: next {horizon}, by {way}", pooled, least))
    return found


def _figure(name: str, done: Sequence[Outcome], least: float | None) -> Figure:
    errors = sorted(o.error for o in done)
    held = mean([float(o.held) for o in done])
    p90 = errors[math.ceil(0.9 * len(errors)) - 1]
    return Figure(
        name=name,
        measured=(
            f"error {stats.median(errors):.1%} median, {p90:.1%} p90; 90 % interval held"
            f" {held:.0%} of {len(done)}, +-{stats.median([o.half_width for o in done]):.1%}"
        ),
        target="-" if least is None else f"held >= {least:.0%}",
        met=None if least is None else held >= least,
    )


def main() -> None:
    """Print the figures of traces."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("paths", nargs="+", type=Path)
    options.add_argument("--json", action="store_true")
    chosen = options.parse_args()
    show(figures(chosen.paths), chosen.json)


if __name__ == "__main__":
    main()
