"""Records to estimate from, and a machine to be on: no spread and no start, so sums are by hand."""

import datetime
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from hwbench import batch_fit, codec, here_way, host, loaders, outcomes, store, summary, validations
from hwbench.case import Case
from hwbench.device import Device, Environment
from hwbench.energy import AssumedWall, Energy, Power
from hwbench.estimate import estimate
from hwbench.estimate_plan import Money, Request
from hwbench.estimated import EstimateFile, Row
from hwbench.loaders import Loaded
from hwbench.loop import Drained, Opened, PartDone
from hwbench.measurement import Measurement, Record
from hwbench.outcomes import Spread
from hwbench.protocol import Reply
from hwbench.summary import Surroundings
from hwbench.validations import Held
from tests import fakes
from tests.fakes import ENVIRONMENT, PROTOCOL, FakeChild, FakeCrew

HERE = replace(ENVIRONMENT, packages={"torch": "2.9.1"})
QUIET = Surroundings(spread=Spread(sd=0.0, basis="none"))
LONG = replace(PROTOCOL, visit_s=2.5, rounds=5)  # long enough to tell what comes later
A100 = Device(
    name="cuda:0", kind="cuda", index=0, model="NVIDIA A100-SXM4-80GB", memory_bytes=80 * 1024**3
)
CPU = Device(name="cpu", kind="cpu", index=0)
CHECKPOINT_S = here_way.checkpoint_bytes_of("mlp") / here_way.DISK_BYTES_PER_S
MLP_BYTES = 4.0 * 784  # of an item of mlp on the disk


def case(batch: int, phase: str = "training", **changes: Any) -> Case:
    """Return a case of the network mlp."""
    scenario = "train_step" if phase == "training" else "offline"
    usual = Case(
        kind="workload",
        name="mlp",
        version=1,
        phase=phase,
        scenario=scenario,
        runtime="torch",
        device="cpu",
        dtype="float32",
        batch_size=batch,
        shape={"width": 2048},
    )
    return replace(usual, **changes)


def measured(
    of: Case,
    *means_s: float,
    setup_s: float = 0.0,
    first_s: float | None = None,
    watts: tuple[float, float] | None = None,
    parts: Sequence[str] = ("cpu",),
    wall_factor: float | None = None,
) -> Measurement:
    """Return the measurement of visits of these mean seconds; `watts` are active and idle."""
    means = means_s if len(means_s) > 1 else means_s * 5
    visits = [
        replace(
            fakes.visit_result(of, n, *[mean] * 5),
            setup_s=setup_s,
            first_iteration_s=first_s if first_s is not None else means[0],
        )
        for n, mean in enumerate(means)
    ]
    found = summary.measurement(fakes.planned(of), visits, LONG, QUIET)
    if watts is None:
        return found
    return _powered(found, *watts, parts=tuple(parts), wall_factor=wall_factor)


def _powered(
    m: Measurement,
    active_w: float,
    idle_w: float,
    parts: tuple[str, ...],
    wall_factor: float | None,
) -> Measurement:
    assert m.wall_s is not None
    joules = active_w * m.wall_s.mean
    wall = AssumedWall(factor=wall_factor or 1, energy_j=joules * (wall_factor or 1), source="said")
    energy = Energy(
        point=joules,
        low=joules,
        high=joules,
        domains={},
        measured=True,
        idle_w=idle_w,
        basis="a test",
        parts=parts,
        assumed_wall=wall if wall_factor else None,
    )
    power = Power(point=active_w, low=active_w, high=active_w, peak=active_w + 10)
    return replace(m, energy_j=energy, power_w=power, energy_reason=None)


def record(
    *measurements: Measurement, devices: tuple[Device, ...] = (CPU,), **changes: Any
) -> Record:
    """Return a record of this machine, of this minute."""
    now = datetime.datetime.now(datetime.UTC)
    made = replace(
        fakes.record(*measurements),
        protocol=LONG,
        environment=HERE,
        devices=devices,
        created_utc=now.isoformat(timespec="seconds"),
        batch_fits=batch_fit.fits(measurements),
    )
    return replace(made, **changes)


def simple(step_s: float = 0.1, batch: int = 100, item_s: float = 0.0002, **more: Any) -> Record:
    """Return a record of one training step, and of inference at `item_s` an item."""
    return record(
        measured(case(batch), step_s, **more),
        measured(case(batch, "inference"), item_s * batch),
    )


def on_a_gpu(of: Case, **changes: Any) -> Case:
    """Return a case on the first card."""
    return replace(of, device="cuda:0", **changes)


def resnet(step_s: float = 0.1, batch: int = 64, **more: Any) -> Record:
    """Return a record of ResNet-50 on an A100."""
    of = on_a_gpu(case(batch), name="resnet50", shape={"image": 224})
    return record(measured(of, step_s, **more), devices=(CPU, A100))


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Be on the machine of the records, in a folder of its own, with a floor of 1 %."""
    fakes.isolate(monkeypatch, tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(host, "environment", lambda **_: HERE)
    place = outcomes.folder()
    place.mkdir(parents=True)
    exact = Held(
        machine=HERE.machine_id,
        workload="mlp",
        runtime="torch",
        residence="disk",
        batch_size=1,
        at_s=1.0,
        predicted_s=9.0,
        actual_s=9.0,
        expected_log=0.0,
        half_log=0.1,
        inside=True,
    )
    lines = json.dumps(asdict(exact)) + "\n"
    (place / validations.FILE).write_text(lines * 9)
    return tmp_path


def kept(folder: Path, *records: Record) -> tuple[Path, ...]:
    """Write records and return where they are."""
    folder.mkdir(exist_ok=True)
    paths = tuple(folder / f"r{n}.json" for n in range(len(records)))
    for path, made in zip(paths, records, strict=True):
        store.save(replace(made, id=f"{made.id}-{path.stem}"), path)
    return paths


def loader_known(item_s: float, cpu_s: float | None = None, **changes: Any) -> None:
    """Put a loader's speed into the machine's history, of data in files unless changed."""
    usual = Loaded(
        machine=HERE.machine_id,
        workload="mlp",
        description="rows in a file",
        path=None,
        residence="disk",
        item_s=item_s,
        cpu_s=item_s if cpu_s is None else cpu_s,
        item_bytes=MLP_BYTES,
        sd_log=0.0,
        cores=HERE.cpu.cores,
        at_s=time.time(),
        date="2026-11-24",
    )
    loaders.remember(replace(usual, **changes), outcomes.folder())


def asked(made: Record | Sequence[Path], **changes: Any) -> EstimateFile:
    """Return the estimate of 10,000 samples and 10 epochs of mlp from a record, unless changed."""
    paths = kept(Path("given"), made) if isinstance(made, Record) else tuple(made)
    usual: dict[str, Any] = {
        "records": paths,
        "workload": "mlp",
        "samples": 10_000,
        "epochs": 10.0,
        "evaluation_frac": 0.0,
        "item_bytes": 1e-3,  # next to nothing to read: the disk is asked about where it matters
        "measure": False,
    }
    return estimate(Request(**(usual | changes)))


def row(made: Record | Sequence[Path], **changes: Any) -> Row:
    """Return the only row of an estimate."""
    (found,) = asked(made, **changes).rows
    return found


def money(**changes: Any) -> Money:
    """Return the prices of a request."""
    return Money(**changes)


class LoopCrew(FakeCrew):
    """A machine whose children also drain a loader, `item_s` an item."""

    item_s = 0.0001

    def spawn(self, number: int, threads: int, environment: Mapping[str, str]) -> "FakeChild":
        """Start a child."""
        child = LoopChild(self, number)
        self.children.append(child)
        return child


class LoopChild(FakeChild):
    """One of its children."""

    def ask(self, verb: str, request: Any, timeout_s: float, tick: Any = None) -> Reply:
        """Answer for the loop; leave the rest to the scripted child."""
        assert isinstance(self.crew, LoopCrew)
        if verb == "open_loop":
            return Reply(ok=True, result=codec.encode(Opened(read_s=0.0)))
        if verb == "loop_part":
            assert request.what == "drain"
            wall_s = 1000 * self.crew.item_s
            done = Drained(items=1000, wall_s=wall_s, cpu_s=wall_s)
            return Reply(ok=True, result=codec.encode(PartDone(drained=done)))
        return super().ask(verb, request, timeout_s)


def of_environment(**changes: Any) -> Environment:
    """Return this machine's environment, changed."""
    return replace(HERE, **changes)
