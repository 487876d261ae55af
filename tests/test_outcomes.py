import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hwbench import outcomes, summary
from hwbench.measurement import Record
from hwbench.outcomes import ASSUMED, Stretch
from tests import fakes
from tests.fakes import GEMM, INFERENCE, PROTOCOL, planned, visit_result

HOUR_S = 3600.0


def _record(scale: float = 1.0, created: str = "2026-11-23T22:00:00+00:00") -> Record:
    """Return a record of two cases whose five visits differ a little."""
    made = []
    for case in (GEMM, INFERENCE):
        visits = [visit_result(case, n, *[scale * (0.1 + 0.001 * n)] * 4) for n in range(5)]
        made.append(summary.measurement(planned(case), visits, PROTOCOL))
    return replace(fakes.record(*made), created_utc=created, id=f"run-{created}-{scale}")


def _stretch(run: int, key: str, log_mean: float, sd: float = 0.0) -> Stretch:
    return Stretch(
        machine="m",
        key=key,
        record=f"r{run}",
        at_s=run * HOUR_S,
        log_mean=log_mean,
        sd=sd,
        visits=5,
    )


def test_a_record_leaves_the_mean_of_each_case_and_the_spread_of_its_visits(tmp_path: Path) -> None:
    outcomes.remember(_record(), tmp_path)
    first, second = outcomes.read(tmp_path)
    means = np.log([0.100, 0.101, 0.102, 0.103, 0.104])
    assert first.log_mean == pytest.approx(means.mean())
    assert first.sd == pytest.approx(means.std(ddof=1))
    assert (first.visits, first.machine) == (5, fakes.ENVIRONMENT.machine_id)
    assert first.key != second.key


def test_another_version_of_a_library_is_another_key(tmp_path: Path) -> None:
    record = _record()
    newer = replace(record.environment, packages={"numpy": "3.0"})
    keys = {
        s.key for r in (record, replace(record, environment=newer)) for s in outcomes.stretches(r)
    }
    assert len(keys) == 4


def test_a_file_with_torn_and_foreign_lines_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    outcomes.remember(_record(), tmp_path)
    path = tmp_path / "stretches.jsonl"
    bad = ['{"machine": "m"', "[]", '{"unknown": 1}', json.dumps({"machine": 1}), "\x00"]
    path.write_text("\n".join([*bad, path.read_text(), '{"machine": "torn']))
    assert len(outcomes.read(tmp_path)) == 2
    assert outcomes.read(tmp_path / "absent") == []


def test_before_twenty_outcomes_of_five_pairs_of_runs_the_drift_is_assumed() -> None:
    few = [_stretch(run, "a", 0.1 * run) for run in range(20)]  # 19 pairs
    assert outcomes.spread("m", few) == ASSUMED
    enough = [*few, _stretch(20, "a", 0.0)]
    assert outcomes.spread("m", enough) != ASSUMED
    assert outcomes.spread("another machine", enough) == ASSUMED
    of_one_pair = [_stretch(run, f"case {n}", 0.0) for n in range(40) for run in range(2)]
    assert outcomes.spread("m", of_one_pair) == ASSUMED
    assert "assumed" in ASSUMED.basis


def test_the_drift_from_hour_to_hour_is_found_again() -> None:
    rng = np.random.default_rng(5)
    drift, between = 0.05, 0.02
    known = []
    for run in range(4000):
        hour = drift * rng.standard_normal()
        noise = between * rng.standard_normal(5)
        logs = -3.0 + hour + noise
        known.append(_stretch(run, "a", logs.mean(), logs.std(ddof=1)))
    found = outcomes.spread("m", known)
    assert found.sd == pytest.approx(drift, rel=0.05)
    assert "learned from 3999 outcomes" in found.basis


def test_a_machine_without_drift_is_given_none() -> None:
    rng = np.random.default_rng(6)
    known = []
    for run in range(400):
        logs = 0.02 * rng.standard_normal(5)
        known.append(_stretch(run, "a", logs.mean(), logs.std(ddof=1)))
    assert outcomes.spread("m", known).sd < 0.01


def test_only_stretches_half_an_hour_to_two_days_apart_are_outcomes() -> None:
    minutes = [replace(_stretch(0, "a", 0.5 * n), at_s=60.0 * n, record=f"r{n}") for n in range(30)]
    found = outcomes.spread("m", minutes)
    assert found == ASSUMED  # only the first few have one that is half an hour later
    weeks = [replace(_stretch(0, "a", 0.5 * n), at_s=7 * 24 * HOUR_S * n) for n in range(30)]
    assert outcomes.spread("m", weeks) == ASSUMED


def test_the_folder_follows_the_environment(tmp_path: Path) -> None:
    assert outcomes.folder({"HWBENCH_STATE": str(tmp_path)}) == tmp_path
    assert outcomes.folder({"XDG_STATE_HOME": str(tmp_path)}) == tmp_path / "hwbench"
    assert outcomes.folder({}).parts[-3:] == (".local", "state", "hwbench")


def test_sd_of_hours_is_symmetric_in_direction() -> None:
    up = [_stretch(run, "a", 0.1 * (run % 2)) for run in range(31)]
    assert outcomes.spread("m", up).sd == pytest.approx(0.1 / math.sqrt(2))
