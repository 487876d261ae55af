"""`--device-record`: what a record made on the device itself says of a network here."""

import math
from dataclasses import replace
from pathlib import Path

import pytest

from hwbench import edge_facts, edge_figures, edge_sightings, edge_view, store, summary
from hwbench.cli import status_of
from hwbench.edge_facts import Band, DeviceSightings, EdgeSighting
from hwbench.errors import BadInput
from hwbench.measurement import Measurement
from tests import fakes

OPTIONS = ["--profile", "smoke", "--force", "--edge-profile", "raspberry-pi-5"]


@pytest.fixture(autouse=True)
def _isolated(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fakes.isolate(monkeypatch, tmp_path)
    monkeypatch.chdir(tmp_path)


def here(name: str, wall_s: float) -> Measurement:
    case = replace(fakes.INFERENCE, name="mlp_small", batch_size=1, runtime="onnxruntime")
    visits = [fakes.visit_result(case, n, *[wall_s] * 6) for n in range(3)]
    found = summary.measurement(fakes.planned(case), visits, fakes.PROTOCOL)
    return replace(found, name=name)


def there(name: str, latency_s: float, precision: str = "float32") -> EdgeSighting:
    return EdgeSighting(
        name=name, version=1, shape={"width": 128}, precision=precision, runtime="onnxruntime",
        latency_s=Band(point=latency_s, low=0.99 * latency_s, high=1.01 * latency_s),
    )  # fmt: skip


def seen(*cases: EdgeSighting) -> DeviceSightings:
    return DeviceSightings(record="20261101T000000-01234567", device="Cortex-A76", cases=cases)


def test_a_case_that_was_measured_there_is_what_was_measured() -> None:
    found = edge_sightings.latency(here("a", 0.010), seen(there("a", 0.033)), [])
    assert found is not None and found[0] == there("a", 0.033).latency_s
    assert "measured on Cortex-A76, record 20261101T000000-01234567" in found[1]


def test_another_is_scaled_by_what_both_have() -> None:
    ours = [here("a", 0.010), here("b", 0.020), here("c", 0.005), here("new", 0.040)]
    ratios = {"a": 3.0, "b": 4.0, "c": 3.5}
    found = edge_sightings.latency(
        ours[-1],
        seen(*(there(m.name, ratios[m.name] * m.wall_s.point) for m in ours[:3] if m.wall_s)),
        ours,
    )
    assert found is not None
    band, basis = found
    logs = [math.log(r) for r in ratios.values()]
    centre = sum(logs) / 3
    assert band.point == pytest.approx(0.040 * math.exp(centre))
    # Student's t of two degrees of freedom at 90 %: 2.920; the spread of the logarithms is 0.144
    sd = math.sqrt(sum((x - centre) ** 2 for x in logs) / 2)
    assert band.high / band.point == pytest.approx(
        math.exp(2.920 * sd * math.sqrt(4 / 3)), rel=1e-3
    )
    assert "3 cases in common" in basis
    few = edge_sightings.latency(ours[-1], seen(there("a", 0.030)), ours)
    assert few is not None and few[0].high / few[0].point == pytest.approx(
        math.exp(1.645 * 0.30), rel=1e-3
    )
    assert edge_sightings.latency(ours[-1], seen(there("z", 0.1)), ours) is None


def test_the_energy_and_battery_follow_the_devices_own_latency() -> None:
    phone = edge_facts.profile("phone")
    band = Band(point=0.02, low=0.018, high=0.022)
    found = edge_figures.projected(phone, band, "measured on it", 10.0)
    assert found.energy_j is not None and found.battery_h is not None
    assert found.energy_j.point == pytest.approx(0.02 * (4.0 - 0.8))
    assert found.battery_h.point == pytest.approx(19.4 / (0.8 + 0.2 * 3.2))


def test_a_run_is_told_by_a_record_of_the_device(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("torch")
    pytest.importorskip("onnxscript")
    assert status_of(["run", *OPTIONS, "--model", "mlp_small", "--out", "own.json"]) == 0
    capsys.readouterr()
    again = ["run", *OPTIONS, "--model", "mlp_small", "--out", "r.json"]
    assert status_of([*again, "--device-record", "own.json"]) == 2
    assert "was made on this machine" in capsys.readouterr().err
    own = store.load(Path("own.json"))
    elsewhere = replace(own.environment, machine_id="0" * 16)
    store.save(replace(own, environment=elsewhere), Path("pi.json"))
    assert status_of([*again, "--device-record", "pi.json"]) == 0
    out = capsys.readouterr().out
    found = {edge_view.precision(m): m for m in store.load(Path("r.json")).measurements}
    dynamic = found["int8 dynamic"].edge
    assert dynamic is not None and dynamic.on_device is not None  # which no peak tells
    assert dynamic.on_device.basis.startswith("measured on") and own.id in dynamic.on_device.basis
    theirs = next(m for m in own.measurements if m.id == found["int8 dynamic"].id)
    assert theirs.wall_s is not None
    assert dynamic.on_device.latency_s.point == theirs.wall_s.point
    assert f"record {own.id}" in " ".join(out.split())
    store.save(replace(own, environment=elsewhere, measurements=()), Path("empty.json"))
    assert status_of([*again, "--device-record", "empty.json"]) == 2
    assert "holds no single inference" in capsys.readouterr().err
    plain = ["run", "--profile", "smoke", "--model", "mlp_small", "--device-record", "pi.json"]
    assert status_of(plain) == 2
    assert "--device-record is of an edge profile" in capsys.readouterr().err


def test_what_is_no_record_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput):
        edge_sightings.of_file(tmp_path / "gone.json", "here")
