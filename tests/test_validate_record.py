"""A validation with a record: what it leaves to it, and what the record says of the steps."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hwbench import (
    store,
    summary,
    validation_view,
)
from hwbench.errors import BadInput
from tests import fakes
from tests.fakes import INFERENCE, PROTOCOL, planned, visit_result
from tests.loops import LoopMachine, Validate
from tests.loops import go as go
from tests.loops import machine as machine

OFF = (0.0, 0.02, -0.02, 0.01, -0.01)  # of the visits, from their mean


def _record(folder: Path, *cases: Any) -> Path:
    """Write a record of these cases, each with a step of 1/64 s and a spread round it."""
    made = [
        summary.measurement(
            planned(case),
            [visit_result(case, n, *[2**-6 * (1 + off)] * 6) for n, off in enumerate(OFF)],
            PROTOCOL,
        )
        for case in cases
    ]
    path = folder / "record.json"
    store.save(fakes.record(*made), path)
    return path


def _training(**changed: Any) -> Any:
    trained = {"phase": "training", "scenario": "train_step"}
    return replace(INFERENCE, **{**trained, **changed})


def test_a_record_says_what_to_train_and_what_its_steps_take(
    go: Validate, machine: LoopMachine, tmp_path: Path
) -> None:
    cases = [INFERENCE, _training(runtime="onnxruntime", batch_size=64), _training(batch_size=16)]
    value = go(record=_record(tmp_path, *cases), workload=None).validation
    case = value.rehearsal.case
    assert (case.workload, case.runtime, case.batch_size) == ("mlp_small", "torch", 16)
    said = value.by_record
    assert said is not None and said.case == cases[2].id
    steps = value.plan.epochs * value.plan.steps_per_epoch
    assert said.steps_s.point == pytest.approx(steps * 2**-6, rel=1e-6)
    assert said.steps_s.low < said.steps_s.point < said.steps_s.high
    assert said.ratio == pytest.approx(0.75)  # a quarter of the loop's step is waiting
    assert "alone" in validation_view.text(value) and "0.75" in validation_view.text(value)


@pytest.mark.parametrize(
    ("cases", "changed", "told"),
    [
        ([INFERENCE], {"workload": None}, "has no training case"),
        ([INFERENCE], {}, "no training of mlp_small"),
        ([_training(runtime="onnxruntime")], {}, "onnxruntime/cpu/float32 at batch 32"),
        ([_training()], {"batch_size": 8}, "torch/cpu/float32 at batch 32"),
    ],
)
def test_a_record_without_the_training_says_what_it_has(
    cases: list[Any], changed: dict[str, Any], told: str, go: Validate, tmp_path: Path
) -> None:
    with pytest.raises(BadInput, match=told):
        go(record=_record(tmp_path, *cases), **changed)


def test_a_record_says_nothing_of_a_shortcuts_steps(go: Validate, tmp_path: Path) -> None:
    # the record's step is the network's own: held against a shortcut's it would look wrong
    path = _record(tmp_path, _training(batch_size=16))
    by_probe = go(record=path, workload=None, shortcut="linear_probe").validation
    assert by_probe.by_record is None
    assert "mlp_small by linear_probe, batch 16" in validation_view.text(by_probe)
    plain = go(record=path, workload=None, shortcut="full_finetune").validation
    assert plain.by_record is not None  # its step is the network's own
    assert "mlp_small, batch 16" in validation_view.text(plain)
