"""Costs by how a machine is had, against sums done by hand."""

import numpy as np
import pytest

from hwbench.costing import (
    Hosted,
    OnDemand,
    Owned,
    Reserved,
    Spot,
    Storage,
    billed_s,
    capital_recovery_frac,
    cost,
)
from hwbench.errors import BadInput

H = 3600.0


def owned(**changed: float) -> Owned:
    """An eighth of a $325k node, 30 % residual value, 3 years, $200 a kW and month for 1.275 kW."""
    facts = {
        "purchase_usd": 325e3 / 8,
        "residual_usd": 0.3 * 325e3 / 8,
        "years": 3,
        "utilisation_frac": 0.7,
        "opex_usd_per_year": 200 * 1.275 * 12,
        "electricity_usd_per_kwh": 0.0,
        "pue": 1.0,
        "idle_w": 0.0,
    }
    return Owned(**{**facts, **changed})


def test_a_bought_gpu_at_seventy_percent() -> None:
    assert round(owned().usd_per_year / 1000, 1) == 12.5
    assert round(owned().fixed_usd_per_useful_h, 2) == 2.04
    terms = cost(owned(), 10 * H, nodes=8, energy_j=0.0)
    assert terms.amortisation_usd == pytest.approx(80 * 12539.1667 / (8760 * 0.7))
    assert (terms.compute_usd, terms.electricity_usd, terms.reason) == (0.0, 0.0, None)


def test_electricity_of_the_run_and_of_the_waiting_that_it_answers_for() -> None:
    machine = owned(electricity_usd_per_kwh=0.10, pue=1.4, idle_w=200.0, utilisation_frac=0.5)
    terms = cost(machine, 10 * H, energy_j=10 * 3.6e6)  # 1 kW for 10 h, then 10 h of 200 W
    assert terms.electricity_usd == pytest.approx((10 + 2) * 1.4 * 0.10)


def test_energy_that_is_not_known_leaves_the_cost_open() -> None:
    terms = cost(owned(), H)
    assert terms.electricity_usd is None and terms.total_usd is None
    assert "energy is not known" in (terms.reason or "")
    assert cost(OnDemand(usd_per_h=3.0), H).electricity_usd == 0.0


def test_every_begun_unit_is_billed() -> None:
    assert cost(OnDemand(usd_per_h=3.6, billing_s=H), 1.2 * H, nodes=2).total_usd == 2 * 2 * 3.6
    assert cost(Spot(usd_per_h=1.2), 1.5 * H).total_usd == pytest.approx(1.8)
    assert billed_s(10.0, 1.0, minimum_s=60.0) == 60.0
    assert billed_s(3 * 0.1, 0.1) == pytest.approx(0.3)  # 0.30000000000000004 begins no fourth
    assert billed_s(np.array([59.2, 60.0, 61.0]), 60.0).tolist() == [60, 60, 120]


def test_a_reservation_is_paid_for_unused_as_well() -> None:
    """One GPU a year at $2: used half of it, what it did cost all of it."""
    option = Reserved(usd_per_h=2.0, years=1, utilisation_frac=0.5)
    assert cost(option, 8760 * H / 2).total_usd == pytest.approx(2.0 * 8760)


def test_hosted_by_the_token_or_by_the_hour() -> None:
    by_token = Hosted(usd_per_mtoken=0.5)
    assert cost(by_token, H, tokens=3e6).total_usd == 1.5
    assert cost(Hosted(usd_per_h=7.0), 2 * H).total_usd == 14.0
    unknown = cost(by_token, H)
    assert unknown.total_usd is None and "tokens are not known" in (unknown.reason or "")
    for prices in ({}, {"usd_per_mtoken": 1.0, "usd_per_h": 1.0}):
        with pytest.raises(BadInput, match="one price"):
            Hosted(**prices)


def test_storage_is_by_the_month_for_as_long_as_it_is_kept() -> None:
    kept = Storage(
        dataset_bytes=150e9,
        checkpoint_bytes=50e9,
        usd_per_gb_month=0.023,
        egress_bytes=1e9,
        egress_usd_per_gb=0.09,
    )
    terms = cost(OnDemand(usd_per_h=1.0), 73 * H, storage=kept)
    assert terms.storage_usd == pytest.approx(200 * 0.023 / 10 + 0.09)
    assert terms.total_usd == pytest.approx(73 + 0.55)


def test_interest_repays_the_loan_exactly() -> None:
    """Paid back year by year at 8 %, the residual value taken in at the end: nothing is left."""
    machine = owned(interest_frac=0.08, opex_usd_per_year=0.0, years=4)
    debt = float(machine.purchase_usd)
    for _ in range(4):
        debt = debt * 1.08 - machine.usd_per_year
    assert debt == pytest.approx(machine.residual_usd)
    assert capital_recovery_frac(0.0, 4) == 0.25
    assert capital_recovery_frac(1e-9, 4) == pytest.approx(0.25, rel=1e-8)


def test_draws_go_through() -> None:
    times = np.array([[H, 2 * H], [3 * H, 4 * H]])
    prices = np.array([[1.0], [2.0]])
    total = cost(OnDemand(usd_per_h=prices), times).total_usd
    assert total is not None and total.tolist() == [[1, 2], [6, 8]]
    machine = owned(electricity_usd_per_kwh=np.array([[0.1], [0.2]]))  # type: ignore[arg-type]
    assert cost(machine, times, energy_j=times * 1000).total_usd.shape == (2, 2)  # type: ignore[union-attr]
