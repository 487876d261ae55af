"""The contract of a runtime: what executes a case, and on which devices.

A plug-in is one file in `hwbench/runtimes/` that exports `RUNTIME = Runtime(...)`. Everything but
`supports` runs in the child process, where the library may be imported.
"""

from __future__ import annotations  # the contract's types are only read, so lists start at once

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hwbench.case import Case
    from hwbench.edge_facts import OperatorTime
    from hwbench.kernel import Kernel
    from hwbench.probed import RuntimeFacts
    from hwbench.taught import Taught
    from hwbench.workload import Config, Workload


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a program computes, as NumPy arrays (float64, int64), to be held against the reference.

    A kernel: `inputs` as rounded to the dtype, `outputs` (forward as many as the reference has;
    backward one gradient per float input, for the output gradient `cotangent`). A workload:
    `outputs` holds the logits for inference, or for training one array with the loss of each of
    the first steps.
    """

    inputs: tuple[Any, ...]
    outputs: tuple[Any, ...]
    cotangent: Any = None


@dataclass(kw_only=True)
class Program:
    """A case made ready to run.

    `step()` starts one iteration and returns its result, `wait(result)` returns when that result
    is there. `renew(rng)` puts fresh inputs in place. `answer(steps)` computes the check on the
    inputs now in place (`steps` training steps for a training workload). `timer(loops)`, where a
    device has a clock of its own, runs `loops` iterations and returns their seconds.
    """

    step: Callable[[], Any]
    wait: Callable[[Any], None]
    renew: Callable[[Any], None]
    answer: Callable[[int], Answer]
    timer: Callable[[int], float] | None = None
    flush: Callable[[], None] | None = None  # empties the device's caches, for `cold`
    device_peak_bytes: Callable[[], int | None] = lambda: None
    taught: Taught | None = None  # of a step by a shortcut or a hardening
    operators: Callable[[], tuple[OperatorTime, ...]] | None = None  # where the time goes


@dataclass(frozen=True, kw_only=True)
class Runtime:
    """One way to execute cases.

    `supports(case)` is a reason why this runtime never runs such a case, or None. `probe()`
    imports the library and raises Unavailable where it cannot be used. `prepare_*` raise
    DoesNotFit when memory is short and Unavailable when the device is not there.
    """

    name: str
    dialect: str  # torch | jax | onnx | tflite: the form of a plug-in that it takes
    library: str  # the module whose presence tells whether it is installed
    remedy: str  # the line that installs it
    summary: str
    phases: Sequence[str]  # of the four in hwbench.case
    supports: Callable[[Case], str | None]
    probe: Callable[[], RuntimeFacts]
    configure: Callable[[int], None]  # threads, before anything is prepared
    prepare_kernel: Callable[[Kernel, Case, Any], Program]  # (kernel, case, rng)
    prepare_workload: Callable[[Workload, Config, Case, Any, str | None], Program]
    #                 (workload, config, case, rng, path of the exported file or None;
    #                  a case of a shortcut or hardening: build=, what makes its step)
    open_loop: Callable[..., Any] | None = (
        None  # (workload, config, LoopCase, seed): trains for real
    )
    needs_export: bool = False  # a workload comes as a file of its dialect, exported from torch
    options: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # --runtime-option
    default: bool = True  # taken when no --runtime is given


def later(module: str, name: str, **fixed: Any) -> Callable[..., Any]:
    """Return a stand-in for the function `name` of `module`, which is imported when it is called.

    `fixed` are keyword arguments that every call passes on.
    """

    def call(*arguments: Any, **more: Any) -> Any:
        return getattr(importlib.import_module(module), name)(*arguments, **fixed, **more)

    return call
