"""Data sheets: that drivers' names find them, that look-alikes do not, and that peaks are dense."""

from dataclasses import replace
from datetime import date

import pytest

from hwbench import catalog_check, cpu_catalog, data_sheets
from hwbench.data_sheet import DataSheet
from hwbench.errors import UnknownName

GIB = 1024**3


def test_every_sheet_states_its_source_and_date() -> None:
    for s in data_sheets.all_sheets():
        assert len(s.source) > 8, s.name  # a text, not the key of one
        assert date(2020, 1, 1) <= s.date <= date(2026, 11, 23), s.name
        assert s.confidence in ("high", "medium", "low"), s.name


def test_the_kinds_and_current_accelerators_are_there() -> None:
    sheets = data_sheets.all_sheets()
    assert {s.kind for s in sheets} == {"gpu", "tpu", "accelerator", "soc", "edge", "cpu"}
    for name in ("H100-SXM-80GB", "H200-SXM-141GB", "B200-SXM-180GB", "MI300X-192GB", "TPU-v6e"):
        assert data_sheets.sheet(name).peak_flops_per_s["bfloat16"] > 5e14
    assert sum(s.kind == "cpu" for s in sheets) >= 30


# Published dense figures, by hand from the makers' data sheets: bytes/s, FLOP/s by dtype, watts.
PUBLISHED = {
    "A100-SXM-80GB": (2.039e12, {"float32": 19.5e12, "tf32": 156e12, "bfloat16": 312e12}, 400),
    "H100-SXM-80GB": (3.35e12, {"float32": 67e12, "float8": 1978.9e12}, 700),
    "T4-16GB": (320e9, {"float32": 8.1e12, "float16": 65e12, "int8": 130e12}, 70),
    "L4-24GB": (300e9, {"float16": 121e12}, 72),
    "MI300X-192GB": (5.3e12, {"float16": 1307.4e12, "float8": 2614.9e12}, 750),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_figures_are_those_of_the_maker_in_si_units(name: str) -> None:
    bandwidth, peaks, tdp_w = PUBLISHED[name]
    found = data_sheets.sheet(name)
    assert found.bandwidth_bytes_per_s == pytest.approx(bandwidth)
    assert found.tdp_w == tdp_w
    assert {d: found.peak_flops_per_s[d] for d in peaks} == pytest.approx(peaks)


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("NVIDIA H100 80GB HBM3", "H100-SXM-80GB"),
        ("NVIDIA H100 PCIe", "H100-PCIe-80GB"),
        ("NVIDIA H100 NVL", "H100-NVL-94GB"),
        ("NVIDIA A100-SXM4-40GB", "A100-SXM-40GB"),
        ("NVIDIA A100-SXM4-80GB", "A100-SXM-80GB"),
        ("NVIDIA A100 80GB PCIe", "A100-PCIe-80GB"),
        ("Tesla T4", "T4-16GB"),
        ("Tesla V100-SXM2-16GB", "V100-SXM-16GB"),
        ("NVIDIA GeForce RTX 4090", "RTX-4090-24GB"),
        ("NVIDIA RTX A6000", "RTX-A6000-48GB"),
        ("NVIDIA RTX 6000 Ada Generation", "RTX-6000-Ada-48GB"),
        ("Quadro RTX 6000", "Quadro-RTX-6000-24GB"),
        ("AMD Instinct MI300X", "MI300X-192GB"),
        ("TPU v5 lite", "TPU-v5e"),
        ("Apple M1 Pro", "Apple-M1-Pro"),
        ("Raspberry Pi 5 Model B Rev 1.0", "Raspberry-Pi-5"),
        ("Intel(R) Xeon(R) CPU E5-2686 v4 @ 2.30GHz", "Xeon-E5-2686v4"),
        ("Intel(R) Xeon(R) Platinum 8480+", "Xeon-Platinum-8480+"),
        ("AMD EPYC 7742 64-Core Processor", "EPYC-7742"),
        ("11th Gen Intel(R) Core(TM) i7-1165G7 @ 2.80GHz", "Core-i7-1165G7"),
        ("h100-sxm-80gb", "H100-SXM-80GB"),
    ],
)
def test_a_device_is_found_by_what_the_driver_calls_it(model: str, name: str) -> None:
    found = data_sheets.find(model)
    assert found is not None and found.name == name


@pytest.mark.parametrize(
    "model",
    [
        "NVIDIA GeForce RTX 4090 Laptop GPU",
        "NVIDIA GeForce RTX 4080 SUPER",
        "NVIDIA GeForce RTX 3080 Ti",
        "NVIDIA H100 80GB HBM3 MIG 1g.10gb",
        "NVIDIA RTX 6000",  # Quadro or Ada
        "AMD Instinct MI250X / MI250",
        "AMD EPYC 7B12/7B13",
        "NVIDIA",
        "",
    ],
)
def test_a_look_alike_is_not_taken_for_it(model: str) -> None:
    assert data_sheets.find(model) is None


def test_every_sheet_is_found_by_its_own_name_and_no_two_share_a_drivers_name() -> None:
    for s in data_sheets.all_sheets():
        assert data_sheets.find(s.name) == s
    names = [n for row in data_sheets._rows() for n in row.names]
    assert len(names) == len(set(names)) and frozenset() not in names


def test_an_unknown_name_offers_near_ones() -> None:
    with pytest.raises(UnknownName, match=r"did you mean .*H100-SXM-80GB"):
        data_sheets.sheet("H100-SXM-80")


@pytest.mark.parametrize(
    ("kind", "gib", "hint", "name"),
    [
        ("A100-80GB", None, "", None),  # SXM or PCIe: not told
        ("A100-80GB-SXM", None, "", "A100-SXM-80GB"),
        ("H100", 80, "gpu_8x_h100_sxm5", "H100-SXM-80GB"),
        ("H100", 94, "", "H100-NVL-94GB"),
        ("H100NVL", 94, "", "H100-NVL-94GB"),
        ("H100-SXM5", None, "", "H100-SXM-80GB"),
        ("V100", 16, "", None),
        ("RTX4090", 24, "", "RTX-4090-24GB"),
        ("A6000", 48, "", "RTX-A6000-48GB"),
        ("RTX6000-Ada", None, "", "RTX-6000-Ada-48GB"),
        ("L4", 24, "g6.xlarge", "L4-24GB"),
        ("B200", 192, "", "B200-SXM-180GB"),
        ("L4", 48, "", None),
        ("Voodoo2", None, "", None),
    ],
)
def test_a_price_lists_name_is_resolved_or_left_open(
    kind: str, gib: int | None, hint: str, name: str | None
) -> None:
    found = data_sheets.of_kind(kind, gib * GIB if gib else None, hint)
    assert (found.name if found else None) == name


def test_the_shipped_sheets_are_plausible() -> None:
    assert catalog_check.of_sheets(data_sheets.all_sheets()) == ()


def _sparse(s: DataSheet) -> DataSheet:
    """Return a sheet as an advertisement has it: every tensor figure with structured sparsity."""
    peaks = {d: v if d == "float32" else 2 * v for d, v in s.peak_flops_per_s.items()}
    return replace(s, peak_flops_per_s=peaks)


@pytest.mark.parametrize(
    "name",
    ["A100-SXM-80GB", "H100-SXM-80GB", "H200-SXM-141GB", "L4-24GB", "L40S-48GB", "GB200-186GB"],
)
def test_sparse_peaks_are_caught(name: str) -> None:
    (problem, *_) = catalog_check.of_sheets([_sparse(data_sheets.sheet(name))])
    assert problem.where == name and "is dense" in problem.what


def test_one_sparse_figure_among_dense_ones_is_caught() -> None:
    dense = data_sheets.sheet("A10-24GB")
    for dtype in ("tf32", "bfloat16", "int8"):
        peaks = {**dense.peak_flops_per_s, dtype: 2.5 * dense.peak_flops_per_s[dtype]}
        assert catalog_check.of_sheets([replace(dense, peak_flops_per_s=peaks)]), dtype


def test_what_cannot_be_is_caught() -> None:
    sound = data_sheets.sheet("A100-SXM-80GB")
    told = catalog_check.of_sheets([sound, replace(sound, tdp_w=0.0, source="")])
    assert {p.what for p in told} == {
        "stands more than once",
        "tdp_w must be above 0, is 0",
        "it states no source",
    }


def test_processors_have_the_tdp_that_the_power_model_uses() -> None:
    """Two tables of one file: they must not tell different watts of one processor."""
    both = 0
    for row in cpu_catalog.rows():
        found = data_sheets.find(row.name)
        if found is not None and found.tdp_w is not None:
            both += 1
            assert (found.tdp_w, found.cores) == (row.tdp_w, row.cores), row.name
    assert both >= 30
