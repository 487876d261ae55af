"""`hwbench advise`: settings keep what a step computes; what helps is found, and said."""

import json
import math
import random
import warnings
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

from hwbench import (
    advice_saved,
    advise,
    advise_view,
    advising,
    codec,
    loader_search,
    paired_steps,
    registry,
    selection,
    tree_file,
)
from hwbench.advised import SCHEMA, Advice, Advised, PairedRatio
from hwbench.advising import Found
from hwbench.case import Case
from hwbench.cli import status_of
from hwbench.dataset import Dataset, Loading
from hwbench.errors import BadInput, UnknownName
from hwbench.loop import Drained, LoopCase, Opened, PartDone, Stretch
from hwbench.measurement import Memory, Sample
from hwbench.progress import Silent
from hwbench.protocol import LossesDone, Reply, VisitResult
from hwbench.setting import OPTION
from tests import fakes

ROOT = Path(__file__).parent.parent


@pytest.fixture(autouse=True)
def _isolated(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fakes.isolate(monkeypatch, tmp_path)
    monkeypatch.chdir(tmp_path)


def training(name: str = "mlp_small", batch_size: int = 8) -> Case:
    network = registry.networks()[name]
    return Case(
        kind="workload", name=name, version=network.workload.version, phase="training",
        scenario="train_step", runtime="torch", device="cpu", dtype="float32",
        batch_size=batch_size, shape=network.variant.shape,
    )  # fmt: skip


def losses(name: str, spec: str | None, steps: int = 3) -> Any:
    """Return the losses of a network's first steps, by the torch dialect."""
    pytest.importorskip("torch")
    from hwbench.dialects import torch as dialect

    network = registry.networks()[name]
    settings = registry.settings_of(spec) if spec else ()
    program = dialect.prepare_workload(
        network.workload, network.variant.config, training(name), np.random.default_rng(0),
        settings=settings,
    )  # fmt: skip
    return program.answer(steps).outputs[0]


@pytest.mark.parametrize("name, spec, tolerance", [
    ("resnet18_small", "channels_last", 1e-3), ("resnet18_small", "fused", 1e-4),
    ("resnet18_small", "checkpointing", 1e-4), ("vit_tiny_small", "checkpointing+fused", 1e-4),
    ("vit_tiny_small", "accumulation", 1e-4), ("bert_base_small", "accumulation+fused", 1e-4),
    ("mlp_small", "mixed", 2e-2), ("lstm_small", "fused", 1e-4),
])  # fmt: skip
def test_a_setting_keeps_what_a_step_learns(name: str, spec: str, tolerance: float) -> None:
    assert losses(name, spec) == pytest.approx(losses(name, None), rel=tolerance)


def test_a_compiled_step_learns_the_same() -> None:
    (compiles,) = registry.settings_of("compile")
    network = registry.networks()["mlp_small"]
    if compiles.supports(network.workload, network.variant.config, "cpu"):
        pytest.skip("no C++ compiler")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch's own modules
        found = losses("mlp_small", "compile")
    assert found == pytest.approx(losses("mlp_small", None), rel=1e-3)


def kept_bytes(name: str, spec: str) -> int:
    """Return the bytes that autograd keeps between the passes of a step, counted by its hooks."""
    torch = pytest.importorskip("torch")
    from hwbench.dialects import torch as dialect

    network = registry.networks()[name]
    program = dialect.prepare_workload(
        network.workload, network.variant.config, training(name), np.random.default_rng(0),
        settings=registry.settings_of(spec),
    )  # fmt: skip
    kept, most = {}, 0

    def pack(tensor: Any) -> Any:
        nonlocal most
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        most = max(most, sum(kept.values()))
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
        loss_of = program.step
        loss_of()
    return most


@pytest.mark.parametrize("name", ["vit_tiny_small", "resnet18_small"])
def test_less_is_kept_where_activations_are_computed_again(name: str) -> None:
    # the hooks of the outer context see what the forward pass keeps, not what is computed again
    assert kept_bytes(name, "checkpointing") < 0.7 * kept_bytes(name, "fused")


def test_what_does_not_fit_a_network_says_why() -> None:
    reasons = {
        ("bert_base_small", "channels_last"): "it takes no images",
        ("dcgan_small", "fused"): "several losses in turn",
    }
    from hwbench import planning

    for (name, spec), said in reasons.items():
        case = replace(training(name), options={OPTION: spec})
        planned = planning._planned(case, fakes.FACTS["torch"])
        assert said in (planned.skip or "")
    case = replace(training(), runtime="jax", options={OPTION: "fused"})
    assert "settings are of torch" in (planning._planned(case, fakes.FACTS["jax"]).skip or "")
    with pytest.raises(UnknownName, match="did you mean channels_last"):
        selection.check_names(selection.Selection(settings=("channel_last",)))


# A machine of scripted steps


class Machine:
    """Children whose steps take what is told, on a machine whose speed wanders."""

    def __init__(self, step_s: Callable[[str], float], wander: float = 0.3) -> None:
        """`step_s(settings)` is the time of a step with them; '' is the plain one."""
        self.step_s, self.rng, self.wander = step_s, random.Random(5), wander
        self.speed, self.now, self.asked = 1.0, 0.0, 0
        self.alive: set[int] = set()
        self.worse: frozenset[str] = frozenset()
        self.broken: Mapping[str, Reply] = {}
        self.memory: Mapping[str, int] = {}
        self.interrupt_at: int | None = None

    def spawn(self, number: int, threads: int, environment: Mapping[str, str]) -> "Scripted":
        self.alive.add(number)
        return Scripted(self, number)


class Scripted:
    def __init__(self, machine: Machine, number: int) -> None:
        self.machine, self.number = machine, number

    def ask(self, verb: str, request: Any, timeout_s: float, tick: Any = None) -> Reply:
        machine = self.machine
        machine.asked += 1
        if machine.asked == machine.interrupt_at:
            raise KeyboardInterrupt
        spec = str(request.case.options.get(OPTION, ""))
        if spec in machine.broken:
            return machine.broken[spec]
        step_s = machine.step_s(spec)
        if verb == "losses":
            fall = 0.5 if machine.worse & set(spec.split("+")) else 1.0
            found = [3.0 - fall * n / request.steps for n in range(request.steps)]
            done: Any = LossesDone(
                losses=tuple(found), setup_s=1.0, first_step_s=2.0 if "compile" in spec else 0.1,
                wall_s=step_s * (request.steps - 1),
            )  # fmt: skip
            return Reply(ok=True, result=codec.encode(done))
        if machine.rng.random() < 0.1:
            machine.speed = math.exp(machine.rng.gauss(0, machine.wander))
        took = step_s * machine.speed * math.exp(machine.rng.gauss(0, 0.01))
        machine.now += 0.3
        sample = Sample(loops=1, wall_s=took, start_s=0.0, round=0, process=0)
        memory = Memory(host=machine.memory.get(spec, 1000), device=None)
        done = VisitResult(
            id=request.case.id, status="ok", round=0, process=0, samples=(sample,) * 3,
            memory=memory,
        )  # fmt: skip
        return Reply(ok=True, result=codec.encode(done))

    def end(self) -> None:
        self.machine.alive.discard(self.number)


FACTORS = {"channels_last": 0.8, "fused": 0.95, "mixed": 1.3, "compile": 0.9,
           "checkpointing": 1.3, "accumulation": 1.1}  # fmt: skip


def step_s(spec: str) -> float:
    """Compiling and channels last do not go together: the layout is lost."""
    parts = [p for p in spec.split("+") if p]
    if {"compile", "channels_last"} <= set(parts):
        parts.remove("channels_last")
    return 0.02 * math.prod(FACTORS[p] for p in parts)


def found_by(machine: Machine, names: tuple[str, ...] | None = None) -> Found:
    return advising.advised(
        training("resnet18_small"), names or tuple(FACTORS), 2, 1.0, Silent(), machine.spawn
    )


def measured(machine: Machine) -> PairedRatio:
    """Return the ratio of a step with the fused optimiser."""
    plain = paired_steps.opened(training(), 0, 1, 5, machine.spawn, lambda: None)
    case = replace(training(), options={OPTION: "fused"})
    other = paired_steps.opened(case, 1, 1, 5, machine.spawn, lambda: None)
    ratio, times = paired_steps.ratio(plain, other, 1e9, clock=lambda: machine.now)
    assert len(times) == ratio.blocks
    return ratio


def test_ratios_are_found_though_the_machine_wanders() -> None:
    inside = 0
    for seed in range(40):
        machine = Machine(step_s)
        machine.rng = random.Random(seed)
        ratio = measured(machine)
        inside += ratio.low <= 0.95 <= ratio.high
    assert inside >= 34  # of 40, where 95 % are meant and the search stops when it is sharp


def test_what_helps_is_kept_and_what_spoils_it_is_left_out() -> None:
    machine = Machine(step_s)
    machine.memory = {"checkpointing": 600, "accumulation": 990}
    found = found_by(machine)
    verdicts = {r.settings[0]: r.verdict for r in found.rows}
    assert verdicts == {
        "channels_last": "use", "fused": "use", "compile": "use", "mixed": "slower",
        "checkpointing": "saves memory", "accumulation": "no gain",
    }  # fmt: skip
    # one more at a time: compiling loses the layout, the fused optimiser does not
    assert [t.settings for t in found.together] == [
        ("channels_last", "compile"), ("channels_last", "fused"),
    ]  # fmt: skip
    assert found.use == ("channels_last", "fused")
    used = advice_saved.used_of(found)
    assert used is not None and used.ratio is not None
    assert used.ratio.low < 0.8 * 0.95 < used.ratio.high
    assert not machine.alive


def test_a_faster_step_that_learns_less_is_not_advised() -> None:
    machine = Machine(lambda spec: 0.01 if spec == "mixed" else 0.02)
    machine.worse = frozenset({"mixed"})
    found = found_by(machine, ("mixed",))
    assert found.rows[0].verdict == "another loss" and found.use == ()
    for loss, plain, same in (
        (2.0, 2.0, True), (1.0, 2.0, True), (2.09, 2.0, True), (2.2, 2.0, False),
        (None, 2.0, False), (None, None, True),
    ):  # fmt: skip
        assert advising.same_loss(loss, 3.0, plain) is same


def test_what_cannot_be_made_is_a_row_with_its_reason() -> None:
    machine = Machine(step_s)
    machine.broken = {
        "compile": Reply(ok=False, code="unavailable", reason="no compiler", remedy="apt"),
        "fused": Reply(ok=False, code="error", reason="RuntimeError: no"),
    }
    found = found_by(machine, ("compile", "fused", "channels_last"))
    assert [(r.status, r.reason) for r in found.rows[:2]] == [
        ("skipped", "no compiler: apt"), ("failed", "RuntimeError: no"),
    ]  # fmt: skip
    assert found.use == ("channels_last",) and not machine.alive
    machine.broken = {"": Reply(ok=False, code="memory", reason="out of memory")}
    with pytest.raises(BadInput, match="cannot be trained here: out of memory"):
        advise.advise(advise.Options(workload="mlp_small"), spawn=machine.spawn)
    assert not machine.alive


def test_what_was_measured_survives_an_interrupt() -> None:
    machine = Machine(step_s)
    machine.interrupt_at = 60
    options = advise.Options(workload="resnet18_small", seconds=1.0, out=Path("a.json"))
    done = advise.advise(options, spawn=machine.spawn)
    assert done.interrupted and done.rows and not machine.alive
    assert tree_file.load(Advice, SCHEMA, Path("a.json")) == done
    assert "interrupted" in advise_view.text(done)


def test_what_was_measured_survives_a_kill() -> None:
    machine = Machine(step_s)
    machine.broken = {"fused": Reply(ok=False, code="error", reason="RuntimeError: no")}

    def spawn(number: int, threads: int, environment: Mapping[str, str]) -> Scripted:
        if number == 4:  # the third setting: nobody catches this, as nobody catches a kill
            raise SystemExit
        return machine.spawn(number, threads, environment)

    options = advise.Options(workload="resnet18_small", seconds=1.0, out=Path("a.json"))
    with pytest.raises(SystemExit):
        advise.advise(options, spawn=spawn)
    kept = tree_file.load(Advice, SCHEMA, Path("a.json"))
    assert kept.interrupted and len(kept.rows) == 2


def test_hours_and_dollars_are_those_of_the_training() -> None:
    used = Advised(
        settings=("fused",), typed=("x",), saves="time", status="ok", verdict="use", step_s=0.4,
        once_s=31.0, ratio=PairedRatio(point=0.8, low=0.75, high=0.9, level=0.95, blocks=9),
    )  # fmt: skip
    plain = replace(used, settings=(), ratio=None, step_s=0.5, once_s=1.0, verdict=None)
    found = Found(plain=plain, first_loss=3.0, steps=20, rows=(used,), together=(), use=("fused",))
    saved, _ = advice_saved.of(found, None, 10, 100_000, 2.0, 1.5)
    assert saved is not None
    hours = 20_000 * 0.5 / 3600
    assert saved.plain_h == pytest.approx(hours)
    assert saved.advised_h == pytest.approx(0.8 * hours + 30 / 3600)
    assert saved.saved_low_h == pytest.approx(0.1 * hours - 30 / 3600)
    assert saved.saved_usd == pytest.approx((0.2 * hours - 30 / 3600) * 1.5)
    rows = tuple(
        advice_row(workers, step_s, 0.45) for workers, step_s in ((0, 0.95), (1, 0.52), (2, 0.55))
    )
    loader = loader_advice(rows, 1)
    with_data, _ = advice_saved.of(found, loader, 10, 100_000, 2.0, 1.5)
    assert with_data is not None
    assert with_data.plain_h == pytest.approx(20_000 * 0.95 / 3600)
    # the step is 0.1 s shorter, and no shorter than what its loader takes
    assert with_data.advised_h == pytest.approx((20_000 * 0.45 + 30) / 3600)
    assert advice_saved.of(found, None, 10, None, 1.0, None)[1] is not None


def advice_row(workers: int, step_s: float, batch_s: float) -> Any:
    from hwbench.advised import Workers

    return Workers(workers=workers, step_s=step_s, batch_s=batch_s, wait_frac=0.1)


def loader_advice(rows: tuple[Any, ...], advised: int) -> Any:
    from hwbench.advised import LoaderAdvice

    return LoaderAdvice(
        dataset=DATASET, bound="compute", synthetic_s=0.5, rows=rows, advised=advised,
        no_cold="a test",
    )  # fmt: skip


DATASET = Dataset(
    kind="images", path="nowhere", items=1000, bytes_on_disk=10**8, generated=False,
    description="1,000 image files",
)  # fmt: skip


class Loops:
    """Children with open loops: a step computes, and waits for what its workers load."""

    def __init__(self, compute_s: float, load_s: float) -> None:
        self.compute_s, self.load_s, self.alive = compute_s, load_s, 0

    def spawn(self, number: int, threads: int, environment: Mapping[str, str]) -> "LoopChild":
        self.alive += 1
        return LoopChild(self)


class LoopChild:
    number = 0

    def __init__(self, loops: Loops) -> None:
        self.loops, self.workers = loops, 0

    def ask(self, verb: str, request: Any, timeout_s: float, tick: Any = None) -> Reply:
        loops = self.loops
        if verb == "open_loop":
            self.workers = request.case.loading.workers
            return Reply(ok=True, result=codec.encode(Opened(read_s=0.0)))
        load_s = loops.load_s / max(1, self.workers)
        if request.what == "drain":
            done = PartDone(drained=Drained(items=80, wall_s=10 * load_s, cpu_s=1.0))
            return Reply(ok=True, result=codec.encode(done))
        wait_s = max(0.0, load_s - loops.compute_s) if self.workers else load_s
        step_s = loops.compute_s + wait_s
        stretch = Stretch(
            steps=11, items=88, wall_s=11 * step_s + 1, first_step_s=step_s + 1,
            loader_wait_s=11 * wait_s + 1, first_wait_s=wait_s + 1,
        )  # fmt: skip
        return Reply(ok=True, result=codec.encode(PartDone(stretch=stretch)))

    def end(self) -> None:
        self.loops.alive -= 1


@pytest.mark.parametrize("compute_s, load_s, bound, advised", [
    (0.1, 0.05, "compute", 1), (0.1, 0.25, "compute", 3), (0.1, 0.9, "loader", 4),
    (0.001, 0.4, "loader", 4),
])  # fmt: skip
def test_what_a_training_waits_for(
    compute_s: float, load_s: float, bound: str, advised: int
) -> None:
    loops = Loops(compute_s, load_s)
    case = LoopCase(
        workload="resnet18_small", runtime="torch", device="cpu", dtype="float32", batch_size=8,
        loading=Loading(dataset=DATASET, residence="disk"),
    )  # fmt: skip
    found = loader_search.search(
        case, DATASET, compute_s, 2, loader_search.counts(4), Silent(), loops.spawn
    )
    assert (found.bound, found.advised) == (bound, advised) and loops.alive == 0
    by = {r.workers: r for r in found.rows}
    assert by[0].step_s == pytest.approx(compute_s + load_s)
    assert by[advised].step_s == pytest.approx(max(compute_s, load_s / max(1, advised)))
    assert by[0].wait_frac == pytest.approx(load_s / (compute_s + load_s))


def test_of_many_cores_the_workers_are_doubled() -> None:
    assert loader_search.counts(2) == (0, 1, 2) and loader_search.counts(1) == (0, 1)
    assert loader_search.counts(16) == (0, 1, 2, 4, 8, 16)
    assert loader_search.counts(24) == (0, 1, 2, 4, 8, 16, 24)


def test_the_command_says_what_to_use(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("torch")
    monkeypatch.setattr(loader_search, "STEPS_S", 0.2)
    monkeypatch.setattr(loader_search, "DRAIN_S", 0.1)
    asked = ["advise", "--workload", "mlp_small", "--setting", "fused", "--setting",
             "channels_last", "--seconds", "0.2s", "--threads", "1", "--out", "a.json"]  # fmt: skip
    features = registry.networks()["mlp_small"].variant.config["features"]
    np.savez("rows.npz", x=np.zeros((200, features), "float32"), y=np.zeros(200, "int64"))
    more = ["--data", "rows.npz", "--samples", "1M", "--usd-per-h", "2"]
    assert status_of([*asked, *more]) == 0
    out, err = capsys.readouterr()
    assert "fused" in out and "channels_last: it takes no images" in out and "num_workers=" in out
    assert "Traceback" not in err
    told = json.loads(Path("a.json").read_text())
    published = json.loads((ROOT / "docs" / "advice.schema.json").read_text())
    jsonschema.validate(told, published)
    assert told["loader"]["rows"][0]["workers"] == 0 and told["saved"]["saved_usd"] is not None


@pytest.mark.parametrize("asked, said", [
    (["--workload", "mlp_small", "--setting", "fussed"], "did you mean fused"),
    (["--workload", "dcgan_small"], "several losses in turn"), ([], "Missing option '--workload'"),
    (["--workload", "mlp_small", "--epochs", "0"], "--epochs 0: above 0"),
    (["--workload", "mlp_small", "--data", "nowhere"], "no such file or folder"),
    (["--workload", "mlp_small", "--out", "."], "is a folder"),
    (["--workload", "mlp_small", "--data", "few.npz"], "larger than the dataset of 3 items"),
])  # fmt: skip
def test_what_cannot_be_asked(
    asked: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    np.savez("few.npz", x=np.zeros((3, 64), "float32"), y=np.zeros(3, "int64"))
    assert status_of(["advise", *asked]) == 2
    assert said in capsys.readouterr().err
