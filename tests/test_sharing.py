"""`estimate --tasks K --sharing WAY`: several tasks, and what a shortcut's own memory decides."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hwbench import data_sheets, estimate_view, memory_fit, openings, registry
from hwbench.cli import status_of
from hwbench.errors import BadInput, UnknownName
from hwbench.estimated import EstimateFile
from hwbench.instance import Instance
from hwbench.instances import catalogue
from hwbench.measurement import Measurement, Memory, Record
from hwbench.taught import Taught
from tests.estimates import asked, case, kept, loader_known, machine, measured, record, resnet

__all__ = ["machine"]  # a fixture
pytestmark = pytest.mark.usefixtures("machine")
GIB = 1024**3


def by(name: str, step_s: float, *, peak: int = 2 * GIB, **options: Any) -> Measurement:
    """Return the measured step of mlp at batch 100 by a shortcut."""
    found = measured(case(100, options={"shortcut": name, **options}), step_s)
    taught = Taught(
        parameters=1000,
        trainable_parameters=10,
        flops_per_item=10.0,
        scratch_flops_per_item=30.0,
    )
    return replace(found, taught=taught, memory_peak_bytes=Memory(host=peak, device=None))


def of_steps(*more: Measurement) -> Record:
    """Return a record of mlp's own step, of inference, and of steps by shortcuts."""
    own = replace(measured(case(100), 0.1), memory_peak_bytes=Memory(host=10 * GIB, device=None))
    return record(own, measured(case(100, "inference"), 0.02), *more)


def shared(file: EstimateFile) -> dict[str, float]:
    """Return the time of each way of sharing, in trainings from scratch."""
    scratch = next(r.time_s for r in file.rows if r.shortcut == "from_scratch")
    assert scratch is not None
    return {s.sharing: s.time_s.point / scratch.point for s in file.sharing if s.time_s}


def test_an_estimate_of_several_tasks_has_every_way_of_sharing() -> None:
    loader_known(1e-9)
    made = of_steps(by("multitask", 0.12, tasks=4), by("lora", 0.05))
    file = asked(made, tasks=4)
    times = shared(file)
    assert times["separate"] == pytest.approx(4, rel=0.01)
    assert times["multitask"] == pytest.approx(1.2, rel=0.03)
    assert times["lora"] == pytest.approx(4 * 0.5, rel=0.03)
    assert [r.shortcut for r in file.rows] == ["from_scratch", "multitask", "progressive", "lora"]
    told = {s.sharing: s.basis for s in file.sharing}
    assert "was measured with 4 heads" in told["multitask"]
    assert "by theory, not measured" in told["progressive"]  # the record lacks its step
    text = " ".join(estimate_view.text(file).split())
    assert "4 tasks, multitask: " in text and "the trunk once for all tasks" in text


def test_only_the_ways_that_are_asked_for() -> None:
    loader_known(1e-9)
    file = asked(of_steps(by("lora", 0.05)), tasks=2, sharing=("separate", "lora"))
    assert [s.sharing for s in file.sharing] == ["separate", "lora"]
    assert [r.shortcut for r in file.rows] == ["from_scratch", "lora"]
    (told,) = [s for s in file.sharing if s.sharing == "lora"]
    assert told.basis == "a run a task on one pretrained backbone"
    (by_theory,) = asked(of_steps(), tasks=2, sharing=("lora",)).sharing
    assert by_theory.basis.endswith("; its step is by theory, not measured")
    assert not asked(of_steps(), epochs=1.0).sharing


def test_each_machine_has_its_own_sums() -> None:
    loader_known(1e-9)
    places = ("machine", "aws:c7i.xlarge")
    file = asked(of_steps(by("lora", 0.05)), tasks=2, sharing=("lora",), on=places)
    assert len({s.instance for s in file.sharing}) == 2
    for s in file.sharing:
        (own,) = [r for r in file.rows if (r.instance, r.shortcut) == (s.instance, "lora")]
        if own.time_s is None:
            assert s.time_s is None and s.reason
        else:
            assert s.time_s is not None
            assert s.time_s.point == pytest.approx(2 * own.time_s.point, rel=1e-6)
    assert f"2 tasks, lora on {places[1]} on-demand" in " ".join(estimate_view.text(file).split())


def test_a_way_that_the_network_cannot_take_says_why() -> None:
    loader_known(1e-9)
    lstm = replace(case(100), name="lstm", shape={})
    made = record(measured(lstm, 0.1), measured(replace(lstm, phase="inference"), 0.02))
    file = asked(made, workload="lstm", tasks=2, sharing=("separate", "lora"))
    network, lora = registry.networks()["lstm"], registry.shortcuts()["lora"]
    why = lora.supports(network.workload, network.variant.config)
    told = {s.sharing: s for s in file.sharing}
    if why is None:
        assert told["lora"].time_s is not None
    else:
        assert told["lora"].time_s is None and told["lora"].reason == why
    assert told["separate"].time_s is not None


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"tasks": 1}, "--tasks 1: several are 2 to 100"),
        ({"sharing": ("lora",)}, "--sharing is of several tasks"),
        ({"tasks": 2, "sharing": ("loar",)}, "did you mean lora"),
    ],
)
def test_wrong_use_is_one_clear_line(changes: dict[str, Any], said: str) -> None:
    with pytest.raises((BadInput, UnknownName), match=said):
        asked(of_steps(), **changes)


def test_the_command_takes_tasks(capsys: pytest.CaptureFixture[str]) -> None:
    loader_known(1e-9)
    (path,) = kept(Path("given"), of_steps(by("lora", 0.05)))
    line = ["estimate", str(path), "--workload", "mlp", "--samples", "10k", "--epochs", "2"]
    line += ["--no-measure", "--item-bytes", "1", "--tasks", "3", "--sharing", "lora", "--json"]
    assert status_of(line) == 0
    (told,) = json.loads(capsys.readouterr().out)["sharing"]
    assert (told["sharing"], told["tasks"], told["instance"]) == ("lora", 3, "this machine")


def test_a_ratio_at_another_batch_is_wider_and_said_to_be_assumed() -> None:
    loader_known(1e-9)
    own = measured(case(200), 0.2)
    made = of_steps(by("lora", 0.05), own)
    near, far = (asked(made, shortcuts=("lora",), batch_size=b).rows[0] for b in (100, 200))
    assert not [a for a in near.assumptions if a.name == "step of lora"]
    (told,) = [a for a in far.assumptions if a.name == "step of lora"]
    assert told.value == pytest.approx(0.5, rel=1e-3)
    assert "at batch 100, taken to be so at 200" in told.source
    assert near.time_s and far.time_s
    widths = [(t.high - t.low) / t.point for t in (near.time_s, far.time_s)]
    assert widths[1] > widths[0]


def test_what_fits_is_by_the_shortcuts_own_memory() -> None:
    loader_known(1e-9)
    made = of_steps(by("lora", 0.05, peak=2 * GIB))
    here = {"shortcuts": ("from_scratch", "lora"), "on": ("aws:c7i.xlarge",)}
    small = Instance(
        provider="own", sku="board", cpu="Intel Xeon Platinum 8488C", vcpus=4, memory_bytes=4 * GIB,
        usd_per_h=0.1, source="a test", date=catalogue(None).instances[0].date, confidence="high",
    )  # fmt: skip
    step_ways = asked(made, **here).rows
    assert {r.fits_memory for r in step_ways if r.shortcut == "lora"} <= {True, None}
    way = way_of(small)
    shortcut = told_of(made, "lora")
    assert way.fits_memory is False
    assert memory_fit.by(way, shortcut, "mlp").fits_memory is True
    assert memory_fit.by(way, registry.shortcuts()["lora"], "mlp").fits_memory is False  # unknown
    grown = replace(way, batch_size=200)
    assert memory_fit.by(grown, shortcut, "mlp").fits_memory is False  # twice the batch


def way_of(instance: Instance) -> Any:
    """Return a machine of so much memory, which does not hold a step from scratch."""
    from hwbench.ways import PeakTerm, Ways

    fields = dict.fromkeys(Ways.__dataclass_fields__)
    known: dict[str, Any] = {
        "name": instance.name,
        "devices": (instance.name,),
        "peak": PeakTerm(flops_per_s=None, source="not known"),
        "shards": 1,
        "basis": "scaled",
        "batch_size": 100,
        "room_bytes": instance.memory_bytes,
        "fits_memory": False,
    }
    return Ways(**{**fields, **known})


def told_of(made: Record, name: str) -> Any:
    """Return a shortcut with what a record measured of it."""
    from hwbench import step_ratio

    plan = asked(made, shortcuts=(name,)).plan
    return step_ratio.measured(registry.shortcuts()[name], plan, [made], here=made.id)


def test_a_device_that_opens_up_names_who_rents_it_out_the_cheapest_first() -> None:
    loader_known(1e-9)
    rows: Any = [SimpleNamespace(shortcut="lora", memory_peak_bytes=20 * GIB)]
    found, why = openings.opened(30 * GIB, rows, catalogue(None).instances)
    assert found and why is None
    devices = {o.device: o for o in found}
    g5 = devices["A10G-24GB"]
    prices = {i.name: i.usd_per_h for i in catalogue(None).instances}
    assert "aws:g5.xlarge" in g5.instances and g5.usd_per_h == prices[g5.instances[0]]
    assert [prices[n] for n in g5.instances] == sorted(prices[n] for n in g5.instances)
    assert devices["RTX-4090-24GB"].usd_per_h is None  # nobody in the catalogue has one
    assert "Inferentia2" not in devices  # it cannot train


def test_no_training_is_told_of_a_chip_made_for_inference() -> None:
    loader_known(1e-9, workload="resnet50")
    assert not data_sheets.sheet("Inferentia2").trains
    file = asked(resnet(), workload="resnet50", on=("aws:inf2.xlarge",))
    (row,) = file.rows
    assert row.time_s is None and "inference alone" in row.reasons["time_s"]
