"""Carbon intensity and electricity prices by region, and the presets."""

import math
from dataclasses import replace
from datetime import date

import pytest

from hwbench import catalog_check, grid, presets
from hwbench.errors import BadInput, UnknownName


def test_every_row_states_its_year_source_and_date() -> None:
    for r in grid.rows():
        assert r.year[:4].isdecimal() and 2015 < int(r.year[:4]) <= 2026, r.code
        assert len(r.source) > 8 and r.date <= date(2026, 11, 23), r.code
        for t in r.tariffs:
            assert len(t.source) > 8 and t.confidence in ("medium", "low"), r.code
    assert len(grid.rows()) >= 150


@pytest.mark.parametrize(
    ("asked", "code", "gco2e"),
    [
        ("FR", "FR", 44),
        ("fra", "FR", 44),
        ("France", "FR", 44),
        ("us-east-1", "aws:us-east-1", 379.1),
        ("aws:us-east-1", "aws:us-east-1", 379.1),
        ("GCP:europe-west4", "gcp:europe-west4", 236),
        ("westeurope", "azure:westeurope", 328.4),
        ("Paris", "gcp:europe-west9", 34),
        ("us-va", "US-VA", 369.1),
        ("world", "WORLD", 473),
    ],
)
def test_a_region_is_found_by_its_code_or_name(asked: str, code: str, gco2e: float) -> None:
    found = grid.row(asked)
    assert (found.code, found.gco2e_per_kwh) == (code, gco2e)


def test_what_is_ambiguous_is_not_guessed() -> None:
    """Two sources tell 700 and 360 gCO2e/kWh of Hong Kong."""
    with pytest.raises(BadInput, match=r"stands for several: HK .*gcp:asia-east2") as told:
        grid.row("Hong Kong")
    assert "\n" not in str(told.value)
    assert grid.row("HK").gco2e_per_kwh == 699.5


@pytest.mark.parametrize(
    ("asked", "near"), [("Frnace", "France"), ("us-east-11", "us-east-1"), ("", "there are")]
)
def test_an_unknown_region_offers_near_ones(asked: str, near: str) -> None:
    with pytest.raises(UnknownName, match=near):
        grid.row(asked)


def test_a_price_that_is_not_known_is_none_at_all() -> None:
    assert grid.row("aws:us-east-1").tariffs == ()
    (household, business) = grid.row("FR").tariffs
    assert (household.buyer, household.usd_per_kwh) == ("household", 0.316)
    assert (business.buyer, business.usd_per_kwh) == ("business", 0.166)


def test_the_shipped_rows_are_plausible_and_a_wrong_one_is_caught() -> None:
    assert catalog_check.of_grid(grid.rows()) == ()
    france = grid.row("FR")
    (double,) = catalog_check.of_grid([france, france])
    assert "more than once" in double.what
    kilograms = replace(france, gco2e_per_kwh=44e3)
    cents = replace(france, tariffs=(replace(france.tariffs[0], usd_per_kwh=31.6),))
    for wrong in (kilograms, cents):
        assert [p.where for p in catalog_check.of_grid([wrong])] == ["FR"]


@pytest.mark.parametrize(
    ("name", "f"), [("advisor-5", 0.05), ("advisor-10", 0.1), ("advisor-20", 0.2)]
)
def test_an_advisors_band_becomes_the_rate_that_interrupts_that_share(name: str, f: float) -> None:
    rate = presets.interruption(name)
    assert rate.unit == "1/h"
    assert 1 - math.exp(-rate.value * 730) == pytest.approx(f)


def test_presets_are_those_of_the_literature() -> None:
    assert presets.pue("enterprise").value == 1.54
    assert presets.pue("desk").value == 1.0
    assert [presets.interruption(n).value for n in ("rare", "some", "often")] == [1e-3, 1e-2, 5e-2]
    assert (presets.storage("s3").value, presets.storage("gp3").value) == (0.023, 0.08)
    for kind in ("pue", "interruption", "storage"):
        for name in presets.names(kind):
            found = getattr(presets, kind)(name)
            assert found.source and found.date <= date(2026, 11, 23) and found.value > 0
    with pytest.raises(UnknownName, match="did you mean colo"):
        presets.pue("colos")
