"""`hwbench estimate --search`: totals against products by hand, the text, the JSON, refusals."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from hwbench import estimate_file, estimate_view, json_schema, search_view
from hwbench.cli import status_of
from hwbench.errors import BadInput, UnknownName
from hwbench.estimate_figures import Figure
from hwbench.estimate_plan import SearchAsked
from hwbench.estimate_questions import Search, SearchTotals
from hwbench.estimated import EstimateFile
from tests.estimates import asked, kept, money, simple
from tests.estimates import machine as machine

pytestmark = pytest.mark.usefixtures("machine")
HYPERBAND = SearchAsked(algorithm="hyperband", trials=143, eta=3.0, parallel=4)
RUNS, RESUMED = 1902 / 81, 1581 / 81


def _of(file: EstimateFile) -> Search:
    assert file.search is not None
    return file.search


def _figures(totals: SearchTotals) -> dict[str, Figure]:
    return {name: f for name, f in vars(totals).items() if f is not None}


def _times(figure: Figure | None, factor: float) -> Any:
    assert figure is not None
    return pytest.approx((figure.point * factor, figure.low * factor, figure.high * factor))


def _bounds(figure: Figure | None) -> tuple[float, float, float]:
    assert figure is not None
    return figure.point, figure.low, figure.high


def test_without_a_search_there_is_none() -> None:
    file = asked(simple())
    assert file.search is None and search_view.lines(file) == []


def test_random_trials_are_as_many_runs_with_their_interval() -> None:
    search = SearchAsked(algorithm="random", trials=10, parallel=4)
    said = {"electricity_usd_per_kwh": 0.3, "pue": 1.2}
    file = asked(simple(0.1, 100, watts=(60.0, 20.0), setup_s=7.0), search=search, **said)
    (row,), (found,) = file.rows, _of(file).rows
    assert _bounds(found.scratch.time_s) == _times(row.time_s, 10)
    assert _bounds(found.scratch.wall_s) == _times(row.time_s, 3)
    assert _bounds(found.scratch.energy_j) == _times(row.energy_j, 10)
    assert _bounds(found.scratch.cost_usd) == _times(row.cost_usd, 10)
    assert found.resumed is None and _of(file).resumed is None


def test_hyperband_takes_its_runs_and_a_start_a_trial() -> None:
    made = simple(0.1, 100, watts=(60.0, 20.0), setup_s=20.0)
    said = {"purchases": ("on-demand",), "money": money(usd_per_h=3.6)}
    file = asked(made, search=HYPERBAND, **said)
    (row,), (found,) = file.rows, _of(file).rows
    assert row.time_s is not None and row.terms_total_s is not None and row.energy_j is not None
    once_s = (row.terms_total_s.setup or 0) + (row.terms_total_s.compile or 0)
    assert once_s >= 20
    rest_s = row.time_s.point - once_s
    assert found.scratch.time_s is not None and found.resumed is not None
    assert found.scratch.time_s.point == pytest.approx(RUNS * rest_s + 143 * once_s)
    assert found.resumed.time_s is not None
    assert found.resumed.time_s.point == pytest.approx(RESUMED * rest_s + 143 * once_s)
    # While it starts it draws its idle power: a fifth of a kW less than by the mean power.
    assert found.scratch.energy_j is not None
    idle_j = once_s * 20.0 * (row.energy_j.point / _plug_j(row.time_s.point, once_s))
    busy_j = row.energy_j.point - idle_j
    assert found.scratch.energy_j.point == pytest.approx(RUNS * busy_j + 143 * idle_j, rel=0.02)
    # A dollar a thousand seconds, all machines together.
    assert found.scratch.cost_usd is not None
    assert found.scratch.cost_usd.point == pytest.approx(
        found.scratch.time_s.point / 1000, rel=0.02
    )


def _plug_j(time_s: float, once_s: float) -> float:
    return 60.0 * (time_s - once_s) + 20.0 * once_s


def test_every_interval_is_that_of_the_run() -> None:
    file = asked(simple(0.1, 100, watts=(60.0, 20.0)), search=HYPERBAND)
    (row,), (found,) = file.rows, _of(file).rows
    assert found.resumed is not None
    for totals in (found.scratch, found.resumed):
        for name, figure in _figures(totals).items():
            own = row.time_s if name == "wall_s" else getattr(row, name)
            assert own is not None
            assert figure.low / figure.point == pytest.approx(own.low / own.point)
            assert figure.high / figure.point == pytest.approx(own.high / own.point)
            assert figure.level == own.level


def test_the_length_of_the_search_is_that_of_its_workers() -> None:
    file = asked(simple(0.1, 100), search=HYPERBAND)
    (row,), (found,), search = file.rows, _of(file).rows, _of(file)
    assert row.time_s is not None and found.scratch.wall_s is not None
    # By hand: ceil(n / 4) trainings a rung, in units of 1/81 run.
    units = (21 * 1 + 7 * 3 + 3 * 9 + 27 + 81) + (9 * 3 + 3 * 9 + 27 + 81)
    units += (4 * 9 + 2 * 27 + 81) + (2 * 27 + 81) + 2 * 81
    assert search.scratch.wall * 81 == pytest.approx(units)
    assert found.scratch.wall_s.point == pytest.approx(row.time_s.point * units / 81, rel=0.01)
    assert search.parallel == 4 and search.scratch.first_full is None


def test_asha_says_when_a_first_trial_is_done() -> None:
    search = SearchAsked(algorithm="asha", trials=81, eta=3.0, parallel=81)
    found = _of(asked(simple(), search=search))
    assert found.scratch.first_full == pytest.approx(121 / 81)
    assert found.resumed is not None and found.resumed.first_full == pytest.approx(1)
    assert any("goes up early" in n for n in found.notes)


def test_a_grid_has_the_product_of_its_levels_and_no_chance() -> None:
    found = _of(asked(simple(), search=SearchAsked(algorithm="grid", grid=(3, 3, 2))))
    assert found.trials == 18 and found.scratch.total == 18
    assert found.top_chance is None and found.top_trials is None
    assert any("chance of a top trial is not known" in n for n in found.notes)


def test_the_chance_is_of_the_trials() -> None:
    found = _of(asked(simple(), search=SearchAsked(algorithm="random", trials=60)))
    assert found.top_frac == 0.05 and found.top_trials == 59
    assert found.top_chance == pytest.approx(1 - 0.95**60)
    rare = SearchAsked(algorithm="random", trials=60, top_frac=0.01)
    assert _of(asked(simple(), search=rare)).top_trials == 299


def test_a_row_without_a_figure_has_none_in_the_search_but_its_reason() -> None:
    file = asked(simple(), purchases=("on-demand",), search=HYPERBAND)
    (found,) = _of(file).rows
    assert found.scratch.time_s is not None
    assert found.scratch.cost_usd is None and "--usd-per-h" in found.reasons["cost_usd"]
    assert found.scratch.energy_j is None and found.reasons["energy_j"]


def test_every_row_has_its_totals_in_its_own_place() -> None:
    said = money(usd_per_h=2.0, spot_usd_per_h=1.0)
    file = asked(simple(), purchases=("on-demand", "spot", "owned"), money=said, search=HYPERBAND)
    rows = _of(file).rows
    assert [(r.row, r.purchase) for r in rows] == [(n, r.purchase) for n, r in enumerate(file.rows)]
    text = " ".join(search_view.lines(file))
    assert all(f"{r.instance} {r.purchase}: " in text for r in rows)


def test_what_is_left_out_is_said() -> None:
    search = SearchAsked(algorithm="hyperband", trials=144)
    file = asked(simple(), search=search, deadline_s=1e9)
    notes = " ".join(_of(file).notes)
    assert "trials that lose cost what they ran" in notes and "validation set" in notes
    assert "--evaluation-frac 0" in notes
    assert "--trials 144: one pass of R 243 and eta 3 look at 415" in notes
    assert "held to one run" in notes
    assert "0.041 of an epoch" in notes and "--resource 10 keeps them" in notes
    assert any(a.name == "eta" and a.value == 3 for a in _of(file).assumptions)
    whole = asked(simple(), search=SearchAsked(algorithm="hyperband", resource=10.0))
    assert "of an epoch" not in " ".join(_of(whole).notes)


def test_workers_that_wait_are_told() -> None:
    one = _of(asked(simple(), search=SearchAsked(algorithm="random", trials=10)))
    assert not any("wait" in n for n in one.notes)
    four = _of(asked(simple(), search=SearchAsked(algorithm="random", trials=10, parallel=4)))
    assert any("the 4 workers wait 17% of the time" in n for n in four.notes)  # 2 of 12


@pytest.mark.parametrize("algorithm", ["random", "grid", "successive-halving", "hyperband", "asha"])
def test_the_file_keeps_the_search_and_its_schema(algorithm: str) -> None:
    more: dict[str, Any] = {"grid": (2, 3)} if algorithm == "grid" else {"trials": 30}
    search = SearchAsked(algorithm=algorithm, parallel=3, **more)
    file = asked(simple(watts=(60.0, 20.0)), search=search)
    estimate_file.save(file, Path("e.json"))
    value = json.loads(Path("e.json").read_text())
    schema = json.loads(json_schema.published("estimate"))
    jsonschema.Draft202012Validator(schema).validate(value)
    assert set(value["search"]) == set(schema["$defs"]["Search"]["properties"])
    assert estimate_file.load(Path("e.json")) == file
    assert algorithm in estimate_view.text(file)


Ask = Callable[..., tuple[str, str]]


@pytest.fixture
def ask(machine: Path, capsys: pytest.CaptureFixture[str]) -> Ask:
    (path,) = kept(machine / "given", simple(watts=(60.0, 20.0)))

    def asking(line: str, status: int = 0) -> tuple[str, str]:
        plan = ["--workload", "mlp", "--samples", "50k", "--epochs", "30", "--no-measure"]
        assert status_of(["estimate", str(path), *plan, *line.split()]) == status
        return capsys.readouterr()

    return asking


@pytest.mark.parametrize("columns", [80, 120])
def test_the_text_says_what_the_search_takes(
    columns: int, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    out, _ = ask("--search hyperband --trials 143 --eta 3 --parallel 4")
    assert [x for x in out.splitlines() if len(x) > columns] == []
    told = " ".join(out.split())
    for words in (
        "search by hyperband, eta 3, R 81: 143 trials take 23.5 full runs (1,902 units) from"
        " scratch, 19.5 (1,581 units) with checkpoints resumed",
        "trials trained: 34 to 1/27, 11 to 1/9, 3 to 1/3, 1 to the end",
        "4 at a time: ",
        "each rung waits for the one before",
        "the whole search, with a run's interval carried over:",
        "resumed: ",
        "chance that the best of 143 random trials is in the top 5% of all: more than 99.9%",
        "95% takes 59",
        "trials that lose cost what they ran",
        "validation set",
    ):
        assert words in told, words


def test_the_options_reach_the_json(ask: Ask) -> None:
    out, _ = ask("--search successive-halving --trials 1k --resource 9 --eta 3 --top 0.1 --json")
    found = json.loads(out)["search"]
    assert (found["trials"], found["resource"], found["parallel"]) == (1000, 9, 1)
    assert [r["trials"] for r in found["brackets"][0]["rungs"]] == [1000, 333, 111]
    assert found["top_frac"] == 0.1
    assert json.loads(ask("--json")[0])["search"] is None
    grid = json.loads(ask("--search grid --grid 3x3x2 --json")[0])["search"]
    assert (grid["grid"], grid["trials"]) == ([3, 3, 2], 18)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("--search random --trials 0", "'0' is no count"),
        ("--search random --trials -3", "'-3' is no count"),
        ("--search random", "--search random needs how many trials: --trials N"),
        ("--search hyperband", "--trials N, or --resource R"),
        ("--search hyperband --trials 9 --eta 1", "--eta must be above 1"),
        ("--search asha --trials 9 --eta nan", "--eta must be above 1"),
        ("--search hyperband --resource 2", "--resource is at least eta, 3"),
        ("--search hyperband --resource 3 --eta 4", "--resource is at least eta, 4"),
        ("--search successive-halving --trials 2", "2 trials are below eta 3"),
        ("--search asha --trials 20 --resource 81", "at least 81 trials"),
        ("--search grid --grid 3x0", "'3x0' is no grid"),
        ("--search grid --grid three", "'three' is no grid"),
        ("--search grid --grid 100000x100000", "at most 1,000,000,000 points"),
        ("--search grid", "--grid 3x3x2"),
        ("--search grid --grid 3x3 --trials 9", "leave out --trials"),
        ("--search grid --grid 3x3 --top 0.1", "leave out --top"),
        ("--search random --trials 9 --grid 3x3", "--grid goes with --search grid"),
        ("--search random --trials 9 --eta 3", "leave out --eta and --resource"),
        ("--search random --trials 9 --parallel 0", "'0' is no count"),
        ("--search random --trials 9 --top 1", "--top lies above 0 and below 1"),
        ("--search random --trials 2G", "at most 1,000,000,000"),
        ("--search bayes --trials 9", "'bayes'"),
        ("--trials 9", "--trials is of a search: say which, --search random|grid"),
        ("--parallel 2", "--parallel is of a search"),
        ("--eta 3", "--eta is of a search"),
    ],
)
def test_wrong_use_exits_2_with_one_line(line: str, told: str, ask: Ask) -> None:
    out, err = ask(line, status=2)
    assert told in err and out == ""
    assert err.startswith("hwbench: ") and err.count("\n") == 1


@pytest.mark.parametrize(
    "changes", [{"trials": 0}, {"trials": -1}, {"parallel": 0}, {"eta": 1.0}, {"top_frac": 0.0}]
)
def test_from_python_too_a_number_that_cannot_be_is_refused(changes: dict[str, Any]) -> None:
    usual: dict[str, Any] = {"algorithm": "hyperband", "trials": 9}
    with pytest.raises(BadInput):
        asked(simple(), search=SearchAsked(**(usual | changes)))


def test_an_unknown_search_names_the_near_one() -> None:
    with pytest.raises(UnknownName, match="did you mean hyperband"):
        asked(simple(), search=SearchAsked(algorithm="hyper-band", trials=9))
