"""`hwbench estimate --adversarial, --private`: another step and other epochs, and what is said."""

from typing import Any

import pytest

from hwbench.cli import status_of
from hwbench.errors import BadInput
from tests.estimates import asked, case, loader_known, machine, measured, record, row, simple

__all__ = ["machine"]  # a fixture

pytestmark = pytest.mark.usefixtures("machine")


def test_by_theory_a_step_is_its_passes() -> None:
    loader_known(1e-9)
    plain, robust = row(simple()), row(simple(), hardening="pgd-7")
    assert plain.terms and robust.terms and plain.n_steps == robust.n_steps
    # (3 + 14) / 3 at the least, 8 at the most
    assert 17 / 3 * 0.98 < robust.terms.step_s / plain.terms.step_s < 8.1
    assert robust.basis == "modelled"
    told = [a.source for a in robust.assumptions if a.name.startswith("step of")]
    assert "hwbench run --model mlp --hardening pgd-7" in told[0]


def test_a_measured_one_takes_its_place() -> None:
    loader_known(1e-9)
    made = record(
        measured(case(100), 0.1),
        measured(case(100, "inference"), 0.02),
        measured(case(100, options={"hardening": "pgd-7"}), 0.7),
    )
    plain, robust = row(made), row(made, hardening="pgd-7")
    assert plain.terms and robust.terms
    assert robust.terms.step_s / plain.terms.step_s == pytest.approx(7, rel=1e-3)
    assert robust.basis == "measured"


def test_free_training_replays_its_batches_in_fewer_epochs() -> None:
    loader_known(1e-9)
    plain, free = row(simple(), epochs=8.0), row(simple(), epochs=8.0, hardening="free-4")
    assert free.epochs == 2 and plain.time_s and free.time_s
    assert free.time_s.point / plain.time_s.point == pytest.approx(1.07, abs=0.1)


def test_a_private_training_has_the_noise_of_its_epsilon() -> None:
    loader_known(1e-9)
    file = asked(simple(), hardening="private", epsilon=3.0)
    assert file.plan.noise and 0.3 < file.plan.noise < 10 and file.plan.delta == 1e-4
    tighter = asked(simple(), hardening="private", epsilon=1.0)
    assert tighter.plan.noise and tighter.plan.noise > file.plan.noise
    assert any("not of equal accuracy" in n for n in file.notes)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"hardening": "private"}, "--private needs --epsilon"),
        ({"hardening": "private", "epsilon": 0.0}, "--epsilon 0 must be above 0"),
        ({"hardening": "private", "epsilon": 1.0, "delta": 2.0}, "--delta 2 must be between"),
        ({"epsilon": 1.0}, "give --private"),
        ({"hardening": "pgd-0"}, "write pgd-K"),
        ({"hardening": "pgd-7", "shortcuts": ("linear_probe",)}, "does not multiply"),
        ({"hardening": "pgd-7", "workload": "bert_base"}, "token ids"),
    ],
)
def test_what_cannot_be_hardened_is_one_clear_line(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(BadInput, match=said):
        asked(simple(), **changes)


def test_two_hardenings_at_once_are_wrong_use(capsys: pytest.CaptureFixture[str]) -> None:
    plan = ["estimate", "--workload", "mlp", "--samples", "10k", "--epochs", "3"]
    assert status_of([*plan, "--adversarial", "fast", "--private", "--epsilon", "1"]) == 2
    assert "two trainings" in capsys.readouterr().err
