"""A real training loop in torch: loader, steps, evaluation, checkpoints - what people run."""

import math
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from hwbench.dialects import torch_device as on
from hwbench.dialects import torch_loading as loading_of
from hwbench.dialects.torch import as_it_is, network
from hwbench.dialects.torch_training import Transform, autocast_of, trainer
from hwbench.dialects.torch_ways import ground_of
from hwbench.loop import Drained, Evaluated, LoopCase, Saved, Stretch
from hwbench.stepping import Build, Stepper
from hwbench.workload import Config, Workload

BLOCK_S = 10.0  # the mean of so long is kept of a long stretch, to see how the speed moves


class TorchLoop:
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
        self._torch, self._case = torch, case
        self._device = on.place(torch, case.device)
        on.set_precision(torch, case.dtype)
        self._wait = on.waiter(torch, self._device)
        self._model = network(torch, workload, config).to(self._device).train()
        self._autocast = autocast_of(torch, self._device, case.dtype)
        self._stepper = self._built(workload, config, transform, build) if build else None
        if self._stepper is None:
            made = trainer(torch, workload, self._model, transform, self._autocast)
            self._step, self._optimizers = made.step, made.optimizers
        else:
            self._step, self._optimizers = self._stepper.step, self._stepper.optimizers
            self._model = self._stepper.model
        self._judge = None if workload.objectives else self._evaluated
        began = time.perf_counter()
        self._source = loading_of.source_of(workload, config, case.loading, seed)
        self.read_s = time.perf_counter() - began
        self._seed = seed
        self._loader = self._batches(case.loading.workers)
        self._arrange = loading_of.arranged(workload, config, case.loading.dataset.kind)
        self._coming: Iterator[Any] | None = None

    def _built(
        self, workload: Workload, config: Config, transform: Transform, build: Build
    ) -> Stepper:
        ground = ground_of(
            self._torch,
            workload,
            config,
            self._model,
            device=self._device,
            dtype=self._case.dtype,
            autocast=self._autocast,
            transform=transform,
        )
        return build(ground)

    def once(self, enough: Callable[[float], bool]) -> Drained:
        """Make what the epochs read, of the data from their start; steps then go over that.

        What is made stays in memory, as the data of `KeptImages` do.
        """
        assert self._stepper is not None and self._stepper.once is not None
        torch, cpu, clock = self._torch, _cpu_s, time.perf_counter
        began, used, items, first_items, first_s = clock(), cpu(), 0, 0, 0.0
        kept: list[tuple[Any, Any]] = []
        for batch in self._loader:
            inputs, targets = self._arrange(*batch)
            placed = tuple(t.to(self._device) for t in inputs)
            (made,), labels = self._stepper.once(placed, targets.to(self._device))
            kept.append((made, labels))
            items += len(batch[0])
            if not first_items:
                self._wait(made)
                first_items, first_s = items, clock() - began
            if enough(clock() - began):
                break
        self._wait(kept[-1][0])
        data = torch.utils.data.TensorDataset(
            *(torch.cat(part) for part in zip(*kept, strict=True))
        )
        self._loader = torch.utils.data.DataLoader(
            data,
            batch_size=self._case.batch_size,
            shuffle=True,
            generator=torch.Generator().manual_seed(self._seed),
        )
        self._arrange = lambda inputs, targets: ((inputs,), targets)
        self._coming = None
        return Drained(
            items=items,
            wall_s=clock() - began,
            cpu_s=cpu() - used,
            first_items=first_items,
            first_s=first_s,
        )

    def _batches(self, workers: int) -> Any:
        pinned = self._device.type == "cuda"
        size = self._case.batch_size
        return loading_of.batches(self._source, size, workers, self._seed, pinned)

    def _one(self, batch: Any) -> Any:
        inputs, targets = self._arrange(*batch)
        placed = tuple(t.to(self._device, non_blocking=True) for t in inputs)
        return self._step(placed, targets.to(self._device, non_blocking=True))

    def stretch(self, enough: Callable[[int, float], bool], *, endless: bool = True) -> Stretch:
        """Train until `enough(steps, seconds)`; `endless` goes on into the next epoch.

        Without it an epoch is one pass over the data from its start. Workers begin anew in each
        stretch: what they read ahead in a pause would come for nothing.
        """
        clock, waited, steps, items = time.perf_counter, 0.0, 0, 0
        first_s: float | None = None
        first_wait_s = 0.0
        blocks: list[float] = []
        began = block_began = asked = clock()
        coming = self._coming if endless and not self._case.loading.workers else None
        coming = iter(self._loader) if coming is None else coming
        block_steps, loss = 0, None
        while True:
            batch = next(coming, None)
            if batch is None:
                if not endless:
                    break
                coming = iter(self._loader)
                continue
            waited += clock() - asked
            loss = self._one(batch)
            steps, block_steps, items = steps + 1, block_steps + 1, items + len(batch[0])
            if first_s is None:
                self._wait(loss)
                first_s, first_wait_s = clock() - began, waited
            now = clock()
            if now - block_began >= BLOCK_S:
                blocks.append((now - block_began) / block_steps)
                block_began, block_steps = now, 0
            if enough(steps, now - began):
                break
            asked = now
        self._coming = coming if endless else None
        self._wait(loss)
        return Stretch(
            steps=steps,
            items=items,
            wall_s=clock() - began,
            first_step_s=first_s or 0.0,
            loader_wait_s=waited,
            first_wait_s=first_wait_s,
            blocks_s=tuple(blocks),
            loss=_finite(loss),
        )

    def epoch(self) -> Stretch:
        """Train one pass over the data."""
        return self.stretch(lambda steps, wall_s: False, endless=False)

    def evaluate(self, batches: int | None, enough: Callable[[float], bool]) -> Evaluated | None:
        """Run the network over `batches` batches without learning; None where it has no judge."""
        if self._judge is None:
            return None
        if self._stepper is None:
            self._model.eval()
        clock, began, done, right, seen = time.perf_counter, time.perf_counter(), 0, 0.0, 0
        try:
            with self._torch.inference_mode():
                for batch in self._loader:
                    found, of = self._judge(batch)
                    right, seen, done = right + found, seen + of, done + 1
                    if done == batches or enough(clock() - began):
                        break
        finally:
            if self._stepper is None:
                self._model.train()
        return Evaluated(
            batches=done,
            wall_s=clock() - began,
            accuracy_frac=right / max(1, seen),
        )

    def _evaluated(self, batch: Any) -> tuple[float, int]:
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

    def drain(self, enough: Callable[[int, float], bool]) -> Drained:
        """Take items from the loader alone, nothing trained."""
        cpu, clock, items = _cpu_s, time.perf_counter, 0
        loader = iter(self._loader)
        first = next(loader)  # starting the workers is no reading
        began, used = clock(), cpu()
        while not enough(items, clock() - began):
            batch = next(loader, None)
            if batch is None:
                loader = iter(self._loader)
                continue
            items += len(batch[0])
        del first
        return Drained(items=items, wall_s=clock() - began, cpu_s=cpu() - used)


def _finite(loss: Any) -> float | None:
    """Return the loss as a number, None where it has none or has grown beyond all of them."""
    value = math.nan if loss is None else float(loss)
    return value if math.isfinite(value) else None


def _cpu_s() -> float:
    """Return the CPU seconds of this process and the workers it has started."""
    import psutil

    own = psutil.Process()
    total = sum(own.cpu_times()[:2])
    for child in own.children(recursive=True):
        try:
            total += sum(child.cpu_times()[:2])
        except psutil.Error:  # it ended meanwhile
            continue
    return float(total)
