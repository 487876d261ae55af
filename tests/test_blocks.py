"""`run --blocks`: a network told from fewer of its blocks, in a record and in an estimate."""

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hwbench import blocks, depth, depth_fit, registry, step_source, store, views
from hwbench.cli import status_of
from hwbench.depth import DepthFit
from hwbench.errors import BadInput, UnknownName
from hwbench.measurement import Memory, Record
from hwbench.protocol import VisitRequest, VisitResult
from hwbench.run import Options, run
from hwbench.selection import Selection
from hwbench.step_source import Wanted
from tests import fakes
from tests.fakes import FakeCrew

FIXED_S, BLOCK_S = 0.020, 0.010
FIXED_BYTES = 500_000_000
BLOCK = 12 * 768**2 + 13 * 768  # weights of a GPT-2 block
# In training with gradient and two moments; the activations are counted by the child.
BLOCK_BYTES = {"inference": 4 * BLOCK, "training": 16 * BLOCK + 6_000_000}


@pytest.fixture(autouse=True)
def _isolated(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fakes.isolate(monkeypatch, tmp_path)
    monkeypatch.chdir(tmp_path)


def scripted(
    wall_s: Callable[[int, VisitRequest], float],
) -> Callable[[VisitRequest], VisitResult]:
    """Return a child's script: a visit to a cut of k blocks takes `wall_s(k, request)`."""

    def answer(request: VisitRequest) -> VisitResult:
        _, layers = depth.parted(request.case.name)
        assert layers is not None
        took = wall_s(layers, request) * (3 if request.case.phase == "training" else 1)
        found = fakes.visit_result(request.case, request.round, *[took] * 6)
        held = Memory(host=FIXED_BYTES + layers * BLOCK_BYTES[request.case.phase], device=None)
        kept = 30_000_000 + 6_000_000 * layers if request.case.phase == "training" else None
        return replace(found, process=request.process, memory=held, kept_bytes=kept)

    return answer


def measured(
    wall_s: Callable[[int, VisitRequest], float] = lambda k, r: FIXED_S + BLOCK_S * k,
    asked: tuple[int, ...] = (2, 4),
) -> Record:
    """Return the record of cuts of gpt2_small."""
    selection = Selection(
        runtimes=("torch",), models=("gpt2_small",), only=("workload/*",), blocks=asked
    )
    done = run(
        Options(profile="smoke", selection=selection, out=Path("r.json")),
        spawn=FakeCrew(scripted(wall_s)).spawn,
    )
    assert done.ended == "complete"
    return store.load(Path("r.json"))


def fit_of(record: Record, phase: str = "inference") -> DepthFit:
    (found,) = [f for f in record.depth_fits if f.phase == phase]
    return found


def test_a_cut_is_the_network_with_fewer_blocks() -> None:
    whole, cut = (registry.networks()[n] for n in ("gpt2_small", "gpt2_small@layers=3"))
    assert (cut.name, cut.variant.config["layers"]) == ("gpt2_small@layers=3", 3)
    count = whole.workload.parameters
    a_block = (count(whole.variant.config) - count(cut.variant.config)) / 9
    assert a_block == BLOCK
    assert registry.networks()["gpt2_small"] is registry.networks().items["gpt2_small"]
    for name, said in (
        ("resnet18@layers=2", "not made of blocks"),
        ("gpt2_small@layers=13", "has 12 blocks"),
    ):
        with pytest.raises(BadInput, match=said):
            registry.networks()[name]
    with pytest.raises(UnknownName):
        registry.networks()["gpt3@layers=2"]


def test_a_line_goes_through_its_points_as_numpys_does() -> None:
    depths, values = [1, 2, 4, 6], [0.031, 0.039, 0.062, 0.079]
    slope, intercept = np.polyfit(depths, values, 1, w=[1 / v for v in values])
    assert depth.line(depths, values) == pytest.approx((intercept, slope))


def test_the_whole_is_told_from_its_cuts() -> None:
    record = measured()
    for phase, times in (("inference", 1), ("training", 3)):
        fit = fit_of(record, phase)
        assert (fit.name, fit.layers, fit.measured) == ("gpt2_small", 12, (2, 4))
        assert fit.wall_s.point == pytest.approx(times * (FIXED_S + 12 * BLOCK_S))
        assert (fit.fixed_s, fit.block_s) == pytest.approx((times * FIXED_S, times * BLOCK_S))
        assert fit.memory is not None
        assert fit.memory.whole_bytes == FIXED_BYTES + 12 * BLOCK_BYTES[phase]
        assert fit.memory.residual_frac == pytest.approx(0, abs=1e-9)
        # Without any noise the interval is what the line itself is believed to err by.
        half = math.log(fit.wall_s.high / fit.wall_s.low) / 2
        assert half == pytest.approx(depth_fit.MODEL_FRAC)
        assert fit.energy_j is None and fit.energy_reason
    text = views.record(record)
    assert "by blocks" in text and "nothing of the whole was run" in text
    assert max(map(len, text.splitlines())) <= 100


def test_noise_of_the_cuts_widens_what_is_said_of_the_whole() -> None:
    def noisy(k: int, r: VisitRequest) -> float:
        return (FIXED_S + BLOCK_S * k) * (1 + 0.02 * ((r.round + k // 2) % 2))

    quiet, loud = fit_of(measured()), fit_of(measured(noisy))
    wide, narrow = (math.log(f.wall_s.high / f.wall_s.low) for f in (loud, quiet))
    assert wide > 2 * narrow
    assert loud.wall_s.low < FIXED_S + 12 * BLOCK_S < loud.wall_s.high


def test_a_drift_from_round_to_round_is_common_to_the_cuts() -> None:
    """Each round has its own line: that all is slower in one of them moves no slope."""
    slower = fit_of(measured(lambda k, r: (FIXED_S + BLOCK_S * k) * (1 + 0.1 * r.round)))
    line = slower.fixed_s + 12 * slower.block_s
    assert 0.9 < line / ((FIXED_S + 12 * BLOCK_S) * 1.05) < 1.1


def test_a_line_that_bends_is_not_believed_more_than_it_fits() -> None:
    bent = measured(lambda k, r: FIXED_S + BLOCK_S * k * k, asked=(1, 2, 4))
    fit = fit_of(bent)
    assert fit.residual_frac > 0.05 and len(fit.measured) == 3
    assert math.log(fit.wall_s.high / fit.wall_s.low) / 2 > 3 * depth_fit.MODEL_FRAC


def test_one_depth_or_the_whole_itself_gives_no_fit() -> None:
    record = measured()
    only = [m for m in record.measurements if "@layers=2" in m.name]
    assert depth_fit.fits(only) == ()
    deepest = [replace(m, name="gpt2_small@layers=12", id=m.id + "x") for m in only]
    assert depth_fit.fits([*only, *deepest]) == ()


@pytest.mark.parametrize(("asked", "said"), [
    (["--model", "gpt2_small", "--blocks", "2"], "one depth gives no line"),
    (["--model", "gpt2_small", "--blocks", "2,40"], "has 12 blocks: it cannot be cut to 40"),
    (["--model", "resnet18", "--blocks", "2,4"], "not made of blocks that are alike"),
    (["--blocks", "2,4"], "give --model NAME too"),
    (["--model", "gpt2_small", "--blocks", "few"], "is not auto, nor numbers of blocks"),
])  # fmt: skip
def test_what_cannot_be_cut_is_said(
    asked: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert status_of(["run", "--dry-run", *asked]) == 2
    assert said in capsys.readouterr().err


def test_auto_takes_as_many_blocks_as_memory_allows() -> None:
    gb = 10**9
    assert blocks.cuts(["gpt2_small"], (blocks.AUTO,), 24 * gb) == (
        "gpt2_small@layers=2", "gpt2_small@layers=4",
    )  # fmt: skip
    little = 16 * 55_000_000 / blocks.ROOM_FRAC  # two blocks of 7 M beside 39 M: 0.86 GB trained
    assert blocks.cuts(["gpt2_small"], (blocks.AUTO,), int(little)) == (
        "gpt2_small@layers=1", "gpt2_small@layers=2",
    )  # fmt: skip
    assert blocks.cuts(["mlp"], (), None) == ("mlp",)


def estimated(*more: str) -> Any:
    command = [
        "estimate",
        "r.json",
        "--workload",
        "gpt2_small",
        "--tokens",
        "1280k",
        "--epochs",
        "1",
    ]
    assert status_of([*command, "--no-measure", "--json", *more]) == 0


def test_an_estimate_says_that_it_is_told_by_blocks(capsys: pytest.CaptureFixture[str]) -> None:
    record = measured()
    step = step_source.step_of(record, Wanted(workload="gpt2_small"))
    assert step is not None and step.basis == "blocks"
    assert step.step_s == pytest.approx(3 * (FIXED_S + 12 * BLOCK_S))
    assert step.case.name == "gpt2_small" and not step.case.samples
    whole = registry.networks()["gpt2_small"]
    flops = whole.workload.flops(whole.variant.config)
    assert step.flops_per_item == pytest.approx(3 * flops)
    assert step.evaluation_item_s == pytest.approx(FIXED_S + 12 * BLOCK_S)
    capsys.readouterr()
    estimated()
    told = json.loads(capsys.readouterr().out)
    row = told["rows"][0]
    assert row["basis"] == "blocks" and row["batch_size"] == 1
    assert row["terms"]["step_s"] == pytest.approx(3 * (FIXED_S + 12 * BLOCK_S), rel=0.01)
    assert any("2 and 4 of 12 were measured" in a["source"] for a in row["assumptions"])
    # 10,000 sequences of 128 tokens
    assert row["time_s"]["point"] == pytest.approx(10_000 * 3 * (FIXED_S + 12 * BLOCK_S), rel=0.1)


def test_what_does_not_fit_here_is_told_and_said_not_to_fit(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def large(k: int, r: VisitRequest) -> float:
        return FIXED_S + BLOCK_S * k

    record = measured(large)
    room = 1_000_000_000  # of the machine: less than the 1.93 GB of twelve blocks
    devices = tuple(replace(d, memory_bytes=room) for d in record.devices)
    store.save(replace(record, devices=devices), Path("r.json"))
    capsys.readouterr()
    estimated()
    assert json.loads(capsys.readouterr().out)["rows"][0]["fits_memory"] is False
