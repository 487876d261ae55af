"""Do the statistics mean what they say? Simulated series with a known truth, 500 samples each.

Every function is called as a user would call it, with its defaults. The series: independent
log-normal times with a CV of 3 %; first-order autoregressive ones (rho 0.7) with the same CV; ten
visits of 50 with a CV of 2 % between them; a warm-up of 100 samples at 1.5 x; a drift of 10 %. The
others are not targets: tails of Student's t with 3 degrees of freedom, five visits of 20.
"""

import argparse
import math
from collections.abc import Callable, Sequence

import numpy as np

from bench.figure import Figure, parser, show
from hwbench.intervals import median_now
from hwbench.steady import steady_state
from hwbench.trend import drift

SERIES, TINY_SERIES = 1000, 40
SEED = 20
N, CV, RHO = 500, 0.03, 0.7
WARM, FACTOR, RISE = 100, 1.5, 0.10
NEAR = 10  # samples: a warm-up's end is found if it is found so near

Visits = list[list[float]]
Generator = np.random.Generator


def independent(rng: Generator, n: int = N) -> Visits:
    return [np.exp(CV * rng.standard_normal(n)).tolist()]


def correlated(rng: Generator, n: int = N) -> Visits:
    shocks = rng.standard_normal(n) * math.sqrt(1 - RHO**2)
    x = [float(rng.standard_normal())]
    for shock in shocks[1:].tolist():
        x.append(RHO * x[-1] + shock)
    return [np.exp(CV * np.array(x)).tolist()]


def two_levels(rng: Generator, visits: int = 10, each: int = 50, between: float = 0.02) -> Visits:
    logs = CV * rng.standard_normal((visits, each)) + between * rng.standard_normal((visits, 1))
    return [visit.tolist() for visit in np.exp(logs)]


def heavy(rng: Generator, visits: int = 1, each: int = N, between: float = 0.0) -> Visits:
    logs = CV * rng.standard_t(3, (visits, each)) + between * rng.standard_t(3, (visits, 1))
    return [visit.tolist() for visit in np.exp(logs)]


def warming(rng: Generator, n: int = N) -> Visits:
    series = independent(rng, n)[0]
    return [[FACTOR * x for x in series[:WARM]] + series[WARM:]]


def drifting(rng: Generator, n: int = N) -> Visits:
    return [[x * (1 + RISE * i / (n - 1)) for i, x in enumerate(independent(rng, n)[0])]]


STATIONARY: dict[str, Callable[[Generator], Visits]] = {
    "independent": independent,
    "AR(1) rho 0.7": correlated,
    "10 visits of 50": two_levels,
}
OTHERS: dict[str, Callable[[Generator], Visits]] = {
    "t3 tails": heavy,
    "5 visits of 20": lambda rng: two_levels(rng, 5, 20),
    "5 visits of 20, t3 tails": lambda rng: heavy(rng, 5, 20, 0.02),
    "3 visits of 20": lambda rng: two_levels(rng, 3, 20),
    "2 visits of 20": lambda rng: two_levels(rng, 2, 20),
    "AR(1), 20 samples": lambda rng: correlated(rng, 20),
    "AR(1), 60 samples": lambda rng: correlated(rng, 60),
}


def mser5(values: Sequence[float]) -> int:
    """Return where MSER-5 ends the warm-up: the cut of least squared standard error (White 1997).

    Means of 5; the cut is searched up to half of them.
    """
    means = np.array(values[: len(values) // 5 * 5]).reshape(-1, 5).mean(axis=1)
    n = len(means)
    errors = [float(means[d:].var()) / (n - d) for d in range(n // 2 + 1)]
    return 5 * int(np.argmin(errors))


def share(
    name: str, hits: Sequence[bool], target: str, least: float | None, most: float | None
) -> Figure:
    """Return the share of series for which something held."""
    found = sum(hits) / len(hits)
    wanted = least is not None or most is not None
    inside = (least is None or found >= least) and (most is None or found <= most)
    return Figure(
        name=name,
        measured=f"{found:.1%} of {len(hits)}",
        target=target,
        met=inside if wanted else None,
    )


def intervals(series: dict[str, list[Visits]], wanted: bool) -> list[Figure]:
    """Return how often the interval of the median holds the truth, 1."""
    found = []
    for name, visits in series.items():
        made = [median_now(v) for v in visits]
        hits = [m.low <= 1 <= m.high for m in made]
        width = float(np.median([(m.high - m.low) / 2 for m in made]))
        what = f"{name}: truth inside, stated {made[0].level:.0%}, +-{width:.1%}"
        found.append(
            share(what, hits, "93..97 %", 0.93, 0.97)
            if wanted
            else share(what, hits, "-", None, None)
        )
    return found


def steadiness(series: dict[str, list[Visits]], warm: list[Visits]) -> list[Figure]:
    """Return how often warm-up is found where it is, and where it is not, beside MSER-5."""
    steady = [steady_state(v[0]) for v in warm]
    at = [abs(s.begins - WARM) <= NEAR and s.kind == "warm-up" for s in steady]
    rest = [median_now([v[0][s.begins :]]) for v, s in zip(warm, steady, strict=True)]
    inside = [m.low <= 1 <= m.high for m in rest]
    mser = [abs(mser5(v[0]) - WARM) <= NEAR for v in warm]
    found = [
        share(f"warm-up: its end within {NEAR} samples", at, ">= 95 %", 0.95, None),
        share("warm-up: truth inside, of the rest", inside, "93..97 %", 0.93, 0.97),
        share(f"warm-up: its end within {NEAR} samples, MSER-5", mser, "-", None, None),
    ]
    for name, visits in series.items():
        one = [v[0] for v in visits]
        false = [steady_state(v).kind != "flat" for v in one]
        cut = [mser5(v) > NEAR for v in one]
        found.append(share(f"{name}: not called flat", false, "< 5 %", None, 0.05))
        found.append(share(f"{name}: MSER-5 cuts more than {NEAR}", cut, "-", None, None))
    return found


def drifts(series: dict[str, list[Visits]], rising: list[Visits]) -> list[Figure]:
    """Return how often a series is called drifting."""
    right = [drift(v).drifting for v in rising]
    found = [share("drift of 10 %: called drifting", right, ">= 95 %", 0.95, None)]
    for name, visits in series.items():
        false = [drift(v).drifting for v in visits]
        found.append(share(f"{name}: called drifting", false, "< 5 %", None, 0.05))
    return found


def coverage(count: int) -> list[Figure]:
    """Return all figures of `count` series of each kind."""
    rng = np.random.default_rng(SEED)
    series = {name: [make(rng) for _ in range(count)] for name, make in STATIONARY.items()}
    others = {name: [make(rng) for _ in range(count)] for name, make in OTHERS.items()}
    warm = [warming(rng) for _ in range(count)]
    rising = [drifting(rng) for _ in range(count)]
    single = ("independent", "AR(1) rho 0.7")
    flat = {name: series[name] for name in single} | {"t3 tails": others["t3 tails"]}
    return [
        *intervals(series, True),
        *intervals(others, False),
        *steadiness(flat, warm),
        *drifts(series, rising),
    ]


def main() -> None:
    """Simulate, and show the figures."""
    options: argparse.ArgumentParser = parser(__doc__)
    options.add_argument("--series", type=int, help=f"of each kind; {SERIES} where left out")
    chosen = options.parse_args()
    show(coverage(chosen.series or (TINY_SERIES if chosen.tiny else SERIES)), chosen.json)


if __name__ == "__main__":
    main()
