"""The child's side of real trainings: it holds the data, and trains on them as it is asked."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hwbench import (
    learning_data,
    learning_sharing,
    learning_spoiled,
    learning_task,
    memory_use,
    registry,
    screening,
)
from hwbench.dialects import torch_device, torch_learning, torch_pretrained
from hwbench.dialects.torch_learning import Examples, Prepared, Recipe, Setting, Took
from hwbench.errors import HwbenchError, Unavailable
from hwbench.learning_asks import (
    Ask,
    OpenStudy,
    Pace,
    Paced,
    Pretrain,
    Pretrained,
    Screened,
    StudiedData,
    Train,
    Trained,
)
from hwbench.learning_recipe import PACED, SCRATCH, examples, paced, rate_of, recipe_of, teacher
from hwbench.learning_task import Study, Task

ATTACKED = 0  # the class that a backdoor is to lead to


@dataclass(frozen=True, kw_only=True)
class _Open:
    """A study that is open: what was asked, the data, the network with their classes."""

    request: OpenStudy
    study: Study
    source: Task | None
    source_test: Task | None
    setting: Setting

    def setting_of(self, task: Task) -> Setting:
        """Return the setting with the classes of a task."""
        return replace(self.setting, config={**self.setting.config, "classes": task.classes})


class Learner:
    """Holds the one study of this process."""

    def __init__(self) -> None:
        """Begin with none."""
        self._held: _Open | None = None
        self._states: dict[str, Mapping[str, Any]] = {}  # pretrained weights, by file or name

    @property
    def _open(self) -> _Open:
        if self._held is None:
            raise HwbenchError("no study is open in this process")
        return self._held

    def open(self, request: OpenStudy) -> StudiedData:
        """Read the data and split them; raise BadInput for such as cannot be learnt from."""
        network = registry.networks()[request.workload]
        memory_use.limit_memory(request.memory_limit_bytes)
        registry.runtimes()["torch"].configure(request.threads)
        study = learning_data.study(request.data, network, request.seed)
        start = study.name if study.source is not None else "digits"
        if request.source is None and not request.pretrained:
            study = learning_data.with_source(study, network, request.seed)
        source, source_test = study.source, study.source_test
        if request.source is not None:
            other = learning_data.study(request.source, network, request.seed)
            source, source_test, start = other.train, other.test, other.name
        if request.pretrained:
            source = source_test = None
        workload = network.workload
        config = {**network.variant.config, "classes": study.train.classes}
        setting = Setting(
            workload=workload,
            config=config,
            device=request.device,
            dtype=request.dtype,
            batch_size=request.batch_size,
        )
        self._held = _Open(
            request=request, study=study, source=source, source_test=source_test, setting=setting
        )
        return StudiedData(
            name=study.name,
            what=study.what,
            classes=study.train.classes,
            samples=len(study.train),
            n_test=len(study.test),
            parameters=workload.parameters(config),
            source_name=None if source is None else start,
            source_samples=None if source is None else len(source),
            source_classes=None if source is None else source.classes,
            quality=study.quality,
            cautions=study.cautions,
        )

    def pace(self, request: Pace) -> Paced:
        """Time some steps of a shortcut; raise Unavailable where the network cannot take it."""
        setting, shortcut = self._open.setting, registry.shortcuts()[request.shortcut]
        data = examples(self._open.study.train, 2 * setting.batch_size)
        ready, took = paced(setting, shortcut, data)
        began = time.perf_counter()
        judged = examples(self._open.study.test, torch_learning.JUDGED)
        torch_learning.told(ready, judged)
        return Paced(
            shortcut=request.shortcut,
            build_s=ready.build_s,
            step_s=took.steps_s / PACED,
            judge_item_s=(time.perf_counter() - began) / len(judged),
            once_item_s=took.once_s / len(data),
            teacher_step_s=paced(setting, teacher(), data)[1].steps_s / PACED
            if shortcut.needs_teacher
            else 0.0,
        )

    def pretrain(self, request: Pretrain) -> Pretrained:
        """Train the network on the source task from random weights, and keep these."""
        source, judge = self._open.source, self._open.source_test
        if source is None or judge is None:
            raise Unavailable("the data have no source task to pretrain on")
        setting = self._open.setting_of(source)
        rate = rate_of(setting, registry.shortcuts()[SCRATCH])
        recipe = Recipe(steps=request.steps, rate=rate, seed=request.seed)
        ready = torch_learning.begin(setting, recipe)
        took = torch_learning.learn(ready, examples(source), setting.batch_size)
        torch_learning.save(ready, Path(request.path))
        self._states.pop(request.path, None)
        return Pretrained(
            samples=len(source),
            classes=source.classes,
            n_test=len(judge),
            steps=request.steps,
            epochs=took.epochs,
            accuracy=torch_learning.right_frac(ready, examples(judge)),
            train_s=took.steps_s,
            begin_s=took.begin_s,
            end_s=took.end_s,
        )

    def train(self, request: Train) -> Trained:
        """Carry out a training and judge it on the test set."""
        ask, study, began = request.ask, self._open.study, time.perf_counter()
        if ask.purpose == "sharing":
            setting, spec = self._open.setting, request.weights
            state = self._state(spec) if ask.shortcut == "lora" else None
            return learning_sharing.train(setting, study, ask, state, spec)
        pool = learning_task.subset(study.train, ask.samples, ask.seed)
        if ask.noise_frac:
            pool = learning_spoiled.with_label_noise(pool, ask.noise_frac, ask.seed)
        marked = None
        if ask.poison_frac:
            pool, marked = learning_spoiled.poisoned(pool, ask.poison_frac, ATTACKED, ask.seed)
        data, test = examples(pool), examples(study.test)
        memory_use.reset_peak()
        ready, took, teacher_s = self._taught(ask, request.weights, data)
        peak = torch_learning.peak_bytes(self._open.setting)
        if peak is None and self._open.setting.device == "cpu":
            peak = memory_use.peak_bytes()
        parameters, trainable = torch_learning.counts(ready)
        screened = None
        if marked is not None:
            screened = self._screened(ask, request.weights, ready, data, marked)
        return Trained(
            accuracy=torch_learning.right_frac(ready, test),
            train_accuracy=torch_learning.right_frac(ready, data),
            train_s=took.once_s + took.steps_s + teacher_s,
            step_s=took.steps_s / ask.steps,
            once_s=took.once_s,
            teacher_s=teacher_s,
            begin_s=took.begin_s,
            end_s=took.end_s,
            took_s=time.perf_counter() - began,
            epochs=took.epochs,
            parameters=parameters,
            trainable_parameters=trainable,
            memory_peak_bytes=peak,
            diverged=took.diverged,
            attack_frac=None if marked is None else self._attacked(ready),
            screened=screened,
        )

    def _taught(self, ask: Ask, spec: str | None, data: Examples) -> tuple[Prepared, Took, float]:
        """Return the network that was trained, what that took, and its teacher's seconds."""
        setting, shortcut = self._open.setting, registry.shortcuts()[ask.shortcut]
        state = self._state(spec) if shortcut.pretrained else None
        recipe = recipe_of(setting, shortcut, ask, state, spec)
        if not shortcut.needs_teacher:
            ready = torch_learning.begin(setting, recipe)
            return ready, torch_learning.learn(ready, data, setting.batch_size), 0.0
        own = recipe_of(setting, teacher(), replace(ask, steps=ask.teacher_steps), state, spec)
        first = torch_learning.begin(setting, own)
        before = torch_learning.learn(first, data, setting.batch_size)
        ready = torch_learning.begin(setting, recipe, first.ground.model)
        took = torch_learning.learn(ready, data, setting.batch_size)
        return ready, replace(took, begin_s=before.begin_s), before.steps_s

    def _state(self, spec: str | None) -> Mapping[str, Any]:
        """Return pretrained weights, read once."""
        if spec is None:
            raise Unavailable("it starts from pretrained weights, and there are none")
        if spec not in self._states:
            self._states[spec] = torch_pretrained.state_of(torch_device.library(), spec)
        return self._states[spec]

    def _attacked(self, ready: Prepared) -> float:
        """Return the share of triggered test examples of other classes that are misled."""
        test = self._open.study.test
        others = test.at((test.targets != ATTACKED).nonzero()[0])
        shown = Examples(inputs=learning_spoiled.triggered(others.inputs), targets=others.targets)
        return float((torch_learning.told(ready, shown) == ATTACKED).mean())

    def _screened(
        self, ask: Ask, spec: str | None, ready: Prepared, data: Examples, marked: Any
    ) -> Screened:
        """Screen poisoned data by what the network makes of them, and train on the rest."""
        began = time.perf_counter()
        features = torch_learning.features(ready, data)
        out = screening.removed(features, data.targets, ask.poison_frac)
        screen_s = time.perf_counter() - began
        rest = Examples(inputs=data.inputs[~out], targets=data.targets[~out])
        again, took, teacher_s = self._taught(ask, spec, rest)
        return Screened(
            screen_s=screen_s,
            removed=int(out.sum()),
            poisoned=int(marked.sum()),
            found=int((out & marked).sum()),
            retrain_s=took.once_s + took.steps_s + teacher_s,
            accuracy=torch_learning.right_frac(again, examples(self._open.study.test)),
            attack_frac=self._attacked(again),
        )
