import pytest

from hwbench import quantity
from hwbench.errors import BadInput


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 90.0),
        ("90s", 90.0),
        ("250ms", 0.25),
        ("15min", 900.0),
        ("2m", 120.0),
        ("24h", 86400.0),
        ("1.5h", 5400.0),
        ("3d", 259200.0),
        (" 1E3 S ", 1000.0),
    ],
)
def test_a_duration_is_in_seconds(text: str, seconds: float) -> None:
    assert quantity.duration_s(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "s", "0", "-5s", "5 weeks", "nan", "inf", "1e999", "1h30"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(BadInput) as told:
        quantity.duration_s(text)
    assert repr(text) in str(told.value)
    assert told.value.exit_code == 2


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("32", 32),
        ("50k", 50_000),
        ("1.28M", 1_280_000),
        ("1_000", 1000),
        ("0.3k", 300),
        ("2G", 2 * 10**9),
        ("1.5T", 1_500_000_000_000),
        ("1e6", 1_000_000),
    ],
)
def test_a_count_is_a_whole_number(text: str, number: int) -> None:
    found = quantity.count(text)
    assert (found, type(found)) == (number, int)


@pytest.mark.parametrize("text", ["", "k", "0", "-3", "1.5", "1.0005k", "nan", "inf", "10%", "5x"])
def test_what_is_no_count_is_refused(text: str) -> None:
    with pytest.raises(BadInput) as told:
        quantity.count(text)
    assert repr(text) in str(told.value)


def test_a_size_of_images_is_its_pixels() -> None:
    assert quantity.pixels("500x375") == (500, 375)
    assert quantity.pixels(" 4000X3000 ") == (4000, 3000)


@pytest.mark.parametrize(
    "text", ["", "500", "x", "500x", "-1x5", "0x5", "5x9000", "5x5x5", "1.5x2"]
)
def test_what_is_no_size_of_images_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match="no size of an image"):
        quantity.pixels(text)
