"""A real training loop in torch: loader, steps, evaluation, checkpoints - what people run."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from hwbench.dialects import arranging
from hwbench.dialects import torch_device as on
from hwbench.dialects import torch_loading as loading_of
from hwbench.dialects.loader_loop import LoaderLoop, cpu_s
from hwbench.dialects.torch import as_it_is, network
from hwbench.dialects.torch_training import Transform, autocast_of, trainer
from hwbench.dialects.torch_ways import ground_of
from hwbench.loop import Drained, LoopCase, Saved
from hwbench.stepping import Build, Stepper
from hwbench.workload import Config, Workload


class TorchLoop(LoaderLoop):
    """A network, its optimiser and its data, ready to train; times are wall seconds."""

    def __init__(
        self,
        workload: Workload,
        config: Config,
        case: LoopCase,
        seed: int,
        transform: Transform = as_it_is,
        build: Build | None = None,
    ) -> None:
        """Build the network, read what is kept in memory; raise Unavailable or DoesNotFit."""
        torch = on.library()
        loading_of.check_pillow(case.loading.dataset.kind)
        self._torch, self.case = torch, case
        self._device = on.place(torch, case.device)
        on.set_precision(torch, case.dtype)
        self._waits = on.waiter(torch, self._device)
        self._model = network(torch, workload, config).to(self._device).train()
        self._autocast = autocast_of(torch, self._device, case.dtype)
        self._stepper = self._built(workload, config, transform, build) if build else None
        if self._stepper is None:
            made = trainer(torch, workload, self._model, transform, self._autocast)
            self._update, self._optimizers = made.step, made.optimizers
        else:
            self._update, self._optimizers = self._stepper.step, self._stepper.optimizers
            self._model = self._stepper.model
        self._judged = not workload.objectives
        began = time.perf_counter()
        self._source = loading_of.source_of(workload, config, case.loading, seed)
        self.read_s = time.perf_counter() - began
        self._seed = seed
        self.loader = self._batches(case.loading.workers)
        self._arrange = arranging.arranged(workload, config, case.loading.dataset.kind)

    def _built(
        self, workload: Workload, config: Config, transform: Transform, build: Build
    ) -> Stepper:
        ground = ground_of(
            self._torch,
            workload,
            config,
            self._model,
            device=self._device,
            dtype=self.case.dtype,
            autocast=self._autocast,
            transform=transform,
        )
        return build(ground)

    def wait(self, loss: Any) -> None:
        """Wait for all that the device has been given."""
        self._waits(loss)

    def once(self, enough: Callable[[float], bool]) -> Drained:
        """Make what the epochs read, of the data from their start; steps then go over that.

        What is made stays in memory, as the data of `KeptImages` do.
        """
        assert self._stepper is not None and self._stepper.once is not None
        torch, cpu, clock = self._torch, cpu_s, time.perf_counter
        began, used, items, first_items, first_s = clock(), cpu(), 0, 0, 0.0
        kept: list[tuple[Any, Any]] = []
        for batch in self.loader:
            inputs, targets = self._arrange(*batch)
            placed = tuple(t.to(self._device) for t in inputs)
            (made,), labels = self._stepper.once(placed, targets.to(self._device))
            kept.append((made, labels))
            items += len(batch[0])
            if not first_items:
                self.wait(made)
                first_items, first_s = items, clock() - began
            if enough(clock() - began):
                break
        self.wait(kept[-1][0])
        data = torch.utils.data.TensorDataset(
            *(torch.cat(part) for part in zip(*kept, strict=True))
        )
        self.loader = torch.utils.data.DataLoader(
            data,
            batch_size=self.case.batch_size,
            shuffle=True,
            generator=torch.Generator().manual_seed(self._seed),
        )
        self._arrange = lambda inputs, targets: ((inputs,), targets)
        self.coming = None
        return Drained(
            items=items,
            wall_s=clock() - began,
            cpu_s=cpu() - used,
            first_items=first_items,
            first_s=first_s,
        )

    def _batches(self, workers: int) -> Any:
        pinned = self._device.type == "cuda"
        size = self.case.batch_size
        return loading_of.batches(self._source, size, workers, self._seed, pinned)

    def step(self, batch: Any) -> Any:
        """Train on a batch; return its loss."""
        inputs, targets = self._arrange(*batch)
        placed = tuple(t.to(self._device, non_blocking=True) for t in inputs)
        return self._update(placed, targets.to(self._device, non_blocking=True))

    def judging(self) -> AbstractContextManager[Any] | None:
        """Return the context of an evaluation; None for a network that is trained in turn."""
        return self._evaluating() if self._judged else None

    @contextmanager
    def _evaluating(self) -> Iterator[None]:
        if self._stepper is None:
            self._model.eval()
        try:
            with self._torch.inference_mode():
                yield
        finally:
            if self._stepper is None:
                self._model.train()

    def judged(self, batch: Any) -> tuple[float, int]:
        """Return how many labels of a batch are the likeliest class, of how many."""
        inputs, targets = self._arrange(*batch)
        placed = tuple(t.to(self._device) for t in inputs)
        if self._stepper is not None:
            logits = self._stepper.logits(placed)
        else:
            with self._autocast():
                logits = self._model(*placed)
        labels = targets.to(self._device).flatten()
        found = (logits.flatten(0, -2).argmax(-1) == labels).sum()
        return float(found), len(labels)

    def checkpoint(self, path: Path) -> Saved:
        """Write weights and optimiser to the disk, flushed."""
        began = time.perf_counter()
        with path.open("wb") as file:
            self._torch.save(
                {
                    "model": self._model.state_dict(),
                    "optimizers": [o.state_dict() for o in self._optimizers],
                },
                file,
            )
            file.flush()
            os.fsync(file.fileno())
        took_s = time.perf_counter() - began
        return Saved(wall_s=took_s, bytes_written=path.stat().st_size)
