import pytest

from hwbench import render
from hwbench.errors import one_line
from hwbench.estimate_value import Estimate, reciprocal


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        (3.21e-7, "0.321 us"),
        (4.5e-5, "45.0 us"),
        (0.0123, "12.3 ms"),
        (1.0, "1.00 s"),
        (119.4, "119 s"),
        (725.0, "12 min"),
        (9000.0, "2.5 h"),
    ],
)
def test_times_are_as_people_say_them(value: float | None, text: str) -> None:
    assert render.seconds(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        (1.83e11, "183 GFLOP/s"),
        (2.047e12, "2.05 TFLOP/s"),
        (9.89e14, "989 TFLOP/s"),
        (1.5e3, "1.50 kFLOP/s"),
        (0.25, "0.250 FLOP/s"),
        (0.0, "0 FLOP/s"),
    ],
)
def test_rates_have_decimal_prefixes(value: float | None, text: str) -> None:
    assert render.prefixed(value, "FLOP/s") == text


def test_counts_are_in_full_below_a_hundred_thousand() -> None:
    assert render.count(41401.4) == "41,401"
    assert render.count(509_123.0) == "509 k"
    assert render.count(7.4567) == "7.46"


def test_bytes_are_in_gib() -> None:
    assert render.gib(24 * 1024**3) == "24.0 GiB"
    assert render.gib(None) == "-"


def test_an_interval_is_half_its_width_in_percent() -> None:
    assert render.spread(Estimate(point=100.0, low=97.0, high=103.0)) == "±3.0%"
    assert render.spread(Estimate(point=100.0, low=60.0, high=140.0)) == "±40%"


def test_a_rate_from_a_time_exchanges_the_bounds() -> None:
    rate = reciprocal(12, Estimate(point=3.0, low=2.0, high=4.0, level=0.9))
    assert (rate.point, rate.low, rate.high, rate.level) == (4.0, 3.0, 6.0, 0.9)


def test_a_table_is_plain_text_with_figures_to_the_right() -> None:
    text = render.table(("name", "rate"), [("a", "1.00"), ("b", "1,000")])
    lines = text.splitlines()
    assert [line.split() for line in (lines[0], *lines[2:])] == [
        ["name", "rate"],
        ["a", "1.00"],
        ["b", "1,000"],
    ]
    assert lines[2].endswith(" 1.00") and len(lines[2]) == len(lines[3])


def test_text_from_a_record_cannot_colour_or_style_a_table() -> None:
    text = render.table(("name",), [("\x1b[31mred\x1b[0m",), ("[bold]loud[/bold]",), ("be\a\bll",)])
    assert "\x1b" not in text
    assert "[bold]loud[/bold]" in text
    assert "bell" in text


def test_what_a_library_says_becomes_one_plain_line() -> None:
    assert one_line("\x1b[1;31mE:\x1b[m a\tbad\r\n\n  thing\a\x00 ") == "E: a bad thing"
    assert one_line("x" * 500) == "x" * 297 + "..."
    assert one_line("") == ""
