"""Which trainings a study is made of: sizes, steps, cuts to the time, the order."""

from dataclasses import replace
from itertools import pairwise

import pytest

from hwbench import learning_plan, registry
from hwbench.errors import BadInput
from hwbench.learning_asks import Paced, StudiedData
from hwbench.learning_plan import FLOOR, LEAST, Sizing, planned, sizes_of, steps_of
from hwbench.learning_rate import base_rate
from tests.learners import GOOD

NAMES = ("from_scratch", "full_finetune", "linear_probe", "cached_features", "distillation")
SHORTCUTS = [registry.shortcuts()[n] for n in NAMES]
SIZING = Sizing(batch_size=16, n_test=270)
SIZES = (40, 80, 160, 320, 640)


def data(samples: int = 640, classes: int = 5) -> StudiedData:
    return StudiedData(
        name="digits",
        what="digits",
        classes=classes,
        samples=samples,
        n_test=270,
        parameters=1000,
        quality=GOOD,
    )


def paces(step_s: float = 0.01) -> dict[str, Paced]:
    bare = Paced(shortcut="", build_s=0.1, step_s=step_s, judge_item_s=0.0001)
    return {n: replace(bare, shortcut=n) for n in NAMES}


def test_sizes_are_each_twice_the_last_up_to_all_samples() -> None:
    assert sizes_of((), data()) == (20, 40, 80, 160, 320, 640)
    assert sizes_of((), data(10_000, 10))[-2:] == (5000, 10_000)


def test_few_samples_make_sizes_that_lie_closer() -> None:
    sizes = sizes_of((), data(100))
    assert sizes[0] == 20 and sizes[-1] == 100 and len(sizes) == 6
    ratios = [b / a for a, b in pairwise(sizes)]
    assert max(ratios) / min(ratios) < 1.1


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ((10, 20, 40), "needs 5 different sizes"),
        ((40, 40, 40, 40, 80), "needs 5 different sizes"),
        ((40, 80, 160, 320, 641), "has 640 samples to train on"),
        ((4, 80, 160, 320, 640), "4 samples are fewer than the 5 classes"),
    ],
)
def test_sizes_that_make_no_curve_are_refused(asked: tuple[int, ...], said: str) -> None:
    with pytest.raises(BadInput, match=said):
        sizes_of(asked, data())


def test_too_few_samples_for_any_curve_are_refused() -> None:
    with pytest.raises(BadInput, match="too few for 5 sizes"):
        sizes_of((), data(21))


def test_steps_are_whole_batches_of_the_epochs_and_no_fewer_than_the_floor() -> None:
    assert steps_of(90, 640, 16) == 90 * 40
    assert steps_of(10, 40, 16) == FLOOR
    assert steps_of(10, 8, 16) == FLOOR  # less than a batch is one
    assert steps_of(10, 640, 16, cut=0.5) == 200
    assert steps_of(10, 40, 16, cut=0.01) == LEAST


def test_the_order_is_all_sizes_of_all_shortcuts_then_the_next_seed() -> None:
    asks = planned(SHORTCUTS, SIZES, 3, SIZING, paces(), None).asks
    each = len(SHORTCUTS) * len(SIZES)
    assert [a.seed for a in asks] == [0] * each + [1] * each + [2] * each
    assert [a.shortcut for a in asks[: len(NAMES)]] == list(NAMES)
    assert [a.samples for a in asks[:each]] == [n for n in SIZES for _ in NAMES]
    assert len(set(asks)) == len(asks)


def test_every_seed_is_trained_alike() -> None:
    asks = planned(SHORTCUTS, SIZES, 3, SIZING, paces(), 300.0).asks
    steps = {(a.shortcut, a.samples): {b.steps for b in asks if (b.shortcut, b.samples) ==
             (a.shortcut, a.samples)} for a in asks}  # fmt: skip
    assert all(len(found) == 1 for found in steps.values())


def test_without_a_limit_nothing_is_cut() -> None:
    found = planned(SHORTCUTS, SIZES, 3, SIZING, paces(), None)
    assert set(found.cuts.values()) == {1.0}
    (largest,) = [a for a in found.asks if (a.shortcut, a.samples, a.seed) == (NAMES[0], 640, 0)]
    assert largest.steps == 3600


@pytest.mark.parametrize("budget_s", [200.0, 300.0, 450.0])
def test_a_short_time_cuts_the_dearest_and_is_kept(budget_s: float) -> None:
    found = planned(SHORTCUTS, SIZES, 3, SIZING, paces(), budget_s)
    cost = sum(learning_plan.expected_s(a, paces()[a.shortcut], 270) for a in found.asks)
    assert cost <= budget_s
    assert found.cuts["from_scratch"] == min(found.cuts.values()) < 1
    if budget_s > 400:
        assert found.cuts["full_finetune"] == 1.0


def test_one_cut_holds_at_all_sizes() -> None:
    found = planned(SHORTCUTS, SIZES, 1, SIZING, paces(), 400.0)
    cut = found.cuts["from_scratch"]
    for a in found.asks:
        if a.shortcut == "from_scratch":
            assert a.steps == steps_of(90, a.samples, 16, cut)


def test_epochs_given_hold_for_all() -> None:
    sizing = replace(SIZING, epochs=30.0)
    asks = planned(SHORTCUTS, SIZES, 1, sizing, paces(), None).asks
    assert {a.steps for a in asks if a.samples == 640} == {1200}


def test_a_teacher_learns_first_and_features_are_made_once() -> None:
    asks = planned(SHORTCUTS, SIZES, 1, SIZING, paces(), None).asks
    assert all((a.teacher_steps > 0) == (a.shortcut == "distillation") for a in asks)
    assert {a.once_passes for a in asks if a.shortcut == "cached_features"} == {1.0}
    assert {a.once_passes for a in asks if a.shortcut != "cached_features"} == {0.0}


def test_learning_rates_follow_their_sources() -> None:
    assert base_rate("adamw", 100_000, 32) == 1e-3
    # four times as many parameters are twice as wide: half the rate
    assert base_rate("adamw", 4_000_000, 32) == pytest.approx(5e-4)
    assert base_rate("sgd", 1, 256) == pytest.approx(0.1)
    assert base_rate("sgd", 1, 512) == pytest.approx(0.2)
    assert base_rate("sgd", 1, 8) == 0.01
