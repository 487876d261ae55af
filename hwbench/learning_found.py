"""What real trainings say together: who stands where, what wrong labels and poison cost, the gap.

The interval of a mean accuracy is of the seeds (Student's t) and of the test set (binomial), in
quadrature. Two shortcuts tie where their difference, paired by seed, is within such an interval;
their errors on the test set are taken as independent, which calls rather more a tie than less.
"""

import math
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import TypeVar

from hwbench import stats
from hwbench.learning_rows import Gap, Share, Standing, Training

K = TypeVar("K", bound=Hashable)


def share(values: Sequence[float], n_test: int, level: float) -> Share:
    """Return the mean of shares over seeds, its interval of the seeds and of the test examples."""
    centre = mean(values)
    if len(values) < 2:
        return Share(point=centre, low=None, high=None, seeds=1)
    half = math.hypot(_of_seeds(values, level), _of_test([centre], n_test, level))
    low, high = max(0.0, centre - half), min(1.0, centre + half)
    return Share(point=centre, low=low, high=high, seeds=len(values))


def _of_seeds(values: Sequence[float], level: float) -> float:
    sd = stats.standard_deviation(values)
    return stats.student_t(level, len(values) - 1) * sd / math.sqrt(len(values))


def _of_test(means: Iterable[float], n_test: int, level: float) -> float:
    variance = sum(p * (1 - p) for p in means) / n_test
    return stats.normal_quantile(level) * math.sqrt(variance)


def tie(one: Sequence[float], other: Sequence[float], n_test: int, level: float) -> bool:
    """Return whether two accuracies, in the order of the same seeds, cannot be told apart."""
    apart = [a - b for a, b in zip(one, other, strict=True)]
    if len(apart) < 2:
        return True
    means = [sum(x) / len(x) for x in (one, other)]
    half = math.hypot(_of_seeds(apart, level), _of_test(means, n_test, level))
    return abs(sum(apart) / len(apart)) <= half


def ok(trainings: Iterable[Training], purpose: str) -> list[Training]:
    """Return the trainings of a purpose that succeeded."""
    return [t for t in trainings if t.ask.purpose == purpose and t.trained is not None]


def accuracies(trainings: Iterable[Training]) -> list[float]:
    """Return what the trainings that succeeded got right."""
    return [t.trained.accuracy for t in trainings if t.trained is not None]


def standings(trainings: Sequence[Training], n_test: int, level: float) -> tuple[Standing, ...]:
    """Return where each shortcut stands at the largest size that all reached, the best first."""
    curves = by_shortcut(ok(trainings, "curve"))
    if not curves:
        return ()
    reached = [{t.ask.samples for t in ts} for ts in curves.values()]
    shared = set.intersection(*reached)
    largest = max(shared or reached[0])
    at = {
        name: {t.ask.seed: t for t in ts if t.ask.samples == largest}
        for name, ts in curves.items()
        if any(t.ask.samples == largest for t in ts)
    }
    rows = [_standing(name, list(ts.values()), at, n_test, level) for name, ts in at.items()]
    return tuple(sorted(rows, key=lambda s: -s.accuracy.point))


def _standing(
    name: str,
    own: Sequence[Training],
    at: dict[str, dict[int, Training]],
    n_test: int,
    level: float,
) -> Standing:
    trained = [t.trained for t in own if t.trained is not None]
    ties = []
    for other, theirs in at.items():
        seeds = sorted(set(at[name]) & set(theirs))
        ours = accuracies(at[name][s] for s in seeds)
        if (
            other != name
            and seeds
            and tie(ours, accuracies(theirs[s] for s in seeds), n_test, level)
        ):
            ties.append(other)
    peaks = [t.memory_peak_bytes for t in trained if t.memory_peak_bytes]
    return Standing(
        shortcut=name,
        samples=own[0].ask.samples,
        accuracy=share(accuracies(own), n_test, level),
        train_s=sum(t.train_s for t in trained) / len(trained),
        memory_peak_bytes=max(peaks, default=None),
        parameters=trained[0].parameters,
        trainable_parameters=trained[0].trainable_parameters,
        ties=tuple(ties),
    )


def gaps(trainings: Sequence[Training]) -> tuple[Gap, ...]:
    """Return the train-validation gap of each shortcut and size, in the mean over seeds."""
    groups = grouped(ok(trainings, "curve"), lambda t: (t.ask.shortcut, t.ask.samples))
    rows = []
    for (name, samples), ts in groups.items():
        found = [t.trained for t in ts if t.trained is not None]
        ours, theirs = mean(t.train_accuracy for t in found), mean(t.accuracy for t in found)
        rows.append(
            Gap(
                shortcut=name,
                samples=samples,
                trainable_per_sample=found[0].trainable_parameters / samples,
                train_accuracy=ours,
                accuracy=theirs,
                gap=ours - theirs,
            )
        )
    return tuple(rows)


def grouped(trainings: Iterable[Training], key: Callable[[Training], K]) -> dict[K, list[Training]]:
    """Return trainings by a key, in the order in which the keys were met."""
    found: dict[K, list[Training]] = {}
    for t in trainings:
        found.setdefault(key(t), []).append(t)
    return found


def by_shortcut(trainings: Iterable[Training]) -> dict[str, list[Training]]:
    """Return trainings by shortcut."""
    return grouped(trainings, lambda t: t.ask.shortcut)


def mean(values: Iterable[float]) -> float:
    """Return the mean of one value at the least."""
    found = list(values)
    return sum(found) / len(found)
