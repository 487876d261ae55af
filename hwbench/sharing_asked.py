"""What is asked of several tasks: how many, shared in which ways."""

from collections.abc import Iterable, Sequence

from hwbench.errors import BadInput, UnknownName

SCRATCH = "from_scratch"
MOST_TASKS = 100
ROWS = {  # the shortcut that each way is made of, beside training from scratch
    "separate": SCRATCH,
    "multitask": "multitask",
    "progressive": "progressive",
    "lora": "lora",
}
WAYS = tuple(ROWS)


def check(tasks: int | None, ways: Iterable[str]) -> None:
    """Raise BadInput, or UnknownName with the near ones, for what cannot be asked."""
    for way in ways:
        if tasks is None:
            raise BadInput("--sharing is of several tasks: give --tasks K")
        if way not in WAYS:
            raise UnknownName("way of sharing", way, WAYS)
    if tasks is not None and not 2 <= tasks <= MOST_TASKS:
        raise BadInput(f"--tasks {tasks}: several are 2 to {MOST_TASKS}")


def needed(tasks: int | None, ways: Sequence[str]) -> tuple[str, ...]:
    """Return the shortcuts that the ways of sharing, or all of them, are made of; see `check`."""
    check(tasks, ways)
    if tasks is None:
        return ()
    return (SCRATCH, *(ROWS[w] for w in ways or WAYS if ROWS[w] != SCRATCH))
