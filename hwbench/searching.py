"""The price of a search over hyperparameters: each row's figures by its schedule's full runs."""

from collections.abc import Sequence
from dataclasses import dataclass

from hwbench import search_notes, search_plan, search_schedule
from hwbench.estimate_figures import Figure
from hwbench.estimate_questions import Search, SearchRow, SearchRuns, SearchTotals
from hwbench.estimate_request import SearchAsked
from hwbench.estimated import EstimateFile, Row
from hwbench.row_flows import Recipe
from hwbench.row_making import Made
from hwbench.search_schedule import Amount, Schedule

ODDS = 0.95  # that a top trial is among them: how many trials that takes is told
FIGURES = ("time_s", "energy_j", "cost_usd")


@dataclass(frozen=True, kw_only=True)
class Once:
    """The share of a run's time, and of its energy, that a trial takes once, however short."""

    time_frac: float
    energy_frac: float


def searched(asked: SearchAsked, file: EstimateFile, made: Sequence[Made]) -> Search:
    """Return what the search takes; `made` are the file's rows with their recipes."""
    schedule, workers = search_plan.schedule(asked), asked.parallel or 1
    assert asked.algorithm is not None
    top_frac = None
    if asked.algorithm != "grid":
        top_frac = search_plan.TOP_FRAC if asked.top_frac is None else asked.top_frac
    pairs = zip(file.rows, made, strict=True)
    return Search(
        algorithm=asked.algorithm,
        trials=schedule.trials,
        grid=asked.grid,
        eta=schedule.eta,
        resource=schedule.resource,
        brackets=schedule.brackets,
        passes=schedule.passes,
        parallel=workers,
        scratch=_runs(schedule, workers, False),
        resumed=_runs(schedule, workers, True) if schedule.resumable else None,
        top_frac=top_frac,
        top_chance=search_schedule.chance(schedule.trials, top_frac) if top_frac else None,
        top_trials=search_schedule.trials_for(ODDS, top_frac) if top_frac else None,
        rows=tuple(_row(n, r, m.recipe, schedule, workers) for n, (r, m) in enumerate(pairs)),
        assumptions=search_notes.assumptions(asked, schedule, workers),
        notes=search_notes.notes(asked, schedule, workers, file),
    )


def _runs(schedule: Schedule, workers: int, resumed: bool) -> SearchRuns:
    first = None if schedule.barriers else search_schedule.first_full(schedule, workers, resumed)
    return SearchRuns(
        total=search_schedule.total(schedule, resumed).runs,
        wall=search_schedule.wall(schedule, workers, resumed).runs,
        first_full=first,
    )


def _row(
    number: int, row: Row, recipe: Recipe | None, schedule: Schedule, workers: int
) -> SearchRow:
    once = _once(row, recipe)
    return SearchRow(
        row=number,
        instance=row.instance,
        purchase=row.purchase,
        shortcut=row.shortcut,
        scratch=_totals(row, once, schedule, workers, False),
        resumed=_totals(row, once, schedule, workers, True) if schedule.resumable else None,
        reasons={name: why for name, why in row.reasons.items() if name in FIGURES},
    )


def _totals(row: Row, once: Once, schedule: Schedule, workers: int, resumed: bool) -> SearchTotals:
    """Return a row's figures times what all trials take, and its time as long as they are."""
    all_of = search_schedule.total(schedule, resumed)
    long = search_schedule.wall(schedule, workers, resumed)
    by_time, by_energy = _factor(all_of, once.time_frac), _factor(all_of, once.energy_frac)
    share = _energy_share_of_cost(row)
    return SearchTotals(
        time_s=_times(row.time_s, by_time),
        wall_s=_times(row.time_s, _factor(long, once.time_frac)),
        energy_j=_times(row.energy_j, by_energy),
        cost_usd=_times(row.cost_usd, share * by_energy + (1 - share) * by_time),
    )


def _factor(amount: Amount, once_frac: float) -> float:
    """Return the multiple of a run: what is once a trial by the starts, the rest by the runs."""
    return amount.runs * (1 - once_frac) + amount.starts * once_frac


def _times(figure: Figure | None, factor: float) -> Figure | None:
    if figure is None:
        return None
    return Figure(
        point=figure.point * factor,
        low=figure.low * factor,
        high=figure.high * factor,
        level=figure.level,
    )


def _once(row: Row, recipe: Recipe | None) -> Once:
    """Return the shares of starting, compiling and a shortcut's one-off part, by their medians.

    While it starts and compiles a machine draws its idle power, as in the row's own energy.
    """
    terms = row.terms_total_s
    if terms is None or row.time_s is None or not row.time_s.point:
        return Once(time_frac=0.0, energy_frac=0.0)
    idle_s, busy_s = (terms.setup or 0.0) + (terms.compile or 0.0), terms.one_off or 0.0
    time_frac = min(1.0, (idle_s + busy_s) / row.time_s.point)
    power = recipe.way.power if recipe is not None else None
    if recipe is None or power is None or row.energy_j is None or not row.energy_j.point:
        return Once(time_frac=time_frac, energy_frac=0.0)
    joules = (power.idle_w * idle_s + power.active_w * busy_s) * recipe.place.pue
    return Once(time_frac=time_frac, energy_frac=min(1.0, joules / row.energy_j.point))


def _energy_share_of_cost(row: Row) -> float:
    """Return the share of a row's cost that goes by its energy; the rest goes by its time."""
    if row.cost_terms is None:
        return 0.0
    total = sum(part or 0.0 for part in vars(row.cost_terms).values())
    return (row.cost_terms.electricity_usd or 0.0) / total if total else 0.0
