"""Where owning begins to be cheaper: the worked example, and the costs on either side."""

import numpy as np
import pytest

from hwbench.break_even import (
    BreakEven,
    break_even_hours,
    break_even_samples,
    break_even_utilisation,
    owned_line,
    rented_line,
)
from hwbench.costing import OnDemand, Owned, cost
from hwbench.values import Values
from tests.test_costing import H, owned


def at(found: BreakEven) -> Values:
    assert found.value is not None
    return found.value


def test_the_worked_example() -> None:
    three, four = owned(), owned(years=4)
    assert round(100 * at(break_even_utilisation(three, 3.00, 0.0))) == 48
    assert round(100 * at(break_even_utilisation(four, 3.00, 0.0))) == 39


def hourly(machine: Owned, power_w: float) -> float:
    terms = cost(machine, H, energy_j=power_w * H)
    assert terms.total_usd is not None
    return float(terms.total_usd)


def test_at_the_break_even_an_hour_costs_the_same() -> None:
    facts = {"electricity_usd_per_kwh": 0.12, "pue": 1.3, "idle_w": 150.0, "interest_frac": 0.06}
    there = at(break_even_utilisation(owned(**facts), 3.0, 900.0))
    assert hourly(owned(**facts, utilisation_frac=there), 900.0) == pytest.approx(3.0)
    assert hourly(owned(**facts, utilisation_frac=there * 1.1), 900.0) < 3.0


def test_hours_that_pay_a_machine_back() -> None:
    machine = owned(electricity_usd_per_kwh=0.1, pue=1.2)
    hours = at(break_even_hours(machine, 2.5, 1000.0))
    bought = machine.purchase_usd - machine.residual_usd + hours * 1.0 * 1.2 * 0.1
    assert bought == pytest.approx(cost(OnDemand(usd_per_h=2.5), hours * H).total_usd)


def test_no_break_even_says_why() -> None:
    dear = owned(electricity_usd_per_kwh=0.5, pue=2.0)
    for found in (break_even_utilisation(dear, 0.9, 1000.0), break_even_hours(dear, 0.9, 1000.0)):
        assert found.value is None
        assert found.reason == "renting is always cheaper: owning saves nothing as it is used"
    much = break_even_utilisation(owned(), 1.0, 0.0)
    assert much.value is None and "it takes 1.431 of all hours" in (much.reason or "")
    assert "beyond its life" in (break_even_hours(owned(), 1.0, 0.0).reason or "")
    given = owned(purchase_usd=0.0, residual_usd=0.0, opex_usd_per_year=0.0)
    assert break_even_hours(given, 1.0, 0.0).reason == "owning is always cheaper"


def test_the_size_at_which_buying_pays() -> None:
    """The rented machine is twice as fast; the two costs meet at the size that is found."""
    machine = owned(electricity_usd_per_kwh=0.2, pue=1.1)
    mine = owned_line(machine, 400.0, fixed_s=600.0, s_per_sample=0.02)
    rented = rented_line(3.0, fixed_s=900.0, s_per_sample=0.01)
    there = at(break_even_samples(mine, rented))
    own = 0.7 * 325e3 / 8 + (600 + 0.02 * there) / H * 0.4 * 1.1 * 0.2
    assert own == pytest.approx(3.0 * (900 + 0.01 * there) / H)
    slow = owned_line(machine, 400.0, fixed_s=600.0, s_per_sample=2.0)
    assert "renting is always cheaper" in (break_even_samples(slow, rented).reason or "")
    began = rented_line(3.0, fixed_s=1e9, s_per_sample=0.01)
    assert "up to" in (break_even_samples(slow, began).reason or "")
    assert break_even_samples(mine, began).reason == "owning is always cheaper"


def test_draws_hold_infinity_where_there_is_none() -> None:
    found = break_even_utilisation(owned(), np.array([1.0, 3.0, 0.0, 4.0]), 0.0)
    assert np.isinf(at(found)).tolist() == [True, False, True, False]
    assert at(found)[1] == pytest.approx(at(break_even_utilisation(owned(), 3.0, 0.0)))
    assert found.reason == "renting is always cheaper in 50% of the draws"
