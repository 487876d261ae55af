"""The published table as it is kept: whole, dated, and what is left out has its reason."""

import csv
from collections import Counter

import pytest

from hwbench import published, registry
from hwbench.published_workloads import OWN, PUBLISHED, likeness, nearest
from hwbench.registry import PACKAGE
from tests.published_sheets import sheets


def test_all_figures_are_there_once_with_source_and_date() -> None:
    figures = published.figures()
    keys = Counter((f.source, f.device, f.workload, f.dtype, f.n_devices) for f in figures)
    assert len(figures) == 868 and set(keys.values()) == {1}
    for f in figures:
        assert f.items_per_s > 0 and f.unit and f.source and f.workload in PUBLISHED
        assert 2022 <= f.date.year <= 2025
    assert len({f.sheet for f in figures}) == 16


def test_only_figures_of_several_devices_are_left_out() -> None:
    out = [f for f in published.figures() if f.left_out]
    assert len(published.of_one_device(published.figures())) == 330
    assert len(out) == 159 and all(f.n_devices > 1 for f in out)


def test_no_figure_in_use_is_faster_than_linear() -> None:
    single = {
        (f.source, f.device, f.workload, f.dtype): f.items_per_s
        for f in published.figures()
        if f.n_devices == 1
    }
    for f in published.figures():
        if not f.left_out:
            one = single[f.source, f.device, f.workload, f.dtype]
            assert 0.2 <= f.items_per_s / (f.n_devices * one) <= 1.1


def test_a_device_has_the_memory_that_it_was_measured_with() -> None:
    rtx8000 = next(f for f in published.figures() if f.device == "Quadro RTX 8000")
    sheet = published.sheet_of(rtx8000, sheets())
    assert sheet.name == "Quadro-RTX-6000-24GB" and sheet.memory_bytes == 48 * 1024**3


def test_the_file_travels_with_the_package() -> None:
    path = PACKAGE / "catalog" / "published_throughput.csv"
    with path.open(encoding="utf-8", newline="") as file:
        assert next(csv.reader(file))[0] == "workload"
    assert "*.csv" in (PACKAGE.parent / "setup.cfg").read_text(encoding="utf-8")


def test_trainings_without_mixed_precision_are_those_whose_figures_are_equal() -> None:
    """On the V100 half precision is four times as fast as full, where it is used at all."""
    v100 = {
        (f.workload, f.dtype != "fp32"): f.items_per_s
        for f in published.of_one_device(published.figures())
        if f.device == "V100 16GB SXM2"
    }
    for name, workload in PUBLISHED.items():
        gain = v100[name, True] / v100[name, False]
        assert (gain > 1.2) == workload.mixed, name


def test_every_network_of_hwbench_is_taken_for_a_family() -> None:
    own = set(registry.workloads().items)
    assert own == set(OWN)
    families = {w.family for w in PUBLISHED.values()}
    assert {o.family for o in OWN.values()} <= families


@pytest.mark.parametrize(
    ("workload", "flops", "wanted"),
    [
        ("resnet18", 3 * 3.6e9, "resnet50"),
        ("bert_base", 1e11, "bert_base_squad"),
        ("vit_tiny", 6e9, "bert_base_squad"),
        ("a_large_one", 7e11, "bert_large_squad"),
        ("lstm", 1e9, "gnmt"),
        ("mlp", 1e6, "ncf"),
    ],
)
def test_the_nearest_published_training(workload: str, flops: float, wanted: str) -> None:
    found = nearest(likeness(workload, "transformer"), flops)
    assert found is not None and found.name == wanted


def test_a_small_variant_is_like_its_network_and_a_stranger_like_none() -> None:
    assert likeness("vit_tiny_small").family == "bert"
    assert likeness("stranger").kind is None and nearest(likeness("stranger"), 1e9) is None
