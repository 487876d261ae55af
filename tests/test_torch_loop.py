"""A real training loop in torch on small data: every item, every step, nothing moved by looking."""

import math
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from hwbench import data_found, data_made, registry  # noqa: E402
from hwbench.dataset import Dataset, Loading, Residence  # noqa: E402
from hwbench.dialects import arranging, torch_loading  # noqa: E402
from hwbench.dialects.torch_loop import TorchLoop  # noqa: E402
from hwbench.errors import HwbenchError, Unavailable  # noqa: E402
from hwbench.loop import LoopCase, LoopPart, OpenLoop  # noqa: E402
from hwbench.looping import Looper  # noqa: E402
from tests import fakes  # noqa: E402
from tests.loops import rows  # noqa: E402

CUDA = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no NVIDIA GPU")


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fakes.isolate(monkeypatch, tmp_path)


def case_of(
    name: str,
    dataset: Dataset,
    batch: int,
    residence: Residence = "memory",
    workers: int = 0,
    samples: int | None = None,
    device: str = "cpu",
    dtype: str = "float32",
) -> LoopCase:
    return LoopCase(
        workload=name,
        runtime="torch",
        device=device,
        dtype=dtype,
        batch_size=batch,
        loading=Loading(dataset=dataset, residence=residence, workers=workers, samples=samples),
    )


def open_loop(case: LoopCase, seed: int = 1) -> TorchLoop:
    network = registry.networks()[case.workload]
    return TorchLoop(network.workload, network.variant.config, case, seed)


def mlp(folder: Path, items: int = 40, batch: int = 16, **how: Any) -> TorchLoop:
    dataset = data_found.dataset_at(rows(folder, items), registry.networks()["mlp_small"])
    return open_loop(case_of("mlp_small", dataset, batch, **how))


def photographs(folder: Path, classes: dict[str, int], size: tuple[int, int] = (80, 60)) -> Path:
    """Write so many PNG files a class, each of one grey that names it; return their folder."""
    image = pytest.importorskip("PIL.Image")
    number = 0
    for name, count in classes.items():
        (folder / name).mkdir(parents=True)
        for n in range(count):
            number += 1
            image.new("RGB", size, (number, number, number)).save(folder / name / f"{n}.png")
    return folder


class Seen:
    """A source that counts what was taken from it."""

    def __init__(self, source: Any) -> None:
        self.source, self.taken = source, Counter[int]()

    def __len__(self) -> int:
        return len(self.source)

    def __getitems__(self, indices: list[int]) -> Any:
        self.taken.update(indices)
        return self.source.__getitems__(indices)


@pytest.mark.parametrize(("items", "batch"), [(40, 16), (48, 16), (5, 8), (1, 1)])
def test_an_epoch_sees_every_item_once_in_the_fewest_steps(
    items: int, batch: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, real = [], torch_loading.source_of

    def source_of(*given: Any) -> Seen:
        made.append(Seen(real(*given)))
        return made[-1]

    monkeypatch.setattr(torch_loading, "source_of", source_of)
    loop = mlp(tmp_path, items, batch)
    for number in (1, 2):
        done = loop.epoch()
        assert (done.steps, done.items) == (math.ceil(items / batch), items)
        assert made[0].taken == {i: number for i in range(items)}
    assert 0 < done.first_step_s <= done.wall_s and done.loader_wait_s < done.wall_s
    assert 0 < done.first_wait_s <= done.first_step_s


def test_a_stretch_goes_on_over_the_end_of_the_data(tmp_path: Path) -> None:
    loop = mlp(tmp_path, 32, 16)
    done = loop.stretch(lambda steps, wall_s: steps == 7)
    assert (done.steps, done.items) == (7, 7 * 16)


def test_fewer_items_are_taken_evenly_and_more_come_round() -> None:
    class Plain:
        def __len__(self) -> int:
            return 10

        def __getitems__(self, indices: list[int]) -> list[int]:
            return indices

    few, many = torch_loading.Repeated(Plain(), 4), torch_loading.Repeated(Plain(), 25)
    assert (len(few), few.__getitems__(list(range(4)))) == (4, [0, 2, 5, 7])
    assert Counter(many.__getitems__(list(range(25)))) == {i: 3 if i < 5 else 2 for i in range(10)}


def _state(loop: TorchLoop) -> dict[str, Any]:
    return {k: v.clone() for k, v in loop._model.state_dict().items()}


def test_evaluation_changes_neither_weights_nor_batch_norm(tmp_path: Path) -> None:
    folder = photographs(tmp_path / "p", {"a": 4, "b": 4})
    dataset = data_found.dataset_at(folder, registry.networks()["resnet18_small"])
    loop = open_loop(case_of("resnet18_small", dataset, 4))
    loop.epoch()
    before = _state(loop)
    judged = loop.evaluate(None, lambda s: False)
    assert judged is not None and judged.batches == 2 and 0 <= judged.accuracy_frac <= 1
    after = _state(loop)
    assert any("running_mean" in k for k in before)
    assert all(torch.equal(before[k], after[k]) for k in before)
    assert loop._model.training
    loop.epoch()
    assert not all(torch.equal(before[k], v) for k, v in _state(loop).items())


def test_an_evaluation_ends_after_its_batches_or_its_time(tmp_path: Path) -> None:
    loop = mlp(tmp_path, 64, 16)
    limits: list[tuple[int | None, float, int]] = [
        (3, math.inf, 3),
        (None, 0.0, 1),
        (99, math.inf, 4),
    ]
    for batches, limit_s, found in limits:
        judged = loop.evaluate(batches, limit_s.__le__)
        assert judged is not None and judged.batches == found


def test_a_checkpoint_loads_back(tmp_path: Path) -> None:
    loop = mlp(tmp_path)
    loop.epoch()
    path = tmp_path / "c.pt"
    saved = loop.checkpoint(path)
    assert saved.bytes_written == path.stat().st_size > 4 * 64 * 128 and saved.wall_s > 0
    kept = torch.load(path, weights_only=True)
    assert all(torch.equal(kept["model"][k], v) for k, v in _state(loop).items())
    other = mlp(tmp_path)
    assert not all(torch.equal(kept["model"][k], v) for k, v in _state(other).items())
    other._model.load_state_dict(kept["model"])
    for optimizer, state in zip(other._optimizers, kept["optimizers"], strict=True):
        optimizer.load_state_dict(state)


def test_the_loss_on_a_learnable_set_falls_and_the_judge_sees_it(tmp_path: Path) -> None:
    torch.manual_seed(0)
    loop = mlp(tmp_path, 64, 16)
    before = loop.evaluate(None, lambda s: False)
    losses = [loop.epoch().loss or math.inf for _ in range(60)]
    after = loop.evaluate(None, lambda s: False)
    assert before is not None and after is not None
    assert losses[-1] < 0.5 * losses[0]
    assert after.accuracy_frac > max(0.9, before.accuracy_frac)


def test_a_loss_beyond_all_numbers_is_none(tmp_path: Path) -> None:
    path = rows(tmp_path)
    with np.load(path) as kept:
        np.savez(path, x=kept["x"] * np.float32(np.inf), y=kept["y"])
    dataset = data_found.dataset_at(path, registry.networks()["mlp_small"])
    assert open_loop(case_of("mlp_small", dataset, 16)).epoch().loss is None


@pytest.mark.parametrize("residence", ["memory", "disk"])
def test_images_from_folders_get_their_class(residence: Residence, tmp_path: Path) -> None:
    folder = photographs(tmp_path / "p", {"a": 3, "b": 2, "c": 1})
    network = registry.networks()["resnet18_small"]
    dataset = data_found.dataset_at(folder, network)
    loading = Loading(dataset=dataset, residence=residence)
    source = torch_loading.source_of(network.workload, network.variant.config, loading, 1)
    pixels, labels = source.__getitems__([0, 1, 2, 3, 4, 5])
    assert labels.tolist() == [0, 0, 0, 1, 1, 2]
    side = network.variant.config["image"]
    assert pixels.shape == (6, 3, side, side) and pixels.dtype == np.float32
    greys = pixels * np.array([0.229, 0.224, 0.225]).reshape(1, 3, 1, 1)
    greys = (greys + np.array([0.485, 0.456, 0.406]).reshape(1, 3, 1, 1)) * 255
    assert greys.std(axis=(1, 2, 3)) == pytest.approx(np.zeros(6), abs=1e-4)
    assert greys.mean(axis=(1, 2, 3)) == pytest.approx(np.arange(1, 7), abs=1e-3)


@pytest.mark.parametrize("name", ["resnet18_small", "lstm_small", "bert_base_small", "mlp_small"])
def test_memory_and_disk_give_items_of_the_same_shape_and_scale(name: str) -> None:
    network = registry.networks()[name]
    if data_made.kind_of(network) == "images":
        pytest.importorskip("PIL.Image")
    dataset = data_made.dataset_for(network, 24, (96, 72))
    found = {}
    for residence in ("memory", "disk"):
        loading = Loading(dataset=dataset, residence=residence)
        source = torch_loading.source_of(network.workload, network.variant.config, loading, 1)
        assert len(source) == 24
        found[residence] = source.__getitems__(list(range(24)))
    for kept, read in zip(found["memory"], found["disk"], strict=True):
        assert kept.shape == read.shape and kept.dtype == read.dtype
        if name != "resnet18_small":  # whose crops are drawn anew
            assert np.array_equal(kept, read)
        elif kept.dtype == np.float32:
            assert kept.mean() == pytest.approx(read.mean(), abs=0.1)
            assert kept.std() == pytest.approx(read.std(), rel=0.15)
    inputs, targets = network.workload.batch(network.variant.config, 24, np.random.default_rng(0))
    assert found["disk"][0].shape == inputs[0].shape
    assert found["disk"][1].shape == targets.shape


def test_the_target_of_a_token_is_the_next_one(tmp_path: Path) -> None:
    np.save(tmp_path / "t.npy", np.arange(100, dtype="uint16"))
    network = registry.networks()["lstm_small"]
    dataset = data_found.dataset_at(tmp_path / "t.npy", network)
    loading = Loading(dataset=dataset, residence="disk")
    source = torch_loading.source_of(network.workload, network.variant.config, loading, 1)
    inputs, targets = source.__getitems__([0, 5])
    assert inputs[1].tolist() == list(range(80, 96))
    assert np.array_equal(targets, inputs + 1)


@pytest.mark.parametrize(
    "name", [n for n in registry.networks().items if n.endswith("_small") and n != "gpt2_small"]
)
def test_every_small_network_trains_on_generated_data(name: str) -> None:
    network = registry.networks()[name]
    if data_made.kind_of(network) in ("images", "pictures"):
        pytest.importorskip("PIL.Image")
    dataset = data_made.dataset_for(network, 8, (48, 40))
    loop = open_loop(case_of(name, dataset, 4, residence="disk"))
    before = _state(loop)
    done = loop.epoch()
    assert (done.steps, done.items) == (2, 8) and done.loss is not None
    assert not all(torch.equal(before[k], v) for k, v in _state(loop).items())
    judged = loop.evaluate(1, lambda s: False)
    assert (judged is None) == (name == "dcgan_small")


def test_dcgans_pictures_are_targets_within_its_generators_range(tmp_path: Path) -> None:
    network = registry.networks()["dcgan_small"]
    config = network.variant.config
    dataset = data_found.dataset_at(photographs(tmp_path / "p", {"a": 6}), network)
    loading = Loading(dataset=dataset, residence="memory")
    source = torch_loading.source_of(network.workload, config, loading, 1)
    (batch,) = torch_loading.batches(source, 6, 0, 1, False)
    (noise,), pictures = arranging.arranged(network.workload, config, "pictures")(*batch)
    assert noise.shape == (6, config["noise"]) and noise.std() == pytest.approx(1, abs=0.3)
    assert pictures.shape == (6, 3, config["image"], config["image"])
    assert pictures.min() >= -1 and pictures.max() <= 1


def test_a_spawned_worker_gives_what_the_loop_itself_reads(tmp_path: Path) -> None:
    loop = mlp(tmp_path, 48, 16, residence="disk", workers=1)
    first = loop.stretch(lambda steps, wall_s: steps == 2)
    assert loop.evaluate(2, lambda s: False) is not None  # takes the worker meanwhile
    again = loop.stretch(lambda steps, wall_s: steps == 4)
    whole = loop.epoch()
    assert (first.steps, again.steps, whole.steps, whole.items) == (2, 4, 3, 48)
    assert first.first_wait_s > 0.5 * first.wall_s  # the worker was started in it
    drained = loop.drain(lambda items, wall_s: items >= 32)
    assert drained.items >= 32 and drained.cpu_s >= 0


def test_a_drained_loader_has_given_items_and_trained_nothing(tmp_path: Path) -> None:
    loop = mlp(tmp_path, 64, 16, residence="disk")
    before = _state(loop)
    drained = loop.drain(lambda items, wall_s: items >= 100)
    assert drained.items == 112 and drained.wall_s > 0
    assert all(torch.equal(before[k], v) for k, v in _state(loop).items())


def test_bfloat16_trains_float32_weights(tmp_path: Path) -> None:
    loop = mlp(tmp_path, dtype="bfloat16")
    assert loop.epoch().loss is not None
    assert {v.dtype for v in _state(loop).values()} == {torch.float32}


def test_images_without_pillow_say_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    dataset = Dataset(
        kind="images", path="x", items=1, bytes_on_disk=1, generated=False, description="x"
    )
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(Unavailable, match=r"hwbench-dl\[data\]"):
        open_loop(case_of("resnet18_small", dataset, 1))


# The child's side ---------------------------------------------------------------------------------


@pytest.fixture
def looper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Looper]:
    dataset = data_found.dataset_at(rows(tmp_path), registry.networks()["mlp_small"])

    def opened(runtime: str) -> Looper:
        made = Looper()
        case = case_of("mlp_small", dataset, 16)
        case = LoopCase(**{**case.__dict__, "runtime": runtime})
        assert made.open(OpenLoop(case=case, threads=1, seed=0)).read_s >= 0
        return made

    return opened


def test_the_child_runs_the_parts_that_it_is_asked_for(
    looper: Callable[[str], Looper], tmp_path: Path
) -> None:
    child = looper("torch")
    one = child.part(LoopPart(what="steps", seconds=0.0)).stretch
    some = child.part(LoopPart(what="steps", seconds=0.2)).stretch
    assert one is not None and one.steps == 1
    assert some is not None and some.wall_s > 0.1  # it ends half a step before 0.2 s
    whole = child.part(LoopPart(what="epoch")).stretch
    assert whole is not None and whole.items == 256
    judged = child.part(LoopPart(what="evaluate", batches=3)).evaluated
    assert judged is not None and judged.batches == 3
    drained = child.part(LoopPart(what="drain", seconds=0.0)).drained
    assert drained is not None and drained.items > 0
    path = tmp_path / "c.pt"
    saved = child.part(LoopPart(what="checkpoint", path=str(path))).saved
    assert saved is not None and path.exists()


def test_the_child_without_a_loop_says_so(looper: Callable[[str], Looper]) -> None:
    with pytest.raises(Unavailable, match="onnxruntime has no training loop here"):
        looper("onnxruntime")
    with pytest.raises(HwbenchError, match="no loop is open"):
        Looper().part(LoopPart(what="epoch"))


@CUDA
def test_a_loop_on_a_gpu_waits_for_what_it_times(tmp_path: Path) -> None:
    loop = mlp(tmp_path, 64, 16, device="cuda:0", residence="disk")
    done = loop.epoch()
    assert done.steps == 4 and done.loss is not None and done.loader_wait_s <= done.wall_s
    assert loop.evaluate(None, lambda s: False) is not None
    assert loop.checkpoint(tmp_path / "c.pt").bytes_written > 0
