"""How often intervals of a ratio hold the truth: Student's of rounds, trimmed, and a bootstrap.

`python -m bench.comparisons` simulates pairs of rounds whose true ratio is 1: normal in logarithms
with 2 % each, as they are on a quiet machine, and with some that something else disturbed by 20 %.
"""

import argparse
import math
from collections.abc import Callable

from hwbench import ratio_tests, stats, stopping
from hwbench.ratio_tests import Ln

LEVEL, RESAMPLED = 0.95, 999
Interval = tuple[float, float]


def student(logs: list[float]) -> tuple[float, float]:
    """Return Student's interval of the plain mean."""
    error = stats.standard_deviation(logs) / math.sqrt(len(logs))
    return _interval(sum(logs) / len(logs), error, len(logs) - 1)


def trimmed(logs: list[float]) -> tuple[float, float]:
    """Return the interval that `hwbench compare` takes for paired cases."""
    return _interval(*ratio_tests.trimmed(logs))


def _interval(mean: float, error: float, freedom: int) -> tuple[float, float]:
    ln = Ln(point=mean, error=error, freedom=freedom, sampling=error, drift=0.0, basis="")
    found = ratio_tests.interval(ln, LEVEL)
    return found.low, found.high


def sharp(logs: list[float]) -> tuple[float, float]:
    """Return the interval of so many rounds as `run --against` makes: on until it is narrow."""
    n = stopping.PAIR_ROUNDS
    while True:
        low, high = trimmed(logs[:n])
        if n >= len(logs) or math.log(high / low) / 2 <= stopping.PAIR_HALF_LOG:
            return low, high
        n += 1


def bootstrap(logs: list[float]) -> tuple[float, float]:
    """Return the percentile interval of means of resampled rounds."""
    import numpy as np

    rng = np.random.default_rng(3)
    drawn = rng.integers(0, len(logs), (RESAMPLED, len(logs)))
    low, high = np.quantile(np.exp(np.array(logs)[drawn].mean(axis=1)), [0.025, 0.975])
    return float(low), float(high)


def tried(
    trials: int, rounds: int, disturbed: float, interval: Callable[[list[float]], Interval]
) -> tuple[float, float]:
    """Return the share of trials whose interval holds 1, and half of its median width."""
    import numpy as np

    rng, held, widths = np.random.default_rng(11), 0, []
    for _ in range(trials):
        logs = rng.normal(0, 0.02, rounds) + rng.normal(0, 0.2, rounds) * (
            rng.random(rounds) < disturbed
        )
        low, high = interval(logs.tolist())
        held += low <= 1 <= high
        widths.append(math.log(high / low) / 2)
    return held / trials, stats.median(widths)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=2000)
    trials = parser.parse_args().trials
    print(f"{trials} trials, nominal {LEVEL:.0%}: intervals that hold the truth (half their width)")
    ways = {"Student": student, "trimmed": trimmed, "bootstrap": bootstrap}
    print(f"| rounds | disturbed visits | {' | '.join(ways)} | until sharp |")
    print("|---|---|" + "---|" * (len(ways) + 1))
    for rounds in (5, 8, 24):
        for disturbed in (0.0, 0.1, 0.2):
            of = [*ways.values(), *([sharp] if rounds == stopping.MOST_PAIR_ROUNDS else [])]
            found = [tried(trials, rounds, disturbed, f) for f in of]
            told = [f"{held:.1%} (+-{half:.1%})" for held, half in found]
            print(f"| {rounds} | {disturbed:.0%} | {' | '.join(told)} |")


if __name__ == "__main__":
    main()
