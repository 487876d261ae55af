"""Several tasks: a network each, one trunk for all, a column more a task, adapters for each.

Made of the rows of one task (docs/shortcuts.md). Progressive columns: the first is a training from
scratch, the last was measured with all before it, and each between costs as much more than the one
before it as the next. What a step does not change (loader, evaluation) is so in every column.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from hwbench.estimated import Figure
from hwbench.shortcut_rows import Shared, ShortcutRow

WAYS = ("separate", "multitask", "progressive", "lora")
ROWS = {  # the shortcut that each is made of
    "separate": "from_scratch",
    "multitask": "multitask",
    "progressive": "progressive",
    "lora": "lora",
}
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


def shared(
    rows: Sequence[ShortcutRow], parameters: int, tasks: int, ways: Sequence[str]
) -> tuple[Shared, ...]:
    """Return what `tasks` tasks take by each way, on the first machine that the rows are of.

    `parameters` are those of one network.
    """
    place = (rows[0].instance, rows[0].purchase)
    here = {r.shortcut: r for r in rows if (r.instance, r.purchase) == place}
    return tuple(_shared(way, here, parameters, tasks) for way in ways)


def _shared(way: str, here: dict[str, ShortcutRow], parameters: int, tasks: int) -> Shared:
    row, scratch = here.get(ROWS[way]), here.get("from_scratch")
    if row is None or scratch is None:
        lacking = "from_scratch" if scratch is None else ROWS[way]
        return _none(way, tasks, f"{lacking} is not among the rows")
    whole = _sum(way, row, scratch, tasks)
    return Shared(
        sharing=way,  # type: ignore[arg-type]
        tasks=tasks,
        time_s=_added(whole, row.time_s, scratch.time_s),
        energy_j=_added(whole, row.energy_j, scratch.energy_j),
        cost_usd=_added(whole, row.cost_usd, scratch.cost_usd),
        parameters=_parameters(way, row, parameters, tasks),
        serving=_SERVING[way],
        basis=whole.basis,
        reason=None if row.time_s else row.reasons.get("time_s"),
    )


def _none(way: str, tasks: int, reason: str) -> Shared:
    return Shared(
        sharing=way,  # type: ignore[arg-type]
        tasks=tasks,
        time_s=None,
        energy_j=None,
        cost_usd=None,
        parameters=None,
        serving=_SERVING[way],
        basis="",
        reason=reason,
    )


def _sum(way: str, row: ShortcutRow, scratch: ShortcutRow, tasks: int) -> _Sum:
    """Return what the tasks are the sum of, and how that is known."""
    if way == "multitask":
        return _Sum(
            own=1.0,
            scratch=0.0,
            basis=f"one run on samples with all tasks' labels; its step was measured with {tasks}"
            " heads",
        )
    if way == "progressive":
        # t_1 = s, t_k = e s + (t_K - e s)(k - 1)/(K - 1); e: the later columns' epochs of s's
        epochs = row.epochs / scratch.epochs if row.epochs and scratch.epochs else 1.0
        return _Sum(
            own=tasks / 2,
            scratch=1.0 + epochs * (tasks / 2 - 1),
            basis=f"columns of 1 to {tasks}; the first is from scratch, the step of the last was"
            " measured, those between by their share",
        )
    if way == "lora":
        basis = "a run a task on one pretrained backbone"
        return _Sum(own=float(tasks), scratch=0.0, basis=basis)
    return _Sum(own=float(tasks), scratch=0.0, basis="a run a task")


def _parameters(way: str, row: ShortcutRow, own: int, tasks: int) -> int | None:
    if way == "separate":
        return own * tasks
    if way == "lora":
        return None if row.trainable_parameters is None else own + tasks * row.trainable_parameters
    return row.parameters


def _added(whole: _Sum, own: Figure | None, scratch: Figure | None) -> Figure | None:
    """Return the sum: its ends are those of its parts, since one machine errs in both alike."""
    if own is None or (scratch is None and whole.scratch):
        return None

    def at(mine: float, other: float) -> float:
        return whole.own * mine + whole.scratch * other

    if scratch is None:
        scratch = own  # taken no times
    return Figure(
        point=at(own.point, scratch.point),
        low=at(own.low, scratch.low),
        high=at(own.high, scratch.high),
        level=own.level,
    )
