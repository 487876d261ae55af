from collections.abc import Sequence
from dataclasses import replace

import pytest

from hwbench import summary, verdicts
from hwbench.case import Case
from hwbench.energy import Energy, Power
from hwbench.measurement import Measurement, Memory, Protocol
from tests.fakes import GEMM, INFERENCE, PROTOCOL, planned, visit_result

TRIAD = replace(GEMM, name="triad", shape={"n": 2**26})
RESNET = replace(INFERENCE, name="resnet18", batch_size=4, shape={"size": 224})
MIB = 2**20


def _measured(
    case: Case, *rounds: Sequence[float], protocol: Protocol = PROTOCOL, unsoaked: bool = False
) -> Measurement:
    visits = [visit_result(case, n, *walls_s) for n, walls_s in enumerate(rounds)]
    around = summary.Surroundings(unsoaked=frozenset({"cpu"}) if unsoaked else frozenset())
    return summary.measurement(planned(case), visits, protocol, around)


def _codes(m: Measurement) -> list[str]:
    return [w.code for w in m.warnings]


def test_a_drift_over_the_visits_is_a_verdict_with_its_size_and_a_remedy() -> None:
    m = _measured(GEMM, *[[0.010 * (1 + 0.03 * n)] * 6 for n in range(5)])
    assert m.verdict == "drifting"
    told = next(w for w in m.warnings if w.code == "drifting")
    assert "+1" in told.message and "%" in told.message and "--soak" in (told.remedy or "")


def test_visits_that_go_up_and_down_are_no_drift() -> None:
    m = _measured(GEMM, *[[0.010 * f] * 6 for f in (1.0, 1.04, 1.0, 1.05, 1.01)])
    assert m.verdict in ("valid", "noisy")


def test_a_device_that_was_not_run_warm_says_that_sustained_may_be_slower() -> None:
    m = _measured(GEMM, *[[0.010] * 6] * 3, unsoaked=True)
    assert m.verdict == "valid"
    assert next(w for w in m.warnings if w.code == "not_soaked").message == (
        "not thermally soaked: sustained may be slower"
    )
    assert "not_soaked" not in _codes(_measured(GEMM, *[[0.010] * 6] * 3))


def test_faster_than_the_best_matrix_product_is_implausible() -> None:
    gemm = _measured(GEMM, *[[0.010] * 6] * 3)
    fast = _measured(RESNET, *[[1e-5] * 6] * 3)
    right = _measured(RESNET, *[[0.1] * 6] * 3)
    found = verdicts.against_roofs([gemm, fast, right], {"cpu": 32 * MIB})
    assert [m.verdict for m in found] == ["valid", "implausible", "valid"]
    assert "matrix product" in found[1].warnings[-1].message


def test_faster_than_memory_allows_is_implausible_only_where_it_must_come_from_memory() -> None:
    """The triad moves 768 MiB in 40 ms: 20 GB/s; the reduction reads 256 MiB."""
    triad = _measured(TRIAD, *[[0.040] * 6] * 3)
    reading = replace(TRIAD, name="reduction", shape={"rows": 4096, "n": 16384})
    slow, fast = (_measured(reading, *[[t] * 6] * 3) for t in (0.012, 0.004))
    found = verdicts.against_roofs([triad, slow, fast], {"cpu": 32 * MIB})
    assert [m.verdict for m in found] == ["valid", "valid", "implausible"]
    assert "best triad" in found[2].warnings[-1].message
    cached = verdicts.against_roofs([triad, slow, fast], {"cpu": 512 * MIB})
    assert [m.verdict for m in cached] == ["valid"] * 3
    unknown = verdicts.against_roofs([triad, slow, fast], {"cpu": None})
    assert [m.verdict for m in unknown] == ["valid"] * 3


def test_a_network_that_cannot_have_read_its_parameters_is_implausible() -> None:
    """ResNet-18 has 11.7 M parameters, 46.8 MB: 1 ms would be 47 GB/s against the triad's 20."""
    triad = _measured(TRIAD, *[[0.040] * 6] * 3)
    fast = _measured(RESNET, *[[0.001] * 6] * 3)
    found = verdicts.against_roofs([triad, fast], {"cpu": 8 * MIB})
    assert found[1].verdict == "implausible"


def test_a_peak_memory_below_the_parameters_is_implausible() -> None:
    """ResNet-18's parameters are 46.8 MB; a card's peak is its own, whatever the host has."""
    small = Memory(host=40_000_000, device=None)
    on_card = _measured(replace(RESNET, device="cuda:0"), *[[0.1] * 6] * 3)
    cases = [
        replace(_measured(RESNET, *[[0.1] * 6] * 3), memory_peak_bytes=small),
        replace(on_card, memory_peak_bytes=Memory(host=40_000_000, device=90_000_000)),
        replace(on_card, memory_peak_bytes=Memory(host=40_000_000, device=None)),
    ]
    found = verdicts.against_roofs(cases, {})
    assert [m.verdict for m in found] == ["implausible", "valid", "valid"]
    assert "4.68e+07" in found[0].warnings[-1].message


def _with_energy(point_j: float, peak_w: float) -> Measurement:
    energy = Energy(
        point=point_j,
        low=point_j,
        high=point_j,
        domains={},
        measured=True,
        idle_w=None,
        basis="a counter",
    )
    power = Power(point=peak_w, low=peak_w, high=peak_w, peak=peak_w)
    return replace(_measured(GEMM, *[[0.010] * 6] * 3), energy_j=energy, power_w=power)


def test_no_energy_or_more_power_than_the_limit_is_implausible() -> None:
    cases = [_with_energy(0.0, 100.0), _with_energy(1.0, 900.0), _with_energy(1.0, 700.0)]
    limited = verdicts.against_roofs(cases, {}, {"cpu": 700.0})
    assert [m.verdict for m in limited] == ["implausible", "implausible", "valid"]
    assert "900 W" in limited[1].warnings[-1].message
    unknown = verdicts.against_roofs(cases, {}, {"cpu": None})
    assert [m.verdict for m in unknown] == ["implausible", "valid", "valid"]


@pytest.mark.parametrize(
    ("text", "verdict"),
    [("throttled: 3 events", "throttled"), ("clock at 60 % of base", "throttled")],
)
def test_throttled_samples_make_the_verdict(text: str, verdict: str) -> None:
    visit = visit_result(GEMM, 0, *[0.01] * 8)
    marked = tuple(replace(s, disturbed=text) for s in visit.samples[:4])
    m = summary.measurement(
        planned(GEMM), [replace(visit, samples=(*marked, *visit.samples[4:]))], PROTOCOL
    )
    assert m.verdict == verdict
    assert next(w for w in m.warnings if w.code == "throttled").remedy


def test_every_warning_that_makes_a_verdict_says_what_helps() -> None:
    noisy = _measured(GEMM, *[[0.010 * f] * 6 for f in (1.0, 1.5, 1.1)], unsoaked=True)
    assert noisy.verdict == "noisy"
    assert all(w.message and w.remedy for w in noisy.warnings)


def test_a_measurement_without_samples_has_no_verdict() -> None:
    skipped = summary.measurement(planned(GEMM, skip="not here"), [], PROTOCOL)
    assert verdicts.against_roofs([skipped], {"cpu": None})[0].verdict is None
