"""Where the time and the memory of a torch training step go: parts, operators by kind, layers."""

import re
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from hwbench.case import Case
from hwbench.dialects import torch_device as on
from hwbench.dialects import torch_memory
from hwbench.dialects.torch import network
from hwbench.dialects.torch_flops import counted
from hwbench.dialects.torch_product import best_product
from hwbench.dialects.torch_tensors import tensors, torch_dtype
from hwbench.dialects.torch_training import autocast_of, optimizer_of
from hwbench.errors import Unavailable
from hwbench.inspected import KindTime, LayerTime, MemoryParts, Phases, Profiled
from hwbench.workload import Config, Workload

STEPS, STEPS_S = 20, 10.0  # of the parts: the fewer of the two, three at least
PROFILED = 3

# By what an operator's name holds, the first that fits; those of _WORDS as a whole word only.
_WORDS = {"mm", "bmm", "cat", "to", "view", "fill", "zero", "stack", "elu", "norm"}
_KINDS = (
    ("attention", ("scaled_dot_product", "flash_attention", "efficient_attention")),
    ("convolution", ("convolution", "conv2d", "conv1d", "conv3d", "slow_conv", "thnn_conv")),
    ("matrix product", ("addmm", "bmm", "mm", "matmul", "linear", "einsum")),
    ("recurrence", ("lstm", "gru", "rnn")),
    ("normalisation", ("batch_norm", "layer_norm", "group_norm", "instance_norm", "rms_norm",
                       "batchnorm", "layernorm", "norm")),
    ("embedding", ("embedding", "index_select", "index_put", "gather")),
    ("loss", ("softmax", "nll_loss", "cross_entropy", "mse_loss", "smooth_l1")),
    ("pooling", ("pool",)),
    ("activation", ("relu", "gelu", "silu", "sigmoid", "tanh", "threshold", "hardswish",
                    "hardtanh", "leaky", "elu", "dropout", "bernoulli")),
    ("copies and layout", ("copy", "clone", "contiguous", "cat", "to", "transpose", "permute",
                           "reshape", "fill", "zero", "empty", "view", "stack", "memcpy",
                           "memset", "reorder")),
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class HostMemory:
    """The peak of this process's memory: begun anew, and read in bytes."""

    begin: Callable[[], None]
    peak: Callable[[], int | None]


def profiled(
    workload: Workload, config: Config, case: Case, rng: Any, host: HostMemory
) -> Profiled:
    """Train some steps of a network and return where they went; raise Unavailable for several
    losses in turn."""
    torch = on.library()
    if len(workload.objectives) > 1:
        raise Unavailable(f"{workload.name} is trained by several losses in turn: not taken apart")
    device = on.place(torch, case.device)
    on.set_precision(torch, case.dtype)
    model = network(torch, workload, config).to(device, torch_dtype(torch, "float32")).train()
    drawn, labels = workload.batch(config, case.batch_size or 1, rng)
    *inputs, targets = tensors(torch, (*drawn, labels), "float32", device)
    autocast = autocast_of(torch, device, case.dtype)
    optimizer = optimizer_of(torch, workload.optimizer, model.parameters())
    wait = on.waiter(torch, device)
    step = _Step(torch, workload, model, tuple(inputs), targets, autocast, optimizer)
    kept = _kept_bytes(torch, model, step)  # the first step, which makes the moments too
    host.begin()
    phases = _phases(step, wait)
    peak = host.peak() if device.type == "cpu" else on.peak_bytes(torch, device)()
    size, best = best_product(torch, device, case.dtype, wait)
    parameters = list(model.parameters())
    trained = [p for p in parameters if p.requires_grad]
    moments = [
        t for state in optimizer.state.values() for t in state.values() if torch.is_tensor(t)
    ]
    return Profiled(
        parameters=sum(p.numel() for p in parameters),
        trainable_parameters=sum(p.numel() for p in trained),
        phases=phases,
        kinds=_kinds(torch, step, device),
        layers=_layers(torch, model, tuple(inputs), autocast, wait),
        memory=MemoryParts(
            weights_bytes=_bytes(parameters),
            gradients_bytes=_bytes(trained),
            optimizer_bytes=_bytes(moments),
            activations_bytes=kept,
            peak_bytes=peak,
        ),
        gemm_flops_per_s=best,
        gemm_size=size,
    )


class _Step:
    """A training step in its parts."""

    def __init__(
        self,
        torch: Any,
        workload: Workload,
        model: Any,
        inputs: tuple[Any, ...],
        targets: Any,
        autocast: Callable[[], Any],
        optimizer: Any,
    ) -> None:
        self._torch, self._model, self._optimizer = torch, model, optimizer
        self._inputs, self._targets, self._autocast = inputs, targets, autocast
        self._method = workload.objectives[0].method if workload.objectives else None

    def forward(self) -> Any:
        """Return the loss."""
        self._optimizer.zero_grad(set_to_none=True)
        with self._autocast():
            if self._method is not None:
                return getattr(self._model, self._method)(*self._inputs, self._targets)
            logits = self._model(*self._inputs)
            return self._torch.nn.functional.cross_entropy(
                logits.flatten(0, -2), self._targets.flatten()
            )

    def update(self) -> None:
        """Move the weights."""
        self._optimizer.step()

    def whole(self) -> None:
        """Make a whole step."""
        self.forward().backward()
        self.update()


def _phases(step: _Step, wait: Callable[[Any], None]) -> Phases:
    clock = time.perf_counter
    parts: list[tuple[float, float, float]] = []
    began = clock()
    while len(parts) < 3 or (len(parts) < STEPS and clock() - began < STEPS_S):
        t0 = clock()
        loss = step.forward()
        wait(loss)
        t1 = clock()
        loss.backward()
        wait(loss)
        t2 = clock()
        step.update()
        wait(loss)
        parts.append((t1 - t0, t2 - t1, clock() - t2))
    forward, backward, update = (statistics.median(p) for p in zip(*parts, strict=True))
    return Phases(forward_s=forward, backward_s=backward, optimizer_s=update, steps=len(parts))


def kind_of(name: str) -> str:
    """Return the kind of an operator by its name, `aten::addmm` a matrix product."""
    bare = name.rpartition("::")[2].lower()
    words = set(re.split(r"[^a-z0-9]+", bare))
    for kind, parts in _KINDS:
        if any(part in words if part in _WORDS else part in bare for part in parts):
            return kind
    return "other"


def _kinds(torch: Any, step: _Step, device: Any) -> tuple[KindTime, ...]:
    """Return the operators' own times by kind, of a step; all of an update is the optimiser's."""
    seconds: dict[str, float] = defaultdict(float)
    calls: dict[str, int] = defaultdict(int)
    most: dict[str, tuple[float, str]] = {}
    for part, kind in ((lambda: step.forward().backward(), None), (step.update, "optimiser")):
        for name, took, count in _operators(torch, part, device):
            of = kind or kind_of(name)
            seconds[of] += took
            calls[of] += count
            most[of] = max(most.get(of, (0.0, "")), (took, name))
    total = sum(seconds.values()) or 1.0
    return tuple(
        KindTime(
            kind=kind,
            seconds=took,
            share_frac=min(1.0, took / total),
            calls=max(1, round(calls[kind] / PROFILED)),
            most=most[kind][1],
        )
        for kind, took in sorted(seconds.items(), key=lambda x: -x[1])
    )


def _operators(
    torch: Any, part: Callable[[], Any], device: Any
) -> Iterator[tuple[str, float, int]]:
    """Yield (operator, its own seconds in one run of the part, calls in all runs)."""
    activities = [torch.profiler.ProfilerActivity.CPU]
    if device.type == "cuda":
        activities.append(torch.profiler.ProfilerActivity.CUDA)
    with torch.profiler.profile(activities=activities) as profile:
        for _ in range(PROFILED):
            part()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
    cpu = torch.autograd.DeviceType.CPU
    for event in profile.key_averages():
        if event.device_type != cpu:
            continue  # a kernel: its time is its operator's too
        on_device = getattr(event, "self_device_time_total", 0.0)
        took = (on_device if device.type == "cuda" else event.self_cpu_time_total) / 1e6
        if took > 0 and not event.key.startswith("ProfilerStep"):
            yield event.key, took / PROFILED, event.count


def _layers(
    torch: Any, model: Any, inputs: tuple[Any, ...], autocast: Callable[[], Any], wait: Any
) -> tuple[LayerTime, ...]:
    """Return the forward times of modules that have no parts, those that take most in front."""
    leaves = {n: m for n, m in model.named_modules() if n and not any(True for _ in m.children())}
    took: dict[str, list[float]] = defaultdict(list)
    with _timing(leaves, took, wait), torch.no_grad(), autocast():
        for _ in range(PROFILED + 1):
            model(*inputs)
    with torch.no_grad():
        flops = counted(torch, lambda: model(*inputs)).by_module
    root = type(model).__name__
    rows = [
        LayerTime(
            name=name,
            kind=type(leaves[name]).__name__,
            # a module that runs several times in a pass is all of them
            forward_s=sum(times) / (PROFILED + 1) if len(times) > PROFILED + 1
            else statistics.median(times),
            flops=flops.get(f"{root}.{name}", 0),
            parameters=sum(p.numel() for p in leaves[name].parameters()),
        )
        for name, times in took.items()
    ]  # fmt: skip
    return tuple(sorted(rows, key=lambda r: -r.forward_s))


@contextmanager
def _timing(leaves: dict[str, Any], took: dict[str, list[float]], wait: Any) -> Any:
    begun: dict[str, float] = {}

    def before(name: str) -> Any:
        def hook(module: Any, args: Any) -> None:
            begun[name] = time.perf_counter()

        return hook

    def after(name: str) -> Any:
        def hook(module: Any, args: Any, output: Any) -> None:
            wait(output)
            took[name].append(time.perf_counter() - begun[name])

        return hook

    hooks = [m.register_forward_pre_hook(before(n)) for n, m in leaves.items()]
    hooks += [m.register_forward_hook(after(n)) for n, m in leaves.items()]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _kept_bytes(torch: Any, model: Any, step: _Step) -> int:
    """Make a step; return the bytes that autograd keeps of its forward pass, weights left out."""
    with torch_memory.keeping(torch, model) as kept:
        loss = step.forward()
    found: int = sum(s.nbytes() for s in kept.values())
    kept.clear()  # the backward pass frees them one by one
    loss.backward()
    step.update()
    return found


def _bytes(of: list[Any]) -> int:
    return sum(t.numel() * t.element_size() for t in of)
