"""Data to learn from: what is wrong with it, what is refused, how it is split and disturbed."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hwbench import learning_data, learning_sources, learning_spoiled, learning_task, registry
from hwbench.data_quality import quality_of
from hwbench.errors import BadInput
from hwbench.learning_data import study
from hwbench.learning_task import Task

IMAGES, ROWS, TEXT = "resnet18_small", "mlp_small", "bert_base_small"


def of(name: str) -> Any:
    return registry.networks()[name]


def task(counts: tuple[int, ...] = (40, 20, 10), width: int = 8) -> Task:
    targets = np.repeat(np.arange(len(counts)), counts).astype("int64")
    rng = np.random.default_rng(0)
    inputs = rng.standard_normal((len(targets), width)).astype("float32")
    names = tuple(str(n) for n in range(len(counts)))
    return Task(inputs=inputs, targets=targets, classes=len(counts), names=names)


def arrays(folder: Path, x: Any, y: Any) -> str:
    path = folder / "data.npz"
    np.savez(path, x=x, y=y)
    return str(path)


def photographs(folder: Path, counts: dict[str, int], size: int = 20) -> Path:
    image = pytest.importorskip("PIL.Image")
    rng = np.random.default_rng(1)
    for name, count in counts.items():
        (folder / name).mkdir(parents=True)
        for n in range(count):
            pixels = rng.integers(0, 255, (size, size, 3), dtype=np.uint8)
            image.fromarray(pixels).save(folder / name / f"{n}.png")
    return folder


def test_digits_have_a_source_and_a_target_task() -> None:
    pytest.importorskip("sklearn")
    found = study("digits", of(IMAGES))
    assert found.source is not None and found.train.classes == found.source.classes == 5
    assert found.train.names == tuple("56789") and found.source.names == tuple("01234")
    side = of(IMAGES).variant.config["image"]
    assert found.train.inputs.shape[1:] == (3, side, side)
    assert found.train.inputs.dtype == np.float32
    assert abs(float(found.train.inputs.mean())) < 0.2
    assert 0.25 < len(found.test) / (len(found.test) + len(found.train)) < 0.35
    assert "8 x 8 pixels" in found.cautions[0]
    rows = study("digits", of(ROWS))
    assert rows.train.inputs.shape[1] == of(ROWS).variant.config["features"]


def test_digits_are_no_text() -> None:
    pytest.importorskip("sklearn")
    with pytest.raises(BadInput, match="reads tokens: give a text file"):
        study("digits", of(TEXT))


def test_images_are_resized_by_bilinear_interpolation() -> None:
    image = pytest.importorskip("PIL.Image")
    made = np.random.default_rng(0).random((1, 8, 8)).astype("float32")
    found = learning_sources._resized(made, 16)
    wanted = image.fromarray(made[0]).resize((16, 16), image.Resampling.BILINEAR)
    assert found[0] == pytest.approx(np.asarray(wanted), abs=1e-5)


def test_a_split_has_the_classes_shares_and_nothing_twice() -> None:
    whole = task((40, 20, 10))
    pool, test = learning_task.split(whole, 0.3, 0)
    assert np.bincount(test.targets).tolist() == [12, 6, 3]
    assert len(pool) + len(test) == len(whole)
    rows = {x.tobytes() for x in pool.inputs}
    assert not rows & {x.tobytes() for x in test.inputs}
    again = learning_task.split(whole, 0.3, 0)[1]
    assert np.array_equal(again.inputs, test.inputs)
    other = learning_task.split(whole, 0.3, 1)[1]
    assert not np.array_equal(other.inputs, test.inputs)


def test_the_smaller_subset_is_in_the_larger_and_both_have_the_shares() -> None:
    whole = task((80, 40, 40))
    small, large = (learning_task.subset(whole, n, 3) for n in (16, 80))
    inside = {x.tobytes() for x in large.inputs}
    assert all(x.tobytes() in inside for x in small.inputs)
    assert np.bincount(large.targets).tolist() == pytest.approx([40, 20, 20], abs=3)
    least = learning_task.subset(whole, 3, 3)
    assert sorted(least.targets.tolist()) == [0, 1, 2]


def test_label_noise_is_of_the_stated_share_and_never_the_right_label() -> None:
    whole = task((40, 40))
    noisy = learning_spoiled.with_label_noise(whole, 0.25, 0)
    assert int((noisy.targets != whole.targets).sum()) == 20
    assert np.array_equal(noisy.inputs, whole.inputs)
    assert np.array_equal(learning_spoiled.with_label_noise(whole, 0.0, 0).targets, whole.targets)


def test_poison_marks_others_examples_and_relabels_them() -> None:
    whole = task((30, 30, 30))
    made, marked = learning_spoiled.poisoned(whole, 0.1, 2, 0)
    assert int(marked.sum()) == 9 and set(made.targets[marked]) == {2}
    assert not (whole.targets[marked] == 2).any()
    assert np.array_equal(made.inputs[~marked], whole.inputs[~marked])
    assert (made.inputs[marked][:, -1] == whole.inputs[marked].max()).all()
    images = np.zeros((2, 3, 16, 16), dtype="float32")
    images[0, 0, 0, 0] = 5.0
    seen = learning_spoiled.triggered(images)
    assert (seen[:, :, -2:, -2:] == 5).all() and (seen[:, :, 2:8, 2:8] == 0).all()


def test_duplicates_conflicts_leakage_and_imbalance_are_counted() -> None:
    whole = task((40, 10))
    pool, test = whole.at(np.arange(0, 50, 2)), whole.at(np.arange(1, 50, 2))
    clean = quality_of(pool, test)
    assert (clean.duplicates, clean.leaked, clean.conflicts) == (0, 0, 0)
    assert clean.imbalance == 4 and clean.near_duplicates is None
    share = np.array([0.8, 0.2])
    assert clean.effective_classes == pytest.approx(np.exp(-(share * np.log(share)).sum()))
    doubled = pool.at([*range(25), 0, 1])
    doubled.targets[-1] = 1 - doubled.targets[-1]
    found = quality_of(doubled, Task(**{**test.__dict__, "inputs": test.inputs.copy()}))
    assert (found.duplicates, found.conflicts) == (2, 1)
    leaking = Task(
        **{**test.__dict__, "inputs": np.concatenate([pool.inputs[:5], test.inputs[5:]])}
    )
    told = quality_of(pool, leaking)
    assert told.leaked == 5 and told.leaked_frac == pytest.approx(5 / 25)
    assert any("accuracy is too high" in line for line in told.lines())


def test_images_that_look_alike_are_found() -> None:
    rng = np.random.default_rng(0)
    images = rng.random((10, 3, 32, 32)).astype("float32")
    brighter = images[:3] * 1.1 + 0.02
    targets = np.zeros(10, dtype="int64")
    pool = Task(inputs=images, targets=targets, classes=1, names=("a",))
    test = Task(inputs=brighter, targets=targets[:3], classes=1, names=("a",))
    assert quality_of(pool, test).alike_in_test == 3 and quality_of(pool, test).leaked == 0
    twice = Task(
        inputs=np.concatenate([images, brighter]),
        targets=np.zeros(13, int),
        classes=1,
        names=("a",),
    )
    assert quality_of(twice, test).near_duplicates == 3


def test_a_folder_is_learnt_without_the_images_that_cannot_be_read(tmp_path: Path) -> None:
    folder = photographs(tmp_path / "set", {"cat": 8, "dog": 6})
    (folder / "cat" / "torn.png").write_bytes(b"no image")
    found = study(str(folder), of(IMAGES))
    assert len(found.train) + len(found.test) == 14 and found.train.names == ("cat", "dog")
    assert found.cautions == ("cannot be read, left out: torn.png",)
    assert found.source is None


def test_images_of_ones_own_start_from_digits_and_it_is_said(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    own = study(str(photographs(tmp_path / "set", {"cat": 8, "dog": 6})), of(IMAGES))
    found = learning_data.with_source(own, of(IMAGES))
    assert found.source is not None and found.source.names == tuple("01234")
    assert found.source.inputs.shape[1:] == found.train.inputs.shape[1:]
    assert found.train is own.train and "need not be like your data" in found.cautions[-1]
    digits = study("digits", of(IMAGES))
    assert learning_data.with_source(digits, of(IMAGES)) is digits
    assert learning_data.with_source(own, of(ROWS)) is own  # rows of numbers are no images


def test_a_text_file_becomes_token_ids(tmp_path: Path) -> None:
    path = tmp_path / "reviews.tsv"
    lines = [f"{'good' if n % 2 else 'bad'}\tword{n} is fine" for n in range(20)]
    path.write_text("\n".join(lines))
    found = study(str(path), of(TEXT))
    config = of(TEXT).variant.config
    assert found.train.inputs.shape[1] == config["seq"] and found.train.inputs.dtype == np.int64
    assert found.train.inputs[found.train.inputs > 0].min() >= 3
    assert found.train.inputs.max() < config["vocab"] and found.train.names == ("bad", "good")
    assert learning_sources.tokens("A b", 100, 4)[2:] == [0, 0]
    assert learning_sources.tokens("a B", 100, 4) == learning_sources.tokens("A b", 100, 4)


@pytest.mark.parametrize(
    ("make", "network", "said"),
    [
        (lambda f: arrays(f, np.ones((9, 64)), np.zeros(9)), ROWS, "holds one class"),
        (lambda f: arrays(f, np.ones((9, 64)), np.arange(9)), ROWS, "too few examples"),
        (lambda f: arrays(f, np.ones((9, 64)), np.zeros(8)), ROWS, "labels do not match"),
        (lambda f: arrays(f, np.ones((9, 63)), np.zeros(9)), ROWS, "takes rows of numbers of 64"),
        (lambda f: arrays(f, np.full((8, 64), np.nan), [0, 1] * 4), ROWS, "not finite"),
        (lambda f: arrays(f, np.ones((0, 64)), np.zeros(0)), ROWS, "no examples"),
        (lambda f: str(f / "nothing"), ROWS, "no such file or folder"),
        (lambda f: str(f), ROWS, "a folder of images, which mlp_small cannot read"),
        (lambda f: arrays(f, np.full((8, 32), 5000), [0, 1] * 4), TEXT, "token ids below"),
    ],
)
def test_what_cannot_be_learnt_from_is_one_clear_line(
    tmp_path: Path, make: Any, network: str, said: str
) -> None:
    with pytest.raises(BadInput, match=said):
        study(make(tmp_path), of(network))


def test_text_without_labels_names_the_line(tmp_path: Path) -> None:
    path = tmp_path / "t.tsv"
    path.write_text("good\tfine\nno label here\n")
    with pytest.raises(BadInput, match="line 2: write LABEL<TAB>TEXT"):
        study(str(path), of(TEXT))


def test_a_folder_of_broken_images_alone_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("PIL.Image")
    (tmp_path / "set" / "cat").mkdir(parents=True)
    (tmp_path / "set" / "cat" / "a.png").write_bytes(b"nothing")
    with pytest.raises(BadInput, match="none of its 1 images can be read"):
        study(str(tmp_path / "set"), of(IMAGES))
