"""What an estimate starts from: a record named, found, or measured first; a loader likewise."""

import datetime
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hwbench import host, loaders, outcomes, run, store
from hwbench.errors import BadInput
from hwbench.estimate import estimate
from hwbench.estimate_plan import Money, Request
from hwbench.estimated import EstimateFile
from hwbench.measurement import Record
from tests import fakes
from tests.estimates import (
    HERE,
    LoopCrew,
    asked,
    case,
    kept,
    loader_known,
    measured,
    of_environment,
    record,
    simple,
)
from tests.estimates import machine as machine
from tests.fakes import FakeProgress

pytestmark = pytest.mark.usefixtures("machine")
THEIRS = of_environment(machine_id="another machine")


class Asked:
    """An estimate over scripted children, and what was heard of it."""

    def __init__(self, **changes: Any) -> None:
        self.crew, self.progress = LoopCrew(), FakeProgress()
        usual: dict[str, Any] = {
            "workload": "mlp",
            "samples": 100_000,
            "epochs": 1.0,
            "item_bytes": 1.0,
        }
        self.request = Request(**(usual | changes))

    def go(self) -> EstimateFile:
        """Estimate."""
        return estimate(self.request, self.progress, self.crew.spawn)

    @property
    def cases(self) -> set[str]:
        """Return the ids of the cases that were visited."""
        return {i for i, _ in self.crew.visits}


def _days_old(made: Record, days: float) -> Record:
    then = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=days)
    return replace(made, created_utc=then.isoformat(timespec="seconds"))


def test_without_a_record_the_network_is_measured_first_and_that_is_said() -> None:
    loader_known(0.0001)
    one = Asked()
    file = one.go()
    assert one.cases and all(i.startswith("workload/mlp/") for i in one.cases)
    assert {i.split("/")[2] for i in one.cases} == {"training", "inference"}
    assert any("measuring it now" in n for n in one.progress.notes)
    (found,) = file.rows
    assert found.basis == "measured" and found.terms is not None
    assert found.terms.step_s == pytest.approx(0.01025, rel=0.01)  # what the children tell
    (written,) = run.RESULTS.glob("*.json")
    assert store.load(written).id == file.plan.records[0]
    again = Asked()
    again.go()
    assert again.crew.visits == []  # it is there now


def test_only_what_is_asked_for_is_measured() -> None:
    loader_known(0.0001)
    one = Asked(batch_size=48)
    assert one.go().plan.batch_size == 48
    assert one.cases and all("/48/" in i for i in one.cases)


def test_the_newest_record_of_this_machine_is_taken() -> None:
    old, new = simple(0.2), simple(0.1)
    kept(run.RESULTS, _days_old(old, 2), new)
    one = Asked(measure=False)
    (found,) = one.go().rows
    assert found.terms is not None and found.terms.step_s == pytest.approx(0.1, rel=0.01)


@pytest.mark.parametrize(
    "stale",
    [
        lambda r: _days_old(r, 8),
        lambda r: replace(r, environment=of_environment(packages={"torch": "2.8.0"})),
        lambda r: replace(r, environment=of_environment(memory_bytes=1)),
        lambda r: replace(r, environment=of_environment(cpu=replace(HERE.cpu, cores=4))),
        lambda r: replace(r, environment=of_environment(cpu=replace(HERE.cpu, model="other"))),
        lambda r: replace(r, environment=THEIRS),
    ],
)
def test_a_record_that_no_longer_holds_is_measured_anew(stale: Any) -> None:
    loader_known(0.0001)
    kept(run.RESULTS, stale(simple(0.5)))
    one = Asked()
    (found,) = one.go().rows
    assert one.cases
    assert found.terms is not None and found.terms.step_s == pytest.approx(0.01025, rel=0.01)


def test_how_old_a_record_may_be_is_the_users_to_say() -> None:
    kept(run.RESULTS, _days_old(simple(), 8))
    one = Asked(max_age_s=9 * 86400.0, measure=False)
    assert one.go().rows[0].time_s is not None


def test_where_nothing_may_be_measured_a_missing_case_is_refused_with_the_line_that_measures() -> (
    None
):
    one = Asked(measure=False)
    with pytest.raises(BadInput, match=r"no record at all.*hwbench run --model mlp"):
        one.go()
    assert one.crew.children == []


def test_another_machines_record_is_taken_as_it_is_and_never_measured_anew() -> None:
    paths = kept(Path("theirs"), replace(simple(0.3), environment=THEIRS))
    one = Asked(records=paths)
    (found,) = one.go().rows
    assert one.crew.children == []
    assert found.instance.startswith("machine of ")
    assert any("another machine" in a.source for a in found.assumptions if a.name == "loader")
    lacking = Asked(records=paths, workload="resnet18")
    with pytest.raises(BadInput, match="no training of resnet18") as refused:
        lacking.go()
    assert refused.value.exit_code == 2 and lacking.crew.children == []


def test_a_small_variant_never_stands_in_for_the_real_one() -> None:
    small = measured(case(32, name="mlp_small", shape={"width": 128}), 0.01)
    with pytest.raises(BadInput, match="no training of mlp"):
        asked(record(small))


def test_a_stale_record_that_is_named_is_taken_and_that_is_said() -> None:
    file = asked(_days_old(simple(), 30))
    assert any("taken as it was named, but it is 30 days old" in n for n in file.notes)


def test_another_machines_record_among_more_is_no_reason_not_to_measure_here() -> None:
    loader_known(0.0001)
    kept(Path("theirs"), replace(simple(0.3), environment=THEIRS))
    one = Asked(records_dir=Path("theirs"))
    assert one.go().rows[0].instance == "this machine" and one.cases
    never = Asked(records_dir=Path("theirs"), measure=False, max_age_s=0.0)
    assert any("another machine's is taken" in n for n in never.go().notes)


def test_a_record_of_another_schema_is_refused_by_name(machine: Path) -> None:
    path = machine / "new.json"
    path.write_text('{"schema": "hwbench.record/9"}')
    with pytest.raises(BadInput, match=r"schema hwbench\.record/9 is newer"):
        asked((path,))
    path.write_text('{"schema": "something else"}')
    with pytest.raises(BadInput, match=r"schema must be hwbench\.record/1"):
        asked((path,))


def test_what_measuring_may_cost_caps_how_long_it_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = []
    real = run.run

    def seen(options: run.Options, *rest: Any) -> Any:
        limits.append(options.selection.max_seconds)
        return real(options, *rest)

    monkeypatch.setattr(run, "run", seen)
    loader_known(0.0001)
    Asked(max_usd=0.5, money=Money(usd_per_h=6.0)).go()
    assert limits == [pytest.approx(300.0)]


def test_a_cap_needs_a_price_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    one = Asked(max_usd=0.5)
    with pytest.raises(BadInput, match="what an hour of this machine costs is not known"):
        one.go()
    assert one.crew.children == []
    monkeypatch.setattr(
        host, "environment", lambda **_: of_environment(cloud_instance="aws:g5.xlarge")
    )
    loader_known(0.0001)
    file = Asked(max_usd=0.5).go()
    (found,) = file.rows
    assert (found.instance, found.purchase) == ("aws:g5.xlarge", "on-demand")
    assert found.price is not None and found.price.usd_per_h == 1.006


def test_the_loader_is_measured_once_and_remembered() -> None:
    kept(run.RESULTS, simple())
    one = Asked()
    file = one.go()
    (known,) = loaders.read(outcomes.folder())
    assert known.item_s == pytest.approx(LoopCrew.item_s)
    assert file.rows[0].terms is not None
    assert file.rows[0].terms.loader_s == pytest.approx(100 * LoopCrew.item_s)
    again = Asked()
    again.go()
    assert again.crew.children == []


def test_an_old_loaders_speed_is_measured_anew() -> None:
    kept(run.RESULTS, simple())
    loader_known(0.5, at_s=time.time() - 30 * 86400)
    found = Asked().go().rows[0]
    assert found.terms is not None
    assert found.terms.loader_s == pytest.approx(100 * LoopCrew.item_s)


def test_a_loader_that_may_not_be_measured_is_taken_to_keep_up_and_said() -> None:
    (found,) = asked(simple()).rows
    (note,) = [a for a in found.assumptions if a.name == "loader"]
    assert note.value is None and "keep up" in note.source
    assert found.terms is not None and found.terms.loader_s is None


def test_an_interrupted_measurement_interrupts_the_estimate() -> None:
    one = Asked()

    def interrupt(_: object) -> Any:
        raise KeyboardInterrupt

    one.crew.answer = interrupt
    with pytest.raises(KeyboardInterrupt):
        one.go()


def test_a_measurement_that_fails_leaves_no_estimate() -> None:
    one = Asked()
    one.crew.answer = fakes.crash
    with pytest.raises(BadInput, match="no record has the training step of mlp"):
        one.go()


def test_a_wrong_request_is_refused_before_anything_is_measured() -> None:
    wrongs: tuple[dict[str, Any], ...] = (
        {"on": ("aws:nonesuch",)},
        {"epochs": None},
        {"batch_size": 200_000},
    )
    for wrong in wrongs:
        one = Asked(**wrong)
        with pytest.raises(BadInput):
            one.go()
        assert one.crew.children == []
