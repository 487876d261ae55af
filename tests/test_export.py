"""`hwbench export` and `compare --where`: many records as one table, and what no record is."""

import csv
import json
import os
import re
import shutil
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hwbench import (
    case_columns,
    chart_numbers,
    compare,
    compare_reading,
    compare_view,
    cpu,
    export,
    record_readers,
    store,
)
from hwbench.cli import status_of
from hwbench.compare import Options
from hwbench.compared import Comparison
from hwbench.errors import BadInput, BadRecord, UnknownName
from hwbench.measurement import Measurement
from tests.estimates import case, kept, machine, measured, record
from tests.fakes import disk_full_after

__all__ = ["machine"]  # a fixture
pytestmark = pytest.mark.usefixtures("machine")
duckdb = pytest.importorskip("duckdb")

ROUGH = (0.1, 0.2, 0.1, 0.15, 0.12)


def some(count: int, folder: str = "given", **changes: Any) -> list[Path]:
    """Write records of a training and an inference, each 1 % slower than the one before."""
    made = [
        record(
            measured(case(100), *(1.01**n * s for s in ROUGH)),
            metered(measured(case(50, "inference"), *(1.01**n * s for s in ROUGH), watts=(50, 10))),
            **changes,
        )
        for n in range(count)
    ]
    return list(kept(Path(folder), *made))


def metered(m: Measurement) -> Measurement:
    """Return a measurement whose energy has an interval."""
    assert m.energy_j is not None
    e = m.energy_j
    return replace(m, energy_j=replace(e, low=e.point / 1.05, high=e.point * 1.05, level=0.95))


def table(path: Path) -> list[dict[str, str]]:
    """Return the rows of a CSV."""
    return list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))


def test_a_row_has_what_the_record_says_of_the_case() -> None:
    (path,) = some(1)
    done = export.export([str(path)], Path("c.csv"))
    assert (done.rows, done.left_out) == (2, ())
    told = json.loads(path.read_text())
    rows = table(Path("c.csv"))
    assert list(rows[0]) == list(done.columns) == list(case_columns.public())
    for row, m in zip(rows, told["measurements"], strict=True):
        assert row["id"] == m["id"] and row["record"] == told["id"] and row["file"] == "r0.json"
        for figure, of in (
            ("wall_s", m["wall_s"]["point"]),
            ("wall_low_s", m["wall_s"]["low"]),
            ("wall_later_high_s", m["wall_s"]["predictive"]["high"]),
            ("items_per_s", m["items_per_s"]["point"]),
            ("flops_per_low_s", None),
            ("items", m["work"]["items_per_iteration"]),
            ("samples", len(m["samples"])),
            ("threads", told["protocol"]["threads"]),
            ("batch_size", m["batch_size"]),
        ):
            if of is not None:
                assert float(row[figure]) == pytest.approx(of, rel=1e-12)
        assert row["shape"] == ",".join(f"{k}={v}" for k, v in m["shape"].items())
    joules = told["measurements"][1]["energy_j"]
    assert float(rows[1]["energy_j"]) == joules["point"] and rows[1]["energy_parts"] == "cpu"
    # what is not known is empty, with its reason, never 0
    assert rows[0]["energy_j"] == "" and rows[0]["energy_reason"]
    assert rows[0]["batch_size"] == "100"


def test_parquet_and_csv_hold_the_same_rows_in_the_order_of_the_files() -> None:
    some(3)
    export.export(["given/*.json"], Path("c.parquet"))
    export.export(["given/*.json"], Path("c.csv"))
    read = duckdb.sql("SELECT file, id, wall_s FROM 'c.parquet'").fetchall()
    rows = [(r["file"], r["id"], float(r["wall_s"])) for r in table(Path("c.csv"))]
    assert [tuple(r[:2]) for r in read] == [r[:2] for r in rows]
    assert [r[2] for r in read] == pytest.approx([r[2] for r in rows], rel=1e-12)
    assert [r[0] for r in rows] == ["r0.json"] * 2 + ["r1.json"] * 2 + ["r2.json"] * 2


def test_where_takes_a_condition_in_sql_over_the_columns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    some(3)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    done = export.export(["given/*"], Path("c.csv"), where="phase = 'training' and wall_s > 0.1205")
    assert [r["file"] for r in table(Path("c.csv"))] == ["r1.json", "r2.json"] and done.rows == 2
    for bad, said in (
        ("phas = 'training'", "phas"),
        ("phase =", "syntax error"),
        ("true; DROP VIEW cases", "syntax error"),
        ("true) ; SELECT (1", "more than one condition"),
        ("(SELECT count(*) FROM read_text('/etc/hostname')) > 0", "disabled by configuration"),
        ("id = 'x' -- ", "leaves none"),
    ):
        with pytest.raises(BadInput, match=said):
            export.export(["given/*"], Path("d.csv"), where=bad)
    assert not Path("d.csv").exists() and not list(Path().glob(".d.csv*"))
    assert not list(scratch.iterdir())  # nothing of the table stays behind


def test_what_is_no_record_is_left_out_of_a_glob_and_refused_by_name() -> None:
    (good, *_) = some(2)
    text = good.read_text()
    found = {
        "cut.json": (text[: len(text) // 2], "not whole JSON"),
        "empty.json": ("", "not whole JSON"),
        "estimate.json": ('{"schema": "hwbench.estimate/1"}', "schema must be hwbench.record/1"),
        "newer.json": (text.replace("record/1", "record/9"), "newer than"),
        "list.json": ("[1, 2]", "schema must be"),
        "negative.json": (text.replace('"point":0', '"point":-0', 1), "must be above 0"),
        "words.json": (text.replace('"version":1', '"version":"one"', 1), "version must be"),
        "twice.json": (text + text, "not whole JSON"),
    }
    for name, (content, _) in found.items():
        Path("given", name).write_text(content)
    done = export.export(["given/*.json"], Path("c.csv"))
    assert done.rows == 4
    reasons = {Path(f.path).name: f.reason for f in done.left_out}
    assert reasons.keys() == found.keys()
    for name, (_, said) in found.items():
        assert said in reasons[name], reasons[name]
        with pytest.raises(BadRecord, match=said):
            export.export([f"given/{name}"], Path("d.csv"))
    with pytest.raises(BadInput, match="none is a record"):
        export.export(["given/[celntw]*.json"], Path("d.csv"))
    with pytest.raises(BadInput, match="no file matches"):
        export.export(["given/z*"], Path("d.csv"))


def test_a_name_with_the_signs_of_a_glob_is_that_file() -> None:
    (path,) = some(1)
    odd = Path("a[1] o'b*.json")
    shutil.copy(path, odd)
    Path("a1 o'bc.json").write_text("{}")  # what the name would match as a glob
    assert export.export([str(odd)], Path("c.csv")).rows == 2
    assert table(Path("c.csv"))[0]["file"] == odd.name


def test_a_strangers_strings_are_no_formula_in_csv_and_themselves_in_parquet() -> None:
    evil = "=cmd|'/C calc'!A0\x1b[31m\u202e\u2028x"
    bad = replace(measured(case(100)), status="failed", reason=evil, wall_s=None)
    made = record(bad, measured(case(50)), hwbench_version="@SUM(A1)", profile='-1+"q"')
    (path,) = kept(Path("given"), made)
    export.export([str(path)], Path("c.csv"))
    text = Path("c.csv").read_text()
    assert not set(text) & set("\x1b\u202e\u2028")
    row = table(Path("c.csv"))[0]
    assert row["reason"] == "'=cmd|'/C calc'!A0[31mx"
    assert row["hwbench_version"] == "'@SUM(A1)" and row["profile"] == '\'-1+"q"'
    export.export([str(path)], Path("c.parquet"))
    ((kept_reason,),) = duckdb.sql("SELECT reason FROM 'c.parquet' LIMIT 1").fetchall()
    assert kept_reason == evil


def test_csv_makes_texts_plain_as_the_numbers_of_figures_are() -> None:
    for text in ("=1+1", "-x", "+x", "@x", "plain", "", "a=b", "\x07=x", "\u202e@y", "\tz", "é-ü"):
        sql = export._plain("told")
        ((told,),) = duckdb.sql(f"SELECT {sql} FROM (SELECT $1 AS told)", params=[text]).fetchall()
        assert told == chart_numbers.safe(text)


def test_a_full_disk_is_told_in_a_line_and_what_was_there_stays(
    capsys: pytest.CaptureFixture[str],
) -> None:
    (path, *_) = some(1)
    assert status_of(["export", str(path), "-o", "c.csv"]) == 0
    before = Path("c.csv").read_bytes()
    with disk_full_after(600):
        assert status_of(["export", str(path), "-o", "c.csv", "--force"]) == 1
    err = capsys.readouterr().err
    assert "cannot be written" in err and "internal error" not in err
    assert Path("c.csv").read_bytes() == before and not list(Path().glob(".c.csv*"))


def test_the_command_says_what_it_wrote_and_refuses_what_it_must(
    capsys: pytest.CaptureFixture[str],
) -> None:
    some(2)
    Path("given/x.json").write_text("{}")
    assert status_of(["export", "given/*.json", "--format", "csv", "-o", "c.csv", "--json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["rows"] == 4 and "left out: given/x.json" in err
    before = Path("c.csv").read_bytes()
    assert status_of(["export", "given/*.json", "-o", "c.csv"]) == 2
    assert "exists: --force writes over it" in capsys.readouterr().err
    assert Path("c.csv").read_bytes() == before
    assert status_of(["export", "given/r0.json", "-o", "c.csv", "--force"]) == 0
    assert "2 cases" in capsys.readouterr().out
    for line, said in (
        (["given/r0.json", "-o", "c.xlsx"], "no format is named 'xlsx'"),
        (["given/r0.json", "-o", "c", "--format", "cvs"], "did you mean csv"),
        (["given/r0.json"], "-o FILE"),
        (["-o", "d.csv"], "name a RECORD"),
        (["missing.json", "-o", "d.csv"], "missing.json"),
        (["given/r0.json", "-o", "c.csv/d.csv"], "cannot be written"),
    ):
        assert status_of(["export", *line]) == 2
        assert said in capsys.readouterr().err
    assert status_of(["export", "--columns", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["name"] == "file"
    with pytest.raises(UnknownName):
        export.export(["given/r0.json"], Path("c.txt"))


def test_many_records_are_read_once_and_again_where_they_changed(tmp_path: Path) -> None:
    (first, *_) = some(60)
    said: list[str] = []
    done = compared(note=said.append)
    (index,) = (tmp_path / "cache" / "records").glob("cases-*.parquet")
    written = index.stat().st_mtime_ns
    assert compared().pairs == done.pairs
    assert index.stat().st_mtime_ns == written  # nothing was read anew
    # a record that changes is read again, one that is gone is forgotten, a new one is added
    made = store.load(first)
    faster = [replace(m, reason="seen") for m in made.measurements]
    store.save(replace(made, measurements=tuple(faster)), first)
    os.utime(first, ns=(1, 1))
    Path("given/r9.json").unlink()
    shutil.copy("given/r8.json", "given/new.json")
    export.export(["given/*.json"], Path("c.csv"))
    rows = table(Path("c.csv"))
    assert {r["file"] for r in rows if r["reason"] == "seen"} == {"r0.json"}
    names = {r["file"] for r in rows}
    assert "r9.json" not in names and "new.json" in names and len(names) == 60
    index.write_bytes(b"PAR1 what is no such file PAR1")
    export.export(["given/*.json"], Path("c.csv"), form="csv")
    again = table(Path("c.csv"))
    assert sorted(map(str, again)) == sorted(map(str, rows))


def test_without_a_place_for_the_cache_it_works_as_well(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    some(60)
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("HWBENCH_CACHE", str(tmp_path / "file"))
    assert export.export(["given/*.json"], Path("c.csv")).rows == 120


def test_processes_read_the_same_as_one_and_a_killed_one_loses_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    some(6)
    (damaged, old) = Path("given/r2.json"), Path("given/r3.json")
    damaged.write_text(damaged.read_text()[:-900])
    old.write_text(re.sub(r'"rounds_s":\[[^]]*\],', "", old.read_text()))  # of before it was kept
    done = export.export(["given/*.json"], Path("one.csv"))
    monkeypatch.setattr(record_readers, "FEW", 3)
    monkeypatch.setattr(cpu, "usable_cpus", lambda: frozenset({0, 1}))
    assert export.export(["given/*.json"], Path("two.csv")).left_out == done.left_out
    assert Path("two.csv").read_bytes() == Path("one.csv").read_bytes()
    assert len(done.left_out) == 1 and "r2.json" in done.left_out[0].reason
    # a reader that ends before its answer: its share is read here
    monkeypatch.setattr(sys, "executable", "/bin/false")
    again = export.export(["given/*.json"], Path("three.csv"))
    assert again.left_out == done.left_out
    assert Path("three.csv").read_bytes() == Path("one.csv").read_bytes()


def test_what_is_passed_over_is_only_what_samples_are() -> None:
    (path,) = some(1)
    text = path.read_text()
    count = len(json.loads(text)["measurements"][0]["samples"])
    told = text.replace('"status":"ok"', '"status":"ok","other":{"samples":[{"a":[1,2]}]}', 1)
    path.write_text(told)
    export.export([str(path)], Path("c.csv"))
    assert table(Path("c.csv"))[0]["samples"] == str(count)
    path.write_text(json.dumps(json.loads(text), indent=1))  # as another program may write it
    export.export([str(path)], Path("d.csv"))
    assert Path("d.csv").read_bytes() == Path("c.csv").read_bytes()


def compared(**changes: Any) -> Comparison:
    """Return the comparison of all trainings."""
    usual: dict[str, Any] = {"records": ("given/*.json",), "where": "phase = 'training'"}
    return compare.compare(Options(**(usual | changes)))


def test_rows_compare_as_whole_records_do(monkeypatch: pytest.MonkeyPatch) -> None:
    some(4)
    whole = compared(where=None, only=("*/training/*",))
    few = compared()  # read whole, of what the condition leaves
    assert few.pairs == whole.pairs
    records = [compared(where=None, only=("*",)), compared(where="true", only=("*",))]
    monkeypatch.setattr(compare_reading, "FEW", 3)
    rows = compared()
    assert [p.id for p in rows.pairs] == [p.id for p in whole.pairs] and len(rows.pairs) == 3
    for a, b in zip(rows.pairs, whole.pairs, strict=True):
        assert (a.verdict, a.basis, a.warnings) == (b.verdict, b.basis, b.warnings)
        for end in ("point", "low", "high"):
            assert getattr(a.ratio, end) == pytest.approx(getattr(b.ratio, end), rel=1e-9)
    both = [*records, compared(where="true", only=("*",))]
    joules = [[p.energy_ratio for p in done.pairs if p.energy_ratio] for done in both]
    assert joules[0] and joules[0] == joules[1] == joules[2]
    for done in both[1:]:
        assert [p.reasons for p in done.pairs] == [p.reasons for p in both[0].pairs]
        assert [o.counts for o in done.summary] == [o.counts for o in both[0].summary]


def test_a_condition_on_one_record_keeps_its_pairs_by_round() -> None:
    made = record(
        *(measured(replace(case(100), runtime=r), *ROUGH) for r in ("torch", "jax")),
        *(measured(replace(case(50), runtime=r), *ROUGH) for r in ("torch", "jax")),
    )
    (path,) = kept(Path("one"), made)
    done = compared(records=(str(path),), where="batch_size = 50", across=("runtime",))
    (pair,) = done.pairs
    assert "rounds that visited both" in pair.basis and "/50/" in pair.id


def test_many_records_are_told_together(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    some(12)
    done = compared(where="true")
    text = compare_view.text(done)
    assert max(map(len, text.splitlines())) <= 80
    assert "geometric means of 11 records, the 5 at either end" in text
    assert text.index("r11.json") < text.index("r1.json", text.index("geometric"))
    # eleven ratios of 1.01 to 1.01^11: the median is the sixth
    assert f"{1.01**6:.3f}" in text
    marked = compare_view.markdown(done)
    assert marked.count("|---") == 8 and "r11" in marked
    Path("given/x.json").write_text("{}")
    assert status_of(["compare", "given/*.json", "--where", "true", "--json"]) in (0, 1, 3)
    out, err = capsys.readouterr()
    assert len(json.loads(out)["left_out"]) == 1 and "left out" in err
    with pytest.raises(BadInput, match="by --where phase = 'none'"):
        compared(where="phase = 'none'")


def test_without_duckdb_the_line_that_installs_it_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (path,) = some(1)
    monkeypatch.setitem(sys.modules, "duckdb", None)
    assert status_of(["export", str(path), "-o", "c.csv"]) != 0
    assert "pip install 'hwbench-dl[tables]'" in capsys.readouterr().err
    assert status_of(["compare", str(path), str(path)]) == 0
