"""`hwbench plot`: figures as data, in a terminal, as files and as numbers."""

import csv
import io
import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hwbench import (
    chart_figure,
    chart_numbers,
    chart_text,
    codec,
    estimate_view,
    growing,
    plot,
    registry,
)
from hwbench.chart import Axis, Chart, Mark, Series
from hwbench.cli import status_of
from hwbench.errors import BadInput, UnknownName
from hwbench.estimated import EstimateFile
from hwbench.growing import Way
from tests import fakes
from tests.estimates import (
    asked,
    case,
    kept,
    loader_known,
    machine,
    measured,
    money,
    record,
    resnet,
    simple,
)

__all__ = ["machine"]  # a fixture
pytestmark = pytest.mark.usefixtures("machine")


def file_of(made: EstimateFile, name: str = "e.json") -> Path:
    """Write an estimate."""
    path = Path(name)
    path.write_text(json.dumps(codec.encode(made)))
    return path


def estimate(**changes: Any) -> Path:
    """Write the estimate of ResNet-50 on an A100 here, and on two rented machines."""
    loader_known(1e-9, workload="resnet50")
    usual: dict[str, Any] = {
        "workload": "resnet50",
        "on": ("machine", "aws:p4d.24xlarge", "aws:g5.xlarge"),
        "curve_sizes": 9,
        "deadline_s": 3600.0,
        "budget_usd": 5.0,
    }
    return file_of(asked(resnet(), **(usual | changes)))


def lines(chart: Chart) -> dict[str, Series]:
    """Return the series by name."""
    return {s.name: s for s in chart.series}


def test_every_kind_is_in_the_registry_and_says_what_it_takes() -> None:
    shelf = registry.charts()
    assert not shelf.broken
    assert set(shelf.items) >= {"cost", "time", "energy", "pareto", "roofline", "latency", "batch"}
    for kind in shelf.items.values():
        assert kind.takes and set(kind.takes) <= {
            "record",
            "estimate",
            "shortcuts",
            "power",
            "inspection",
            "serving",
        }


def test_the_curves_of_a_figure_are_the_files_own() -> None:
    path = estimate()
    (chart,) = plot.charts("time", [path])
    rows = json.loads(path.read_text())["rows"]
    for row in rows:
        line = lines(chart)[f"{row['instance']} {row['purchase']}"]
        assert list(line.x) == row["curve"]["samples"]
        assert list(line.y) == row["curve"]["time_s"]
        assert list(line.low) == row["curve"]["time_s_low"]
    assert Mark(text="plan: 10,000", x=10_000) in chart.marks
    (cost,) = plot.charts("cost", [path])
    assert all("this machine" not in name for name in lines(cost))  # its price is not known


def test_what_a_file_lacks_is_one_line_with_the_command_that_makes_it() -> None:
    loader_known(1e-9)
    path = file_of(asked(simple(0.1, 100)))
    with pytest.raises(BadInput, match=r"holds no energy_j: .*hwbench estimate"):
        plot.charts("energy", [path])
    with pytest.raises(BadInput, match="no way has a time and a cost"):
        plot.charts("pareto", [path])
    (made,) = kept(Path("given"), simple(0.1, 100))
    with pytest.raises(BadInput, match="takes one of `hwbench estimate --out`"):
        plot.charts("cost", [made])
    for kind, said in (("batch", "--batch-size"), ("roofline", "kernel"), ("latency", "scenario")):
        with pytest.raises(BadInput, match=said):
            plot.charts(kind, [made])
    with pytest.raises(UnknownName, match="did you mean cost"):
        plot.charts("csot", [path])
    Path("x.json").write_text("{}")
    with pytest.raises(BadInput, match="is no record, estimate or comparison"):
        plot.charts("cost", [Path("x.json")])


def test_where_another_way_becomes_the_least_is_marked() -> None:
    sizes = (10, 100, 1000)
    steep = Way(name="steep", samples=sizes, point=(1.0, 10.0, 100.0), low=(), high=())
    flat = Way(name="flat", samples=sizes, point=(5.0, 5.0, 5.0), low=(), high=())
    (mark,) = growing.crossings([steep, flat])
    assert mark.x == pytest.approx(50) and mark.y == pytest.approx(5)
    assert mark.text == "flat from 50"
    assert growing.crossings([flat]) == ()
    gap = Way(name="gap", samples=sizes, point=(None, 1.0, None), low=(), high=())
    assert growing.crossings([flat, gap]) == ()


def test_the_frontier_and_the_limits_of_time_against_cost() -> None:
    path = estimate()
    (chart,) = plot.charts("pareto", [path])
    rows = [r for r in json.loads(path.read_text())["rows"] if r["cost_usd"]]
    best = sorted((r["time_s"]["point"], r["cost_usd"]["point"]) for r in rows if r["pareto"])
    assert len(best) > 1  # a dear fast machine and a cheap slow one
    frontier = lines(chart)["frontier"]
    assert list(zip(frontier.x, frontier.y, strict=True)) == best
    assert {s.faint for s in chart.series if s.style == "points"} <= {True, False}
    assert {(r.axis, r.beyond) for r in chart.regions} == {("x", 3600.0), ("y", 5.0)}
    assert any("1 of 3 ways lack" in n for n in chart.notes)


def test_batches_of_one_case_are_a_line_of_throughput_and_one_of_time() -> None:
    (path,) = kept(
        Path("given"), record(*(measured(case(b), 0.01 + 0.001 * b) for b in (10, 40, 20)))
    )
    rate, time = plot.charts("batch", [path])
    (line,) = rate.series
    assert line.x == (10, 20, 40)
    assert line.y == pytest.approx([b / (0.01 + 0.001 * b) for b in (10, 20, 40)])
    assert time.series[0].y == pytest.approx([0.02, 0.03, 0.05])


def test_percentiles_stand_a_nine_apart_and_end_where_the_samples_do() -> None:
    latency = {"p50": 0.010, "p90": 0.011, "p99": 0.02, "p99.9": None}
    of = replace(measured(case(1, "inference"), 0.01), latency_s=latency)
    (path,) = kept(Path("given"), record(of))
    (chart,) = plot.charts("latency", [path])
    (line,) = chart.series
    assert line.x == pytest.approx([-math.log10(0.5), 1, 2]) and line.y == (0.010, 0.011, 0.02)
    assert chart_text.say("share", 2.0) == "99%" and chart_text.say("share", 3.0) == "99.9%"


def test_kernels_lie_under_the_roofs_of_their_record() -> None:
    gemm = measured(fakes.GEMM, 0.01)
    small = replace(gemm, name="gelu", id=gemm.id.replace("gemm", "gelu"))
    small = replace(
        small, work=replace(small.work, flops_per_iteration=10, bytes_per_iteration=1000)
    )
    stream = replace(
        gemm,
        name="triad",
        id=gemm.id.replace("gemm", "triad"),
        bytes_per_s=replace(gemm.flops_per_s, point=5e9, low=4e9, high=6e9),  # type: ignore[type-var]
    )
    (path,) = kept(Path("given"), record(gemm, small, stream))
    (chart,) = plot.charts("roofline", [path])
    roof = lines(chart)["measured roofs"]
    top = max(y for y in roof.y if y)
    assert gemm.flops_per_s is not None and top == gemm.flops_per_s.point
    for x, y in zip(roof.x, roof.y, strict=True):
        assert x is not None and y == pytest.approx(min(top, 5e9 * x))
    assert roof.x[1] == pytest.approx(top / 5e9)  # the ridge
    assert lines(chart)["gelu, torch"].x == (0.01,)


CHART = Chart(
    title="a title",
    x=Axis(label="samples", format="count"),
    y=Axis(label="cost, USD", format="usd"),
    series=(
        Series(name="=cmd()", x=(10, 100, 1000), y=(1.0, 10.0, 100.0), low=(0.9, 9.0, 90.0),
               high=(1.1, 11.0, 110.0)),
        Series(name="flat", x=(10, 100, 1000), y=(5.0, None, 5.0)),
    ),
    notes=("a note",),
)  # fmt: skip


def test_names_at_the_ends_of_lines_stand_apart_and_near_their_ends() -> None:
    assert chart_figure.apart([0.0, 1.0, 2.0], 0.5) == [0.0, 1.0, 2.0]
    # three at one place: the middle one stays, the others give way alike
    assert chart_figure.apart([1.0, 1.0, 1.0], 0.5) == pytest.approx([0.5, 1.0, 1.5])
    found = chart_figure.apart([0.0, 0.1, 5.0], 1.0)
    assert found == pytest.approx([-0.45, 0.55, 5.0])


def test_the_numbers_behind_a_figure_are_no_formulas() -> None:
    rows = list(csv.reader(io.StringIO(chart_numbers.text([CHART]))))
    assert rows[0][:4] == ["panel", "series", "samples", "cost, USD"]
    assert rows[1] == ["a title", "'=cmd()", "10", "1", "0.9", "1.1", "", ""]
    assert rows[5] == ["a title", "flat", "100", "", "", "", "", ""]
    assert chart_numbers.safe("@x\x1b[31m") == "'@x[31m"


def test_a_terminal_shows_the_lines_where_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    told = chart_text.text([CHART]).splitlines()
    assert max(map(len, told)) <= 80
    grid = [line.partition("|")[2] for line in told if "|" in line]
    assert len(grid) == chart_text.ROWS
    assert grid[-1].startswith("a") and grid[0].rstrip().endswith("a")  # 1 at 10, 100 at 1000
    assert told[1].split("|")[0].strip() == "$100"
    assert "a  =cmd(): $100 at 1k" in told and "b  flat: $5.00 at 1k" in told
    assert any("samples across, cost, USD up" in line for line in told)


def test_the_command_draws_in_the_terminal_or_into_files(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("matplotlib")
    monkeypatch.setenv("COLUMNS", "80")
    path = str(estimate())
    assert status_of(["plot", "time", path]) == 0
    out = capsys.readouterr().out
    assert "time of training resnet50" in out and max(map(len, out.splitlines())) <= 80
    assert status_of(["plot", "time", path, "-o", "t.svg", "--csv", "t.csv"]) == 0
    assert capsys.readouterr().out.split() == ["t.csv", "t.svg"]
    first = Path("t.svg").read_bytes()
    assert status_of(["plot", "time", path, "-o", "t.svg"]) == 2
    assert "--force writes over it" in capsys.readouterr().err
    assert status_of(["plot", "time", path, "-o", "t.svg", "--force"]) == 0
    assert Path("t.svg").read_bytes() == first  # the same figure has the same bytes
    assert status_of(["plot", "time", path, "-o", "d.svg", "--dark"]) == 0
    assert b"#16181d" in Path("d.svg").read_bytes().lower()
    for name in ("t.png", "t.pdf"):
        twice = []
        for _ in range(2):
            assert status_of(["plot", "pareto", path, "-o", name, "--force"]) == 0
            twice.append(Path(name).read_bytes())
        assert twice[0] == twice[1]
    assert status_of(["plot", "time", path, "-o", "t.gif"]) == 2
    assert "none of svg, png, pdf" in capsys.readouterr().err


def test_a_strangers_strings_do_no_harm_in_a_figure(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib")
    path = estimate()
    told = json.loads(path.read_text())
    told["rows"][1]["instance"] = "<script>alert(1)</script>\x1b[31m\u202e$x^{2}$"
    path.write_text(json.dumps(told))
    assert status_of(["plot", "time", str(path), "-o", "x.svg"]) == 0
    assert b"<script>" not in Path("x.svg").read_bytes()
    capsys.readouterr()
    assert status_of(["plot", "time", str(path)]) == 0
    out = capsys.readouterr().out
    assert "\x1b" not in out and "\u202e" not in out


def owned_and_rented(**changes: Any) -> Path:
    """Write the estimate of a machine that is owned, and rented by the hour."""
    loader_known(1e-9)
    said = money(usd_per_h=2.0, purchase_usd=10_000.0, residual_frac=0.3, years=3.0)
    usual: dict[str, Any] = {
        "samples": 1_000_000,
        "purchases": ("owned", "on-demand"),
        "electricity_usd_per_kwh": 0.25,
        "pue": 1.0,
        "money": said,
    }
    made = asked(simple(0.1, 100, watts=(400.0, 100.0)), **(usual | changes))
    return file_of(made, "owned.json")


def test_break_even_is_where_both_lines_meet_by_hours_and_by_use() -> None:
    over_hours, over_use = plot.charts("break-even", [owned_and_rented()])
    owned, rented = over_hours.series
    (mark,) = over_hours.marks
    # 7,000 USD of purchase less residual over 2.00 - 0.10 USD an hour
    assert mark.x == pytest.approx(7000 / 1.9, rel=1e-4)
    assert mark.y == pytest.approx(2.0 * 7000 / 1.9, rel=1e-4)
    i = 20
    assert owned.y[i] == pytest.approx(7000 + 0.1 * owned.x[i], rel=1e-3)  # type: ignore[operator]
    assert rented.y[i] == pytest.approx(2.0 * rented.x[i], rel=1e-3)  # type: ignore[operator]
    assert over_hours.regions[0].beyond == pytest.approx(3 * 8766, rel=0.01)
    owned, rented = over_use.series
    (mark,) = over_use.marks
    u = mark.x
    assert u is not None
    # a used hour: capital by the hours of a year at u, and idle power for the rest of them
    per_year = 7000 / 3
    assert per_year / (8760 * u) + 0.1 + 0.025 * (1 - u) / u == pytest.approx(2.0, rel=2e-3)
    assert all(a <= b <= c for a, b, c in zip(owned.low, owned.y, owned.high, strict=True))  # type: ignore[operator]
    told = " ".join(chart_text.text((over_hours, over_use)).split())
    assert "equal at 3,684 h of use" in told and "equal at 0.151 of all hours" in told
    assert "on-demand at 2 USD/h, for the same work" in told
    svg = [chart_figure.picture((over_hours, over_use), "svg", chart_text.say) for _ in range(2)]
    assert svg[0] == svg[1]


def test_break_even_without_an_owned_machine_says_what_makes_it() -> None:
    with pytest.raises(BadInput, match="--purchase owned --purchase on-demand"):
        plot.charts("break-even", [estimate()])
    with pytest.raises(BadInput, match="no machine that is owned"):
        plot.charts("break-even", [owned_and_rented(purchases=("on-demand",))])


def test_a_language_models_dataset_is_drawn_in_tokens() -> None:
    of = case(8, name="gpt2_small", shape={"seq": 256})
    made = asked(
        record(measured(of, 0.5)), workload="gpt2_small", samples=None, tokens=10_000_000,
        epochs=1.0,
    )  # fmt: skip
    seq = registry.networks()["gpt2_small"].variant.config["seq"]
    assert made.plan.tokens_per_sample == seq and made.plan.samples == 10_000_000 // seq
    (chart,) = plot.charts("time", [file_of(made)])
    assert chart.x.label == "tokens of the dataset"
    row = made.rows[0]
    assert row.curve is not None
    assert list(chart.series[0].x) == [n * seq for n in row.curve.samples]
    assert chart.marks[0].text == f"plan: {made.plan.samples * seq:,}"
    said = estimate_view.text(made)
    assert f"{made.plan.samples:,} samples of {seq} tokens, 10.0 M in all" in said
    assert "tokens/s" in said
