"""The efficiency of several devices: published, pooled or judged, and said which."""

import math

import pytest

from hwbench import published
from hwbench.errors import BadInput
from hwbench.scaling_efficiency import Efficiency, efficiency, interconnect
from tests.published_sheets import sheets

SHEETS = sheets()


def of(device: str, n_devices: int, workload: str = "resnet50") -> Efficiency:
    return efficiency(SHEETS[device], n_devices, workload, published.figures())


def test_a_published_device_has_its_own_figures() -> None:
    """V100, ResNet-50, 8 GPUs: 0.93 in half and 0.95 in full precision, from the file."""
    single, eight = (
        [
            f.items_per_s
            for f in published.figures()
            if (f.device, f.workload, f.n_devices) == ("V100 16GB SXM2", "resnet50", n)
        ]
        for n in (1, 8)
    )
    wanted = math.prod(e / (8 * s) for s, e in zip(single, eight, strict=True)) ** 0.5
    found = of("V100-SXM-16GB", 8)
    assert found.point == pytest.approx(wanted)
    assert found.basis == "published for the V100-SXM-16GB" and "Lambda" in found.source


def test_between_published_numbers_it_lies_between() -> None:
    two, three, four = (of("V100-SXM-16GB", n, "gpt2_small").point for n in (2, 3, 4))
    assert two is not None and three is not None and four is not None
    assert four < three < two < 1


def test_one_device_loses_nothing_and_none_is_refused() -> None:
    assert of("L40S-48GB", 1)[:2] == (1.0, 0.0)
    with pytest.raises(BadInput, match="asked for 0 devices"):
        of("L40S-48GB", 0)


def test_the_further_from_what_is_published_the_wider() -> None:
    sigmas = [
        of("V100-SXM-16GB", 8).sigma_log,  # published
        of("A10G-24GB", 8).sigma_log,  # others with PCIe
        of("MI300X-192GB", 8).sigma_log,  # judgement
        of("MI300X-192GB", 32).sigma_log,  # judgement, several machines
    ]
    known = [s for s in sigmas if s is not None]
    assert len(known) == 4 and known == sorted(known) and len(set(known)) == 4
    assert "others" not in of("V100-SXM-16GB", 8).basis
    assert "judgement" in of("MI300X-192GB", 8).basis


def test_several_machines_are_no_better_than_one_and_too_many_are_unknown() -> None:
    one, four = of("A100-SXM-80GB", 8, "lstm").point, of("A100-SXM-80GB", 32, "lstm").point
    assert one is not None and four is not None and four < one
    none = of("A100-SXM-80GB", 65)
    assert none.point is None and none.sigma_log is None and "64" in none.basis


def test_links_by_name() -> None:
    linked = ["A100-SXM-40GB", "GH200-96GB", "MI300X-192GB"]
    assert {interconnect(n) for n in linked} == {"linked"}
    assert {interconnect(n) for n in ("A10-24GB", "H100-NVL-94GB", "L4-24GB")} == {"PCIe"}
