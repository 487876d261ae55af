"""A real training loop in jax: torch's loader, steps compiled ahead, evaluation, checkpoints."""

import os
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

from hwbench.dialects import arranging, jax_training, jax_variables
from hwbench.dialects import jax as dialect
from hwbench.dialects import jax_device as on
from hwbench.dialects import torch_loading as loading_of
from hwbench.dialects.loader_loop import LoaderLoop
from hwbench.dialects.rounding import storage
from hwbench.errors import Unavailable
from hwbench.loop import Drained, LoopCase, Saved
from hwbench.workload import Config, Workload


class JaxLoop(LoaderLoop):
    """A network, its optimiser and its data, ready to train; times are wall seconds."""

    def __init__(
        self, workload: Workload, config: Config, case: LoopCase, seed: int, build: Any = None
    ) -> None:
        """Build the network, read what is kept in memory, compile; raise Unavailable."""
        if build is not None:
            raise Unavailable("shortcuts have a training loop in torch only: --runtime torch")
        jax = on.library()
        loading_of.check_pillow(case.loading.dataset.kind)
        self._jax, self.case, self._workload = jax, case, workload
        self._device = on.place(jax, case.device)
        began = time.perf_counter()
        source = loading_of.source_of(workload, config, case.loading, seed)
        self.read_s = time.perf_counter() - began
        self.loader = loading_of.batches(
            source, case.batch_size, case.loading.workers, seed, pinned=False
        )
        self._arrange = _arranged(workload, config, case.loading.dataset.kind, seed)
        self._begun(config, source)

    def _begun(self, config: Config, source: Any) -> None:
        """Make the state, and the steps for whole batches and for the one at an epoch's end."""
        jax, case, workload = self._jax, self.case, self._workload
        model = workload.build_flax(config, storage(case.dtype))
        whole = self._placed(_batch(source, case.batch_size))
        shapes = jax_variables.shapes(workload, model, *whole)
        with dialect.precision(jax, case.dtype, case.device):
            variables = jax_variables.begun(
                workload, model, shapes, whole[0], "float32", self._device
            )
            self._state = jax_training.start(jax, workload, variables, self._device)
            step = jax.jit(jax_training.train_step(jax, workload, model), donate_argnums=0)
            judge = jax.jit(partial(_right, model))
            self._steps: dict[int, Any] = {}
            self._judges: dict[int, Any] = {}
            for size in {min(case.batch_size, len(source)), len(source) % case.batch_size} - {0}:
                inputs, targets = self._placed(_batch(source, size))
                self._steps[size] = step.lower(self._state, inputs, targets).compile()
                if not workload.objectives:
                    params, rest, _ = self._state
                    given = ({"params": params, **rest}, inputs, targets)
                    self._judges[size] = judge.lower(*given).compile()
        self._last: Any = None

    def _placed(self, batch: Any) -> tuple[tuple[Any, ...], Any]:
        inputs, targets = self._arrange(*batch)
        *placed, labels = dialect.to_device(self._jax, (*inputs, targets), "float32", self._device)
        return tuple(placed), labels

    def step(self, batch: Any) -> Any:
        """Train on a batch; return its loss, which may be still to come.

        The one before is waited for: what is dispatched and not done would grow without end.
        """
        inputs, targets = self._placed(batch)
        self.wait(self._last)
        self._state, self._last = self._steps[len(batch[0])](self._state, inputs, targets)
        return self._last

    def wait(self, loss: Any) -> None:
        """Wait until a loss is there."""
        self._jax.block_until_ready(loss)

    def judging(self) -> AbstractContextManager[Any] | None:
        """Return the context of an evaluation; None for a network with losses of its own."""
        return None if self._workload.objectives else nullcontext()

    def judged(self, batch: Any) -> tuple[float, int]:
        """Return how many labels of a batch are the likeliest class, of how many."""
        inputs, targets = self._placed(batch)
        params, rest, _ = self._state
        right = self._judges[len(batch[0])]({"params": params, **rest}, inputs, targets)
        return float(right), int(targets.size)

    def once(self, enough: Callable[[float], bool]) -> Drained:
        """Raise Unavailable: no shortcut with a pass of its own is trained here."""
        raise Unavailable("shortcuts have a training loop in torch only: --runtime torch")

    def checkpoint(self, path: Path) -> Saved:
        """Write weights and optimiser to the disk, flushed."""
        from flax import serialization

        began = time.perf_counter()
        with path.open("wb") as file:
            file.write(serialization.to_bytes(self._state))
            file.flush()
            os.fsync(file.fileno())
        return Saved(wall_s=time.perf_counter() - began, bytes_written=path.stat().st_size)


def _right(model: Any, variables: Any, inputs: Any, targets: Any) -> Any:
    logits = model.apply(variables, *inputs, train=False)
    return (logits.argmax(-1) == targets).sum()


def _batch(source: Any, size: int) -> Any:
    return source.__getitems__([i % len(source) for i in range(size)])


def _arranged(
    workload: Workload, config: Config, kind: str, seed: int
) -> Callable[[Any, Any], tuple[tuple[Any, ...], Any]]:
    """Return how a loader's batch becomes (inputs, targets) of the network, as NumPy arrays.

    Flax has the channels of images last; hwbench's own networks take them first on every runtime.
    """
    import numpy as np

    rng = np.random.default_rng(seed)
    beside = arranging.Beside(workload, config, kind)

    def arrange(inputs: Any, targets: Any) -> tuple[tuple[Any, ...], Any]:
        x, y = np.asarray(inputs), np.asarray(targets)
        if kind == "pictures":
            noise = rng.standard_normal((len(x), config["noise"])).astype("float32")
            return (noise,), x.clip(-1, 1)
        x = x.transpose(0, 2, 3, 1) if workload.own and x.ndim == 4 else x
        if not (beside.inputs or beside.targets):
            return (x,), y
        more, own = beside.of(len(x))
        return (x, *more), own if beside.targets else y

    return arrange
