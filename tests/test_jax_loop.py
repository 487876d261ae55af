"""A real training loop in jax on small data: it learns what torch's learns, on the same items."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
jax = pytest.importorskip("jax")
pytest.importorskip("flax")

from hwbench import (  # noqa: E402
    data_found,
    data_made,
    model_naming,
    own_models,
    registry,
    training_choice,
)
from hwbench.child import Child  # noqa: E402
from hwbench.dataset import Loading  # noqa: E402
from hwbench.dialects.jax_loop import JaxLoop  # noqa: E402
from hwbench.errors import Unavailable  # noqa: E402
from hwbench.loop import LoopCase, LoopPart  # noqa: E402
from hwbench.loop_asking import LoopChild  # noqa: E402
from tests import fakes  # noqa: E402
from tests.loops import rows  # noqa: E402
from tests.test_own_models import FLAX, here  # noqa: E402
from tests.test_torch_loop import case_of, open_loop, photographs  # noqa: E402


@pytest.fixture(autouse=True)
def _isolated(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    fakes.isolate(monkeypatch, tmp_path)
    monkeypatch.chdir(tmp_path)
    yield
    own_models.forget()


def loop_of(name: str, path: Path, batch: int, **how: Any) -> JaxLoop:
    network = registry.networks()[name]
    case = case_of(name, data_found.dataset_at(path, network), batch, **how)
    return JaxLoop(network.workload, network.variant.config, case, 1)


@pytest.mark.parametrize(("items", "batch"), [(40, 16), (48, 16), (5, 8)])
def test_an_epoch_is_all_items_in_the_fewest_steps(items: int, batch: int, tmp_path: Path) -> None:
    loop = loop_of("mlp_small", rows(tmp_path, items), batch)
    for _ in range(2):
        done = loop.epoch()
        assert (done.steps, done.items) == (math.ceil(items / batch), items)
    assert 0 < done.first_step_s <= done.wall_s and done.loader_wait_s < done.wall_s
    assert loop.stretch(lambda steps, wall_s: steps == 7).steps == 7
    assert loop.drain(lambda n, s: n >= 10).items >= 10


@pytest.mark.parametrize("name", ["mlp_small", "resnet18_small"])
def test_it_learns_as_torch_does_on_the_same_items(name: str, tmp_path: Path) -> None:
    """One batch of all items, so that their order is none: then losses are one after another."""
    if name == "mlp_small":
        path = rows(tmp_path, 24)
    else:
        path = photographs(tmp_path / "p", {"a": 2, "b": 2}, size=(64, 64))
    network = registry.networks()[name]
    size = data_found.dataset_at(path, network).items
    here_ = loop_of(name, path, size)
    case = case_of(name, data_found.dataset_at(path, network), size)
    there = open_loop(case)
    ours = [here_.epoch().loss for _ in range(3)]
    theirs = [there.epoch().loss for _ in range(3)]
    assert ours == pytest.approx(theirs, rel=2e-3)
    found, wanted = (loop.evaluate(None, lambda s: False) for loop in (here_, there))
    assert found is not None and wanted is not None
    assert found.batches == 1
    assert found.accuracy_frac == pytest.approx(wanted.accuracy_frac, abs=0.3)


def test_the_loss_on_a_learnable_set_falls_and_the_judge_sees_it(tmp_path: Path) -> None:
    loop = loop_of("mlp_small", rows(tmp_path, 64), 16)
    before = loop.evaluate(None, lambda s: False)
    losses = [loop.epoch().loss or math.inf for _ in range(60)]
    after = loop.evaluate(None, lambda s: False)
    assert before is not None and after is not None
    assert losses[-1] < 0.5 * losses[0]
    assert after.accuracy_frac > max(0.9, before.accuracy_frac)


def test_a_checkpoint_holds_weights_and_moments(tmp_path: Path) -> None:
    from flax import serialization

    loop = loop_of("mlp_small", rows(tmp_path), 16)
    loop.epoch()
    saved = loop.checkpoint(tmp_path / "c")
    raw = (tmp_path / "c").read_bytes()
    assert saved.bytes_written == len(raw)
    again = serialization.from_bytes(loop._state, raw)
    for kept, now in zip(jax.tree.leaves(again), jax.tree.leaves(loop._state), strict=True):
        assert np.array_equal(kept, now)
    parameters = sum(x.size for x in jax.tree.leaves(loop._state[0]))
    assert len(raw) > 4 * parameters


@pytest.mark.parametrize("name", ["bert_base_small", "dcgan_small"])
def test_tokens_and_losses_in_turn_are_trained_too(name: str, tmp_path: Path) -> None:
    network = registry.networks()[name]
    dataset = data_made.dataset_for(network, 8)
    case = case_of(name, dataset, 4)
    loop = JaxLoop(network.workload, network.variant.config, case, 1)
    assert (loop.epoch().steps, math.isfinite(loop.epoch().loss or math.nan)) == (2, True)
    judged = loop.evaluate(1, lambda s: False)
    assert (judged is None) == (name == "dcgan_small")


def test_shortcuts_are_torchs(tmp_path: Path) -> None:
    network = registry.networks()["mlp_small"]
    case = case_of("mlp_small", data_found.dataset_at(rows(tmp_path), network), 16)
    with pytest.raises(Unavailable, match="in torch only"):
        JaxLoop(network.workload, network.variant.config, case, 1, build=lambda ground: None)


def test_a_flax_model_of_ones_own_is_trained_by_the_loop_of_its_library() -> None:
    Path("flaxnet.py").write_text(FLAX)
    photographs(Path("photos"), {"a": 20, "b": 12}, size=(24, 24))
    (name,) = model_naming.named(["flaxnet.py:make"], here)
    training = training_choice.choose(None, name)
    assert training.runtime == "jax"
    network = registry.networks()[name]
    loading = Loading(dataset=data_found.dataset_at(Path("photos"), network), residence="disk")
    case = LoopCase(
        workload=name, runtime=training.runtime, device="cpu", dtype="float32", batch_size=4,
        loading=loading,
    )  # fmt: skip
    child = LoopChild(case, 0, 1, 0, Child, lambda: None)  # a process of its own builds it anew
    try:
        done = child.part(LoopPart(what="epoch")).stretch  # channels last, as it takes them
        judged = child.part(LoopPart(what="evaluate", batches=2)).evaluated
    finally:
        child.end()
    assert done is not None and (done.steps, done.items) == (8, 32)
    assert judged is not None and judged.batches == 2
