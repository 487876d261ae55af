"""Real trainings in torch: a network learns from data in memory, by its own step or a shortcut's.

What is timed are the steps and what is paid once for them; the data are arrays, so no loader is
waited for. The learning rate rises over the first twentieth of the steps and falls as a cosine to
zero (Loshchilov and Hutter 2016, arXiv:1608.03983), so that the last steps settle.
"""

import math
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from hwbench.dialects import torch_device as on
from hwbench.dialects import torch_frozen as frozen
from hwbench.dialects.torch import as_it_is, network
from hwbench.dialects.torch_anatomy import anatomy
from hwbench.dialects.torch_pretrained import put_in
from hwbench.dialects.torch_training import autocast_of
from hwbench.dialects.torch_ways import ground_of
from hwbench.stepping import Build, Ground, Inputs, Stepper
from hwbench.workload import Config, Workload

WARM_UP = 0.05  # of the steps, in which the learning rate rises
JUDGED = 256  # examples of a batch of an evaluation


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What the trainings of a study have in common; `config` has the classes of the data."""

    workload: Workload
    config: Config
    device: str
    dtype: str
    batch_size: int


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a training goes. `build` makes the step, None the network's own of all weights.

    `state` are pretrained weights, which the network starts from but for its head. `once_passes`
    over the data make what the shortcut pays once; with `caches` they make what the steps read.
    """

    steps: int
    rate: float
    seed: int
    build: Build | None = None
    state: Mapping[str, Any] | None = None
    spec: str = ""  # what the weights are called in a message
    once_passes: float = 0.0
    caches: bool = False
    tasks: int = 1


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A network with its way of training: `ground` is what the step was made of."""

    ground: Ground
    stepper: Stepper
    recipe: Recipe
    build_s: float


@dataclass(frozen=True, kw_only=True)
class Took:
    """What a training took, in seconds; `begin_s` and `end_s` are on the machine's clock."""

    once_s: float
    steps_s: float
    begin_s: float
    end_s: float
    epochs: float
    diverged: bool


@dataclass(frozen=True, kw_only=True)
class Examples:
    """Examples as NumPy arrays: inputs as the network takes them, int64 targets."""

    inputs: Any
    targets: Any
    made: bool = field(default=False)  # by a shortcut's `once`: tensors on the device

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.targets)


def begin(setting: Setting, recipe: Recipe, model: Any = None) -> Prepared:
    """Make the network and its step; a `model` that has learned takes the place of a new one.

    Raises Unavailable where the network cannot be trained so, BadInput where the pretrained weights
    are of another one.
    """
    torch = on.library()
    device = on.place(torch, setting.device)
    on.set_precision(torch, setting.dtype)
    torch.manual_seed(recipe.seed)
    began = time.perf_counter()
    new = model is None
    if new:
        model = network(torch, setting.workload, setting.config, recipe.seed).to(device)
    ground = ground_of(
        torch,
        _at_rate(setting.workload, recipe.rate),
        setting.config,
        model.train(),
        device=device,
        dtype=setting.dtype,
        autocast=autocast_of(torch, device, setting.dtype),
        transform=as_it_is,
        tasks=recipe.tasks if recipe.tasks > 1 else None,
        seed=recipe.seed,
    )
    if new and recipe.state is not None:
        head = frozen.anatomy_of(ground).head
        put_in(model, recipe.state, head, recipe.spec)
    stepper = frozen.stepper(ground) if recipe.build is None else recipe.build(ground)
    took_s = time.perf_counter() - began
    return Prepared(ground=ground, stepper=stepper, recipe=recipe, build_s=took_s)


def _at_rate(workload: Workload, rate: float) -> Workload:
    return replace(workload, optimizer=replace(workload.optimizer, learning_rate=rate))


def learn(ready: Prepared, data: Examples, batch_size: int) -> Took:
    """Train for the steps of the recipe; the data are gone through in a new order each epoch."""
    torch, recipe, step = ready.ground.torch, ready.recipe, ready.stepper.step
    device = ready.ground.device
    wait = on.waiter(torch, device)
    began = time.perf_counter()
    data, once_s = _once(ready, data, batch_size)
    coming = batches(torch, data, batch_size, recipe.seed, device)
    steps_began, loss = time.perf_counter(), None
    for n in range(recipe.steps):
        set_rate(ready.stepper.optimizers, recipe.rate * share_of_rate(n, recipe.steps))
        inputs, targets = next(coming)
        loss = step(inputs, targets)
    wait(loss)
    ended = time.perf_counter()
    return Took(
        once_s=once_s,
        steps_s=ended - steps_began,
        begin_s=began,
        end_s=ended,
        epochs=recipe.steps * min(batch_size, len(data)) / len(data),
        diverged=loss is not None and not math.isfinite(float(loss)),
    )


def at_steps(ready: Prepared, steps: int) -> Prepared:
    """Return the same network and step, for so many steps more."""
    return replace(ready, recipe=replace(ready.recipe, steps=steps))


def share_of_rate(step: int, steps: int) -> float:
    """Return what share of the learning rate a step has: a rise, then a cosine down to zero."""
    warm = max(1, round(WARM_UP * steps))
    return min(1.0, (step + 1) / warm) * 0.5 * (1 + math.cos(math.pi * step / steps))


def set_rate(optimizers: tuple[Any, ...], rate: float) -> None:
    """Set the learning rate of all that is trained."""
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = rate


def _once(ready: Prepared, data: Examples, batch_size: int) -> tuple[Examples, float]:
    """Return the data as the steps read them, and the seconds that making them so took."""
    passes = ready.recipe.once_passes
    if ready.stepper.once is None or not passes:
        return data, 0.0
    began = time.perf_counter()
    if ready.recipe.caches:
        made = cached(ready, data)
    else:  # what is trained once goes over the data in batches, as the network does
        torch, device = ready.ground.torch, ready.ground.device
        coming = batches(torch, data, batch_size, ready.recipe.seed, device)
        for _ in range(max(1, round(passes * len(data) / batch_size))):
            ready.stepper.once(*next(coming))
        made = data
    on.waiter(ready.ground.torch, ready.ground.device)(None)
    return made, time.perf_counter() - began


def cached(ready: Prepared, data: Examples) -> Examples:
    """Return what the shortcut makes of the data, kept on the device in place of them."""
    torch, device, once = ready.ground.torch, ready.ground.device, ready.stepper.once
    assert once is not None
    made = [once(inputs, targets) for inputs, targets in in_order(torch, data, device)]
    (first, labels) = zip(*made, strict=True)
    inputs = torch.cat([x for (x,) in first])
    return Examples(inputs=inputs, targets=torch.cat(list(labels)), made=True)


def batches(
    torch: Any, data: Examples, batch_size: int, seed: int, device: Any
) -> Iterator[tuple[Inputs, Any]]:
    """Yield whole batches without end, each epoch in an order of its own; fewer data are one."""
    rng = torch.Generator().manual_seed(seed)
    inputs, targets = tensors(torch, data)
    size, count = min(batch_size, len(data)), len(data)
    while True:
        order = torch.randperm(count, generator=rng)
        for i in range(0, count - size + 1, size):
            chosen = order[i : i + size].to(inputs.device)
            yield (inputs[chosen].to(device),), targets[chosen].to(device)


def in_order(torch: Any, data: Examples, device: Any) -> Iterator[tuple[Inputs, Any]]:
    """Yield all examples once, in large batches."""
    inputs, targets = tensors(torch, data)
    for i in range(0, len(data), JUDGED):
        yield (inputs[i : i + JUDGED].to(device),), targets[i : i + JUDGED].to(device)


def tensors(torch: Any, data: Examples) -> tuple[Any, Any]:
    """Return the examples as tensors; those of arrays share their memory."""
    if data.made:
        return data.inputs, data.targets
    return torch.from_numpy(data.inputs), torch.from_numpy(data.targets)


def told(ready: Prepared, data: Examples) -> Any:
    """Return the class that the network tells of each example, int64 (items, ...)."""
    torch, device = ready.ground.torch, ready.ground.device
    read = cached(ready, data) if ready.recipe.caches else data
    found = [ready.stepper.logits(inputs).argmax(-1) for inputs, _ in in_order(torch, read, device)]
    return torch.cat(found).cpu().numpy()


def right_frac(ready: Prepared, data: Examples) -> float:
    """Return the share of the examples whose class the network tells right."""
    return float((told(ready, data) == data.targets).mean())


def features(ready: Prepared, data: Examples) -> Any:
    """Return what the head is given of each example: float64 (items, features).

    Raises Unavailable where the network has no head of its own.
    """
    import numpy as np

    torch, device, model = ready.ground.torch, ready.ground.device, ready.stepper.model
    read = cached(ready, data) if ready.recipe.caches else data
    logits = ready.stepper.logits
    first, _ = next(in_order(torch, read, device))
    probe = tuple(x[:2] for x in first)
    found = anatomy(torch, model, probe, lambda *x: logits(x))
    seen = frozen.Captured(model, frozen.head_of(ready.ground, found))
    kept = []
    try:
        for inputs, _ in in_order(torch, read, device):
            logits(inputs)
            kept.append(seen.value.flatten(1).double().cpu().numpy())
    finally:
        seen.remove()
    return np.concatenate(kept)


def counts(ready: Prepared) -> tuple[int, int]:
    """Return the parameters in memory and those that train."""
    parameters = list(ready.stepper.model.parameters())
    moved = {id(p) for o in ready.stepper.optimizers for g in o.param_groups for p in g["params"]}
    trained = sum(p.numel() for p in parameters if id(p) in moved)
    return sum(p.numel() for p in parameters), trained


def peak_bytes(setting: Setting) -> int | None:
    """Return the device's peak memory since it was last made current; None where nobody tells."""
    torch = on.library()
    return on.peak_bytes(torch, torch.device(setting.device))()


def save(ready: Prepared, path: Path) -> None:
    """Keep the network's weights, whole or not at all."""
    scratch = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        ready.ground.torch.save(ready.ground.model.state_dict(), scratch)
        scratch.replace(path)
    finally:
        scratch.unlink(missing_ok=True)
