"""`hwbench validate --shortcut`: trained by it, and what it pays once is a term of its own."""

from pathlib import Path
from typing import Any

import pytest
import torch

from hwbench import data_found, registry
from hwbench.dialects.torch_loop import TorchLoop
from hwbench.errors import BadInput, UnknownName
from tests.loops import LoopMachine, Validate, go, machine, rows
from tests.test_torch_loop import case_of

__all__ = ["go", "machine"]  # fixtures


def by(folder: Path, shortcut: str, items: int = 64, batch: int = 16) -> TorchLoop:
    network = registry.networks()["mlp_small"]
    dataset = data_found.dataset_at(rows(folder, items), network)
    case = case_of("mlp_small", dataset, batch, samples=items)
    build = registry.shortcuts()[shortcut].build
    return TorchLoop(network.workload, network.variant.config, case, 1, build=build)


def test_an_epoch_by_a_shortcut_moves_what_it_trains_alone(tmp_path: Path) -> None:
    loop = by(tmp_path, "linear_probe")
    before = {k: v.clone() for k, v in loop._model.state_dict().items()}
    done = loop.epoch()
    assert done.steps == 4 and done.items == 64
    judged = loop.evaluate(2, lambda s: False)
    assert judged is not None and judged.batches == 2
    moved = {k for k, v in loop._model.state_dict().items() if not torch.equal(v, before[k])}
    assert moved == {"fc.weight", "fc.bias"}
    saved = loop.checkpoint(tmp_path / "c.pt")
    assert saved.bytes_written > 0


def test_epochs_go_over_what_the_pass_has_made(tmp_path: Path) -> None:
    loop = by(tmp_path, "cached_features")
    passed = loop.once(lambda s: False)
    assert passed.items == 64 and passed.first_items == 16
    assert 0 < passed.first_s < passed.wall_s
    seen: list[Any] = []
    loop._model.hidden[0].register_forward_hook(lambda *a: seen.append(1))
    assert loop.epoch().items == 64
    judged = loop.evaluate(None, lambda s: False)
    assert judged is not None and judged.batches == 4
    assert not seen  # the backbone is not run again
    head = loop._model.fc
    assert head.weight.grad is not None


def test_a_pass_can_be_cut_short_and_the_epochs_are_of_what_it_made(tmp_path: Path) -> None:
    loop = by(tmp_path, "cached_features")
    assert loop.once(lambda s: True).items == 16
    assert loop.epoch().items == 16


def test_a_run_over_cached_features_has_its_pass_as_a_term(
    go: Validate, machine: LoopMachine
) -> None:
    done = go(shortcut="cached_features").validation
    terms = {t.name: t for t in done.terms}
    plan, item_s = done.plan, machine.script.once_item_s
    # the first batch's extra is paid once, however long the pass
    wall_s = plan.samples * item_s + machine.script.once_extra_s
    assert terms["one_off"].point_s == pytest.approx(wall_s)
    assert terms["one_off"].actual_s == pytest.approx(wall_s)
    assert done.rehearsal.case.shortcut == "cached_features" and done.rehearsal.case.caches
    assert done.outcome is not None and done.outcome.once is not None
    assert done.ratio == pytest.approx(1.0, abs=0.05)
    kinds = [part.what for number, part in machine.parts if number == machine.run.number]
    assert kinds[0] == "once" and kinds.count("once") == 1
    # epochs over features are short: a checkpoint after each would be a test of the disk
    saved = [n for n, e in enumerate(done.outcome.epochs) if e.saved]
    assert len(saved) == plan.checkpoints == min(plan.epochs, 10)
    assert saved[-1] == plan.epochs - 1


def test_other_shortcuts_have_no_such_term(go: Validate, machine: LoopMachine) -> None:
    done = go(shortcut="lora").validation
    assert done.rehearsal.case.shortcut == "lora" and not done.rehearsal.case.caches
    assert "one_off" not in {t.name for t in done.terms}
    assert not [p for _, p in machine.parts if p.what == "once"]


def test_the_networks_own_step_is_no_shortcut(go: Validate) -> None:
    assert go(shortcut="full_finetune").validation.rehearsal.case.shortcut is None


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"shortcut": "gan_augment"}, "does not learn from images"),
        ({"shortcut": "linear_prob"}, "did you mean linear_probe"),
    ],
)
def test_what_cannot_be_trained_so_is_one_clear_line(
    go: Validate, changes: dict[str, Any], said: str
) -> None:
    with pytest.raises((BadInput, UnknownName), match=said):
        go(**changes)
