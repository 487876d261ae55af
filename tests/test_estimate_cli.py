"""`hwbench estimate` as a user meets it: text, JSON, refusals in one line, exit statuses."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from hwbench import estimate_file, estimate_view, json_schema
from hwbench import run as verb
from hwbench.cli import status_of
from hwbench.errors import BadInput, BadRecord
from hwbench.estimated import EstimateFile
from tests.estimates import LoopCrew, asked, kept, money, resnet, simple
from tests.estimates import machine as machine

ROOT = Path(__file__).parent.parent
PLAN = ("--workload", "resnet50", "--samples", "1.28M", "--epochs", "90", "--no-measure")
SPOT = ("--purchase", "on-demand", "--purchase", "spot")
Ask = Callable[..., tuple[str, str]]


@pytest.fixture
def ask(machine: Path, capsys: pytest.CaptureFixture[str]) -> Ask:
    (path,) = kept(machine / "given", resnet(watts=(400.0, 60.0)))

    def asking(*arguments: str, status: int = 0) -> tuple[str, str]:
        assert status_of(["estimate", str(path), *arguments]) == status
        return capsys.readouterr()

    return asking


def _numbers(value: Any) -> list[float]:
    if isinstance(value, dict):
        return [n for v in value.values() for n in _numbers(v)]
    if isinstance(value, list):
        return [n for v in value for n in _numbers(v)]
    return [value] if isinstance(value, float) else []


def _strict(text: str) -> Any:
    def refuse(name: str) -> None:
        raise AssertionError(f"{name} in JSON")

    return json.loads(text, parse_constant=refuse)


def test_json_has_the_names_of_the_contract_and_nothing_else_is_on_stdout(ask: Ask) -> None:
    out, _ = ask(*PLAN, "--on", "aws:p5*", "--on", "machine", *SPOT, "--region", "FR", "--json")
    file = _strict(out)
    assert file["schema"] == "hwbench.estimate/1"
    assert {"workload", "samples", "epochs", "batch_size", "shortcut"} <= set(file["plan"])
    assert (file["plan"]["samples"], file["plan"]["shortcut"]) == (1_280_000, "from_scratch")
    for r in file["rows"]:
        assert {"instance", "purchase", "shortcut", "devices", "basis", "batch_size"} <= set(r)
        for name in ("time_s", "power_w", "energy_j", "cost_usd", "co2_gco2e"):
            if r[name] is None:
                assert r["reasons"][name]
            else:
                assert {"point", "low", "high", "level"} <= set(r[name])
                assert r[name]["low"] <= r[name]["point"] <= r[name]["high"]
        quantities = [
            f"{q}{b}" for q in ("time_s", "energy_j", "cost_usd") for b in ("", "_low", "_high")
        ]
        assert {"samples", *quantities} <= set(r["curve"])
        assert {"step_s", "loader_s"} <= set(r["terms"])
        parts = {"setup", "compile", "steps", "loader", "evaluation", "checkpoint", "preemption"}
        assert parts <= set(r["terms_total_s"])
        for a in r["assumptions"]:
            assert {"name", "value", "unit", "source", "date"} == set(a) and a["source"]
        assert {"fits_memory", "pareto", "meets_deadline", "meets_budget"} <= set(r)
    rented = [r for r in file["rows"] if r["price"]]
    assert rented and all(
        {"usd_per_h", "as_of", "source", "region"} <= set(r["price"]) for r in rented
    )
    costs = {"compute_usd", "storage_usd", "electricity_usd", "amortisation_usd"}
    assert all(costs == set(r["cost_terms"]) for r in rented)
    for best in ("by_time", "by_cost", "by_energy"):
        assert {"row", "indistinguishable", "probability"} <= set(file["best"][best])


def test_the_json_of_a_hopeless_run_has_no_infinity(ask: Ask) -> None:
    hopeless = ("--interruptions", "55", "--restart", "2h")
    out, _ = ask(*PLAN, "--on", "aws:*", "--on", "gcp:*", *SPOT, *hopeless, "--json")
    file = _strict(out)
    assert all(math.isfinite(n) for n in _numbers(file))
    never = [r for r in file["rows"] if r["purchase"] == "spot" and r["time_s"] is None]
    assert any("never done" in r["reasons"]["time_s"] for r in never)


@pytest.mark.parametrize("columns", [80, 120])
def test_the_text_keeps_within_the_terminal(
    columns: int, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    everything = ("--on", "all", *SPOT, "--region", "FR")
    out, _ = ask(*PLAN, *everything, "--deadline", "3d", "--confirm", "2")
    lines = out.splitlines()
    long = [x for x in lines if len(x) > columns and not x.startswith(estimate_view.COMMAND)]
    assert long == []
    file = json.loads(ask(*PLAN, *everything, "--json")[0])
    cheapest = min((r for r in file["rows"] if r["cost_usd"]), key=lambda r: r["cost_usd"]["point"])
    assert any(x.startswith(f"{cheapest['instance']} ") for x in lines)  # whole, not broken


def test_a_best_row_says_of_how_many_it_is_where_a_figure_is_not_known(ask: Ask) -> None:
    out, _ = ask(*PLAN, "--on", "machine", "--on", "aws:p4d.24xlarge")
    told = " ".join(out.split())
    assert "cheapest: aws:p4d.24xlarge on-demand" in told
    assert "to be it, of the 1 of 2 rows whose cost is known)" in told
    assert told.count("whose cost is known") == 1
    assert "rows whose time is known" not in told
    priced = (*PLAN, "--on", "machine", "--usd-per-h", "2", "--on", "aws:p4d.24xlarge")
    assert "rows whose cost is known" not in ask(*priced)[0]


def test_a_missing_figure_is_a_dash_with_a_footnote(ask: Ask) -> None:
    out, _ = ask(*PLAN, "--on", "machine", "--purchase", "on-demand")
    assert "-a" in out and "-a  this machine's price on-demand is not known" in out
    table, _, rest = out.partition("\n\ncheapest")[0].partition("──\n")
    assert table and rest


def test_every_mark_in_the_table_has_its_footnote(machine: Path) -> None:
    file = asked(simple(), purchases=("on-demand", "spot", "reserved", "owned"))
    text = estimate_view.text(file)
    reasons = {w for r in file.rows for w in r.reasons.values()}
    assert len(reasons) >= 5
    squeezed = " ".join(text.split())
    assert all(" ".join(reason.split()) in squeezed for reason in reasons)


def test_the_text_has_what_was_asked(ask: Ask) -> None:
    out, _ = ask(
        *PLAN, "--on", "aws:g5*", "--deadline", "24h", "--solve", "samples", "--confirm", "1"
    )
    for words in (
        "resnet50, 1,280,000 samples, 90 epochs, batch 64 a device",
        "the deadline with 90%",
        "most samples with the limits kept (90%):",
        "to confirm aws:g5",
        "with the epochs held,",
        "with the steps held",
        "its time is uncertain by: ",
        "its cost is uncertain by: ",
        "not measured here, and taken from:",
    ):
        assert words in " ".join(out.split()), words


def test_an_estimate_is_kept_and_read_back(ask: Ask, machine: Path) -> None:
    out, err = ask(*PLAN, "--on", "aws:p5*", "--json", "--out", "e.json")
    assert "kept in e.json" in err
    saved = estimate_file.load(machine / "e.json")
    assert isinstance(saved, EstimateFile)
    assert [r.instance for r in saved.rows] == [r["instance"] for r in json.loads(out)["rows"]]
    (machine / "e.json").write_text('{"schema": "hwbench.record/1"}')
    with pytest.raises(BadRecord, match=r"hwbench\.estimate/1"):
        estimate_file.load(machine / "e.json")


def test_the_published_schema_is_that_of_the_estimate(machine: Path) -> None:
    published = (ROOT / "docs" / "estimate.schema.json").read_text()
    assert published == json_schema.published("estimate"), (
        "run: python -m hwbench.json_schema estimate > docs/estimate.schema.json"
    )
    said = money(usd_per_h=2.0, spot_usd_per_h=1.0, interruptions="59", restart_s=7200.0)
    file = asked(simple(watts=(60.0, 20.0)), purchases=("spot", "owned"), money=said, region="FR")
    estimate_file.save(file, Path("e.json"))
    jsonschema.Draft202012Validator(json.loads(published)).validate(
        json.loads(Path("e.json").read_text())
    )


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("--workload resnet50 --samples 0 --epochs 1", "'0' is no count"),
        ("--workload resnet50 --samples -5 --epochs 1", "-5"),
        ("--workload resnet50 --samples 1k --epochs 0", "--epochs must be above 0"),
        ("--workload resnet50 --samples 1k --epochs 1 --budget -2", "--budget must be above 0"),
        (
            "--workload resnet50 --samples 1k --epochs 1 --batch-size 2k",
            "a batch of 2000 is larger",
        ),
        ("--workload resnet50 --samples 1k --epochs 1 --on p5.48xlrge", "did you mean p5.48xlarge"),
        ("--workload resnet5 --samples 1k --epochs 1", "did you mean resnet50"),
        ("--workload resnet50 --samples 1k --epochs 1 --deadline soon", "'soon' is no duration"),
        ("--workload resnet50 --samples 1k --epochs 1 --solve speed", "'speed'"),
        ("--workload resnet18 --samples 1k --epochs 1", "no training of resnet18"),
        ("--workload resnet50 --samples 1k --epochs 1 --catalog none.csv", "none.csv"),
        ("--workload resnet50 --samples 1k --epochs 1 --out .", "--out .: is a folder"),
        ("--samples 1k --epochs 1", "'--workload'"),
    ],
)
def test_wrong_use_exits_2_with_one_line(line: str, told: str, ask: Ask) -> None:
    out, err = ask(*line.split(), "--no-measure", status=2)
    assert told in err and out == ""
    assert err.startswith("hwbench: ") and err.count("\n") == 1


def test_what_is_measured_first_is_said_on_stderr(
    machine: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from hwbench import estimate as estimating

    real = estimating.estimate
    crew = LoopCrew()
    monkeypatch.setattr(estimating, "estimate", lambda r, progress: real(r, progress, crew.spawn))
    arguments = ["--workload", "mlp", "--samples", "1M", "--epochs", "1", "--json"]
    assert status_of(["estimate", *arguments]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["rows"][0]["basis"] == "measured"
    assert "measuring it now" in err and "measuring the loader" in err


def _limit(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> float | None:
    found: list[float | None] = []

    def plan(options: verb.Options) -> Any:
        found.append(options.selection.max_seconds)
        raise BadInput("that is enough")

    monkeypatch.setattr(verb, "make_plan", plan)
    assert status_of(["run", "--dry-run", *arguments]) == 2
    return found[0] if found else None


def test_a_run_on_a_rented_machine_stops_at_what_it_may_cost(
    machine: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    money_is = ("--max-usd", "0.5", "--usd-per-h", "6")
    assert _limit(monkeypatch, *money_is) == pytest.approx(300)
    assert _limit(monkeypatch, *money_is, "--max-seconds", "2min") == 120
    assert _limit(monkeypatch, *money_is, "--max-seconds", "1h") == pytest.approx(300)
    capsys.readouterr()
    assert status_of(["run", "--dry-run", "--max-usd", "1"]) == 2
    err = capsys.readouterr().err
    assert "--usd-per-h X" in err and err.count("\n") == 1
    assert status_of(["run", "--dry-run", "--usd-per-h", "1"]) == 2
    assert "--usd-per-h is the price for --max-usd" in capsys.readouterr().err
    assert status_of(["run", "--dry-run", "--max-usd", "0", "--usd-per-h", "1"]) == 2
