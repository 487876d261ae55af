"""Scaling to another device: against closed forms, by what is known, and on the published table."""

import itertools
import math
from collections.abc import Callable
from dataclasses import replace
from datetime import date

import pytest

from bench import scaling as study
from bench.scaling_fit import kept
from hwbench import published, scaling
from hwbench.data_sheet import DataSheet
from hwbench.errors import BadInput, UnknownName
from hwbench.published import Figure
from hwbench.scaled import Scaled, Sighting
from hwbench.scaling_kernel import HYPER
from hwbench.scaling_table import Table
from tests.published_sheets import sheets

SHEETS = sheets()
TABLE = Table(published.figures(), SHEETS)
A100, A10G, CPU = SHEETS["A100-SXM-40GB"], SHEETS["A10G-24GB"], SHEETS["EPYC-7763"]
GPUS = [s for s in SHEETS.values() if s.kind == "gpu" and s.name != "RTX-PRO-4500-32GB"]


def sighting(workload: str = "resnet50", sheet: DataSheet = A100, dtype: str = "float16"):  # type: ignore[no-untyped-def]
    return Sighting(workload=workload, dtype=dtype, sheet=sheet, items_per_s=1000.0, sigma_log=0.02)


def scaled(source: Sighting, target: DataSheet, table: Table = TABLE, **options) -> Scaled:  # type: ignore[no-untyped-def]
    facts = {"workload": source.workload, "dtype": source.dtype, "flops_per_item": 24.6e9}
    return scaling.predict(source, target, table=table, **{**facts, **options})


def ratio(found: Scaled) -> float:
    assert found.ratio is not None, found.reason
    return found.ratio


def sigma(found: Scaled) -> float:
    assert found.sigma_log is not None, found.reason
    return found.sigma_log


# A made-up world: every fact of a sheet is free, and a throughput follows a rule.


def made_up(name: str, peak: float, bandwidth: float) -> DataSheet:
    return replace(
        A100,
        name=name,
        peak_flops_per_s={"float32": 19.5e12, "tf32": peak / 2, "float16": peak},
        bandwidth_bytes_per_s=bandwidth,
    )


WORLD = {
    f"{i}{j}": made_up(f"{i}{j}", 100e12 * 1.7**i, 800e9 * 1.5**j)
    for i, j in itertools.product(range(5), range(5))
}


def figures(rule: Callable[[str, DataSheet], float], devices: dict[str, DataSheet]) -> list[Figure]:
    """Return what a rule of (training, device) gives, for three trainings."""
    return [
        Figure(
            workload=workload,
            dtype="fp16",
            device=sheet.name,
            sheet=sheet.name,
            memory_bytes=float(sheet.memory_bytes or 0),
            n_devices=1,
            batch_size=None,
            items_per_s=rule(workload, sheet),
            unit="items/s",
            source="made up",
            date=date(2026, 1, 1),
        )
        for workload in ("resnet50", "bert_base_squad", "gnmt")
        for sheet in devices.values()
    ]


LEVEL = {"resnet50": 1e3, "bert_base_squad": 1e2, "gnmt": 1e5}


@pytest.mark.parametrize(("a", "b"), [(0.0, 1.0), (0.35, 0.55), (0.8, 0.1)])
def test_known_exponents_are_recovered(a: float, b: float) -> None:
    """A throughput peak^a bandwidth^b is told for a device between the known ones."""

    def rule(workload: str, sheet: DataSheet) -> float:
        peak, bandwidth = sheet.peak_flops_per_s["float16"], sheet.bandwidth_bytes_per_s or 0.0
        return float(LEVEL[workload] * (peak / 1e14) ** a * (bandwidth / 1e12) ** b)

    table = Table(figures(rule, WORLD), WORLD)
    target = made_up("new", 100e12 * 1.7**2.5, 800e9 * 1.5**1.5)
    for workload in LEVEL:
        source = sighting(workload, WORLD["00"])
        wanted = rule(workload, target) / rule(workload, source.sheet)
        assert ratio(scaled(source, target, table)) == pytest.approx(wanted, rel=0.05)


def test_a_device_known_by_other_trainings_is_told_in_a_table_of_rank_one() -> None:
    """Each device is faster by a factor of its own that no data sheet tells."""
    speed = {name: 1.3 ** ((7 * i) % 5 - 2) for i, name in enumerate(WORLD)}

    def rule(workload: str, sheet: DataSheet) -> float:
        return LEVEL[workload] * speed[sheet.name]

    everything = figures(rule, WORLD)
    known = [f for f in everything if (f.workload, f.sheet) != ("gnmt", "34")]
    unseen = [f for f in everything if f.sheet != "34"]
    source = sighting("gnmt", WORLD["00"])
    wanted = speed["34"] / speed["00"]
    told = scaled(source, WORLD["34"], Table(known, WORLD))
    blind = scaled(source, WORLD["34"], Table(unseen, WORLD))
    assert ratio(told) == pytest.approx(wanted, rel=0.1)
    assert abs(math.log(ratio(blind) / wanted)) > 2 * abs(math.log(ratio(told) / wanted))
    assert sigma(told) < sigma(blind)


def test_the_source_itself_is_the_measurement() -> None:
    found = scaled(sighting(), A100)
    assert (found.ratio, found.sigma_log) == (1.0, 0.02)
    assert found.items_per_s is not None and found.items_per_s.point == 1000.0


def test_a_twin_by_another_name_is_as_fast_and_the_way_back_is_the_reciprocal() -> None:
    twin = replace(A100, name="A100 of another maker's board")
    assert ratio(scaled(sighting(), twin)) == pytest.approx(1.0, abs=0.1)
    there = ratio(scaled(sighting(), A10G))
    back = ratio(scaled(sighting(sheet=A10G), A100))
    assert there * back == pytest.approx(1.0, rel=1e-9)


def test_a_level_of_ones_own_changes_no_ratio() -> None:
    slow = replace(sighting(), items_per_s=0.5)
    found, other = scaled(slow, A10G), scaled(sighting(), A10G)
    assert found.ratio == other.ratio
    assert found.items_per_s is not None and other.items_per_s is not None
    assert found.items_per_s.point * 2000 == pytest.approx(other.items_per_s.point)


def test_the_less_is_known_of_a_target_the_wider_is_its_interval() -> None:
    name = "RTX-A6000-48GB"
    target = SHEETS[name]
    unseen = Table([f for f in published.figures() if f.sheet != name], SHEETS)
    amd = replace(target, vendor="AMD")
    steps = [
        scaled(sighting(), target),
        scaled(sighting(), target, unseen),
        scaled(sighting(), amd, unseen),
        scaled(sighting(sheet=CPU, dtype="float16"), target, unseen),
        scaled(sighting(sheet=CPU, dtype="float16"), amd, unseen),
    ]
    sigmas = [sigma(s) for s in steps]
    assert sigmas == sorted(sigmas) and len(set(sigmas)) == len(sigmas)
    assert sigmas[2] >= 0.30 and sigmas[3] >= 0.45
    assert "no accuracy measured" in steps[2].basis
    assert "no accuracy measured for scaling from a CPU" in steps[3].basis


def test_the_interval_is_log_normal_of_80_percent() -> None:
    found = scaled(sighting(), A10G)
    assert found.items_per_s is not None
    point, low, high = (getattr(found.items_per_s, n) for n in ("point", "low", "high"))
    assert math.log(high / point) == pytest.approx(1.2816 * sigma(found), rel=1e-3)
    assert low * high == pytest.approx(point**2)


def test_from_a_cpu_the_targets_own_figure_counts_by_flops_alone() -> None:
    """A published 1455 images/s of ResNet-50 (3 x 8.2 GFLOP): half the FLOPs, twice as many."""
    source = sighting("resnet18", CPU, "float16")
    full, half = (scaled(source, A100, flops_per_item=f) for f in (24.6e9, 12.3e9))
    assert full.items_per_s is not None and half.items_per_s is not None
    assert full.items_per_s.point == pytest.approx(1455.37, rel=0.05)
    assert half.items_per_s.point == pytest.approx(2 * full.items_per_s.point)
    slow = scaled(replace(source, items_per_s=1.0), A100)
    assert slow.items_per_s is not None
    assert slow.items_per_s.point == pytest.approx(full.items_per_s.point)


def test_float32_without_tf32_is_slower_than_the_published_and_below_the_peak() -> None:
    flops = 6 * 85.05e6 * 384 + 12 * 12 * 768 * 384**2
    source = sighting("bert_base", CPU, "float32")
    strict = scaled(source, A100, flops_per_item=flops).items_per_s
    tf32 = scaled(source, A100, flops_per_item=flops, dtype="tf32").items_per_s
    assert strict is not None and tf32 is not None
    assert tf32.point == pytest.approx(199.97, rel=0.05)  # published
    assert strict.point < tf32.point / 2
    assert strict.point * flops < A100.peak_flops_per_s["float32"]


def test_between_processors_by_the_time_that_peak_and_bandwidth_allow() -> None:
    other = SHEETS["Xeon-Platinum-8480+"]
    source = sighting("resnet18", CPU, "float32")
    slow = 1e9 / 5.018e12 + 1e8 / 204.8e9  # seconds an item, of the EPYC 7763
    fast = 1e9 / 7.168e12 + 1e8 / 307.2e9
    found = scaled(source, other, flops_per_item=1e9, bytes_per_item=1e8, share_frac=0.5)
    assert ratio(found) == pytest.approx(0.5 * slow / fast)
    assert sigma(found) >= 0.3 and "no accuracy measured" in found.basis


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"bandwidth_bytes_per_s": None}, "no memory bandwidth"),
        ({"peak_flops_per_s": {}}, "no peak for float16"),
    ],
)
def test_a_missing_fact_is_no_prediction_but_its_reason(
    change: dict[str, object], reason: str
) -> None:
    poor = replace(A10G, **change)  # type: ignore[arg-type]
    for source in (sighting(), sighting(sheet=CPU)):
        found = scaled(source, poor)
        assert found.ratio is None and found.items_per_s is None and found.sigma_log is None
        assert reason in (found.reason or "") and poor.name in (found.reason or "")


def test_a_missing_tdp_is_told_from_the_rest_and_said() -> None:
    found = scaled(sighting(), replace(A10G, tdp_w=None))
    assert any(a.name == f"TDP of {A10G.name}" for a in found.assumptions)
    assert ratio(found) == pytest.approx(ratio(scaled(sighting(), A10G)), rel=0.2)


def test_what_cannot_be_asked_says_so() -> None:
    with pytest.raises(BadInput, match="measure bert_base first"):
        scaled(sighting(), A10G, workload="bert_base")
    assert "measure it in float32" in (scaled(sighting(), A10G, dtype="float32").reason or "")
    strange = scaled(sighting("my_network", CPU), A100)
    assert "give its kind" in (strange.reason or "")
    assert scaled(sighting("my_network", CPU), A100, kind="conv").ratio is not None
    with pytest.raises(UnknownName, match="A10-24GB"):
        Table(published.figures(), {})


def test_a_network_like_none_published_is_told_less_surely() -> None:
    strange, known = scaled(sighting("my_network"), A10G), scaled(sighting("resnet18"), A10G)
    assert sigma(strange) > sigma(known)
    assert any("like no published" in a.value for a in strange.assumptions)
    assert any("family image" in a.value for a in known.assumptions)


def test_many_targets_at_once_are_each_alone() -> None:
    source = sighting("vit_base", SHEETS["RTX-3090-24GB"])
    options = {"workload": "vit_base", "dtype": "float16", "flops_per_item": 1e11, "table": TABLE}
    targets = [*GPUS, CPU]
    together = scaling.predict_all(source, targets, **options)  # type: ignore[arg-type]
    for target, found in zip(targets, together, strict=True):
        alone = scaling.predict(source, target, **options)  # type: ignore[arg-type]
        if alone.ratio is None:
            assert found.reason == alone.reason
            continue
        assert ratio(found) == pytest.approx(ratio(alone), rel=1e-9)
        assert sigma(found) == pytest.approx(sigma(alone), rel=1e-9)
        assert (found.basis, found.assumptions) == (alone.basis, alone.assumptions)


def test_the_hyperparameters_are_those_of_the_fit() -> None:
    assert kept()[""] == HYPER


USED = published.of_one_device(published.figures())
PAIRS = study.pairs(USED)


@pytest.mark.parametrize(
    ("name", "every", "median", "p90"),
    [
        ("unseen, training in the table", 5, 0.14, 0.40),
        ("known, training in the table", 9, 0.07, 0.24),
    ],
)
def test_a_device_left_out_is_told_within_the_bounds(
    name: str, every: int, median: float, p90: float
) -> None:
    case = next(c for c in study.CASES if c.name == name)
    found = study.summary([*study.outcomes(case, USED, SHEETS, PAIRS[::every])])
    assert found.median_frac <= median and found.p90_frac <= p90
    assert found.inside_frac is not None and 0.75 <= found.inside_frac <= 0.88
    rule = study.rules(USED, SHEETS)["ratio of bandwidths"]
    simple = study.summary(study.of_rule(rule, PAIRS[::every]))
    assert found.median_frac < simple.median_frac and found.p90_frac < simple.p90_frac
