"""How many trials ASHA sends up from a rung: more than one in eta, since some go up early.

A trial goes up when it is among the best floor(m / eta) of the m that are done, and stays up when
better ones follow. Li et al. 2020 (arXiv:1810.05934, section 3) bound what goes up wrongly by the
law of large numbers: it grows as the root of the trials.
"""

import math
import random
from bisect import insort
from functools import cache

LARGEST = 2_000  # trials of a rung that are drawn; beyond, what goes up early grows as the root
ARRIVALS = 20_000  # drawn in all
SEED = 2026


@cache
def promoted(trials: int, eta: float) -> float:
    """Return how many of `trials`, done in random order, go up on average."""
    some = min(trials, LARGEST)
    repeats = max(1, ARRIVALS // some)
    rng = random.Random(SEED)
    mean = sum(_once(some, eta, rng) for _ in range(repeats)) / repeats
    early = mean - _best(some, eta)
    return _best(trials, eta) + early * math.sqrt(trials / some)


def _once(trials: int, eta: float, rng: random.Random) -> int:
    """Return how many go up in one random order."""
    ordered: list[float] = []
    up: set[float] = set()
    for done in range(1, trials + 1):
        loss = rng.random()
        insort(ordered, loss)
        best = _best(done, eta)
        if best:
            up.add(ordered[best - 1])
            if loss < ordered[best - 1]:
                up.add(loss)
    return len(up)


def _best(done: int, eta: float) -> int:
    return math.floor(done / eta * (1 + 1e-12))
