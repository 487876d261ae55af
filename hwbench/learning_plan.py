"""Which trainings a learning study is made of, how many steps each takes, in which order they run.

A training of n samples takes the shortcut's usual epochs, but 200 steps at the least: with few
samples an epoch is a step or two, and a network needs steps. Where the time is short, a shortcut's
steps are cut by one factor at all sizes and for all seeds, so that its points lie on one curve.
The order makes every beginning useful: all shortcuts at all sizes for the first seed, then the
next seed.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from hwbench.errors import BadInput
from hwbench.learning_asks import Ask, Paced, StudiedData
from hwbench.shortcut import Shortcut

SIZES = 6  # of the data set, unless they are named: a curve has three parameters
LEAST_SIZES = 5
LEAST_EACH = 4  # samples of a class at the smallest size
FLOOR = 200  # steps
LEAST = 50  # steps, however short the time is
CUT, CUTS = 2**-0.5, 12  # what steps are cut by, and how often at most
CURVES_FRAC = 0.65  # of the time, for the curves; the rest is for what is found out beside them
CURVES_ALONE_FRAC = 0.8  # where that is no more than other learning rates
PRETRAIN_FRAC = 0.15  # of the time, at most
SCRATCH_EPOCHS = 90.0


@dataclass(frozen=True, kw_only=True)
class Sizing:
    """What the steps of a training follow from; `epochs` are of every shortcut where given."""

    batch_size: int
    n_test: int
    epochs: float | None = None
    scratch_epochs: float = SCRATCH_EPOCHS


@dataclass(frozen=True, kw_only=True)
class Planned:
    """The trainings of the curves in order, and what each shortcut's steps were cut by."""

    asks: tuple[Ask, ...]
    cuts: dict[str, float]


def sizes_of(asked: Sequence[int], data: StudiedData) -> tuple[int, ...]:
    """Return the sizes of the data set, rising; raise BadInput for such as no curve is made of.

    None asked for: six, each twice the last up to all samples, closer where they are few.
    """
    if not asked:
        return _geometric(data)
    sizes = tuple(sorted(set(asked)))
    if len(sizes) < LEAST_SIZES:
        raise BadInput(
            f"--sizes {_list(asked)}: a learning curve needs {LEAST_SIZES} different sizes at the"
            " least, each about twice the last"
        )
    if sizes[-1] > data.samples:
        raise BadInput(
            f"--sizes {_list(asked)}: {data.name} has {data.samples:,} samples to train on,"
            f" {data.n_test:,} more test"
        )
    if sizes[0] < data.classes:
        raise BadInput(
            f"--sizes {_list(asked)}: {sizes[0]} samples are fewer than the {data.classes} classes"
        )
    return sizes


def _geometric(data: StudiedData) -> tuple[int, ...]:
    least = min(LEAST_EACH * data.classes, data.samples)
    ratio = min(2.0, (data.samples / least) ** (1 / (SIZES - 1)))
    found = sorted({round(data.samples / ratio**k) for k in range(SIZES)})
    if len(found) < LEAST_SIZES or ratio < 1.1:
        raise BadInput(
            f"{data.name} has {data.samples:,} samples of {data.classes} classes to train on: too"
            f" few for {LEAST_SIZES} sizes of a learning curve, the smallest of {LEAST_EACH} a"
            " class"
        )
    return tuple(found)


def _list(numbers: Sequence[int]) -> str:
    return ",".join(map(str, numbers))


def usual_epochs(shortcut: Shortcut, sizing: Sizing) -> float:
    """Return the epochs of a training by a shortcut, before any are added or cut."""
    if sizing.epochs is not None:
        return sizing.epochs
    return sizing.scratch_epochs if shortcut.epochs is None else shortcut.epochs.usual


def steps_of(epochs: float, samples: int, batch_size: int, cut: float = 1.0) -> int:
    """Return the steps of a training: whole batches, the floor, the cut."""
    each = max(1, samples // batch_size)
    return max(LEAST, round(max(math.ceil(epochs * each), FLOOR) * cut))


def ask_of(
    shortcut: Shortcut, samples: int, seed: int, sizing: Sizing, cut: float, teacher_epochs: float
) -> Ask:
    """Return a point of a curve as it is asked for."""
    batch = sizing.batch_size
    teaches = shortcut.needs_teacher
    return Ask(
        purpose="curve",
        shortcut=shortcut.name,
        samples=samples,
        seed=seed,
        steps=steps_of(usual_epochs(shortcut, sizing), samples, batch, cut),
        teacher_steps=steps_of(teacher_epochs, samples, batch, cut) if teaches else 0,
        once_passes=_passes(shortcut, cut),
    )


def _passes(shortcut: Shortcut, cut: float) -> float:
    """Return how often what is paid once goes over the samples; features are made once."""
    if not shortcut.forward_passes_once:
        return 0.0
    return shortcut.once_epochs * cut if shortcut.loads_data else 1.0


def expected_s(ask: Ask, paced: Paced, n_test: int) -> float:
    """Return about how long a training takes, with all that goes with it."""
    steps_s = ask.steps * paced.step_s + ask.teacher_steps * paced.teacher_step_s
    once_s = ask.once_passes * ask.samples * paced.once_item_s
    judge_s = (n_test + ask.samples) * paced.judge_item_s
    whole_s = paced.build_s + steps_s + once_s + judge_s
    return whole_s if not ask.poison_frac else 2 * whole_s + n_test * paced.judge_item_s


def planned(
    shortcuts: Sequence[Shortcut],
    sizes: Sequence[int],
    seeds: int,
    sizing: Sizing,
    paces: Mapping[str, Paced],
    budget_s: float | None,
    teacher_epochs: float = 10.0,
) -> Planned:
    """Return the trainings of all curves in order, their steps cut to the time there is."""

    def curve(shortcut: Shortcut, cut: float) -> list[Ask]:
        return [ask_of(shortcut, n, 0, sizing, cut, teacher_epochs) for n in sizes]

    def cost_s(shortcut: Shortcut, cut: float) -> float:
        paced = paces[shortcut.name]
        one = sum(expected_s(a, paced, sizing.n_test) for a in curve(shortcut, cut))
        return seeds * one

    cuts = _cuts(shortcuts, cost_s, budget_s)
    first = [a for by_size in zip(*(curve(s, cuts[s.name]) for s in shortcuts), strict=True)
             for a in by_size]  # fmt: skip
    asks = tuple(replace(a, seed=seed) for seed in range(seeds) for a in first)
    return Planned(asks=asks, cuts=cuts)


def _cuts(
    shortcuts: Sequence[Shortcut],
    cost_s: Callable[[Shortcut, float], float],
    budget_s: float | None,
) -> dict[str, float]:
    """Return each shortcut's cut: all have the same share, what one leaves goes to the others."""
    if budget_s is None:
        return {s.name: 1.0 for s in shortcuts}
    cuts, left_s = {}, budget_s
    rising = sorted(shortcuts, key=lambda s: cost_s(s, 1.0))
    for i, shortcut in enumerate(rising):
        share_s = left_s / (len(rising) - i)
        cut = _fitting(partial(cost_s, shortcut), share_s)
        cuts[shortcut.name] = cut
        left_s -= cost_s(shortcut, cut)
    return cuts


def curves_frac(beside: bool) -> float:
    """Return the curves' share of the time; less where other data are trained on as well."""
    return CURVES_FRAC if beside else CURVES_ALONE_FRAC


def _fitting(cost_s: Callable[[float], float], share_s: float) -> float:
    """Return the largest cut that keeps to a share of the time, the smallest where none does."""
    tried = [CUT**k for k in range(CUTS + 1)]
    return next((cut for cut in tried if cost_s(cut) <= share_s), tried[-1])


def pretrain_steps(
    data: StudiedData, sizing: Sizing, scratch: Paced, budget_s: float | None
) -> int:
    """Return the steps of the training on the source task: from scratch, of its own samples."""
    assert data.source_samples is not None
    epochs = sizing.epochs or sizing.scratch_epochs

    def steps(cut: float) -> int:
        return steps_of(epochs, data.source_samples or 1, sizing.batch_size, cut)

    if budget_s is None:
        return steps(1.0)
    return steps(_fitting(lambda cut: steps(cut) * scratch.step_s, PRETRAIN_FRAC * budget_s))
