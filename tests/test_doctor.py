import sys
from collections.abc import Callable, Iterable
from dataclasses import replace

import pytest

from hwbench import doctor, registry
from hwbench.advice import Advice
from hwbench.device import Cpu, Environment
from hwbench.doctor import Findings
from hwbench.meter import Asked, Meter
from hwbench.probed import MeterFacts, RuntimeFacts
from hwbench.registry import Shelf
from tests import fake_nvml
from tests.fake_nvml import Card

XEON = Cpu(
    model="Intel(R) Xeon(R) Platinum 8480+",
    cores=4,
    threads=8,
    isa=("avx2", "fma", "avx512f", "avx512_bf16", "avx512_fp16", "amx_bf16"),
    governor="performance",
)
QUIET = Environment(
    hostname="0" * 12,
    machine_id="1" * 12,
    os="Debian",
    kernel="6.1",
    python="3.11.7",
    packages={},
    cpu=XEON,
    memory_bytes=2**36,
    load_1m=0.1,
)
TORCH = RuntimeFacts(name="torch", version="2.13.0", devices=("cpu", "cuda:0"))
WATTS = MeterFacts(name="watts", domains=("wall",), measured=True)


def examined(
    monkeypatch: pytest.MonkeyPatch,
    environment: Environment = QUIET,
    *,
    runtimes: Iterable[RuntimeFacts] = (TORCH,),
    cards: Iterable[Card] = (Card(),),
    meter: MeterFacts = WATTS,
    broken: dict[str, str] | None = None,
    **environ: str,
) -> Findings:
    """Examine a machine without a fault but for what is given."""
    monkeypatch.setitem(sys.modules, "pynvml", fake_nvml.module(list(cards)))
    found = meter_of(meter.name, lambda asked: meter)
    shelf = Shelf(kind="meter", items={meter.name: found}, broken=broken or {})
    monkeypatch.setattr(registry, "meters", lambda: shelf)
    return doctor.examine(lambda: tuple(runtimes), environment=environment, environ=environ)


def meter_of(name: str, probe: Callable[[Asked], MeterFacts]) -> Meter:
    return Meter(name=name, summary="", rank=1, probe=probe, open=lambda asked: [])


def only(findings: Findings) -> Advice:
    (advice,) = findings.advice
    return advice


def cpu(**changed: object) -> Environment:
    return replace(QUIET, cpu=replace(XEON, **changed))  # type: ignore[arg-type]


def test_a_machine_without_fault_gets_no_advice(monkeypatch: pytest.MonkeyPatch) -> None:
    findings = examined(monkeypatch)
    assert findings.advice == ()
    assert [d.name for d in findings.devices] == ["cpu", "cuda:0"]
    assert findings.devices[0].memory_bytes == 2**36
    assert (findings.runtimes, findings.meters) == ((TORCH,), (WATTS,))


def test_a_missing_runtime_comes_with_its_reason_and_its_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    missing = RuntimeFacts(name="jax", why_not="jax is not installed", remedy="pip install jax")
    advice = only(examined(monkeypatch, runtimes=[TORCH, missing]))
    assert (advice.topic, advice.severity) == ("jax", "missing")
    assert (advice.why, advice.remedy) == ("jax is not installed", "pip install jax")


@pytest.mark.parametrize(
    ("isa", "emulated"),
    [
        (("avx2", "fma"), {"bfloat16", "float16"}),
        (("avx2", "avx512f", "avx512_bf16"), {"float16"}),
        (("avx2", "amx_bf16"), {"float16"}),
        (("neon",), {"bfloat16", "float16"}),
        (("neon", "asimdhp"), {"bfloat16"}),
        (("neon", "asimdhp", "bf16"), set()),
        ((), set()),  # not known is not the same as not there
    ],
)
def test_formats_that_the_cpu_emulates_are_called_slow(
    monkeypatch: pytest.MonkeyPatch, isa: tuple[str, ...], emulated: set[str]
) -> None:
    advice = examined(monkeypatch, cpu(isa=isa)).advice
    assert {a.what.split()[0] for a in advice} == emulated
    assert all(a.severity == "slow" and "slower" in a.why for a in advice)


@pytest.mark.parametrize(("load", "busy"), [(3.9, False), (4.1, True), (None, False)])
def test_load_on_more_than_half_the_threads_is_slow(
    monkeypatch: pytest.MonkeyPatch, load: float | None, busy: bool
) -> None:
    advice = examined(monkeypatch, replace(QUIET, load_1m=load)).advice
    assert [a.topic for a in advice] == (["load"] if busy else [])


@pytest.mark.parametrize(
    ("quota", "threads"), [("1.5", "--threads 1"), ("0.5", "--threads 1"), ("6", "--threads 6")]
)
def test_a_quota_below_the_threads_names_the_threads_to_use(
    monkeypatch: pytest.MonkeyPatch, quota: str, threads: str
) -> None:
    limited = replace(QUIET, settings={"cpu_quota_cpus": quota})
    advice = only(examined(monkeypatch, limited))
    assert (advice.topic, advice.severity) == ("quota", "slow")
    assert threads in (advice.remedy or "")


def test_a_quota_of_all_threads_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not examined(monkeypatch, replace(QUIET, settings={"cpu_quota_cpus": "8"})).advice


@pytest.mark.parametrize(
    ("driver", "severity"),
    [("acpi-cpufreq", "slow"), ("intel_pstate", "note"), ("amd-pstate-epp", "note")],
)
def test_powersave_is_judged_by_its_driver(
    monkeypatch: pytest.MonkeyPatch, driver: str, severity: str
) -> None:
    saving = replace(cpu(governor="powersave"), settings={"scaling_driver": driver})
    advice = only(examined(monkeypatch, saving))
    assert (advice.topic, advice.severity) == ("governor", severity)


@pytest.mark.parametrize(
    ("name", "value", "topic"), [("power_source", "battery", "power"), ("emulated", "qemu", "cpu")]
)
def test_battery_and_emulation_are_slow(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, topic: str
) -> None:
    advice = only(examined(monkeypatch, replace(QUIET, settings={name: value})))
    assert (advice.topic, advice.severity) == (topic, "slow")


def test_a_vm_in_a_container_without_sensors_or_gpu_is_normal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    inside = replace(QUIET, container="docker", virtualised="kvm")
    blind = MeterFacts(name="watts", domains=(), measured=True, why_not="no sensor")
    findings = examined(monkeypatch, inside, cards=[], meter=blind)
    topics = {"nvidia", "meters", "virtual machine", "container"}
    assert {a.topic for a in findings.advice} == topics
    assert {a.severity for a in findings.advice} == {"note"}


def test_without_a_meter_the_reason_of_each_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    closed = MeterFacts(
        name="watts", domains=("cpu",), measured=True, why_not="root only", remedy="sudo chmod"
    )
    findings = examined(monkeypatch, meter=closed)
    assert [m.why_not for m in findings.meters] == ["root only"]
    assert (only(findings).topic, only(findings).remedy) == ("meters", "sudo chmod")


def test_a_model_alone_is_no_meter_that_measures(monkeypatch: pytest.MonkeyPatch) -> None:
    model = MeterFacts(name="model", domains=("cpu",), measured=False)
    advice = only(examined(monkeypatch, meter=model))
    assert (advice.topic, advice.what) == ("meters", "nothing here measures energy")


def test_a_meter_that_fails_to_answer_is_not_usable_and_does_no_harm(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    examined(monkeypatch)

    def probe(asked: Asked) -> MeterFacts:
        raise ZeroDivisionError("by zero")

    shelf = Shelf(kind="meter", items={"m": meter_of("m", probe)}, broken={})
    monkeypatch.setattr(registry, "meters", lambda: shelf)
    (facts,) = doctor.examine(lambda: (), environment=QUIET).meters
    assert facts.domains == ()
    assert "ZeroDivisionError: by zero" in (facts.why_not or "")


def test_a_broken_meter_file_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    advice = only(examined(monkeypatch, broken={"mine.py": "SyntaxError: invalid"}))
    assert (advice.severity, advice.why) == ("missing", "SyntaxError: invalid")
    assert "mine.py" in advice.what


@pytest.mark.parametrize("name", ["torch", "torch-compile", "jax", "onnxruntime"])
def test_a_runtime_that_does_not_see_the_gpu_is_told_how(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    blind = RuntimeFacts(name=name, version="1.0", devices=("cpu",))
    advice = only(examined(monkeypatch, runtimes=[blind]))
    assert (advice.topic, advice.severity) == (name, "missing")
    assert advice.what == f"{name} 1.0 does not see the GPU"
    assert "cuda" in (advice.remedy or "").lower() or "onnxruntime-gpu" in (advice.remedy or "")


def test_a_runtime_that_is_not_installed_is_not_blamed_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    absent = RuntimeFacts(name="jax", why_not="jax is not installed")
    assert only(examined(monkeypatch, runtimes=[absent])).why == "jax is not installed"


def test_a_cpu_build_is_right_where_there_is_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    blind = RuntimeFacts(name="torch", devices=("cpu",))
    assert only(examined(monkeypatch, runtimes=[blind], cards=[])).severity == "note"


def test_a_lost_card_beside_others_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    lost = Card(faults={"nvmlDeviceGetName": "GpuIsLost"})
    advice = only(examined(monkeypatch, cards=[Card(), lost]))
    assert (advice.topic, advice.severity) == ("nvidia", "missing")
    assert "cuda:1" in advice.why


def test_shared_divided_and_differing_cards_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    cards = [Card(pids=[1, 2]), Card(mig=True), Card(model="NVIDIA L4")]
    findings = examined(monkeypatch, cards=cards)
    told = {(a.topic, a.severity) for a in findings.advice}
    assert told == {("cuda:0", "slow"), ("cuda:1", "note"), ("nvidia", "note")}
    ordered = examined(monkeypatch, cards=cards, CUDA_DEVICE_ORDER="PCI_BUS_ID")
    assert "nvidia" not in {a.topic for a in ordered.advice}


def test_what_slows_comes_before_what_is_missing_and_notes_last(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    busy = replace(QUIET, load_1m=9.0, virtualised="kvm")
    absent = RuntimeFacts(name="jax", why_not="jax is not installed")
    findings = examined(monkeypatch, busy, runtimes=[TORCH, absent])
    assert [a.severity for a in findings.advice] == ["slow", "missing", "note"]


def test_devices_that_only_a_runtime_sees_are_listed_by_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mac = RuntimeFacts(name="torch", devices=("cpu", "mps"))
    findings = examined(monkeypatch, runtimes=[mac], cards=[])
    assert [(d.name, d.kind, d.index) for d in findings.devices] == [
        ("cpu", "cpu", 0),
        ("mps", "mps", 0),
    ]
    assert findings.devices[1].memory_bytes is None


def test_this_machine_can_be_examined() -> None:
    findings = doctor.examine(lambda: ())
    assert findings.devices[0].name == "cpu"
    assert {m.name for m in findings.meters} == set(registry.meters().items)
    for advice in findings.advice:
        assert advice.severity in ("slow", "missing", "note")
        assert advice.what.strip()
        assert advice.why.strip()
