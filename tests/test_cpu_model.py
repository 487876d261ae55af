"""The processor's model: its formula, whose share of which processor, and that it says so."""

from dataclasses import replace

import pytest

from hwbench import cpu_catalog, cpu_power
from hwbench.cpu_power import CpuPower, power_w
from hwbench.device import Cpu
from hwbench.errors import Unavailable
from hwbench.meter import Asked
from hwbench.meters import cpu_model
from hwbench.window_joules import of_window
from tests.fakes import ENVIRONMENT
from tests.readers import traces

CPU = CpuPower(tdp_w=40.0, threads=4, basis="a test")


def environment(model: str | None, cores: int, threads: int, virtualised: str | None = None):  # type: ignore[no-untyped-def]
    cpu = Cpu(model=model, cores=cores, threads=threads, isa=())
    return replace(ENVIRONMENT, cpu=cpu, virtualised=virtualised)


def test_power_is_linear_in_use_with_a_floor() -> None:
    assert [power_w(CPU, u) for u in (0.0, 0.05, 0.1, 0.5, 1.0, 1.7)] == [4, 4, 4, 20, 40, 40]


def test_the_range_is_that_of_the_recordings() -> None:
    """A model 64 % too high or 41 % too low still has the truth in its range."""
    for error in (0.64, -0.41):
        truth, model = 100.0, 100.0 * (1 + error)
        assert model * cpu_power.LOW <= truth + 1e-9 and truth <= model * cpu_power.HIGH + 1e-9


def test_the_channel_follows_how_busy_the_threads_are() -> None:
    used = {"busy": 0.0, "all": 0.0}

    def moved(n: int) -> None:
        used["all"] += 4 * 0.1
        used["busy"] += 2 * 0.1  # two of four threads

    channel = cpu_model.channel(CPU, lambda: (used["busy"], used["all"]))
    found, _ = traces([channel], 100, 0.1, moved)
    trace = found["cpu-model/cpu"]
    assert {round(p.value, 6) for p in trace} == {20.0}
    joules = of_window(channel.facts, trace, trace[20].at_s, trace[70].at_s)
    assert joules.point == pytest.approx(100.0, rel=0.03)
    assert not channel.facts.measured


def test_ticks_that_are_too_few_tell_nothing() -> None:
    used = [(0.0, 0.0), (0.01, 0.04), (0.2, 0.4)]
    channel = cpu_model.channel(CPU, lambda: used.pop(0))
    assert channel.read(lambda: 1.0) == ()
    (point,) = channel.read(lambda: 2.0)
    assert point.value == 20.0


def test_this_machines_own_counts_rise() -> None:
    busy_s, all_s = cpu_model._usage()
    assert 0 < busy_s < all_s


def test_an_unknown_processor_is_no_meter_and_says_what_to_give() -> None:
    unknown = cpu_model.probe(Asked(no_cpu="its TDP is not known"))
    assert unknown.why_not == "its TDP is not known"
    assert "--cpu-tdp" in (unknown.remedy or "")
    with pytest.raises(Unavailable, match="its TDP is not known"):
        cpu_model.channels(Asked(no_cpu="its TDP is not known"))
    assert cpu_model.probe(Asked(cpu=CPU)).why_not is None
    assert not cpu_model.probe(Asked(cpu=CPU)).measured


@pytest.mark.parametrize("row", cpu_catalog.rows(), ids=lambda row: row.name)
def test_every_row_is_whole_and_its_name_means_it_alone(row: cpu_catalog.CpuRow) -> None:
    assert 5 <= row.tdp_w <= 1000
    assert row.cores <= row.threads <= 2 * row.cores
    assert row.source.strip()
    assert 2020 <= row.date.year <= 2030
    assert row.confidence in ("high", "medium", "low")
    assert [r.name for r in cpu_catalog.rows() if r.is_named(row.name)] == [row.name]


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("Intel(R) Xeon(R) Platinum 8259CL CPU @ 2.50GHz", "Intel Xeon Platinum 8259CL"),
        ("INTEL(R) XEON(R) PLATINUM 8592+", "Intel Xeon Platinum 8592+"),
        ("Intel(R) Xeon(R) Platinum 8480+", "Intel Xeon Platinum 8480+"),
        ("Intel(R) Xeon(R) CPU E5-2686 v4 @ 2.30GHz", "Intel Xeon E5-2686 v4"),
        ("AMD EPYC 7R13 Processor", "AMD EPYC 7R13"),
        ("AMD EPYC 7763 64-Core Processor", "AMD EPYC 7763"),
        ("AMD EPYC", None),
        ("Intel(R) Core(TM) i7-8700K CPU @ 3.70GHz", "Intel Core i7-8700K"),
        ("Intel(R) Core(TM) i7-8700 CPU @ 3.20GHz", None),
        ("AMD Ryzen 9 5950X 16-Core Processor", "AMD Ryzen 9 5950X"),
    ],
)
def test_a_processor_is_found_by_the_name_that_the_system_tells(
    model: str, name: str | None
) -> None:
    assert next((r.name for r in cpu_catalog.rows() if r.is_named(model)), None) == name


def test_a_share_of_a_socket_has_a_share_of_its_tdp() -> None:
    """EPYC 7763: 280 W, 64 cores, 128 threads a socket."""
    model = "AMD EPYC 7763 64-Core Processor"
    for cores, threads, virtualised, watts, said in (
        (64, 128, None, 280.0, "128 of its 128 threads"),
        (128, 256, None, 560.0, "256 of its 128 threads"),  # two sockets
        (4, 8, "kvm", 17.5, "8 of its 128 threads"),
        (8, 8, "kvm", 17.5, "each virtual CPU taken for a thread"),
        (64, 64, None, 280.0, "64 of its 64 cores"),  # the second threads are switched off
    ):
        cpu, why_not = cpu_catalog.lookup(environment(model, cores, threads, virtualised), None)
        assert cpu is not None and why_not is None
        assert cpu.tdp_w == pytest.approx(watts)
        assert cpu.threads == threads
        assert said in cpu.basis and "280 W of the AMD EPYC 7763" in cpu.basis


def test_what_the_user_gives_wins_and_what_is_unknown_has_a_reason() -> None:
    cpu, why_not = cpu_catalog.lookup(environment("AMD EPYC", 2, 2), 22.0)
    assert cpu is not None and (cpu.tdp_w, cpu.threads, why_not) == (22.0, 2, None)
    assert "as given" in cpu.basis
    for model, told in (("AMD EPYC", "'AMD EPYC'"), (None, "that tells no name")):
        cpu, why_not = cpu_catalog.lookup(environment(model, 2, 2), None)
        assert cpu is None and told in (why_not or "")
