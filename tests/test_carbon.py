"""CO2 by hand, and what is said where the grid is not known."""

import numpy as np
import pytest

from hwbench.carbon import MADE, Embodied, emissions

YEAR_S = 8760 * 3600.0


def test_a_kilowatt_hour_in_germany() -> None:
    found = emissions(3.6e6, 60.0, pue=1.54, intensity_gco2e_per_kwh=381.0)
    assert found.operational_gco2e == pytest.approx(586.74)
    assert found.embodied_gco2e is None and found.total_gco2e == found.operational_gco2e


def test_a_life_of_work_answers_for_all_of_the_making() -> None:
    made = Embodied(kg_co2e=318.0, life_years=5, utilisation_frac=0.5)
    found = emissions(
        0.0, 2.5 * YEAR_S, pue=1.0, intensity_gco2e_per_kwh=0.0, embodied=made, devices=8
    )
    assert found.embodied_gco2e == pytest.approx(8 * 318e3)
    assert found.total_gco2e == pytest.approx(8 * 318e3)


def test_unknown_grid_and_unknown_energy_are_no_figure() -> None:
    made = Embodied(kg_co2e=181.0, life_years=5, utilisation_frac=1.0)
    nowhere = emissions(3.6e6, 1.0, pue=1.1, intensity_gco2e_per_kwh=None, embodied=made)
    assert nowhere.total_gco2e is None and "--region" in (nowhere.reason or "")
    assert nowhere.embodied_gco2e == pytest.approx(181e3 / (5 * YEAR_S))
    unmetered = emissions(None, 1.0, pue=1.1, intensity_gco2e_per_kwh=56.0)
    assert unmetered.total_gco2e is None and "energy" in (unmetered.reason or "")


def test_draws_go_through() -> None:
    found = emissions(
        np.array([[3.6e6], [7.2e6]]),
        np.ones(3),
        pue=np.array([[1.0], [2.0]]),
        intensity_gco2e_per_kwh=100.0,
        embodied=Embodied(kg_co2e=100.0, life_years=5, utilisation_frac=1.0),
    )
    assert np.asarray(found.total_gco2e).shape == (2, 3)
    assert np.asarray(found.operational_gco2e).ravel() == pytest.approx([100.0, 400.0])


@pytest.mark.parametrize("made", MADE.values(), ids=lambda m: m.name)
def test_every_preset_is_whole(made) -> None:  # type: ignore[no-untyped-def]
    assert 50 <= made.kg_co2e <= 1000
    assert made.source.strip() and made.covers.strip()
    assert (made.confidence == "low") == ("recalled" in made.source)
