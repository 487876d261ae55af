"""`hwbench compare`: what is slower, what may be the machine alone, what is not comparable."""

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hwbench import compare, compare_view, json_schema, ratio_tests, stats
from hwbench.cli import status_of
from hwbench.compare import Options
from hwbench.compared import Comparison, RatioOf
from hwbench.errors import BadInput, UnknownName
from hwbench.measurement import Measurement, Record
from tests.estimates import case, kept, machine, measured, record

__all__ = ["machine"]  # a fixture
pytestmark = pytest.mark.usefixtures("machine")

EVEN = (0.1,) * 5
DRIFT = 0.06  # from hour to hour
ROUGH = (0.1, 0.2, 0.1, 0.15, 0.12)  # the machine's own ups and downs


def held(*records: Record, **changes: Any) -> Comparison:
    """Return the comparison of records, the first the base."""
    paths = kept(Path("given"), *records)
    return compare.compare(Options(records=tuple(map(str, paths)), **changes))


def steps(*means_s: float, batch: int = 100, **changes: Any) -> Measurement:
    """Return the training of mlp with visits of these mean seconds, on a machine that drifts."""
    found = measured(case(batch, **changes), *means_s)
    assert found.wall_s is not None
    ahead = found.wall_s.predictive
    assert ahead.low and ahead.high and ahead.hours
    centre, minutes = math.sqrt(ahead.low * ahead.high), math.log(ahead.high / ahead.low) / 2
    half = math.exp(math.hypot(minutes, stats.normal_quantile(0.9) * DRIFT))
    hours = replace(ahead.hours, low=centre / half, high=centre * half)
    return replace(found, wall_s=replace(found.wall_s, predictive=replace(ahead, hours=hours)))


def only(done: Comparison) -> Any:
    """Return the only pair."""
    (pair,) = done.pairs
    return pair


def test_a_record_against_itself_is_the_same_to_the_bit() -> None:
    (path,) = kept(Path("given"), record(steps(*ROUGH), steps(*ROUGH, batch=50)))
    done = compare.compare(Options(records=(str(path), str(path))))
    for pair in done.pairs:
        assert (pair.ratio.low, pair.ratio.point, pair.ratio.high) == (1, 1, 1)
        assert pair.verdict == "same" and pair.p_value == 1
    assert done.summary[0].verdict == "same" and done.summary[0].counts["same"] == 2
    assert compare.status(done) == 0


@pytest.mark.parametrize(
    ("factor", "verdict", "status"),
    [(1.4, "slower", 1), (0.7, "faster", 0), (1.05, "ambiguous", 3), (1.0, "ambiguous", 3)],
)
def test_records_made_one_after_the_other_carry_the_machines_drift(
    factor: float, verdict: str, status: int
) -> None:
    # five even visits, and 6 % from hour to hour assumed: 5 % cannot be told from the machine
    done = held(record(steps(*EVEN)), record(steps(*(factor * s for s in EVEN))))
    pair = only(done)
    assert pair.verdict == verdict and compare.status(done) == status
    assert pair.ratio.point == pytest.approx(factor)
    half = math.log(pair.ratio.high / pair.ratio.low) / 2
    assert half == pytest.approx(1.96 * 0.06, rel=0.02)
    assert "6.0% of drift from hour to hour" in pair.basis


def test_cases_of_one_run_are_pairs_and_the_machines_drift_is_in_both() -> None:
    both = record(steps(*ROUGH), steps(*(1.05 * s for s in ROUGH), runtime="jax"))
    done = held(both, across=("runtime",))
    pair = only(done)
    # every two cases once, in the order of their ids: jax is the base
    assert pair.base.split("/")[4] == "jax" and pair.other.split("/")[4] == "torch"
    assert pair.ratio.point == pytest.approx(1 / 1.05)
    assert pair.ratio.high - pair.ratio.low < 1e-6
    assert pair.verdict == "faster" and "rounds that visited both" in pair.basis
    assert not done.not_comparable


def test_across_holds_cases_of_two_records_against_each_other() -> None:
    torch = record(steps(*EVEN), steps(*EVEN, batch=50))
    jax = record(steps(*(2 * s for s in EVEN), runtime="jax"))
    done = held(torch, jax, across=("runtime",))
    assert only(done).ratio.point == pytest.approx(2) and only(done).verdict == "slower"
    assert [n.id for n in done.not_comparable] == [case(50).id]
    halves = held(record(steps(*EVEN)), record(steps(*EVEN, batch=50)), across=("batch",))
    assert only(halves).ratio.point == pytest.approx(2)  # an item takes twice as long


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (replace(steps(*EVEN), version=2), "version 1 of mlp in the base, 2 in the other"),
        (steps(*EVEN, batch=50), "the nearest of the other has batch 100 against 50"),
        (steps(*EVEN, dtype="bfloat16"), "dtype float32 against bfloat16"),
        (
            replace(steps(*EVEN), status="failed", reason="out of memory", wall_s=None),
            "failed in the other: out of memory",
        ),
        (replace(steps(*EVEN), verdict="implausible"), "implausible in the other"),
    ],
)
def test_what_is_not_the_same_measurement_is_listed_with_the_reason(
    other: Measurement, said: str
) -> None:
    kernel = steps(*EVEN, name="lstm")
    done = held(record(steps(*EVEN), kernel), record(other, kernel))
    assert len(done.pairs) == 1
    assert any(said in n.reason for n in done.not_comparable)


def test_threads_that_differ_are_not_comparable_on_a_processor() -> None:
    base = record(steps(*EVEN))
    more = replace(base, protocol=replace(base.protocol, threads=base.protocol.threads + 2))
    with pytest.raises(BadInput, match="threads in the base"):
        held(base, more)


def test_many_equal_cases_are_seldom_called_different() -> None:
    # Holm over 40: one p of 0.01 among them is no finding
    adjusted = ratio_tests.holm([0.01, *[0.5] * 39])
    assert adjusted[0] == pytest.approx(0.4)
    # worked by hand: 4 x 0.005, 3 x 0.01, 2 x 0.03, and never below the one before
    assert ratio_tests.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_the_tail_of_students_distribution_is_scipys() -> None:
    scipy = pytest.importorskip("scipy.stats")
    for freedom in (1, 2, 3, 4, 7, 30, 200):
        for t in (0.0, 0.5, 2.0, 4.0):
            assert stats.student_tail(t, freedom) == pytest.approx(
                scipy.t.sf(t, freedom), abs=1e-12
            )


def pair_of(base: Sequence[float], other: Sequence[float]) -> ratio_tests.Ln:
    """Return the ratio of two cases of one run."""
    found = ratio_tests.of_pair(steps(*base), steps(*other, runtime="jax"))
    assert found is not None
    return found


def test_of_equal_sides_one_in_twenty_has_a_small_p_value() -> None:
    numpy = pytest.importorskip("numpy")
    rng = numpy.random.default_rng(7)
    drift = numpy.exp(rng.normal(0, 0.1, (1000, 5)))
    sides = [0.1 * drift * numpy.exp(rng.normal(0, 0.03, (1000, 5))) for _ in range(2)]
    found = 0
    for base, other in zip(*sides, strict=True):
        logs = numpy.log(other / base)
        error = float(logs.std(ddof=1) / math.sqrt(5))
        ln = ratio_tests.Ln(
            point=float(logs.mean()), error=error, freedom=4, sampling=error, drift=0, basis=""
        )
        found += ratio_tests.p_value(ln) < 0.05
    assert 30 <= found <= 70
    one = pair_of(sides[0][0].tolist(), sides[1][0].tolist())
    logs = numpy.log(sides[1][0] / sides[0][0])
    assert one.point == pytest.approx(float(logs.mean()))
    assert one.error == pytest.approx(float(logs.std(ddof=1) / math.sqrt(5)))


def test_the_geometric_mean_keeps_the_drift_that_all_cases_share() -> None:
    base = record(*(steps(*EVEN, batch=b) for b in (50, 100, 200)))
    other = record(
        *(steps(*(f * s for s in EVEN), batch=b) for b, f in ((50, 2), (100, 1), (200, 4)))
    )
    done = held(base, other)
    mean = done.summary[0].geometric_mean
    assert mean.point == pytest.approx(2.0)  # (2 x 1 x 4) ** (1/3)
    assert math.log(mean.high / mean.low) / 2 == pytest.approx(1.96 * 0.06, rel=0.02)


@pytest.mark.parametrize(
    ("low", "point", "high", "p", "verdict"),
    [
        (1.01, 1.02, 1.03, 0.001, "same"),  # it is there, and does not matter
        (0.99, 1.02, 1.05, 0.4, "ambiguous"),
        (1.04, 1.06, 1.08, 0.001, "slower"),
        (1.04, 1.06, 1.08, 0.2, "ambiguous"),  # not after so many cases
        (0.90, 0.92, 0.94, 0.001, "faster"),
        (0.98, 1.00, 1.02, 0.9, "same"),
    ],
)
def test_a_verdict_needs_a_difference_that_is_there_and_matters(
    low: float, point: float, high: float, p: float, verdict: str
) -> None:
    ratio = RatioOf(point=point, low=low, high=high, level=0.95)
    assert ratio_tests.verdict(ratio, p, 0.03) == verdict


def test_prices_make_a_ratio_of_dollars() -> None:
    base, other = record(steps(*EVEN)), record(steps(*(0.5 * s for s in EVEN)))
    assert "its price is not known" in only(held(base, other)).reasons["cost_ratio"]
    done = held(base, other, usd_per_h=(1.0, 4.0))
    assert only(done).cost_ratio.point == pytest.approx(2)  # half the time, four times the price
    assert "$" in compare_view.text(done)
    with pytest.raises(BadInput, match="1 times --usd-per-h for 2 records"):
        held(base, other, usd_per_h=(1.0,))


def test_meters_make_a_ratio_of_joules_where_they_cover_the_same() -> None:
    base, other = metered(50.0), metered(100.0)
    ratio = only(held(base, other, level=0.9)).energy_ratio
    assert ratio.point == pytest.approx(2) and ratio.level == 0.9
    # 5 % either way on each side at 95 %, in quadrature, at the level that is asked for
    half = math.hypot(math.log(1.05), math.log(1.05)) * 1.6449 / 1.96
    assert math.log(ratio.high / ratio.low) / 2 == pytest.approx(half, rel=1e-3)
    pair = only(held(base, metered(100.0, level=None)))
    assert pair.energy_ratio is None and "its range is no interval" in pair.reasons["energy_ratio"]
    pair = only(held(base, metered(100.0, parts=("gpu",))))
    assert (
        pair.energy_ratio is None and "of cpu in the base, of gpu" in pair.reasons["energy_ratio"]
    )


def metered(watts: float, level: float | None = 0.95, parts: Sequence[str] = ("cpu",)) -> Record:
    """Return a record whose energy is known to 5 %."""
    found = measured(case(100), *EVEN, watts=(watts, 10.0), parts=parts)
    e = found.energy_j
    assert e is not None
    band = replace(e, low=e.point / 1.05, high=e.point * 1.05, level=level)
    return record(replace(found, energy_j=band))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"across": ("runtme",)}, "did you mean runtime"),
        ({"threshold": -0.1}, "--threshold -0.1"),
        ({"level": 1.0}, "--level 1"),
        ({"only": ("kernel/*",)}, "no case by --only kernel/"),
        ({"usd_per_h": (0.0, 1.0)}, "a price is above 0"),
    ],
)
def test_wrong_use_is_one_clear_line(changes: dict[str, Any], said: str) -> None:
    with pytest.raises((BadInput, UnknownName), match=said):
        held(record(steps(*EVEN)), record(steps(*EVEN)), **changes)


def test_nothing_in_common_and_failures_alone_say_so() -> None:
    failed = replace(steps(*EVEN), status="failed", reason="no memory", wall_s=None)
    with pytest.raises(BadInput, match="failed in the other: no memory"):
        held(record(steps(*EVEN)), record(failed))
    with pytest.raises(BadInput, match="only in the base"):
        held(record(steps(*EVEN)), record(steps(*EVEN, name="lstm")))
    with pytest.raises(BadInput, match="one record alone"):
        held(record(steps(*EVEN)))


def test_globs_are_records_in_the_order_of_their_names() -> None:
    kept(Path("given"), *(record(steps(*(f * s for s in EVEN))) for f in (1, 2, 3)))
    done = compare.compare(Options(records=("given/r*.json",)))
    assert [round(p.ratio.point) for p in done.pairs] == [2, 3] and len(done.summary) == 2
    with pytest.raises(BadInput, match="no file matches"):
        compare.compare(Options(records=("given/x*.json",)))


def test_the_command_prints_a_table_and_exits_by_its_answer(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    cases = [(50, "inference"), (50, "training"), (100, "inference"), (100, "training")]
    sides = [
        record(*(measured(case(b, phase), *(f * s for s in EVEN)) for b, phase in cases))
        for f in (1.0, 1.5)
    ]
    base, other = map(str, kept(Path("given"), *sides))
    assert status_of(["compare", base, base]) == 0
    capsys.readouterr()
    assert status_of(["compare", base, other, "--out", "kept.json"]) == 1
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= 80
    assert out.count("- slower") == 4 and "geometric mean of 4: 1.500" in out
    assert status_of(["compare", other, base, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (
        told["schema"] == "hwbench.compare/1" == json.loads(Path("kept.json").read_text())["schema"]
    )
    assert {"id", "base", "other", "ratio", "verdict"} <= set(told["pairs"][0])
    assert status_of(["compare", base, base, "--out", "kept.json"]) == 2
    assert "exists: --force writes over it" in capsys.readouterr().err
    assert status_of(["compare", base, base, "--out", "kept.json", "--force"]) == 0
    assert status_of(["compare", base, "missing.json"]) == 2
    assert status_of(["compare", base, other, "--across", "runtime,nonsense"]) == 2


def test_the_published_schema_is_that_of_the_comparison() -> None:
    published = Path(__file__).parent.parent / "docs" / "compare.schema.json"
    assert published.read_text() == json_schema.published("compare"), (
        "run: python -m hwbench.json_schema compare > docs/compare.schema.json"
    )


def test_a_strangers_strings_do_no_harm_in_text_and_markdown(
    capsys: pytest.CaptureFixture[str],
) -> None:
    bad = "<script>alert(1)</script>|`x`\x1b[31m\u202e[l](http://e.vil)"
    evil = replace(steps(*EVEN), reason=bad, status="failed", wall_s=None)
    good = steps(*EVEN, batch=50)
    sides = record(steps(*EVEN), good), record(evil, good)
    named = [replace(r, created_utc=r.created_utc, hwbench_version=bad) for r in sides]
    base, other = map(str, kept(Path("given"), *named))
    for more in ([], ["--markdown"]):
        status_of(["compare", base, other, *more])
        out = capsys.readouterr().out
        assert "\x1b" not in out and "\u202e" not in out
        if more:
            assert "<script>" not in out and "](http://" not in out and "\\|\\`x\\`" in out
