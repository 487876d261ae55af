"""Several tasks for real: classes are dealt out to them, and one way of sharing learns all.

Separate: a network each, from scratch. Multitask: one trunk, a head a task, an example counts for
its own task's head alone. Progressive: a column each, the later ones beside the frozen earlier one.
LoRA: adapters and a head each on one pretrained backbone. Each task has its share of the steps.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from hwbench import learning_task, registry
from hwbench.dialects import torch_learning
from hwbench.dialects.torch_learning import Examples, Prepared, Setting, Took
from hwbench.errors import Unavailable
from hwbench.learning_asks import Ask, Trained
from hwbench.learning_recipe import SCRATCH, recipe_of
from hwbench.learning_task import Study, Task

NOT_ITS_OWN = -100  # the target that torch's cross-entropy passes over
TWO_COLUMNS = "progressive networks are trained here for two tasks: more columns are copies"
State = Mapping[str, Any] | None


@dataclass(frozen=True, kw_only=True)
class Part:
    """One of the tasks: its examples to train on and to test, numbered from 0."""

    data: Examples
    test: Examples


@dataclass(frozen=True, kw_only=True)
class _Shared:
    """What came of all tasks: the share that each got right, the networks' counts, the times."""

    right: tuple[float, ...]
    right_trained: tuple[float, ...]
    tooks: tuple[Took, ...]
    parameters: int
    trainable: int


def dealt(task: Task, tasks: int) -> list[tuple[int, ...]]:
    """Return the classes of each task, in order, as evenly as they can be dealt."""
    import numpy as np

    return [tuple(map(int, part)) for part in np.array_split(np.arange(task.classes), tasks)]


def examples_of(task: Task, classes: tuple[int, ...]) -> Examples:
    """Return the examples of some classes, numbered from 0."""
    import numpy as np

    kept = task.at(np.flatnonzero(np.isin(task.targets, classes)))
    targets = np.searchsorted(np.array(classes), kept.targets)
    return Examples(inputs=kept.inputs, targets=targets.astype("int64"))


def train(setting: Setting, study: Study, ask: Ask, state: State, spec: str | None) -> Trained:
    """Train all tasks by the way of sharing that the shortcut stands for, and judge each."""
    began = time.perf_counter()
    pool = learning_task.subset(study.train, ask.samples, ask.seed)
    groups = dealt(study.train, ask.tasks)
    parts = [Part(data=examples_of(pool, g), test=examples_of(study.test, g)) for g in groups]
    setting = replace(setting, config={**setting.config, "classes": max(map(len, groups))})
    ways: dict[str, Callable[..., _Shared]] = {
        "multitask": _together,
        "progressive": _columns,
        SCRATCH: _apart,
        "lora": _apart,
    }
    found = ways[ask.shortcut](setting, parts, ask, state, spec)
    train_s = sum(t.once_s + t.steps_s for t in found.tooks)
    return Trained(
        accuracy=sum(found.right) / len(parts),
        train_accuracy=sum(found.right_trained) / len(parts),
        train_s=train_s,
        step_s=train_s / ask.steps,
        once_s=0.0,
        teacher_s=0.0,
        begin_s=found.tooks[0].begin_s,
        end_s=found.tooks[-1].end_s,
        took_s=time.perf_counter() - began,
        epochs=found.tooks[0].epochs,
        parameters=found.parameters,
        trainable_parameters=found.trainable,
        memory_peak_bytes=None,
        diverged=any(t.diverged for t in found.tooks),
        task_accuracies=found.right,
    )


def _own(ask: Ask) -> Ask:
    """Return what one of the tasks gets of the steps."""
    return replace(ask, steps=max(1, ask.steps // ask.tasks), tasks=1)


def _taught(
    setting: Setting, name: str, ask: Ask, part: Part, state: State, spec: str | None
) -> tuple[Prepared, Took]:
    shortcut = registry.shortcuts()[name]
    recipe = recipe_of(setting, shortcut, ask, state if shortcut.pretrained else None, spec)
    ready = torch_learning.begin(setting, recipe)
    return ready, torch_learning.learn(ready, part.data, setting.batch_size)


def _apart(
    setting: Setting, parts: list[Part], ask: Ask, state: State, spec: str | None
) -> _Shared:
    """Train a network, or adapters on the same backbone, for each task."""
    right, trained, tooks, counted = [], [], [], []
    for part in parts:
        ready, took = _taught(setting, ask.shortcut, _own(ask), part, state, spec)
        right.append(torch_learning.right_frac(ready, part.test))
        trained.append(torch_learning.right_frac(ready, part.data))
        tooks.append(took)
        counted.append(torch_learning.counts(ready))
    whole, moved = counted[0]
    backbone = whole - moved  # is kept once, where it does not train
    return _Shared(
        right=tuple(right),
        right_trained=tuple(trained),
        tooks=tuple(tooks),
        parameters=backbone + sum(m for _, m in counted),
        trainable=sum(m for _, m in counted),
    )


def _columns(
    setting: Setting, parts: list[Part], ask: Ask, state: State, spec: str | None
) -> _Shared:
    """Train a column for the first task, then one that reads it for the second."""
    if len(parts) != 2:
        raise Unavailable(TWO_COLUMNS)
    first, took = _taught(setting, SCRATCH, _own(ask), parts[0], None, spec)
    before = [torch_learning.right_frac(first, x) for x in (parts[0].test, parts[0].data)]
    recipe = recipe_of(setting, registry.shortcuts()["progressive"], _own(ask))
    second = torch_learning.begin(setting, recipe, first.ground.model)
    took_then = torch_learning.learn(second, parts[1].data, setting.batch_size)
    after = [torch_learning.right_frac(second, x) for x in (parts[1].test, parts[1].data)]
    whole, moved = torch_learning.counts(second)
    return _Shared(
        right=(before[0], after[0]),
        right_trained=(before[1], after[1]),
        tooks=(took, took_then),
        parameters=whole,
        trainable=torch_learning.counts(first)[1] + moved,
    )


def _together(
    setting: Setting, parts: list[Part], ask: Ask, state: State, spec: str | None
) -> _Shared:
    """Train one trunk with a head a task on all examples at once."""
    import numpy as np

    joint = Examples(
        inputs=np.concatenate([p.data.inputs for p in parts]),
        targets=np.concatenate(
            [_masked(p.data.targets, k, len(parts)) for k, p in enumerate(parts)]
        ),
    )
    recipe = recipe_of(setting, registry.shortcuts()["multitask"], ask)
    ready = torch_learning.begin(setting, recipe)
    took = torch_learning.learn(ready, joint, setting.batch_size)
    whole, moved = torch_learning.counts(ready)
    return _Shared(
        right=tuple(_right(ready, p.test, k) for k, p in enumerate(parts)),
        right_trained=tuple(_right(ready, p.data, k) for k, p in enumerate(parts)),
        tooks=(took,),
        parameters=whole,
        trainable=moved,
    )


def _masked(targets: Any, number: int, tasks: int) -> Any:
    """Return targets (items, tasks): the own in the task's place, none of the others'."""
    import numpy as np

    made = np.full((len(targets), tasks), NOT_ITS_OWN, dtype="int64")
    made[:, number] = targets
    return made


def _right(ready: Prepared, data: Examples, number: int) -> float:
    """Return the share of a task's examples that its own head tells right."""
    return float((torch_learning.told(ready, data)[:, number] == data.targets).mean())
