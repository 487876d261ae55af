"""`hwbench.watch`: the rest of somebody's loop, on simulated machines and a fake clock."""

import json
import math
import random
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import hwbench
from hwbench import loop_energy, loop_pace, loop_watch, outcomes, watched
from hwbench.errors import BadInput
from hwbench.loop_energy import LoopPower
from hwbench.loop_pace import Left, Pace
from hwbench.validations_floor import ASSUMED, LEAST_SD_LOG, Floor
from tests import fakes
from tests.fakes import FakeClock
from tests.metered import CARD

SHARP = Floor(sd_log=LEAST_SD_LOG, basis="a test")


@pytest.fixture(autouse=True)
def _isolated(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fakes.isolate(monkeypatch, tmp_path)


class Machine:
    """A loop's time: steps of some length that wander, and what comes between them."""

    def __init__(self, step_s: float = 0.1, noise: float = 0.05, slow: float = 0.0) -> None:
        """`slow`: the sd of a speed that changes about every ten seconds."""
        self.clock, self.rng = FakeClock(), random.Random(3)
        self.step_s, self.noise, self.slow = step_s, noise, slow
        self._level, self._until = 0.0, 0.0

    def step(self) -> None:
        """Let a step go by."""
        if self.clock.now >= self._until:
            self._level = self.rng.gauss(0, self.slow)
            self._until = self.clock.now + self.rng.uniform(5, 15)
        self.clock.advance(self.step_s * math.exp(self._level + self.rng.gauss(0, self.noise)))


def left(pace: Pace, floor: Floor = SHARP) -> Left:
    """Return what is left, which is known."""
    found = pace.left(floor, 0.06)
    assert found is not None
    return found


def test_of_even_steps_what_is_left_is_their_number_times_their_length() -> None:
    machine = Machine(noise=0.0)
    pace = Pace(10_000, machine.clock)
    machine.clock.advance(7.0)
    pace.step()  # the first one compiles: it is no other's length
    for _ in range(1999):
        machine.step()
        pace.step()
    found = left(pace)
    assert found.point_s == pytest.approx(8000 * 0.1, rel=1e-9)
    assert found.step == 2000 and found.asides == 0
    # nothing but the floor: blocks that do not differ
    assert math.log(found.high_s / found.low_s) / 2 == pytest.approx(1.645 * 0.01, rel=1e-3)
    assert found.gone_s == pytest.approx(7 + 199.9)


def test_little_is_told_of_few_steps_and_what_is_told_early_is_wider() -> None:
    machine = Machine(noise=0.0)
    pace = Pace(100_000, machine.clock)
    for _ in range(20):
        machine.step()
        pace.step()
    assert pace.left(SHARP, 0.06) is None
    for _ in range(200):
        machine.step()
        pace.step()
    early = left(pace)
    assert "early: widened by the machine's drift of 6.0%" in early.basis
    half = math.log(early.high_s / early.low_s) / 2
    assert half == pytest.approx(1.645 * math.hypot(0.01, 0.06), rel=1e-3)


@pytest.mark.parametrize("every", [None, 500])
def test_evaluations_come_again(every: int | None) -> None:
    machine = Machine(noise=0.01)
    pace = Pace(5000, machine.clock, every)
    actual = None
    for n in range(1, 5001):
        machine.step()
        pace.step()
        if n == 1250:
            actual = machine.clock.now
            found = left(pace)
        if n % 500 == 0:
            machine.clock.advance(12.0)
    assert actual is not None and len(pace.asides) >= 9
    # the last evaluation comes after the last step, which the loop does not see
    rest = machine.clock.now - 12.0 - actual
    assert found.aside_s == pytest.approx(12.0, rel=0.02) and found.asides in (7, 8)
    assert found.point_s == pytest.approx(rest, rel=0.035)
    assert found.low_s < rest < found.high_s or abs(found.point_s / rest - 1) < 0.035


def test_before_the_first_evaluation_it_says_so() -> None:
    machine = Machine(noise=0.0)
    pace = Pace(5000, machine.clock, 2500)
    for _ in range(1500):
        machine.step()
        pace.step()
    assert "before the first evaluation" in left(pace).basis


def test_one_long_stall_is_not_taken_for_a_habit_where_the_epoch_is_known() -> None:
    machine = Machine(noise=0.0)
    pace = Pace(10_000, machine.clock, 1000)
    for n in range(1, 1501):
        machine.step()
        if n == 700:
            machine.clock.advance(30.0)
        pace.step()
        if n == 1000:
            machine.clock.advance(5.0)
    found = left(pace)
    assert found.asides == 9 and found.aside_s == pytest.approx(5.0)
    # a stall of 30 s in 1,500 steps: as many a step in the rest
    assert found.point_s == pytest.approx(8500 * (0.1 + 30 / 1500) + 9 * 5, rel=1e-3)


@pytest.mark.parametrize("again", [False, True])
def test_whether_what_came_once_comes_again_is_in_the_interval(again: bool) -> None:
    machine = Machine(noise=0.0)
    pace = Pace(10_000, machine.clock)
    for n in range(1, 10_001):
        machine.step()
        if n == 700 or (again and n % 700 == 0):
            machine.clock.advance(30.0)
        pace.step()
        if n == 1000:
            told = left(pace)
    assert "one pause of 30 s was seen" in told.basis
    assert told.low_s < pace.gone_s - told.gone_s < told.high_s


def test_nine_tenths_of_the_intervals_hold_on_a_machine_that_wanders() -> None:
    inside, halves, errors = 0, [], []
    for seed in range(200):
        machine = Machine(step_s=0.05, noise=0.1, slow=0.08)
        machine.rng.seed(seed)
        pace, told = Pace(12_000, machine.clock), None
        for n in range(1, 12_001):
            machine.step()
            pace.step()
            if n == 1200:
                told = left(pace)
        assert told is not None
        actual = pace.gone_s - told.gone_s
        inside += told.low_s <= actual <= told.high_s
        errors.append(abs(math.log(actual / told.point_s)))
        halves.append(loop_pace.half_log(told))
    assert 172 <= inside <= 200
    assert sorted(halves)[100] < 5 * sorted(errors)[100]  # not by saying everything


def test_blocks_grow_and_stay_few() -> None:
    machine = Machine()
    pace = Pace(10**6, machine.clock)
    for _ in range(30_000):
        machine.step()
        pace.step()
    assert 32 <= len(pace.blocks) <= 64
    lengths = [b.wall_s for b in pace.blocks]
    assert max(lengths) < 1.2 * min(lengths)


def watch(
    machine: Machine, steps: int, total: int | None = None, **changes: Any
) -> tuple[loop_watch.Watch, list[str]]:
    """Run a loop to its end, or to `steps` of `total`, and return the watch and what it said."""
    said: list[str] = []
    usual: dict[str, Any] = {"meters": False, "say": said.append, "clock": machine.clock}
    with hwbench.watch(total_steps=total or steps, **(usual | changes)) as w:
        for _ in range(steps):
            machine.step()
            w.step()
    return w, said


def test_a_loop_hears_how_long_it_takes_and_at_the_end_how_right_that_was() -> None:
    w, said = watch(Machine(), 20_000, usd_per_h=3.6)
    assert len(said) == 6  # first, at a tenth, a quarter, a half, three quarters, and the end
    assert said[0].startswith("hwbench: step ") and "of rent" in said[0]
    assert "of 20,000" in said[1] and "90%" in said[1]
    assert said[-1].startswith("hwbench: it took 33 min; at step 2,0")
    assert "inside the 90% interval" in said[-1]
    assert w.result is not None and w.result.inside and w.result.steps == 20_000
    # 2,000 s at 3.60 $ an hour
    assert "$2.0" in said[1]
    (held,) = watched.read(outcomes.folder())
    assert held.inside and held.predicted_s == pytest.approx(held.actual_s, rel=0.02)


def test_a_loop_that_ends_early_or_breaks_is_not_held_against_anything() -> None:
    w, said = watch(Machine(), 2000, total=20_000)
    assert w.result is not None and w.result.inside is None and not watched.read(outcomes.folder())
    assert not any("it took" in line for line in said)
    with pytest.raises(ZeroDivisionError), hwbench.watch(10, meters=False) as broken:
        raise ZeroDivisionError
    assert broken.result is not None and broken.result.steps == 0


def test_what_earlier_loops_missed_by_is_in_later_intervals() -> None:
    for _ in range(9):
        machine = Machine()
        # the second half takes 20 % longer: nobody can know that
        said: list[str] = []
        with hwbench.watch(4000, meters=False, say=said.append, clock=machine.clock) as w:
            for n in range(4000):
                machine.step_s = 0.1 if n < 650 else 0.12
                machine.step()
                w.step()
        assert "outside" in said[-1]
    w, _ = watch(Machine(), 4000)
    assert w.result is not None
    told = w.result.told[-1]
    assert "from 9 validated runs of this machine" in told.basis
    assert loop_pace.half_log(told) > 1.645 * 0.15


def test_a_fault_of_the_watch_never_reaches_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> None:
        raise OSError("no disk")

    monkeypatch.setattr(Pace, "left", broken)
    power = LoopPower(None, FakeClock())
    monkeypatch.setattr(power, "end", broken)
    monkeypatch.setattr(LoopPower, "opened", classmethod(lambda cls, clock: power))
    w, said = watch(Machine(), 2000, meters=True)
    assert [line for line in said if "not watched further: OSError: no disk" in line] == said[:1]
    assert w.result is not None and w.result.steps == 2000


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"total_steps": 0}, "total_steps=0"),
        ({"total_steps": 10, "steps_per_epoch": -1}, "steps_per_epoch=-1"),
        ({"total_steps": 10, "usd_per_h": -1.0}, "usd_per_h"),
    ],
)
def test_numbers_that_no_run_has_are_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(BadInput, match=said):
        hwbench.watch(**changes)
    with pytest.raises(BadInput, match="outside of"):
        hwbench.watch(10).step()


class FakeMeters:
    """A meter that tells of a card of 300 W."""

    channels, lost = (CARD,), dict[str, str]()

    def __init__(self, clock: FakeClock) -> None:
        """Begin at the clock's now."""
        self.clock, self.ended = clock, False

    def traces(self) -> dict[str, Any]:
        """Return readings twice a second until now."""
        from hwbench.sensor import Point

        n = int((self.clock.now - 127.0) * 2)
        return {CARD.key: [Point(127.0 + i / 2, 300.0) for i in range(n + 1)]}

    def end(self) -> None:
        """End."""
        self.ended = True


def test_the_power_of_the_first_minutes_is_that_of_the_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    machine = Machine(step_s=1.0, noise=0.0)
    meters = FakeMeters(machine.clock)
    monkeypatch.setattr(LoopPower, "opened", classmethod(lambda cls, clock: cls(meters, clock)))
    w, said = watch(machine, 1500, meters=True, usd_per_kwh=0.4)
    assert w.result is not None and w.result.energy_j == pytest.approx(1500 * 300, rel=0.02)
    assert w.result.energy_basis == "gpu" and meters.ended
    assert "0.125 kWh (gpu)" in said[1] and "$0.05 of electricity" in said[1]
    assert loop_energy.READ_S < 1500


def test_without_a_meter_the_energy_is_not_known_and_says_why() -> None:
    machine = Machine()
    power = LoopPower(None, machine.clock)
    assert power.watts() == (None, loop_energy.NONE)
    w, said = watch(machine, 2000, meters=False)
    assert w.result is not None and w.result.energy_j is None
    assert not any("kWh" in line for line in said)


def test_the_package_offers_it_without_loading_anything_at_its_import() -> None:
    import subprocess

    code = (
        "import sys, hwbench; assert 'hwbench.loop_watch' not in sys.modules;"
        "w = hwbench.watch(5, meters=False); assert type(w).__name__ == 'Watch';"
        "assert hwbench.watch(5).__class__ is w.__class__;"
        "assert 'torch' not in sys.modules and 'numpy' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    with pytest.raises(AttributeError, match="nothing"):
        _: Callable[..., Any] = hwbench.nothing  # type: ignore[attr-defined]


def test_a_torn_history_is_passed_over(tmp_path: Path) -> None:
    held = {
        "machine": "m", "at_s": 1.0, "predicted_s": 10.0, "actual_s": 11.0,
        "expected_log": 0.01, "half_log": 0.1, "inside": True,
    }  # fmt: skip
    lines = [json.dumps(held), "{", json.dumps(held | {"actual_s": -1}), "[]"]
    place = tmp_path / "history"
    place.mkdir()
    (place / watched.FILE).write_text("\n".join(lines) + "\n")
    assert len(watched.read(place)) == 1
    assert watched.floor("m", watched.read(place)) == ASSUMED


def test_hugging_faces_trainer_is_watched(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    pytest.importorskip("accelerate")
    from hwbench import loop_callbacks
    from hwbench.dialects.torch_vision import let_torchvision_import

    kept = let_torchvision_import()  # the Trainer imports it, and beside a CPU torch it fails
    assert kept is None or kept

    class Model(torch.nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(4, 2)

        def forward(self, x: Any, labels: Any) -> dict[str, Any]:
            logits = self.layer(x)
            return {"loss": torch.nn.functional.cross_entropy(logits, labels), "logits": logits}

    data = [{"x": torch.randn(4), "labels": torch.tensor(i % 2)} for i in range(64)]
    said: list[str] = []
    callback = loop_callbacks.huggingface(meters=False, say=said.append)
    arguments = transformers.TrainingArguments(
        output_dir=str(tmp_path / "out"),
        per_device_train_batch_size=8,
        num_train_epochs=3,
        report_to=[],
        save_strategy="no",
        use_cpu=True,
        disable_tqdm=True,
    )
    trainer = transformers.Trainer(
        model=Model(), args=arguments, train_dataset=data, callbacks=[callback]
    )
    trainer.train()
    found = callback.watch.result
    assert found is not None and (found.steps, found.total_steps) == (24, 24)
    assert found.wall_s > 0 and not found.told  # so few steps foretell nothing


def test_without_lightning_a_line_tells_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from hwbench import loop_callbacks
    from hwbench.errors import Unavailable

    monkeypatch.setitem(sys.modules, "lightning", None)
    monkeypatch.setitem(sys.modules, "lightning.pytorch", None)
    with pytest.raises(Unavailable, match="pip install lightning"):
        loop_callbacks.lightning()


@pytest.mark.parametrize(("asked", "steps"), [
    ({"max_epochs": 3}, 12), ({"max_epochs": -1, "max_steps": 7}, 7),
    ({"max_epochs": 5, "max_steps": 4, "accumulate_grad_batches": 2}, 8),
])  # fmt: skip
def test_lightnings_trainer_tells_how_many_batches_there_are(
    asked: dict[str, Any], steps: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch = pytest.importorskip("torch")
    from hwbench.dialects.torch_vision import let_torchvision_import

    let_torchvision_import()
    lightning = pytest.importorskip("lightning")
    from hwbench import loop_callbacks

    class Net(lightning.LightningModule):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(4, 1)

        def training_step(self, batch: Any, index: int) -> Any:
            return self.layer(batch[0]).square().mean()

        def configure_optimizers(self) -> Any:
            return torch.optim.SGD(self.parameters(), lr=0.01)

    data = torch.utils.data.TensorDataset(torch.randn(32, 4))
    callback = loop_callbacks.lightning(meters=False)
    warnings.simplefilter("ignore")  # Lightning has much to say of so small a training
    trainer = lightning.Trainer(
        **asked, accelerator="cpu", logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, callbacks=[callback],
        default_root_dir=tmp_path,
    )  # fmt: skip
    trainer.fit(Net(), torch.utils.data.DataLoader(data, batch_size=8))
    found = callback.watch.result
    assert found is not None and (found.steps, found.total_steps) == (steps, steps)


def test_a_trainer_without_an_end_is_not_watched(capsys: pytest.CaptureFixture[str]) -> None:
    from hwbench.dialects.torch_vision import let_torchvision_import

    pytest.importorskip("torch")
    let_torchvision_import()
    pytest.importorskip("lightning")
    from types import SimpleNamespace

    from hwbench import loop_callbacks

    callback = loop_callbacks.lightning(meters=False)
    endless = SimpleNamespace(max_epochs=-1, max_steps=-1, num_training_batches=5)
    callback.on_train_start(endless, None)
    callback.on_train_batch_end(endless, None, None, None, 0)
    callback.on_train_end(endless, None)
    assert "has no end that is known" in capsys.readouterr().err
