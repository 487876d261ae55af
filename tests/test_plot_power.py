"""`hwbench plot power`: what is drawn of a record or a power file, and what is refused."""

import csv
import json
import sys
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from hwbench import codec, plot, power_trace, store
from hwbench.cli import status_of
from hwbench.energy import EnergyPass, PowerTrace, Window
from hwbench.measurement import Measurement
from hwbench.power_record import SCHEMA, Phase, PowerRecord
from hwbench.summary import measurement
from tests import fakes
from tests.metered import CARD, MODEL

NETWORK = fakes.INFERENCE


def stretch(begin: float, *watts: float | None) -> EnergyPass:
    end = begin + 0.25 * len(watts)
    return EnergyPass(
        windows=(Window(begin_s=begin, end_s=end, iterations=0),),
        channels=(CARD, MODEL),
        traces=tuple(
            PowerTrace(channel=c.key, start_s=begin, step_s=0.25, power_w=watts)
            for c in (CARD, MODEL)
        ),
    )


def measured() -> Measurement:
    visits = [fakes.visit_result(NETWORK, n, 0.01, 0.01, 0.01) for n in range(3)]
    found = measurement(fakes.planned(NETWORK), visits, fakes.PROTOCOL)
    return replace(found, energy_pass=stretch(10.0, 300.0, None, 310.0))


@pytest.fixture
def record(tmp_path: Path) -> Path:
    path = tmp_path / "r.json"
    made = replace(fakes.record(measured()), idle=(stretch(0.0, 70.0, 70.0), stretch(20.0, 71.0)))
    store.save(made, path)
    return path


@pytest.fixture
def power_file(tmp_path: Path) -> Path:
    found = PowerRecord(
        schema=SCHEMA,
        created_utc="2026-11-25T18:00:00+00:00",
        hwbench_version="0.1.0",
        machine="a processor",
        command=("python", "train.py"),
        duration_s=0.75,
        exit_status=0,
        interrupted=False,
        meters=(),
        channels=(CARD,),
        traces=(
            PowerTrace(channel=CARD.key, start_s=0.0, step_s=0.25, power_w=(90.0, 95.0, 99.0)),
        ),
        phases=(Phase(name="python train.py", begin_s=0.0, end_s=0.75),),
    )
    path = tmp_path / "p.json"
    path.write_text(json.dumps(codec.encode(found)))
    return path


def texts(svg: Path) -> list[str]:
    return [e.text or "" for e in ElementTree.parse(svg).iter() if e.tag.endswith("}text")]


def test_a_records_phases_and_channels_are_drawn_and_named(record: Path, tmp_path: Path) -> None:
    drawn = tmp_path / "r.svg"
    assert status_of(["plot", "power", str(record), "-o", str(drawn)]) == 0
    said = texts(drawn)
    assert said.count("idle") == 2
    assert "gpu: card/cuda:0" in said and "cpu: model/cpu (modelled)" in said
    assert any("1: mlp_small b32 infer torch cpu float32" in t for t in said)
    assert "power, W" in said and "time, s" in said


def test_each_step_is_drawn_as_long_as_it_is_and_a_gap_stays_one(record: Path) -> None:
    (chart,) = plot.charts("power", [record])
    card = next(s for s in chart.series if s.name == "gpu: card/cuda:0")
    drawn = [(x, y) for x, y in zip(card.x, card.y, strict=True) if y is not None]
    # idle for two steps of 0.25 s; the case from 10 s, its second step unread; idle from 20 s
    assert drawn == [
        (0.0, 70.0), (0.25, 70.0), (0.25, 70.0), (0.5, 70.0),
        (10.0, 300.0), (10.25, 300.0), (10.5, 310.0), (10.75, 310.0),
        (20.0, 71.0), (20.25, 71.0),
    ]  # fmt: skip
    assert list(card.y).count(None) == 5  # the unread step's two ends, and after each stretch


def test_in_a_terminal_the_trace_has_its_phases_below(
    record: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert status_of(["plot", "power", str(record)]) == 0
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= 80
    assert "a  gpu: card/cuda:0: 71" in out and "1: mlp_small b32" in out
    (phases,) = [x for x in out.splitlines() if x.split() == ["idle", "1", "idle"]]
    assert phases.index("1") > phases.index("idle")
    assert not list(record.parent.glob("*.svg"))


def test_the_numbers_are_those_of_the_record(record: Path, tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    assert status_of(["plot", "power", str(record), "--csv", str(table)]) == 0
    rows = list(csv.DictReader(table.read_text().splitlines()))
    card = [r for r in rows if r["channel"] == "card/cuda:0"]
    assert [float(r["power_w"]) for r in card] == [70.0, 70.0, 300.0, 310.0, 71.0]
    assert [r["phase"].split(" ")[0] for r in card] == [
        "idle", "idle", "mlp_small", "mlp_small", "idle",
    ]  # fmt: skip
    assert {r["measured"] for r in card} == {"true"}
    assert {r["measured"] for r in rows if r["domain"] == "cpu"} == {"false"}
    assert [float(r["time_s"]) for r in card] == [0.125, 0.375, 10.125, 10.625, 20.125]


def test_the_same_input_makes_the_same_file(record: Path, tmp_path: Path) -> None:
    drawn = [tmp_path / "a.svg", tmp_path / "b.svg"]
    for path in drawn:
        assert status_of(["plot", "power", str(record), "-o", str(path)]) == 0
    assert drawn[0].read_bytes() == drawn[1].read_bytes()


@pytest.mark.parametrize("suffix", ["png", "pdf"])
def test_other_formats_are_by_the_name(record: Path, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    assert status_of(["plot", "power", str(record), "-o", str(path)]) == 0
    assert path.read_bytes().startswith({"png": b"\x89PNG", "pdf": b"%PDF"}[suffix])


def test_a_power_file_and_a_record_share_a_figure(
    record: Path, power_file: Path, tmp_path: Path
) -> None:
    path = tmp_path / "both.svg"
    assert status_of(["plot", "power", str(record), str(power_file), "-o", str(path)]) == 0
    assert any("python train.py, a processor, 2026-11-25" in t for t in texts(path))


def test_wrong_inputs_are_refused_in_one_line(
    record: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bare = tmp_path / "bare.json"
    store.save(fakes.record(), bare)
    text = tmp_path / "text.json"
    text.write_text("hello")
    for arguments, said in (
        (["power", str(bare)], "holds no power over time"),
        (["power", str(text)], "is not whole JSON"),
        (["power", str(tmp_path / "no.json")], "no such file"),
        (["cake", str(record)], "no plot is named 'cake'"),
        (["power", str(record), "-o", str(tmp_path / "a.bmp")], "none of svg, png, pdf"),
    ):
        assert status_of(["plot", *arguments]) == 2
        err = capsys.readouterr().err
        assert said in err and err.count("\n") == 1


def test_without_matplotlib_the_line_that_installs_it_is_told(
    record: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert status_of(["plot", "power", str(record), "-o", str(record.with_suffix(".svg"))]) == 1
    assert "pip install 'hwbench-dl[plot]'" in capsys.readouterr().err


def test_a_step_lies_in_the_phase_of_its_middle(record: Path) -> None:
    traced = power_trace.of(store.load(record))
    assert [p.name.split(" ")[0] for p in traced.phases] == ["idle", "mlp_small", "idle"]
