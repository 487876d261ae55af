"""Does the energy of a window mean what it says? Scripted sensors over random work, 1,000 windows.

For each sensor: the share of windows whose true energy lies in the stated 95 % interval, half of
that interval, and the error. Broken sensors must tell no energy, and never 0.
"""

import argparse
from collections.abc import Iterable

from bench import sensors
from bench.figure import Figure, parser, show
from hwbench.stats import median

WINDOWS, TINY_WINDOWS = 1000, 40
SEED, SCALE = 5, 0.05
LEAST = 0.95


def figures(options: argparse.Namespace) -> Iterable[Figure]:
    """Yield the figures of every sensor."""
    count = TINY_WINDOWS if options.tiny else WINDOWS
    for name, sensor in sensors.SENSORS.items():
        for gain_frac in (None, SCALE):
            yield _coverage(name, list(sensors.trials(*sensor, count, SEED, gain_frac)), gain_frac)
    for name, sensor in sensors.BROKEN.items():
        told = sum(t.found is not None for t in sensors.trials(*sensor, count, SEED))
        yield Figure(
            name=name,
            measured=f"an energy in {told} of {count} windows",
            target="none",
            met=told == 0,
        )


def _coverage(name: str, found: list[sensors.Trial], gain_frac: float | None) -> Figure:
    held = sensors.held(found)
    told = [(t.found, t.truth_j) for t in found if t.found is not None]
    half = median([(j.high - j.low) / 2 / j.point for j, _ in told])
    errors = sorted(abs(j.point / truth - 1) for j, truth in told)
    scale = "" if gain_frac is None else f", scale wrong by up to {gain_frac:.0%}"
    return Figure(
        name=f"{name}{scale}: truth in the interval",
        measured=f"{held:.1%} of {len(found)}; +-{half:.2%}, error {median(errors):.2%}, 95 %"
        f" below {errors[int(0.95 * len(errors))]:.2%}",
        target=f">= {LEAST:.0%}",
        met=held >= LEAST and len(told) == len(found),
    )


def main() -> None:
    """Print the figures."""
    options = parser(__doc__).parse_args()
    show(list(figures(options)), options.json)


if __name__ == "__main__":
    main()
