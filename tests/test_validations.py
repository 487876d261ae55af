"""The history of validated runs, and the floor that is learned from it."""

import json
import math
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from hwbench import history_file, validations
from hwbench.validations import Held
from hwbench.validations_floor import ASSUMED, ASSUMED_SD_LOG, ENOUGH, LEAST_SD_LOG, floor_of


def held(error_log: float, expected_log: float = 0.0, machine: str = "here") -> Held:
    """Return a prediction that was off by so much."""
    return Held(
        machine=machine,
        workload="mlp",
        runtime="torch",
        residence="disk",
        batch_size=8,
        at_s=1e9,
        predicted_s=100.0,
        actual_s=100.0 * math.exp(error_log),
        expected_log=expected_log,
        half_log=0.1,
        inside=True,
    )


def write(folder: Path, *lines: str | Held) -> None:
    made = [x if isinstance(x, str) else json.dumps(asdict(x)) for x in lines]
    (folder / validations.FILE).write_text("\n".join(made) + "\n")


@pytest.mark.parametrize(("true_sd", "sampling_sd"), [(0.05, 0.03), (0.02, 0.06), (0.08, 0.0)])
def test_the_floor_is_learned_again_from_simulated_outcomes(
    true_sd: float, sampling_sd: float
) -> None:
    rng = np.random.default_rng(3)
    drawn = rng.normal(0, math.hypot(true_sd, sampling_sd), size=20_000)
    found = floor_of([(float(e), sampling_sd) for e in drawn])
    assert found.sd_log == pytest.approx(true_sd, rel=0.08)
    assert found.outcomes == 20_000 and "20000 validated runs" in found.basis


def test_too_few_outcomes_leave_it_assumed_and_said_so() -> None:
    assert floor_of([(0.5, 0.0)] * (ENOUGH - 1)) == ASSUMED
    assert ASSUMED.sd_log == ASSUMED_SD_LOG and "assumed" in ASSUMED.basis
    assert floor_of([(0.5, 0.0)] * ENOUGH).sd_log == pytest.approx(0.5)


def test_no_machine_repeats_itself_better_than_one_per_cent() -> None:
    assert floor_of([(0.001, 0.05)] * 50).sd_log == LEAST_SD_LOG


def test_other_machines_teach_this_one_nothing(tmp_path: Path) -> None:
    write(tmp_path, *[held(0.2)] * 9, *[held(0.9, machine="there")] * 30)
    known = validations.read(tmp_path)
    assert len(known) == 39
    assert validations.floor("here", "cpu", known).sd_log == pytest.approx(0.2)
    assert validations.floor("nowhere", "cpu", known) == ASSUMED


def test_runs_on_the_processor_teach_a_gpu_nothing(tmp_path: Path) -> None:
    gpu = [replace(held(0.02), device=f"cuda:{n % 2}") for n in range(9)]
    write(tmp_path, *[held(0.2)] * 12, *gpu)
    known = validations.read(tmp_path)
    assert validations.floor("here", "cuda:0", known).sd_log == pytest.approx(0.02)
    assert [round(p.error_log, 6) for p in validations.past("here", "cuda:0", known)] == [0.02] * 9
    assert len(validations.past("here", "cpu", known)) == 12


def test_a_line_of_before_devices_were_told_is_of_the_processor(tmp_path: Path) -> None:
    line = {k: v for k, v in asdict(held(0.1)).items() if k != "device"}
    write(tmp_path, json.dumps(line))
    assert validations.read(tmp_path) == [held(0.1)]


@pytest.mark.parametrize(
    "line",
    [
        '{"machine": "here", "workl',
        "",
        "[]",
        "3",
        "\u0000",
        '{"machine": "here"}',
        json.dumps({**asdict(held(0.1)), "colour": "red"}),
        json.dumps({**asdict(held(0.1)), "predicted_s": 0}),
        json.dumps({**asdict(held(0.1)), "actual_s": -1.0}),
        json.dumps({**asdict(held(0.1)), "actual_s": "1"}),
        json.dumps({**asdict(held(0.1)), "expected_log": float("nan")}),
    ],
)
def test_a_line_that_is_torn_or_wrong_is_passed_over(line: str, tmp_path: Path) -> None:
    write(tmp_path, held(0.1), line, held(0.2))
    assert [h.error_log for h in validations.read(tmp_path)] == pytest.approx([0.1, 0.2])


def test_no_history_is_an_empty_one(tmp_path: Path) -> None:
    assert validations.read(tmp_path / "gone") == []


def test_only_the_newest_part_of_a_long_history_is_read(tmp_path: Path) -> None:
    write(tmp_path, *(held(n / 100) for n in range(50)))
    kept = history_file.read(tmp_path / validations.FILE, Held, lambda h: True, 1000)
    assert 0 < len(kept) < 5 and kept[-1].error_log == pytest.approx(0.49)
