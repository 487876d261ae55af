"""`run --against`: two sides in alternating visits, and the paired ratios of `compare`."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from hwbench import compare, planning, profile, sides, step_source
from hwbench.case import SIDE
from hwbench.cli import status_of
from hwbench.compare import Options
from hwbench.errors import BadInput
from hwbench.selection import Selection, group
from hwbench.step_source import Wanted
from tests.estimates import case, kept, machine, measured, record
from tests.fakes import FACTS

__all__ = ["machine"]  # a fixture


def test_a_side_is_a_setting_a_checkout_a_python_or_a_revision(tmp_path: Path) -> None:
    setting = sides.side_of("OMP_WAIT_POLICY=ACTIVE")
    assert setting.environment == {"OMP_WAIT_POLICY": "ACTIVE"}
    assert setting.label == "OMP_WAIT_POLICY-ACTIVE"
    assert sides.side_of("threads=1").threads == 1
    (tmp_path / "before" / "hwbench").mkdir(parents=True)
    (tmp_path / "before" / "hwbench" / "__init__.py").write_text("")
    checkout = sides.side_of(str(tmp_path / "before"))
    assert checkout.environment == {"PYTHONPATH": str(tmp_path / "before")}
    assert checkout.label == "before"  # no path of this machine in an id
    python = sides.side_of(sys.executable)
    assert python.environment == {sides.PYTHON: sys.executable}
    for bad in ("threads=0", "threads=many", "no-such-revision", str(tmp_path)):
        with pytest.raises(BadInput, match="--against"):
            sides.side_of(bad)


def test_a_revision_is_laid_out_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "repository"
    for name in ("hwbench", "kernels"):
        (root / name).mkdir(parents=True)
        (root / name / "__init__.py").write_text("OLD = True\n")
    git = ("git", "-C", str(root), "-c", "user.name=a", "-c", "user.email=a@b")
    for words in (("init", "-q"), ("add", "."), ("commit", "-qm", "first")):
        subprocess.run([*git, *words], check=True)
    (root / "hwbench" / "__init__.py").write_text("OLD = False\n")
    monkeypatch.setattr(sides, "ROOT", root)
    monkeypatch.setenv("HWBENCH_CACHE", str(tmp_path / "cache"))
    side = sides.side_of("HEAD")
    laid = Path(side.environment["PYTHONPATH"])
    assert (laid / "hwbench" / "__init__.py").read_text() == "OLD = True\n"
    assert laid.name.startswith(side.label) and "HEAD" in side.what
    assert sides.side_of("HEAD") == side
    # the run keeps the commit: what HEAD is when the run is resumed is another matter
    assert side.spec == laid.name
    subprocess.run([*git, "commit", "-qam", "second"], check=True)
    later = sides.side_of("HEAD")
    assert later.label != side.label
    assert sides.side_of(side.spec).environment == side.environment


def test_each_case_is_planned_on_both_sides_in_processes_of_their_own() -> None:
    asked = Selection(models=("mlp_small",), runtimes=("torch",), against="threads=1")
    plan = planning.plan(profile.named("smoke"), asked, FACTS, 2)
    cases = [p.case for p in plan.cases if p.case.kind == "workload"]
    for own, other in zip(cases[::2], cases[1::2], strict=True):
        assert other.plain == own and other.options == {**own.options, SIDE: "threads-1"}
        assert other.id.endswith("side=threads-1") and group(other) != group(own)
    assert plan.protocol.fresh_processes and plan.protocol.against == "threads=1"


@pytest.mark.usefixtures("machine")
def test_the_two_sides_of_a_record_are_compared_by_the_rounds_that_visited_both() -> None:
    rough = (0.1, 0.2, 0.1, 0.15, 0.12)
    own = measured(case(100), *rough)
    other = measured(case(100, options={SIDE: "old"}), *(1.05 * s for s in rough))
    made = record(own, other)
    made = replace(made, protocol=replace(made.protocol, against="old"))
    (path,) = kept(Path("given"), made)
    done = compare.compare(Options(records=(str(path),)))
    (pair,) = done.pairs
    assert (pair.base, pair.other) == (own.id, other.id)
    assert pair.ratio.point == pytest.approx(1.05) and pair.verdict == "slower"
    assert compare.status(done) == 1 and not done.not_comparable
    found = step_source.candidates(made, Wanted(workload="mlp"))
    assert [m.id for m in found] == [own.id]  # an estimate starts from this side alone


def test_both_sides_run_in_turn_and_the_other_side_has_its_setting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("torch")
    monkeypatch.setenv("HWBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HWBENCH_STATE", str(tmp_path / "state"))
    out = tmp_path / "r.json"
    line = ["run", "--profile", "smoke", "--only", "kernel/attention/forward/hot/torch/*"]
    line += ["--processes", "3", "--against", "threads=1", "--out", str(out), "--force"]
    line += ["--max-seconds", "900"]
    assert status_of(line) == 0
    assert "the two sides: hwbench compare" in capsys.readouterr().err
    told = json.loads(out.read_text())
    own, other = (
        [m for m in told["measurements"] if (SIDE in m["runtime_options"]) == on]
        for on in (False, True)
    )
    assert len(own) == len(other) > 0
    for a, b in zip(own, other, strict=True):
        assert (a["status"], b["status"]) == ("ok", "ok") and b["id"].startswith(a["id"])
        starts = [
            min(s["start_s"] for s in m["samples"] if s["round"] == n)
            for n in range(3)
            for m in (a, b)
        ]
        # a round visits both, one after the other, and each second round begins with the other
        assert starts[0] < starts[1] < starts[3] < starts[2] < starts[4] < starts[5]
        processes = [{s["process"] for s in m["samples"]} for m in (a, b)]
        assert not processes[0] & processes[1]
    assert status_of(["compare", str(out)]) in (0, 1, 3)
    assert "rounds that visited both" in " ".join(capsys.readouterr().out.split())
