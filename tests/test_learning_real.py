"""Real trainings in torch: what is learnt, from which weights, on which examples, timed how."""

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from hwbench import codec, learning_sharing, learning_task, registry, screening  # noqa: E402
from hwbench.dialects import torch_learning, torch_pretrained  # noqa: E402
from hwbench.dialects.torch import network  # noqa: E402
from hwbench.dialects.torch_learning import Examples, Prepared, Recipe, Setting  # noqa: E402
from hwbench.errors import BadInput, Unavailable  # noqa: E402
from hwbench.learning_asks import Ask, OpenStudy, Pace, Pretrain, Train, Trained  # noqa: E402
from hwbench.learning_child import Learner  # noqa: E402

MLP = registry.networks()["mlp_small"]
ASK = Ask(purpose="curve", shortcut="from_scratch", samples=120, seed=0, steps=60)


def separable(items: int = 200, classes: int = 4, seed: int = 0) -> Examples:
    """Return rows in as many clouds as there are classes."""
    rng = np.random.default_rng(seed)
    targets = rng.permutation(np.arange(items) % classes).astype("int64")
    centres = 2 * np.random.default_rng(9).standard_normal((classes, 64))
    rows = centres[targets] + rng.standard_normal((items, 64))
    return Examples(inputs=rows.astype("float32"), targets=targets)


def setting(batch: int = 16, classes: int = 4) -> Setting:
    return Setting(
        workload=MLP.workload,
        config={**MLP.variant.config, "classes": classes},
        device="cpu",
        dtype="float32",
        batch_size=batch,
    )


def begun(steps: int = 60, name: str | None = None, **how: Any) -> Prepared:
    shortcut = registry.shortcuts()[name or "from_scratch"]
    caches = not shortcut.loads_data
    recipe = Recipe(
        steps=steps,
        rate=how.pop("rate", 1e-3),
        seed=how.pop("seed", 0),
        build=shortcut.build,
        caches=caches,
        once_passes=1.0 if caches else 0.0,
        **how,
    )
    return torch_learning.begin(setting(), recipe)


@pytest.fixture
def learner(tmp_path: Path) -> Learner:
    data = separable(240)
    np.savez(tmp_path / "d.npz", x=data.inputs, y=data.targets)
    other = separable(160, classes=3, seed=4)
    np.savez(tmp_path / "s.npz", x=other.inputs, y=other.targets)
    found = Learner()
    opened = found.open(
        OpenStudy(
            workload="mlp_small",
            data=str(tmp_path / "d.npz"),
            source=str(tmp_path / "s.npz"),
            device="cpu",
            dtype="float32",
            batch_size=16,
            threads=1,
        )
    )
    assert (opened.classes, opened.source_classes) == (4, 3)
    assert opened.samples + opened.n_test == 240
    return found


def test_a_network_learns_what_can_be_told_apart() -> None:
    ready = begun()
    before = torch_learning.right_frac(ready, separable(seed=1))
    took = torch_learning.learn(ready, separable(), 16)
    assert torch_learning.right_frac(ready, separable(seed=1)) > max(0.9, before)
    assert took.epochs == pytest.approx(60 * 16 / 200) and not took.diverged
    assert took.end_s - took.begin_s >= took.steps_s + took.once_s > 0


def test_the_same_seed_gives_the_same_network_and_another_one_another() -> None:
    weights = []
    for seed in (3, 3, 4):
        ready = begun(steps=5, seed=seed)
        torch_learning.learn(ready, separable(), 16)
        weights.append(ready.ground.model.fc.weight.detach().clone())
    assert torch.equal(weights[0], weights[1]) and not torch.equal(weights[0], weights[2])


def test_first_weights_are_of_the_seed_and_seed_0_is_everybodys() -> None:
    w, config = MLP.workload, MLP.variant.config
    plain, zero, one = network(torch, w, config), network(torch, w, config, 0), network(
        torch, w, config, 1
    )  # fmt: skip
    assert torch.equal(plain.fc.weight, zero.fc.weight)
    assert not torch.equal(plain.fc.weight, one.fc.weight)
    assert float(one.fc.weight.detach().std()) == pytest.approx((2 / 128) ** 0.5, rel=0.1)


def test_an_epoch_is_every_example_once_in_whole_batches() -> None:
    data = Examples(inputs=np.arange(40, dtype="float32")[:, None], targets=np.arange(40))
    coming = torch_learning.batches(torch, data, 16, 0, torch.device("cpu"))
    for _ in range(3):  # 40 examples are two batches of 16, and 8 that wait for another order
        seen = Counter(int(t) for _ in range(2) for t in next(coming)[1])
        assert len(seen) == 32 and set(seen.values()) == {1}
    few = Examples(inputs=data.inputs[:5], targets=data.targets[:5])
    inputs, targets = next(torch_learning.batches(torch, few, 16, 0, torch.device("cpu")))
    assert sorted(targets.tolist()) == [0, 1, 2, 3, 4]
    assert torch.equal(inputs[0].flatten().long(), targets)


def test_the_rate_rises_then_falls_as_a_cosine_to_zero() -> None:
    shares = [torch_learning.share_of_rate(n, 100) for n in range(100)]
    assert max(shares) == shares[4] > 0.99 and shares[0] == pytest.approx(0.2)
    assert shares[50] == pytest.approx(0.5) and shares[99] < 0.001


def test_the_rate_of_the_recipe_is_the_one_that_moves_the_weights() -> None:
    ready = begun(steps=1, rate=0.25)
    torch_learning.learn(ready, separable(), 16)
    (group,) = ready.stepper.optimizers[0].param_groups
    assert group["lr"] == pytest.approx(0.25)  # of one step all is the rise's end


@pytest.mark.parametrize("name", ["linear_probe", "cached_features", "partial_finetune"])
def test_a_shortcut_starts_from_the_weights_but_for_the_head(name: str, tmp_path: Path) -> None:
    source = begun(steps=30, seed=7)
    torch_learning.learn(source, separable(seed=2), 16)
    torch_learning.save(source, tmp_path / "w.pt")
    state = torch_pretrained.state_of(torch, str(tmp_path / "w.pt"))
    ready = begun(name=name, state=state, rate=1e-2)
    own = ready.ground.model
    assert torch.equal(own.hidden[0].weight, state["hidden.0.weight"])
    assert not torch.equal(own.fc.weight, state["fc.weight"])
    torch_learning.learn(ready, separable(), 16)
    assert torch.equal(own.hidden[0].weight, state["hidden.0.weight"])  # frozen by all three
    assert torch_learning.right_frac(ready, separable(seed=1)) > 0.9


def test_cached_features_are_made_once_and_give_the_heads_own_answers() -> None:
    ready = begun(name="cached_features", steps=3)
    calls = []
    ready.ground.model.hidden[0].register_forward_hook(lambda *_: calls.append(1))
    took = torch_learning.learn(ready, separable(), 16)
    assert len(calls) == 1 and took.once_s > 0  # 200 examples are one large batch
    data = separable(seed=1)
    ready.ground.model.eval()
    with torch.no_grad():
        wanted = ready.ground.model(torch.from_numpy(data.inputs)).argmax(-1).numpy()
    assert (torch_learning.told(ready, data) == wanted).all()


@pytest.mark.parametrize("name", ["from_scratch", "linear_probe", "cached_features", "adapters"])
def test_features_are_what_the_head_is_given(name: str) -> None:
    ready, data = begun(name=name, steps=2), separable(20)
    torch_learning.learn(ready, data, 16)
    found = torch_learning.features(ready, data)
    head = ready.ground.model.fc
    with torch.no_grad():
        logits = head(torch.from_numpy(found).float())
    assert found.shape == (20, 128)
    assert (logits.argmax(-1).numpy() == torch_learning.told(ready, data)).all()


def test_parameters_are_counted_as_they_train() -> None:
    own = MLP.workload.parameters({**MLP.variant.config, "classes": 4})
    assert torch_learning.counts(begun()) == (own, own)
    assert torch_learning.counts(begun(name="linear_probe")) == (own, 128 * 4 + 4)


def test_weights_go_by_name_by_what_stands_before_it_or_by_order(tmp_path: Path) -> None:
    trained = network(torch, MLP.workload, MLP.variant.config, 5).state_dict()
    for state in (
        trained,
        {f"module.{k}": v for k, v in trained.items()},
        {f"x{i}": v for i, v in enumerate(trained.values())},
    ):
        model = network(torch, MLP.workload, MLP.variant.config)
        assert torch_pretrained.put_in(model, state, "fc", "w") == 6
        assert torch.equal(model.hidden[2].weight, trained["hidden.2.weight"])
        assert not torch.equal(model.fc.weight, trained["fc.weight"])


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    model = network(torch, MLP.workload, MLP.variant.config)
    with pytest.raises(BadInput, match="of another network"):
        torch_pretrained.put_in(model, {"a": torch.zeros(3)}, "fc", "w")
    with pytest.raises(BadInput, match="there is no such file"):
        torch_pretrained.state_of(torch, str(tmp_path / "no.pt"))
    (tmp_path / "bad.pt").write_bytes(b"nonsense")
    with pytest.raises(BadInput, match="cannot be read as weights"):
        torch_pretrained.state_of(torch, str(tmp_path / "bad.pt"))
    torch.save([1, 2], tmp_path / "list.pt")
    with pytest.raises(BadInput, match="holds no weights"):
        torch_pretrained.state_of(torch, str(tmp_path / "list.pt"))
    torch.save({"state_dict": {"a": torch.zeros(3)}}, tmp_path / "inside.pt")
    assert set(torch_pretrained.state_of(torch, str(tmp_path / "inside.pt"))) == {"a"}


def test_pretraining_is_real_timed_and_kept(learner: Learner, tmp_path: Path) -> None:
    path = tmp_path / "w.pt"
    found = learner.pretrain(Pretrain(steps=60, seed=1, path=str(path)))
    assert found.accuracy > 0.9 and found.classes == 3 and found.train_s > 0
    assert found.samples + found.n_test == 160
    assert torch_pretrained.state_of(torch, str(path))["fc.weight"].shape == (3, 128)


@pytest.mark.parametrize(
    "name", ["from_scratch", "full_finetune", "linear_probe", "cached_features", "distillation"]
)
def test_a_training_is_judged_on_the_test_set(learner: Learner, tmp_path: Path, name: str) -> None:
    path = tmp_path / "w.pt"
    learner.pretrain(Pretrain(steps=60, seed=1, path=str(path)))
    teaches = name == "distillation"
    ask = replace(
        ASK,
        shortcut=name,
        teacher_steps=40 if teaches else 0,
        once_passes=float(name == "cached_features"),
    )
    found = learner.train(Train(ask=ask, weights=str(path)))
    assert found.accuracy > 0.8 and found.train_accuracy > 0.8
    assert found.memory_peak_bytes is None or found.memory_peak_bytes > 1e6
    assert (found.teacher_s > 0) == teaches and (found.once_s > 0) == (name == "cached_features")
    assert found.train_s == pytest.approx(60 * found.step_s + found.once_s + found.teacher_s)
    assert codec.decode(Trained, codec.encode(found)) == found


def test_a_pace_is_of_real_steps(learner: Learner) -> None:
    paced = learner.pace(Pace(shortcut="cached_features"))
    assert paced.step_s > 0 and paced.once_item_s > 0 and paced.judge_item_s > 0
    assert learner.pace(Pace(shortcut="distillation")).teacher_step_s > 0


def test_without_weights_what_starts_from_them_says_so(learner: Learner) -> None:
    with pytest.raises(Unavailable, match="starts from pretrained weights"):
        learner.train(Train(ask=replace(ASK, shortcut="linear_probe")))


def test_a_backdoor_misleads_and_screening_with_a_new_training_takes_that_back(
    learner: Learner,
) -> None:
    found = learner.train(Train(ask=replace(ASK, purpose="poison", poison_frac=0.1, steps=150)))
    assert found.screened is not None and found.attack_frac is not None
    assert found.screened.poisoned == 12
    assert found.screened.removed <= 4 * round(screening.MARGIN * 12)
    assert 0 <= found.screened.attack_frac <= 1 and found.attack_frac > 0.5


def test_wrong_labels_are_learnt_from(learner: Learner) -> None:
    clean = learner.train(Train(ask=ASK))
    noisy = learner.train(Train(ask=replace(ASK, purpose="noise", noise_frac=0.6)))
    assert noisy.accuracy < clean.accuracy


def test_a_larger_size_holds_the_smaller_of_its_seed() -> None:
    data = separable()
    pool = learning_task.Task(
        inputs=data.inputs, targets=data.targets, classes=4, names=("a", "b", "c", "d")
    )
    small, large = (learning_task.subset(pool, n, 2).inputs for n in (20, 80))
    assert {x.tobytes() for x in small} <= {x.tobytes() for x in large}


def test_digits_are_learnt_by_a_small_network() -> None:
    pytest.importorskip("sklearn")
    learner = Learner()
    opened = learner.open(
        OpenStudy(
            workload="mlp_small",
            data="digits",
            device="cpu",
            dtype="float32",
            batch_size=32,
            threads=1,
        )
    )
    assert opened.classes == 5 and opened.source_samples
    found = learner.train(Train(ask=replace(ASK, samples=opened.samples, steps=200)))
    assert found.accuracy > 0.9


@pytest.mark.parametrize("name", ["from_scratch", "multitask", "progressive"])
def test_several_tasks_are_each_learnt(learner: Learner, name: str) -> None:
    ask = replace(ASK, purpose="sharing", shortcut=name, tasks=2, steps=160)
    found = learner.train(Train(ask=ask))
    assert len(found.task_accuracies) == 2 and min(found.task_accuracies) > 0.8
    assert found.accuracy == pytest.approx(sum(found.task_accuracies) / 2)
    own = MLP.workload.parameters({**MLP.variant.config, "classes": 2})
    many = {"from_scratch": 2 * own, "multitask": own + 128 * 2 + 2}
    assert found.parameters == many.get(name, found.parameters) and found.parameters > own


def test_classes_are_dealt_out_evenly_and_numbered_anew() -> None:
    data = separable(50, classes=5)
    names = ("a", "b", "c", "d", "e")
    whole = learning_task.Task(inputs=data.inputs, targets=data.targets, classes=5, names=names)
    groups = learning_sharing.dealt(whole, 2)
    assert groups == [(0, 1, 2), (3, 4)]
    part = learning_sharing.examples_of(whole, groups[1])
    assert set(part.targets.tolist()) == {0, 1} and len(part) == 20
    assert (part.inputs[part.targets == 0] == data.inputs[data.targets == 3]).all()
