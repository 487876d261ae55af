from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hwbench import (
    codec,
    journal,
    planning,
    profile,
    resuming,
    scenario_figures,
    store,
    summary,
    views,
)
from hwbench.case import Case
from hwbench.early_stopping import official_queries
from hwbench.errors import BadInput
from hwbench.measurement import Measurement, Record
from hwbench.protocol import VisitRequest, VisitResult
from hwbench.run import Options, run
from hwbench.selection import Selection, selected
from hwbench.served import Ended, Search, Serving, Trial
from tests import fakes
from tests.fakes import FACTS, INFERENCE, PROTOCOL, FakeCrew, planned, sample, visit_result

ASKED = replace(PROTOCOL, scenario_visit_s=20.0)
BOUND = {"latency_bound_s": 0.05}
SERVER = replace(INFERENCE, scenario="server", batch_size=1, options=BOUND)
MODEL = Selection(runtimes=("torch",), models=("mlp_small",))


def _selected(*scenarios: str, **more: object) -> list[Case]:
    selection = replace(MODEL, scenarios=scenarios, **more)  # type: ignore[arg-type]
    return selected(profile.named("smoke"), selection, FACTS)


# Which cases.


def test_a_scenario_is_inference_alone_each_at_its_batch() -> None:
    cases = _selected("single_stream", "multi_stream", "offline", "server", latency_bound_s=0.05)
    assert {c.kind for c in cases} == {"workload"} and {c.phase for c in cases} == {"inference"}
    sizes = {c.scenario: c.batch_size for c in cases}
    assert sizes == {"single_stream": 1, "multi_stream": 8, "offline": 32, "server": 1}
    (server,) = [c for c in cases if c.scenario == "server"]
    assert server.id == (
        "workload/mlp_small/inference/server/torch/cpu/float32/1/width=128/latency_bound_s=0.05"
    )


def test_a_batch_size_takes_the_place_of_a_scenarios_own() -> None:
    cases = _selected("single_stream", "server", latency_bound_s=1.0, batch_sizes=(2, 4))
    assert {(c.scenario, c.batch_size) for c in cases} == {
        (s, b) for s in ("single_stream", "server") for b in (2, 4)
    }
    assert _selected("multi_stream", batch_sizes=(8,))[0].batch_size == 8


def test_without_a_bound_no_case_has_the_option() -> None:
    assert [c.options for c in _selected("single_stream")] == [{}]


def test_without_scenarios_the_cases_are_as_before() -> None:
    cases = selected(profile.named("smoke"), MODEL, FACTS)
    assert {c.scenario for c in cases if c.kind == "workload"} == {"offline", "train_step"}
    assert any(c.kind == "kernel" for c in cases)


@pytest.mark.parametrize(
    ("selection", "told"),
    [
        (Selection(scenarios=("sever",)), "did you mean server"),
        (Selection(scenarios=("server",)), "--latency-bound 50ms"),
        (Selection(latency_bound_s=0.05), "--scenario server"),
        (Selection(scenarios=("multi_stream",), batch_sizes=(4,)), "8 samples a query"),
        (Selection(scenarios=("offline",), only=("*gemm*",)), "--only"),
        (Selection(scenarios=("offline",), exclude=("*inference*",)), "no case is left"),
    ],
)
def test_what_cannot_be_asked_is_refused_in_one_line(selection: Selection, told: str) -> None:
    with pytest.raises(BadInput) as refused:
        selected(profile.named("smoke"), selection, FACTS)
    assert refused.value.exit_code == 2
    assert told in str(refused.value) and "\n" not in str(refused.value)


def test_the_plan_gives_scenarios_time_and_nothing_else_a_changed_protocol() -> None:
    smoke = profile.named("smoke")
    plain = planning.plan(smoke, MODEL, FACTS, 1)
    assert plain.protocol.scenario_visit_s is None
    asked = replace(MODEL, scenarios=("server",), latency_bound_s=0.05)
    served = planning.plan(smoke, asked, FACTS, 1)
    assert served.protocol.scenario_visit_s == 20.0  # 3 rounds of one case in 56 s
    assert replace(served.protocol, scenario_visit_s=None) == plain.protocol
    assert served.expected_s == smoke.max_seconds


# From visits to figures.


def _trial(rate: float, passed: bool = True, over: int = 0) -> Trial:
    return Trial(
        rate_per_s=rate,
        queries=1_000,
        planned=1_000,
        over_latency=over,
        passed=passed,
        service_s=0.001,
        latency_estimate_s=0.04 if passed else None,
        late_s=0.0,
        took_s=1_000 / rate,
    )


def _search(number: int, rate: float | None, ended: Ended = "found") -> Search:
    high = 900.0 if rate is None else 1.01 * rate
    trials = (_trial(high, passed=False, over=50), *([_trial(rate)] if rate else []))
    return Search(
        round=number,
        ended=ended,
        reason=None if ended == "found" else "the 20 s of this visit were up",
        rate_per_s=rate,
        high_per_s=high,
        high_basis="failed",
        budget_s=20.0,
        trials=trials,
    )


def _served(*rates: float | None, ended: Ended = "time") -> Serving:
    visits = [
        replace(
            visit_result(SERVER, n, 0.001, 0.0011),
            search=_search(n, rate, "found" if rate else ended),
        )
        for n, rate in enumerate(rates)
    ]
    m = summary.measurement(planned(SERVER), visits, ASKED)
    assert m.serving is not None and m.wall_s is not None
    return m.serving


def test_the_rate_of_a_server_is_the_median_round_with_the_whole_range() -> None:
    served = _served(700.0, 500.0, 600.0)
    assert served.rate_per_s is not None
    assert (served.rate_per_s.point, served.rate_per_s.low) == (600.0, 500.0)
    assert served.rate_per_s.high == pytest.approx(707.0)
    assert (served.loop, served.bound_met, served.reason) == ("open", True, None)
    assert served.latency_estimate_s == 0.04
    assert (served.latency_bound_s, served.percentile) == (0.05, 0.99)
    assert served.queries == 6_000
    assert served.official_queries == 270_336
    lower = _served(700.0, 500.0).rate_per_s
    assert lower is not None and lower.point == 500.0  # a rate that was served, not a mean


def test_a_round_without_a_rate_is_told_beside_the_others() -> None:
    served = _served(None, 500.0)
    assert served.rate_per_s is not None and "1 of 2 rounds" in served.rate_per_s.basis
    assert served.reason == "round 0: the 20 s of this visit were up"


@pytest.mark.parametrize(("ended", "met"), [("bound", False), ("none", False), ("time", None)])
def test_no_rate_is_null_with_the_reason(ended: Ended, met: bool | None) -> None:
    served = _served(None, None, ended=ended)
    assert (served.rate_per_s, served.latency_estimate_s, served.bound_met) == (None, None, met)
    assert served.reason
    assert served.early_stopping is not None and served.early_stopping.queries_needed == 459


def _stream(name: str, walls_s: Sequence[float], bound_s: float | None = None) -> Serving:
    options = {} if bound_s is None else {"latency_bound_s": bound_s}
    case = replace(INFERENCE, scenario=name, batch_size=1, options=options)
    m = summary.measurement(planned(case), [visit_result(case, 0, *walls_s)], ASKED)
    assert m.serving is not None
    return m.serving


def test_a_stream_reports_the_early_stopping_estimate_as_closed_loop_service_time() -> None:
    walls_s = np.random.default_rng(0).permutation(np.arange(1, 198) / 1000).tolist()
    served = _stream("single_stream", walls_s, bound_s=0.19)
    assert served.latency_estimate_s == 0.188  # 197 queries: all but the 9 largest
    assert (served.percentile, served.bound_met) == (0.90, True)
    assert (served.loop, served.label) == ("closed", "service time, closed loop")
    assert served.early_stopping is not None
    assert (served.early_stopping.over_latency, served.early_stopping.confidence) == (10, 0.99)
    assert served.official_queries == official_queries(0.90)
    assert _stream("single_stream", walls_s, bound_s=0.18).bound_met is False
    assert _stream("single_stream", walls_s).bound_met is None


def test_a_stream_of_too_few_queries_says_how_many_it_takes() -> None:
    served = _stream("multi_stream", [0.01] * 661, bound_s=1.0)
    assert (served.latency_estimate_s, served.bound_met) == (None, None)
    assert "661 queries" in (served.reason or "") and "662" in (served.reason or "")
    assert _stream("multi_stream", [0.01] * 662).latency_estimate_s == 0.01


def test_offline_is_samples_over_seconds_and_says_when_they_are_fewer_than_mlperfs() -> None:
    case = replace(INFERENCE, options=BOUND)
    visits = [
        replace(visit_result(case, n), samples=(sample(wall_s, n, loops=100),))
        for n, wall_s in enumerate((1.0, 3.0))
    ]
    served = summary.measurement(planned(case), visits, ASKED).serving
    assert served is not None and served.rate_per_s is not None
    assert served.rate_per_s.point == 200 * 32 / 4.0
    assert (served.rate_per_s.low, served.rate_per_s.high) == (100 * 32 / 3.0, 3200.0)
    assert (served.queries, served.samples_per_query, served.loop) == (200, 32, "closed")
    assert "6,400 samples of 24,576" in (served.reason or "")
    assert (served.percentile, served.latency_estimate_s, served.bound_met) == (None, None, None)


def test_only_what_was_asked_for_has_the_figures_of_a_scenario() -> None:
    visits = [visit_result(INFERENCE, 0, 0.01, 0.02)]
    assert summary.measurement(planned(INFERENCE), visits, PROTOCOL).serving is None


# A run: journal, record, resumption, table.


@pytest.fixture
def isolated(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    fakes.isolate(monkeypatch, tmp_path)
    return tmp_path


def _answer(request: VisitRequest) -> VisitResult:
    search = _search(request.round, 500.0 + request.round)
    return replace(fakes.good(request), search=search if request.serving else None)


def _options(folder: Path) -> Options:
    asked = replace(MODEL, scenarios=("server", "single_stream"), latency_bound_s=0.05)
    return Options(profile="smoke", selection=asked, out=folder / "r.json")


def _serving(record: Record) -> dict[str, Serving | None]:
    return {m.scenario: m.serving for m in record.measurements}


def test_the_child_is_told_its_time_and_no_more_than_is_left(isolated: Path) -> None:
    crew = FakeCrew(_answer)
    run(_options(isolated), spawn=crew.spawn)
    told = {r.case.scenario: r.serving for r in crew.requests}
    assert set(told) == {"server", "single_stream"}
    for request in crew.requests:
        assert request.serving is not None and 0 < request.serving.budget_s <= 20.0
        assert request.pace.sample_s == 0.0
    plain = FakeCrew()
    run(replace(_options(isolated), selection=MODEL), spawn=plain.spawn)
    assert {r.serving for r in plain.requests} == {None}


@pytest.mark.parametrize("named", ["record", "journal", "record alone"])
def test_a_resumed_run_keeps_the_searches_that_were_made(isolated: Path, named: str) -> None:
    whole = run(_options(isolated), spawn=FakeCrew(_answer).spawn).record
    made: list[VisitRequest] = []

    def interrupted(request: VisitRequest) -> VisitResult:
        made.append(request)
        if len(made) > 3:
            raise KeyboardInterrupt
        return _answer(request)

    out = isolated / "second.json"
    run(replace(_options(isolated), out=out), spawn=FakeCrew(interrupted).spawn)
    if named == "record alone":
        journal.path_of(out).unlink()
    start = journal.path_of(out) if named == "journal" else out
    crew = FakeCrew(_answer)
    outcome = run(Options(resume=start), spawn=crew.spawn)
    assert len(crew.visits) == 3
    assert _serving(outcome.record) == _serving(whole)
    assert _serving(store.load(out)) == _serving(whole)


def test_the_figures_follow_from_the_journal(isolated: Path) -> None:
    outcome = run(_options(isolated), spawn=FakeCrew(_answer).spawn)
    header, visits, _ = resuming.interrupted(journal.path_of(outcome.path))
    for case in header.cases:
        mine = [v for v in visits if v.id == case.case.id]
        again = summary.measurement(case, mine, header.protocol)
        told = next(m for m in outcome.record.measurements if m.id == again.id)
        assert again.serving == told.serving
    assert codec.decode(Record, codec.encode(outcome.record)) == outcome.record


def _shown(*measurements: Measurement) -> str:
    return views.record(fakes.record(*measurements))


def test_the_table_fits_80_columns_and_calls_nothing_an_mlperf_result(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    measured = []
    for name in ("single_stream", "multi_stream", "offline", "server"):
        case = replace(SERVER, name="resnet18_small", scenario=name, shape={"image": 32})
        visits = [visit_result(case, 0, *[0.0123] * 700)]
        if name == "server":
            visits = [replace(visits[0], search=_search(0, 512.0))]
        measured.append(summary.measurement(planned(case), visits, ASKED))
    shown = _shown(*measured)
    table = shown.split("latency: p90")[0]
    assert all(len(line) <= 80 for line in table.splitlines())
    rows = {line.split()[3]: line for line in table.splitlines() if "resnet18_small" in line}
    assert set(rows) == {"single_stream", "multi_stream", "offline", "server"}
    assert "512" in rows["server"] and "40.0 ms" in rows["server"] and "yes" in rows["server"]
    assert "12.3 ms" in rows["single_stream"]
    assert "met: is the latency within 50.0 ms" in shown
    assert "not MLPerf results" in shown
    assert "infer/s" not in shown
    assert "marks: p = fewer visits than planned" in shown


def test_a_reason_stands_below_the_table() -> None:
    visits = [replace(visit_result(SERVER, 0, 0.001), search=_search(0, None, "time"))]
    shown = _shown(summary.measurement(planned(SERVER), visits, ASKED))
    assert "server mlp_small b1 torch: round 0: the 20 s of this visit were up" in shown


def test_a_server_that_was_not_searched_says_so() -> None:
    m = summary.measurement(planned(SERVER), [visit_result(SERVER, 0, 0.001)], ASKED)
    assert scenario_figures.serving(m, []).reason == "no search was made"
