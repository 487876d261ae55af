"""Generated data: photographs by their spectrum, Zipf's tokens, and a cache that keeps them."""

from pathlib import Path

import numpy as np
import pytest

from hwbench import data_made, registry
from hwbench.errors import BadInput, StorageFull, Unavailable
from tests import fakes

KINDS = {
    "bert_base": "tokens",
    "dcgan": "pictures",
    "gpt2_large": "tokens",
    "gpt2_medium": "tokens",
    "gpt2_small": "tokens",
    "gpt2_xl": "tokens",
    "llama_1b": "tokens",
    "llama_70b": "tokens",
    "llama_8b": "tokens",
    "lstm": "tokens",
    "mlp": "rows",
    "mobilenet_v3_large": "images",
    "qwen_moe_30b_a3b": "tokens",
    "resnet18": "images",
    "resnet50": "images",
    "vit_base": "images",
    "vit_tiny": "images",
}


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    fakes.isolate(monkeypatch, tmp_path)
    return tmp_path / "cache"


def test_every_workload_has_a_kind() -> None:
    networks = registry.networks().items
    found = {n: data_made.kind_of(networks[n]) for n in networks if not n.endswith("_small")}
    found["gpt2_small"] = data_made.kind_of(networks["gpt2_small"])
    assert found == KINDS


def test_the_power_of_a_photograph_falls_as_one_over_the_frequency_squared() -> None:
    """The slope of ln(power) against ln(f) is -2 (Field 1987), over four octaves."""
    rng = np.random.default_rng(1)
    slopes = []
    for _ in range(8):
        grey = data_made.photograph(256, 256, rng).astype("float64").mean(axis=-1)
        power = np.abs(np.fft.fft2(grey - grey.mean())) ** 2
        f = np.hypot(*np.meshgrid(np.fft.fftfreq(256), np.fft.fftfreq(256)))
        edges = 2.0 ** np.arange(-7, -2)
        means = [power[(f >= a) & (f < 2 * a)].mean() for a in edges]
        slopes.append(np.polyfit(np.log(edges), np.log(means), 1)[0])
    assert np.mean(slopes) == pytest.approx(-2, abs=0.15)


def test_images_are_jpeg_files_that_pillow_decodes_in_folders_of_classes(cache: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    made = data_made.dataset_for(registry.networks()["resnet18"], 20, (120, 90))
    files = sorted(Path(made.path).rglob("*.jpg"))
    assert len(files) == made.items == 20 and made.generated
    assert made.bytes_on_disk == sum(p.stat().st_size for p in files)
    assert len({p.parent for p in files}) == data_made.CLASSES
    for file in files:
        with image.open(file) as opened:
            assert (opened.format, opened.mode, opened.size) == ("JPEG", "RGB", (120, 90))
            assert np.asarray(opened).std() > 20


def test_a_photograph_of_the_usual_size_is_about_as_large_as_a_file() -> None:
    """ImageNet's mean is 110 kB at 400 x 350 px (Russakovsky et al. 2015): within a factor of 2."""
    pytest.importorskip("PIL.Image")
    made = data_made.dataset_for(registry.networks()["resnet18"], 4)
    assert 55_000 < made.item_bytes < 220_000
    assert "500 x 375 px" in made.description


def test_what_is_made_once_is_kept_and_serves_networks_of_its_kind(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("PIL.Image")
    networks = registry.networks()
    first = data_made.dataset_for(networks["resnet18"], 5, (64, 48))
    stamps = {p: p.stat().st_mtime_ns for p in Path(first.path).rglob("*.jpg")}

    def never(*_: object) -> None:
        raise AssertionError("made again")

    monkeypatch.setattr(data_made, "_make", never)
    assert data_made.dataset_for(networks["resnet18"], 5, (64, 48)) == first
    pictures = data_made.dataset_for(networks["dcgan"], 5, (64, 48))
    assert (pictures.path, pictures.kind) == (first.path, "pictures")
    assert {p: p.stat().st_mtime_ns for p in Path(first.path).rglob("*.jpg")} == stamps
    assert not list(cache.glob("making-*"))


def test_other_sizes_are_other_data() -> None:
    networks = registry.networks()
    paths = {
        data_made.dataset_for(networks["mlp_small"], 10).path,
        data_made.dataset_for(networks["mlp_small"], 11).path,
        data_made.dataset_for(networks["mlp"], 10).path,
    }
    assert len(paths) == 3


def test_of_large_images_fewer_are_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data_made, "photograph", lambda w, h, rng: np.zeros((h, w, 3), "uint8"))
    network = registry.networks()["resnet18"]
    assert data_made.dataset_for(network, size=(1000, 750)).items == 128
    large = data_made.dataset_for(network, size=(2000, 3000))
    assert large.items == data_made.LEAST_IMAGES and "2000 x 3000 px" in large.description
    assert data_made.dataset_for(network, items=5, size=(2000, 3000)).items == 5


def test_a_size_of_images_is_for_generated_images_alone() -> None:
    networks = registry.networks()
    data_made.check_size(networks["resnet18"], (800, 600), None)
    data_made.check_size(networks["mlp"], None, Path("x.npy"))
    with pytest.raises(BadInput, match="mlp takes rows, no images"):
        data_made.check_size(networks["mlp"], (800, 600), None)
    with pytest.raises(BadInput, match="leave out --data"):
        data_made.check_size(networks["resnet18"], (800, 600), Path("mine"))


def test_rows_are_standard_normal_and_as_many_as_asked() -> None:
    made = data_made.dataset_for(registry.networks()["mlp_small"], 500)
    x, y = np.load(Path(made.path) / "x.npy"), np.load(Path(made.path) / "y.npy")
    assert x.shape == (500, 64) and y.shape == (500,) and x.dtype == np.float32
    assert abs(x.mean()) < 0.03 and x.std() == pytest.approx(1, abs=0.03)
    assert set(y) == set(range(10))
    assert made.item_bytes == pytest.approx(64 * 4 + 8, abs=2)


def test_the_frequency_of_a_token_falls_as_one_over_its_rank() -> None:
    network = registry.networks()["lstm_small"]
    made = data_made.dataset_for(network, 4000)
    drawn = np.load(Path(made.path) / "tokens.npy")
    config = network.variant.config
    assert len(drawn) == 4000 * config["seq"] + 1 and made.items == 4000
    assert drawn.min() >= 0 and drawn.max() < config["vocab"]
    counts = np.bincount(drawn, minlength=config["vocab"])
    assert counts[0] / counts[9] == pytest.approx(10, rel=0.15)
    assert counts[1] / counts[3] == pytest.approx(2, rel=0.15)


def test_a_full_disk_is_one_line_and_leaves_nothing_behind(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = registry.networks()["mlp_small"]
    with fakes.disk_full_after(4096), pytest.raises(StorageFull, match="HWBENCH_CACHE"):
        data_made.dataset_for(network, 1000)
    assert not list(cache.glob("making-*"))
    assert data_made.dataset_for(network, 1000).items == 1000


def test_images_without_pillow_say_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(Unavailable, match=r"hwbench-dl\[data\]"):
        data_made.dataset_for(registry.networks()["resnet18"], 3, (32, 32))
