"""Which rows are undominated, and how sure the best is."""

import numpy as np
import pytest

from hwbench.pareto import best, cheapest, pareto


def test_the_front() -> None:
    rows = [(1.0, 9.0), (2.0, 5.0), (3.0, 5.0), (9.0, 1.0), (2.0, 5.0), (9.0, 9.0)]
    assert pareto(rows) == (True, True, False, True, True, False)
    assert pareto([]) == ()


def test_against_every_pair_of_many() -> None:
    table = np.random.default_rng(0).integers(0, 20, size=(200, 3))
    no_worse = np.all(table[None] <= table[:, None], axis=2)
    better = np.any(table[None] < table[:, None], axis=2)
    dominated = [bool(row.any()) for row in no_worse & better]
    assert pareto([tuple(map(float, r)) for r in table]) == tuple(not d for d in dominated)


def test_a_row_without_a_figure_is_never_on_it_and_keeps_none_off() -> None:
    assert pareto([(1.0, None), (2.0, 2.0), (3.0, 1.0)]) == (False, True, True)


def test_chances_add_up_and_are_the_closed_form() -> None:
    rng = np.random.default_rng(1)
    rows = {"a": rng.normal(0, 1, 40_000), "b": rng.normal(1, 1, 40_000)}
    found = cheapest(rows)
    assert sum(found.values()) == pytest.approx(1.0)
    assert found["a"] == pytest.approx(0.7602, abs=0.01)  # Phi(1 / sqrt 2)
    assert cheapest({}) == {} and best({}) is None


def test_rows_that_err_together_are_told_apart() -> None:
    """3 % dearer with an uncertainty of 30 %: together they differ for sure, apart nobody knows."""
    rng = np.random.default_rng(2)
    shared, own = np.exp(0.3 * rng.normal(size=(2, 5000)))
    together = best({"a": shared, "b": 1.03 * shared})
    assert together is not None
    assert (together.row, together.probability, together.indistinguishable) == ("a", 1.0, ())
    apart = best({"a": shared, "b": 1.03 * own, "c": 9.0})
    assert apart is not None and apart.indistinguishable == (("b",) if apart.row == "a" else ("a",))


def test_equals_share_and_cannot_be_told_apart() -> None:
    same = np.array([1.0, 2.0, 3.0])
    assert cheapest({"a": same, "b": same}) == {"a": 0.5, "b": 0.5}
    found = best({"a": same, "b": same})
    assert found is not None and found.indistinguishable == ("b",)


def test_what_never_ends_is_never_the_cheapest() -> None:
    rows = {"a": np.array([1.0, np.inf]), "b": np.array([np.inf, np.inf])}
    assert cheapest(rows) == {"a": 0.5, "b": 0.0}
