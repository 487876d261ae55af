"""Spectral signatures: what lies far out along the strongest direction of a class is removed."""

import numpy as np
import pytest

from hwbench import screening


def poisoned(share: float = 0.05, items: int = 400, apart: float = 6.0) -> tuple:  # type: ignore[type-arg]
    """Return features of two classes, targets, and which of class 0 carry a trigger."""
    rng = np.random.default_rng(5)
    features = rng.standard_normal((items, 16))
    targets = np.arange(items) % 2
    count = round(share * items)
    marked = np.zeros(items, dtype=bool)
    marked[np.flatnonzero(targets == 0)[:count]] = True
    features[marked, 3] += apart
    return features, targets, marked


def test_scores_are_squared_projections_on_the_covariances_first_eigenvector() -> None:
    scipy = pytest.importorskip("scipy.linalg")
    features = poisoned()[0]
    values, vectors = scipy.eigh(np.cov(features, rowvar=False))
    wanted = ((features - features.mean(axis=0)) @ vectors[:, values.argmax()]) ** 2
    assert screening.scores(features) == pytest.approx(wanted)


def test_a_trigger_that_lies_apart_is_removed_whole() -> None:
    features, targets, marked = poisoned()
    out = screening.removed(features, targets, 0.05)
    assert out[marked].all()


def test_of_each_class_one_and_a_half_times_the_poison_goes() -> None:
    features, targets, _ = poisoned()
    out = screening.removed(features, targets, 0.05)
    assert [int(out[targets == c].sum()) for c in (0, 1)] == [30, 30]


def test_no_more_than_half_of_a_class_goes() -> None:
    features, targets, _ = poisoned()
    out = screening.removed(features, targets, 0.5)
    assert [int(out[targets == c].sum()) for c in (0, 1)] == [100, 100]


def test_equal_features_tell_nothing() -> None:
    assert screening.scores(np.ones((5, 3))).tolist() == [0.0] * 5


def test_without_a_trigger_the_choice_is_no_better_than_chance() -> None:
    features, targets, marked = poisoned(apart=0.0)
    out = screening.removed(features, targets, 0.05)
    assert out[marked].mean() < 0.5
