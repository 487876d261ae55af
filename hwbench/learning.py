"""Carries out real trainings one by one: each is on the disk before the next, within the time.

A training that fails, or whose process dies, is kept with its reason, and the rest goes on. None is
begun that would end after the time is up, by what those before it took.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from hwbench import learning_beside, learning_plan
from hwbench.errors import HwbenchError, StorageFull
from hwbench.journal import Journal
from hwbench.learning_asking import StudyChild
from hwbench.learning_asks import Ask, Paced, Pretrain, Train
from hwbench.learning_energy import Energies
from hwbench.learning_journal import Header, Line
from hwbench.learning_rows import Pretraining, Status, Training
from hwbench.progress import Progress
from hwbench.shortcut import Shortcut

PRETRAIN_SEED = 1000  # unlike those of the trainings


@dataclass(frozen=True, kw_only=True)
class Means:
    """What trainings are carried out with; `end_s` is on the clock, None without end.

    `weights` is the file or name of pretrained weights, and where the source task's are kept.
    """

    child: StudyChild
    kept: Journal
    energies: Energies
    progress: Progress
    weights: str | None
    end_s: float | None
    clock: Callable[[], float] = time.perf_counter


class Trainings:
    """The trainings of one study, those of the part that is resumed among them."""

    def __init__(
        self,
        header: Header,
        lines: Sequence[Line],
        shortcuts: Mapping[str, Shortcut],
        means: Means,
    ) -> None:
        """Begin with the `lines` of the part before."""
        self.header, self.shortcuts, self._means = header, shortcuts, means
        self.done: list[Training] = [x.training for x in lines if x.training is not None]
        self.pretraining = next(
            (x.pretraining for x in reversed(lines) if x.pretraining is not None), None
        )
        self.left_out = 0
        self._no_weights: str | None = None
        self._paces: dict[str, Paced] = {p.shortcut: p for p in header.paces}
        self._sums: dict[str, tuple[float, float]] = {}  # seconds as paced, and as they were
        for training in self.done:
            self._count(training)

    def go(self) -> Status:
        """Train; return how it ended. Raises StorageFull where nothing can be kept any more."""
        try:
            self._pretrain()
            self._all(self.header.asks, self._expected_beside())
            self._all(self._beside())
        except KeyboardInterrupt:
            return "interrupted"
        return "out_of_time" if self.left_out else "complete"

    def _pretrain(self) -> None:
        """Train on the source task, unless that is done or nothing starts from it."""
        steps, weights = self.header.pretrain_steps, self._means.weights
        if steps is None or weights is None or not self._need_weights():
            return
        if self.pretraining is not None and Path(weights).exists():
            return
        if self.pretraining is not None:
            self._means.progress.note("the pretrained weights are gone: the source task once more")
        data = self.header.data
        expected_s = steps * self._paces[learning_beside.SCRATCH].step_s
        self._means.progress.begin(len(self.header.asks), expected_s)
        self._means.progress.note(
            f"pretraining on the source task of {data.source_name or data.name}:"
            f" {data.source_samples or 0:,} samples, {steps:,} steps"
        )
        request = Pretrain(steps=steps, seed=PRETRAIN_SEED, path=weights)
        try:
            found = self._means.child.pretrain(request, expected_s)
        except HwbenchError as e:
            self._no_weights = f"the pretraining failed: {e}"
            self._means.progress.note(self._no_weights)
            return
        energy_j, _ = self._means.energies.of(found.begin_s, found.end_s)
        self.pretraining = Pretraining(
            source=f"the source task of {data.source_name or data.name}",
            one_off_s=found.train_s,
            energy_j=energy_j,
            trained=found,
        )
        self._means.kept.append(Line(pretraining=self.pretraining))

    def _need_weights(self) -> bool:
        """Return whether a training is still to come that starts from pretrained weights."""
        done = {t.ask for t in self.done}
        asks = (*self.header.asks, *self._beside())
        return any(self._starts(a) for a in asks if a not in done)

    def _starts(self, ask: Ask) -> bool:
        """Return whether a training starts from pretrained weights; a column does not."""
        column = ask.purpose == "sharing" and ask.shortcut == "progressive"
        return self.shortcuts[ask.shortcut].pretrained and not column

    def _beside(self) -> tuple[Ask, ...]:
        """Return the trainings beside the curves, of every seed in turn."""
        best = learning_beside.best(self.done, self.header.asks)
        names = [n for n in (learning_beside.SCRATCH, best) if n is not None]
        return learning_beside.asks_of(self.header.asked, self.header.asks, names)

    def _expected_beside(self) -> float:
        """Return the time to keep for what was asked for beside the curves, up to its share."""
        if self._means.end_s is None:
            return 0.0
        names = [s for s in self.header.shortcuts if s != learning_beside.SCRATCH]
        asks = learning_beside.asks_of(self.header.asked, self.header.asks, names)
        told = [self.forecast_s(a) for a in asks if a.purpose != "untuned"]
        share_s = (1 - learning_plan.CURVES_FRAC) * (self._means.end_s - self._means.clock())
        return max(0.0, min(share_s, 2 * sum(told) / max(1, len(names))))

    def _all(self, asks: Sequence[Ask], kept_s: float = 0.0) -> None:
        """Carry out trainings, but those that are done or do not fit into the time.

        From the second seed on `kept_s` are left for what comes after them.
        """
        done = {t.ask for t in self.done}
        coming = [a for a in asks if a not in done]
        self._means.progress.begin(len(coming), self._left_s(coming))
        for number, ask in enumerate(coming, start=1):
            if not self._fits(ask, kept_s if ask.seed else 0.0):
                self.left_out += 1
                continue
            what = f"{ask.shortcut}, {ask.samples:,} samples, seed {ask.seed}"
            if ask.purpose != "curve":
                what = f"{what}, {ask.purpose}"
            left_s = self._left_s(coming[number - 1 :])
            self._means.progress.visiting(what, number, len(coming), left_s)
            training = self._trained(ask)
            self.done.append(training)
            self._count(training)
            if training.reason is None or training.reason != self._no_weights:
                self._means.kept.append(Line(training=training))

    def _left_s(self, asks: Sequence[Ask]) -> float:
        """Return about how long trainings take yet, no more than the time that is left."""
        all_s = sum(self.forecast_s(a) for a in asks)
        if self._means.end_s is None:
            return all_s
        return max(0.0, min(all_s, self._means.end_s - self._means.clock()))

    def _fits(self, ask: Ask, kept_s: float) -> bool:
        end_s = self._means.end_s
        return end_s is None or self._means.clock() + self.forecast_s(ask) + kept_s <= end_s

    def forecast_s(self, ask: Ask) -> float:
        """Return how long a training takes by its pace, and by what others took against theirs."""
        expected_s = self._paced_s(ask)
        own = self._sums.get(ask.shortcut)
        alike = [own] if own is not None else [*self._sums.values()]
        paced_s, took_s = (sum(x) for x in zip((0.0, 0.0), *alike, strict=True))
        return expected_s * took_s / paced_s if paced_s else expected_s

    def _paced_s(self, ask: Ask) -> float:
        n_test = self.header.data.n_test
        paced = self._paces.get(ask.shortcut, self._paces[learning_beside.SCRATCH])
        return learning_plan.expected_s(ask, paced, n_test)

    def _count(self, training: Training) -> None:
        if training.trained is not None:
            paced_s, took_s = self._sums.get(training.ask.shortcut, (0.0, 0.0))
            more_s = paced_s + self._paced_s(training.ask), took_s + training.trained.took_s
            self._sums[training.ask.shortcut] = more_s

    def _trained(self, ask: Ask) -> Training:
        """Carry out one training; whatever goes wrong is its reason."""
        pretrained = self._starts(ask)
        if pretrained and self._no_weights is not None:
            return Training(ask=ask, status="failed", reason=self._no_weights)
        request = Train(ask=ask, weights=self._means.weights if pretrained else None)
        try:
            found = self._means.child.train(request, self.forecast_s(ask))
        except StorageFull:
            raise
        except HwbenchError as e:
            reason = f"{ask.shortcut}, {ask.samples:,} samples, seed {ask.seed}: {e}"
            self._means.progress.note(reason)
            return Training(ask=ask, status="failed", reason=str(e))
        energy_j, why = self._means.energies.of(found.begin_s, found.end_s)
        bare = Training(ask=ask, status="ok", trained=found)
        return replace(bare, energy_j=energy_j, no_energy=None if energy_j is not None else why)
