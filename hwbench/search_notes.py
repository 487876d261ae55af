"""What is said of a search over hyperparameters beside its figures."""

from hwbench import search_plan, search_schedule
from hwbench.estimate_figures import Assumption
from hwbench.estimate_request import SearchAsked
from hwbench.estimated import EstimateFile
from hwbench.search_schedule import Schedule

LEAST_IDLE_FRAC = 0.01  # of the workers' time, to be told


def assumptions(asked: SearchAsked, schedule: Schedule, workers: int) -> tuple[Assumption, ...]:
    """Return the numbers of a search that were not measured, with where they are from."""
    found = [
        Assumption(
            name="a trial",
            value="as long as the plan's run",
            unit="",
            source="a batch or a network of another size takes another time",
        ),
        Assumption(
            name="starting, compiling, one-off parts",
            value=1.0,
            unit="times a trial",
            source="its worker keeps the process from rung to rung",
        ),
    ]
    if schedule.eta is not None and asked.eta is None:
        source = search_plan.ETA_SOURCE
        found.append(Assumption(name="eta", value=schedule.eta, unit="", source=source))
    if workers > 1:
        each = f"as many machines like the row's, one trial on each of {workers}"
        found.append(Assumption(name="workers", value=float(workers), unit="", source=each))
    return tuple(found)


def notes(
    asked: SearchAsked, schedule: Schedule, workers: int, file: EstimateFile
) -> tuple[str, ...]:
    """Return what a reader must know of a search: what it costs beside, and what is left out."""
    found = [
        "trials that lose cost what they ran until then: it is in the totals",
        "the search needs a validation set: data held out from training to rank the trials by, and"
        " a test set beside it, which the winner of so many is judged on once",
    ]
    if asked.algorithm == "grid":
        found.append("the chance of a top trial is not known: a grid's points are not drawn")
    if schedule.resumable:
        found.append("a bracket drops trials by short trainings: it may drop the best one")
    if asked.algorithm == "asha":
        found.append(
            "asha: the rungs hold what goes up early too, which a full rung would have stopped, as"
            " drawn at random"
        )
    if not file.plan.evaluation_frac:
        found.append("--evaluation-frac 0: ranking the trials is in no time")
    if file.plan.deadline_s is not None or file.plan.budget_usd is not None:
        found.append("the deadline and the budget are held to one run, not to the search")
    found += _rounded_up(asked, schedule) + _waiting(schedule, workers)
    return (*found, *_short(schedule, file))


def _rounded_up(asked: SearchAsked, schedule: Schedule) -> list[str]:
    """Return how many trials were asked for, where whole passes look at more."""
    if asked.trials is None or asked.trials == schedule.trials:
        return []
    passes = "one pass" if schedule.passes == 1 else f"{schedule.passes} passes"
    helps = "" if asked.resource is not None else "; --resource R sets another R"
    return [
        f"--trials {asked.trials:,}: {passes} of R {schedule.resource:g} and eta"
        f" {schedule.eta:g} look at {schedule.trials:,}{helps}"
    ]


def _waiting(schedule: Schedule, workers: int) -> list[str]:
    """Return the share of the workers' time in which they have no trial to train."""
    if not schedule.barriers:
        return []
    total = search_schedule.total(schedule, False).runs
    idle_frac = 1 - total / (workers * search_schedule.wall(schedule, workers, False).runs)
    if idle_frac < LEAST_IDLE_FRAC:
        return []
    return [
        f"the {workers} workers wait {idle_frac:.0%} of the time: it is in no energy and no cost"
    ]


def _short(schedule: Schedule, file: EstimateFile) -> list[str]:
    """Return that the shortest trainings are less than an epoch, which ends with no evaluation."""
    epochs = [r.epochs for r in file.rows if r.epochs is not None]
    shortest = min(b.rungs[0].run_frac for b in schedule.brackets)
    if not epochs or schedule.eta is None or shortest * min(epochs) >= 1:
        return []
    enough = int(min(epochs))
    helps = f": --resource {enough} keeps them to one or more" if enough >= schedule.eta else ""
    return [
        f"the shortest trainings are {shortest * min(epochs):.2g} of an epoch, with as much of an"
        f" evaluation in their time{helps}"
    ]
