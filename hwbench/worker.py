"""The child process, `python -m hwbench.worker PARENT_PID`: one JSON object a line, in and out.

It takes requests on its standard input and answers on what was its standard output; anything that
a library prints goes to standard error instead. It ends when the parent does.
"""

import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from hwbench import (
    blocks,
    codec,
    edge_making,
    learning_asks,
    loop,
    model_spec,
    own_models,
    protocol,
    registry,
    tokens,
)
from hwbench.failure import failure_of
from hwbench.learning_child import Learner
from hwbench.looping import Looper
from hwbench.memory_use import limit_memory, peak_bytes, reset_peak
from hwbench.visiting import Visitor


def _die_with(parent_pid: int) -> None:
    """Ask Linux to kill this process when its parent dies; elsewhere end of input ends it."""
    if not sys.platform.startswith("linux"):
        return
    import ctypes

    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)
    if os.getppid() != parent_pid:  # it died before the call
        os._exit(1)


def _probe(request: protocol.Probe) -> Any:
    return registry.runtimes()[request.runtime].probe()


def _describe(request: protocol.Describe) -> Any:
    spec = model_spec.parse(request.spec)
    if spec.kind == "onnx":
        from hwbench.dialects import onnx_models

        return onnx_models.facts(spec, request.name)
    if spec.kind == "tflite":
        from hwbench.dialects import tflite_models

        return tflite_models.facts(spec, request.name)
    if spec.kind in ("file", "module") and not _is_torch(spec):
        from hwbench.dialects import flax_described

        return flax_described.facts(spec, request.name)
    from hwbench.dialects import torch_described

    if spec.kind == "hf":
        from hwbench.dialects import torch_outline

        return torch_outline.facts(
            spec, request.name, request.pretrained, request.outlined, request.room_bytes
        )
    return torch_described.facts(spec, request.name, request.pretrained)


def _is_torch(spec: model_spec.ModelSpec) -> bool:
    """Build what a factory makes, to see of which library it is; raise BadInput."""
    from hwbench.dialects import user_code

    model = user_code.given(spec).model
    return not (hasattr(model, "init") and hasattr(model, "apply") and hasattr(model, "clone"))


def _profile(request: protocol.Profile) -> Any:
    import numpy as np

    from hwbench.dialects import torch_profile

    case = request.case
    registry.runtimes()[case.runtime].configure(request.threads)
    network, rng = registry.networks()[case.name], np.random.default_rng(protocol.CHECK_SEED)
    memory = torch_profile.HostMemory(begin=reset_peak, peak=peak_bytes)
    return torch_profile.profiled(network.workload, network.variant.config, case, rng, memory)


def _count_memory(request: protocol.CountMemory) -> Any:
    from hwbench.dialects import torch_memory

    cuts = [registry.networks()[n] for n in blocks.cuts_of(request.workload)]
    configs = [
        {**cut.variant.config, **({"seq": request.seq} if request.seq else {})} for cut in cuts
    ]
    return torch_memory.counted(cuts[0].workload, configs)


def _generate(request: tokens.Generate) -> Any:
    from hwbench.dialects import torch_generating

    registry.runtimes()[request.runtime].configure(request.threads)
    limit_memory(request.memory_limit_bytes)
    network = registry.networks()[request.workload]
    found = torch_generating.timed(network.workload, network.variant.config, request)
    return replace(found, peak_bytes=found.peak_bytes or peak_bytes())


def _reference(request: protocol.Reference) -> Any:
    import numpy as np

    from hwbench.dialects import torch as dialect

    network = registry.networks()[request.workload]
    value = dialect.reference_workload(
        network.workload,
        network.variant.config,
        request.phase,
        request.batch_size,
        protocol.CHECK_SEED,
        protocol.CHECK_STEPS,
    )
    with open(request.path, "wb") as file:
        np.save(file, value)
    return {}


def _export(request: protocol.Export) -> Any:
    from hwbench.dialects import litert, onnx

    network = registry.networks()[request.workload]
    dialect: Any = {"onnx": onnx, "tflite": litert}[request.form]
    dialect.export_workload(
        network.workload, network.variant.config, request.batch_size, request.dtype, request.path
    )
    return {}


def serve(lines: Any, answer: Callable[[str], None]) -> None:
    """Answer each request line until the input ends."""
    visitor, looper, learner = Visitor(time.perf_counter), Looper(), Learner()
    handlers: dict[str, tuple[type, Callable[[Any], Any]]] = {
        "probe": (protocol.Probe, _probe),
        "describe": (protocol.Describe, _describe),
        "reference": (protocol.Reference, _reference),
        "export": (protocol.Export, _export),
        "edge_model": (protocol.EdgeModel, edge_making.make),
        "visit": (protocol.VisitRequest, visitor.visit),
        "profile": (protocol.Profile, _profile),
        "count_memory": (protocol.CountMemory, _count_memory),
        "generate": (tokens.Generate, _generate),
        "losses": (protocol.LossesRequest, visitor.losses),
        "open_loop": (loop.OpenLoop, looper.open),
        "loop_part": (loop.LoopPart, looper.part),
        "open_study": (learning_asks.OpenStudy, learner.open),
        "pace": (learning_asks.Pace, learner.pace),
        "pretrain": (learning_asks.Pretrain, learner.pretrain),
        "train": (learning_asks.Train, learner.train),
    }
    for line in lines:
        message = json.loads(line)
        cls, handle = handlers[message["do"]]
        try:
            result = handle(codec.decode(cls, message["request"]))
            reply = protocol.Reply(ok=True, result=codec.encode(result))
        except Exception as e:  # any failure of a case is the case's, not the worker's
            traceback.print_exc()
            found = failure_of(e)
            reply = protocol.Reply(
                ok=False, code=found.code, reason=found.reason, remedy=found.remedy
            )
        answer(json.dumps(codec.encode(reply)))


def main() -> None:
    """Run the worker on this process's standard streams; its argument is its parent's id."""
    _die_with(int(sys.argv[1]))
    own_models.from_environment()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what Ctrl-C means
    channel = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    os.dup2(2, 1)
    serve(sys.stdin, lambda text: print(text, file=channel, flush=True))


if __name__ == "__main__":
    main()
