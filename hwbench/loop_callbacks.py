"""`hwbench.watch` for loops that a library runs: Hugging Face's Trainer, Lightning's."""

import importlib
import math
import sys
from typing import Any

from hwbench.errors import Unavailable, one_line
from hwbench.loop_watch import Watch


def huggingface(**changes: Any) -> Any:
    """Return a callback for `transformers.Trainer(callbacks=[...])`; `changes` go to the watch.

    A step is one of the optimiser, as the Trainer counts them. Raises Unavailable without the
    library.
    """
    base = _base("transformers", "TrainerCallback")
    watch: list[Watch] = []

    class WatchCallback(base):  # type: ignore[misc, valid-type]
        """Follows the Trainer's steps."""

        def on_train_begin(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
            """Begin with the Trainer's own count of steps."""
            watch[:] = [Watch(state.max_steps, **changes)]
            watch[0].__enter__()

        def on_step_end(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
            """Note a step."""
            watch[0].step()

        def on_train_end(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
            """End."""
            watch[0].__exit__(None, None, None)

        @property
        def watch(self) -> Watch:
            """The watch, once the training has begun."""
            return watch[0]

    return WatchCallback()


def lightning(**changes: Any) -> Any:
    """Return a callback for Lightning's `Trainer(callbacks=[...])`; `changes` go to the watch.

    A step is a batch. A Trainer that does not know how many there will be is not watched, which a
    line says. Raises Unavailable without the library.
    """
    base = _base("lightning.pytorch", "Callback")
    watch: list[Watch] = []

    class WatchCallback(base):  # type: ignore[misc, valid-type]
        """Follows the Trainer's batches."""

        def on_train_start(self, trainer: Any, module: Any) -> None:
            """Begin with the batches of all epochs, or of the steps that were asked for."""
            total = _batches(trainer)
            if total is None:
                print("hwbench.watch: the Trainer has no end that is known", file=sys.stderr)
                return
            watch[:] = [Watch(total, int(min(total, trainer.num_training_batches)), **changes)]
            watch[0].__enter__()

        def on_train_batch_end(self, trainer: Any, module: Any, *rest: Any) -> None:
            """Note a batch."""
            if watch:
                watch[0].step()

        def on_train_end(self, trainer: Any, module: Any) -> None:
            """End."""
            if watch:
                watch[0].__exit__(None, None, None)

        @property
        def watch(self) -> Watch:
            """The watch, once the training has begun."""
            return watch[0]

    return WatchCallback()


def _batches(trainer: Any) -> int | None:
    """Return the batches of a Trainer of Lightning; None where it goes on until it is stopped."""
    ends = []
    if trainer.max_epochs is not None and trainer.max_epochs >= 0:
        ends.append(trainer.num_training_batches * trainer.max_epochs)
    if trainer.max_steps >= 0:  # steps of the optimiser
        ends.append(trainer.max_steps * trainer.accumulate_grad_batches)
    total = min(ends, default=math.inf)
    return int(total) if 0 < total < math.inf else None


def _base(module: str, name: str) -> Any:
    try:
        return getattr(importlib.import_module(module), name)
    except ImportError as e:
        package = module.split(".")[0]
        raise Unavailable(
            f"a callback for {package} needs it, and it cannot be imported: {one_line(str(e))}",
            f"pip install {package}",
        ) from None
