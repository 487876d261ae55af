"""What was asked of a search over hyperparameters, checked, as a schedule."""

import math

from hwbench import search_schedule
from hwbench.errors import BadInput, UnknownName
from hwbench.estimate_request import SearchAsked
from hwbench.search_schedule import Schedule

ALGORITHMS = ("random", "grid", "successive-halving", "hyperband", "asha")
FULL_RUNS = ("random", "grid")  # that train every trial to the end
USUAL_ETA = 3.0
ETA_SOURCE = "usual, with 4 (Li et al. 2018, JMLR 18(185)); --eta"
TOP_FRAC = 0.05
MOST = 10**9  # trials, or R: a number above it is a slip


def check(asked: SearchAsked) -> None:
    """Raise BadInput, or UnknownName with the near ones, for a search that cannot be."""
    if asked.algorithm is None:
        stray = next((option for option, value in _options(asked).items() if value), None)
        if stray is not None:
            raise BadInput(f"{stray} is of a search: say which, --search {'|'.join(ALGORITHMS)}")
        return
    if asked.algorithm not in ALGORITHMS:
        raise UnknownName("search", asked.algorithm, ALGORITHMS)
    _numbers(asked)
    _combined(asked)
    schedule(asked)


def schedule(asked: SearchAsked) -> Schedule:
    """Return the schedule of a search that was checked; raise BadInput where none can be made."""
    if asked.algorithm in FULL_RUNS:
        return search_schedule.full_runs(asked.trials or math.prod(asked.grid))
    eta = eta_of(asked)
    if asked.algorithm == "hyperband":
        trials = asked.trials or 1
        resource = asked.resource or search_schedule.resource_for(trials, eta)
        return search_schedule.hyperband(resource, eta, trials)
    assert asked.trials is not None
    if asked.algorithm == "asha":
        return search_schedule.asha(asked.trials, eta, asked.resource)
    return search_schedule.successive_halving(asked.trials, eta, asked.resource)


def eta_of(asked: SearchAsked) -> float:
    """Return eta: the user's, else the usual one."""
    return USUAL_ETA if asked.eta is None else asked.eta


def _options(asked: SearchAsked) -> dict[str, bool]:
    """Return which options were given."""
    return {
        "--trials": asked.trials is not None,
        "--grid": bool(asked.grid),
        "--eta": asked.eta is not None,
        "--resource": asked.resource is not None,
        "--parallel": asked.parallel is not None,
        "--top": asked.top_frac is not None,
    }


def _numbers(asked: SearchAsked) -> None:
    """Raise BadInput for a number that cannot be."""
    for option, value in (("--trials", asked.trials), ("--parallel", asked.parallel)):
        if value is not None and not 1 <= value <= MOST:
            raise BadInput(f"{option} is at least 1 and at most {MOST:,}, found {value:,}")
    if any(levels < 1 for levels in asked.grid):
        shown = "x".join(map(str, asked.grid))
        raise BadInput(f"--grid {shown}: each hyperparameter has at least 1 level")
    if math.prod(asked.grid) > MOST:
        raise BadInput(f"--grid has at most {MOST:,} points, found {math.prod(asked.grid):,}")
    if asked.eta is not None and not (math.isfinite(asked.eta) and asked.eta > 1):
        raise BadInput(f"--eta must be above 1 (the usual ones are 3 and 4), found {asked.eta:g}")
    r = asked.resource
    if r is not None and not eta_of(asked) <= r <= MOST:
        raise BadInput(
            f"--resource is at least eta, {eta_of(asked):g}, and at most {MOST:,}, found {r:g}:"
            " it is a full run by the shortest training"
        )
    if asked.top_frac is not None and not 0 < asked.top_frac < 1:
        raise BadInput(f"--top lies above 0 and below 1, found {asked.top_frac:g}")


def _combined(asked: SearchAsked) -> None:
    """Raise BadInput for options that do not go with the algorithm, or that it lacks."""
    kind = f"--search {asked.algorithm}"
    rungs = asked.eta is not None or asked.resource is not None
    if asked.algorithm in FULL_RUNS and rungs:
        raise BadInput(f"{kind} trains every trial to the end: leave out --eta and --resource")
    if asked.algorithm == "grid":
        if not asked.grid:
            raise BadInput(f"{kind} needs the levels of each hyperparameter: --grid 3x3x2")
        if asked.trials is not None:
            raise BadInput(f"{kind}: the levels say how many trials it has: leave out --trials")
        if asked.top_frac is not None:
            raise BadInput(f"{kind}: its points are not drawn at random: leave out --top")
        return
    if asked.grid:
        raise BadInput(f"--grid goes with --search grid, found {kind}")
    if asked.trials is None and not (asked.algorithm == "hyperband" and asked.resource):
        also = ", or --resource R" if asked.algorithm == "hyperband" else ""
        raise BadInput(f"{kind} needs how many trials: --trials N{also}")
