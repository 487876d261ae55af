"""What is trained beside the curves: on wrong labels, on poisoned data, at other learning rates.

At the largest size, by training from scratch and by the best of the shortcuts, which the curves of
the first seed tell.
"""

from collections.abc import Sequence
from dataclasses import replace

from hwbench.learning_asks import Ask, StudyAsked
from hwbench.learning_rows import Training
from hwbench.sharing_asked import ROWS, WAYS

RATES = (1 / 3, 3.0)  # times the learning rate, beside 1
SCRATCH = "from_scratch"


def best(trainings: Sequence[Training], asks: Sequence[Ask]) -> str | None:
    """Return the shortcut with the highest accuracy at the largest size by the first seed.

    Of equals the one that took the least time; None where none is done there.
    """
    largest = max((a.samples for a in asks), default=0)
    found = [
        (t.trained.accuracy, -t.trained.train_s, t.ask.shortcut)
        for t in trainings
        if t.trained is not None
        and (t.ask.purpose, t.ask.samples, t.ask.seed) == ("curve", largest, 0)
        and t.ask.shortcut != SCRATCH
    ]
    return max(found)[2] if found else None


def asks_of(asked: StudyAsked, asks: Sequence[Ask], names: Sequence[str]) -> tuple[Ask, ...]:
    """Return the trainings beside the curves for these shortcuts, what was asked for first."""
    largest = max((a.samples for a in asks), default=0)
    points = [
        a for a in asks if a.samples == largest and a.shortcut in names and a.purpose == "curve"
    ]
    wanted = [ask for point in points for ask in _disturbed(point, asked)]
    untuned = [
        replace(point, purpose="untuned", rate_factor=factor)
        for point in points
        for factor in RATES
    ]
    return (*wanted, *_sharing(asked, asks, largest), *untuned)


def _sharing(asked: StudyAsked, asks: Sequence[Ask], largest: int) -> list[Ask]:
    """Return the trainings of several tasks, with as many steps for all as one from scratch has.

    Adapters are trained where they are among what is compared, so that there are weights for them.
    """
    if asked.tasks is None:
        return []
    scratch = [a for a in asks if (a.shortcut, a.samples) == (SCRATCH, largest)]
    able = {a.shortcut for a in asks} | {"multitask", "progressive"}
    names = [ROWS[way] for way in asked.sharing or WAYS if ROWS[way] in able]
    return [
        replace(a, purpose="sharing", shortcut=name, tasks=asked.tasks)
        for a in scratch
        for name in names
    ]


def _disturbed(point: Ask, asked: StudyAsked) -> list[Ask]:
    """Return a point of a curve on wrong labels and on poisoned data, as far as asked for."""
    found = [
        replace(point, purpose="noise", noise_frac=frac) for frac in asked.label_noise if frac > 0
    ]
    if asked.poison:
        found.append(replace(point, purpose="poison", poison_frac=asked.poison))
    return found
