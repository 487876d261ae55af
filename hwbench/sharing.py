"""Several tasks: a network each, one trunk for all, a column more a task, adapters for each.

Made of the rows of one task (docs/shortcuts.md). Progressive columns: the step of the k-th is
1 + (k - 1) c of one from scratch, c by the step that was measured with two columns.
"""

from collections.abc import Callable, Sequence

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
    row = here.get(ROWS[way])
    if row is None:
        return _none(way, tasks, f"{ROWS[way]} is not among the rows")
    times, basis = _times(way, row, here.get("from_scratch"), tasks)
    scale = _scaled(times)
    return Shared(
        sharing=way,  # type: ignore[arg-type]
        tasks=tasks,
        time_s=scale(row.time_s),
        energy_j=scale(row.energy_j),
        cost_usd=scale(row.cost_usd),
        parameters=_parameters(way, row, parameters, tasks),
        serving=_SERVING[way],
        basis=basis,
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


def _times(
    way: str, row: ShortcutRow, scratch: ShortcutRow | None, tasks: int
) -> tuple[float, str]:
    """Return how many times one row the tasks take, and how that is known."""
    if way == "multitask":
        return 1.0, f"one run; its step was measured with {tasks} heads"
    if way == "progressive":
        ratio = row.step_ratio_to_scratch
        more = (ratio.point - 1) / (tasks - 1) if ratio and tasks > 1 else 0.0
        columns = [1 + k * max(0.0, more) for k in range(tasks)]
        return sum(columns) / columns[-1], (
            f"columns of 1 to {tasks}; the step of the last was measured, those before it by its"
            " share a column"
        )
    if way == "lora":
        return float(tasks), "a run a task on one pretrained backbone"
    return float(tasks), "a run a task"


def _parameters(way: str, row: ShortcutRow, own: int, tasks: int) -> int | None:
    if way == "separate":
        return own * tasks
    if way == "lora":
        return None if row.trainable_parameters is None else own + tasks * row.trainable_parameters
    return row.parameters


def _scaled(times: float) -> Callable[[Figure | None], Figure | None]:
    def scale(figure: Figure | None) -> Figure | None:
        if figure is None:
            return None
        return Figure(
            point=figure.point * times,
            low=figure.low * times,
            high=figure.high * times,
            level=figure.level,
        )

    return scale
