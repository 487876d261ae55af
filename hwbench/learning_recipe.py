"""How a training by a shortcut goes: its recipe, made of what was asked and of the network."""

from collections.abc import Mapping
from typing import Any

from hwbench import registry
from hwbench.dialects import torch_learning
from hwbench.dialects.torch_learning import Examples, Prepared, Recipe, Setting, Took
from hwbench.learning_asks import Ask
from hwbench.learning_rate import base_rate
from hwbench.learning_task import Task
from hwbench.shortcut import Shortcut

SCRATCH = "from_scratch"
PACED = 6  # steps that are timed, after two that are not


def examples(task: Task, most: int | None = None) -> Examples:
    """Return the examples of a task, the first of them where `most` says how many."""
    return Examples(inputs=task.inputs[:most], targets=task.targets[:most])


def teacher() -> Shortcut:
    """Return how a network that is to teach learns: all of its weights."""
    return registry.shortcuts()["full_finetune"]


def rate_of(setting: Setting, shortcut: Shortcut, factor: float = 1.0) -> float:
    """Return the learning rate of a shortcut for a network, times a factor."""
    workload, config = setting.workload, setting.config
    base = base_rate(workload.optimizer.name, workload.parameters(config), setting.batch_size)
    return base * shortcut.rate_factor * factor


def recipe_of(
    setting: Setting,
    shortcut: Shortcut,
    ask: Ask,
    state: Mapping[str, Any] | None = None,
    spec: str | None = None,
) -> Recipe:
    """Return the recipe of what was asked; `state` are weights that `spec` names."""
    return Recipe(
        steps=ask.steps,
        rate=rate_of(setting, shortcut, ask.rate_factor),
        seed=ask.seed,
        build=shortcut.build,
        state=state,
        spec=spec or "",
        once_passes=ask.once_passes,
        caches=not shortcut.loads_data,
        tasks=ask.tasks,
    )


def paced(setting: Setting, shortcut: Shortcut, data: Examples) -> tuple[Prepared, Took]:
    """Return a network after some steps of a shortcut, and what the timed ones took."""
    ask = Ask(
        purpose="curve",
        shortcut=shortcut.name,
        samples=len(data),
        seed=0,
        steps=2,
        once_passes=1.0,
    )
    ready = torch_learning.begin(setting, recipe_of(setting, shortcut, ask))
    torch_learning.learn(ready, data, setting.batch_size)
    again = torch_learning.at_steps(ready, PACED)
    return again, torch_learning.learn(again, data, setting.batch_size)
