"""How often intervals of a ratio hold the truth: Student's of processes, and a bootstrap of them.

`python -m bench.comparisons` simulates pairs of five rounds whose true ratio is 1: normal in
logarithms, as the visits of a quiet machine are, and with one visit in ten disturbed.
"""

import argparse
import math
from collections.abc import Callable

from hwbench import ratio_tests, stats
from hwbench.ratio_tests import Ln

LEVEL, RESAMPLED = 0.95, 999


def student(logs: list[float]) -> tuple[float, float]:
    """Return the interval that `hwbench compare` takes for paired cases."""
    error = stats.standard_deviation(logs) / math.sqrt(len(logs))
    ln = Ln(
        point=sum(logs) / len(logs),
        error=error,
        freedom=len(logs) - 1,
        sampling=error,
        drift=0.0,
        basis="",
    )
    found = ratio_tests.interval(ln, LEVEL)
    return found.low, found.high


def share(trials: int, rounds: int, disturbed: float, interval: Callable[..., object]) -> float:
    """Return the share of trials whose interval holds 1."""
    import numpy as np

    rng, held = np.random.default_rng(11), 0
    for _ in range(trials):
        logs = rng.normal(0, 0.03, rounds) + rng.normal(0, 0.2, rounds) * (
            rng.random(rounds) < disturbed
        )
        if interval is student:
            low, high = student(logs.tolist())
        else:
            means = np.exp(logs[rng.integers(0, rounds, (RESAMPLED, rounds))].mean(axis=1))
            low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
        held += bool(low <= 1 <= high)
    return held / trials


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=2000)
    trials = parser.parse_args().trials
    print(f"{trials} trials, nominal {LEVEL:.0%}: share of intervals that hold the true ratio")
    print("| rounds | disturbed visits | Student | bootstrap of processes |")
    print("|---|---|---|---|")
    for rounds in (5, 8, 20):
        for disturbed in (0.0, 0.1):
            found = [share(trials, rounds, disturbed, of) for of in (student, min)]
            print(f"| {rounds} | {disturbed:.0%} | {found[0]:.1%} | {found[1]:.1%} |")


if __name__ == "__main__":
    main()
