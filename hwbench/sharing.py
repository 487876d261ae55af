"""Several tasks: a network each, one trunk for all, a column more a task, adapters for each.

Made of the rows of one task (docs/shortcuts.md), draw by draw: what the machine errs by, it errs by
in all of them. Progressive columns: the first is a training from scratch, the last was measured
with all before it, and each between costs as much more than the one before it as the next. What a
step does not change (loader, evaluation) is so in every column.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from hwbench import parameter_bytes, registry, row_figures
from hwbench.estimate_figures import Figure
from hwbench.estimate_questions import Shared
from hwbench.estimated import Plan
from hwbench.row_making import Made
from hwbench.sharing_asked import ROWS, SCRATCH, WAYS, needed
from hwbench.values import Values

__all__ = ["WAYS", "needed", "shared"]

_SERVING = {
    "separate": "its own network: F",
    "multitask": "the trunk once for all tasks: F and a head",
    "progressive": "all columns up to its own: k F for the k-th task",
    "lora": "the backbone with its adapters: F, or F and theirs where they are not merged",
}


@dataclass(frozen=True, kw_only=True)
class _Sum:
    """How often the way's own row and the one from scratch are in the sum of all tasks."""

    own: float
    scratch: float
    basis: str


def shared(made: Sequence[Made], plan: Plan, ways: Sequence[str]) -> tuple[Shared, ...]:
    """Return what the plan's tasks take by each way, or by all, on each machine of the rows.

    Nothing where the plan is of one task.
    """
    if plan.tasks is None:
        return ()
    found = []
    for place in dict.fromkeys((m.row.instance, m.row.purchase) for m in made):
        here = {m.row.shortcut: m for m in made if (m.row.instance, m.row.purchase) == place}
        for way in ways or WAYS:
            found.append(_shared(way, here, place, plan, plan.tasks))
    return tuple(found)


def _shared(
    way: str,
    here: dict[str, Made],
    place: tuple[str, str],
    plan: Plan,
    tasks: int,
) -> Shared:
    of, scratch = here.get(ROWS[way]), here.get(SCRATCH)
    told = Shared(
        sharing=way,  # type: ignore[arg-type]
        tasks=tasks,
        instance=place[0],
        purchase=place[1],
        time_s=None,
        energy_j=None,
        cost_usd=None,
        parameters=None,
        serving=_SERVING[way],
        basis="",
    )
    if of is None or scratch is None:
        return replace(told, reason=_lacking(SCRATCH if scratch is None else ROWS[way], plan))
    whole = _sum(way, of, scratch, tasks)
    return replace(
        told,
        time_s=_added(whole, of.time_s, scratch.time_s, plan.level),
        energy_j=_added(whole, of.energy_j, scratch.energy_j, plan.level),
        cost_usd=_added(whole, of.cost_usd, scratch.cost_usd, plan.level),
        parameters=_parameters(way, of, plan.workload, tasks),
        basis=whole.basis,
        reason=of.row.reasons.get("time_s") or scratch.row.reasons.get("time_s"),
    )


def _lacking(name: str, plan: Plan) -> str:
    """Return why a shortcut is not among the rows."""
    network = registry.networks()[plan.workload]
    why = registry.shortcuts()[name].supports(network.workload, network.variant.config)
    return why or f"{name} is not among the rows"


def _sum(way: str, of: Made, scratch: Made, tasks: int) -> _Sum:
    """Return what the tasks are the sum of, and how that is known."""
    measured = of.recipe is not None and of.recipe.shortcut.measured is not None
    step = "was measured" if measured else "is by theory, not measured"
    if way == "multitask":
        return _Sum(
            own=1.0,
            scratch=0.0,
            basis=f"one run on samples with all tasks' labels; its step {step} with {tasks} heads",
        )
    if way == "progressive":
        # t_1 = s, t_k = e s + (t_K - e s)(k - 1)/(K - 1); e: the later columns' epochs of s's
        own, other = of.row.epochs, scratch.row.epochs
        epochs = own / other if own and other else 1.0
        return _Sum(
            own=tasks / 2,
            scratch=1.0 + epochs * (tasks / 2 - 1),
            basis=f"columns of 1 to {tasks}; the first is from scratch, the step of the last"
            f" {step}, those between by their share",
        )
    if way == "lora":
        basis = "a run a task on one pretrained backbone"
        basis += "" if measured else f"; its step {step}"
        return _Sum(own=float(tasks), scratch=0.0, basis=basis)
    return _Sum(own=float(tasks), scratch=0.0, basis="a run a task")


def _parameters(way: str, of: Made, workload: str, tasks: int) -> int | None:
    own = parameter_bytes.parameters_of(workload)
    told = of.recipe.shortcut.measured if of.recipe else None
    if way == "separate":
        return own * tasks
    if told is None:
        return None
    if way == "lora":
        trained = told.trainable_parameters
        return None if trained is None else own + tasks * trained
    return told.parameters


def _added(whole: _Sum, own: Values | None, scratch: Values | None, level: float) -> Figure | None:
    """Return the sum over the tasks; None where a part of it is not known."""
    if own is None or (scratch is None and whole.scratch):
        return None
    draws = whole.own * own
    if scratch is not None and whole.scratch:
        draws = draws + whole.scratch * scratch
    return row_figures.figure(draws[:, None], level)
