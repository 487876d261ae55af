"""The times of a language model's passes in torch: prompts, and next tokens of a batch."""

import statistics
import time
from collections.abc import Callable
from typing import Any

from hwbench.dialects import torch_device as on
from hwbench.dialects.torch import network
from hwbench.dialects.torch_decoding import Engine
from hwbench.dialects.torch_tensors import torch_dtype
from hwbench.errors import Unavailable
from hwbench.tokens import DecodePoint, Generate, PrefillPoint, TokenTimes
from hwbench.workload import Config, Workload

SEED = 7
COPIED_BYTES = 256 * 1024**2  # far above any cache
COPIES = 7
LEAST, MOST = 3, 50  # passes of a visit
Point = tuple[str, int, int]


def timed(workload: Workload, config: Config, request: Generate) -> TokenTimes:
    """Return the medians of all points by round; the model is in evaluation mode in the dtype.

    Points are visited in turn, round after round, so that a drift is common to them. Raises
    Unavailable for a network that generates no text.
    """
    torch = on.library()
    if workload.decoding is None:
        raise Unavailable(f"{workload.name} does not generate text")
    device = on.place(torch, request.device)
    on.set_precision(torch, request.dtype)
    dtype = torch_dtype(torch, request.dtype)
    model = network(torch, workload, config).to(device, dtype).eval()
    limit = max(*request.prompts, *request.contexts)
    slots = max(request.batches)
    wait = on.waiter(torch, device)
    with torch.inference_mode():
        parts = workload.decoding(config, model, limit)
        engine = Engine(torch, parts, slots, limit, dtype, device)
        passes = _passes(torch, engine, config["vocab"], request, device)
        for run in passes.values():
            wait(run())  # what is made at a first call is not timed
        found: dict[Point, list[float]] = {point: [] for point in passes}
        for _ in range(request.rounds):
            for point, run in passes.items():
                found[point].append(_median_s(run, wait, request.visit_s))
        copied = _copy_bytes_per_s(torch, device, wait)
    peak = None if device.type == "cpu" else on.peak_bytes(torch, device)()
    return TokenTimes(
        prefill=tuple(
            PrefillPoint(tokens=n, rounds_s=tuple(s))
            for (kind, n, _), s in found.items()
            if kind == "prefill"
        ),
        decode=tuple(
            DecodePoint(batch_size=b, context=n, rounds_s=tuple(s))
            for (kind, n, b), s in found.items()
            if kind == "decode"
        ),
        weights_bytes=sum(p.numel() * p.element_size() for p in model.parameters()),
        cache_bytes_per_token=engine.cache_bytes // (slots * limit),
        copy_bytes_per_s=copied,
        peak_bytes=peak,
    )


def _passes(
    torch: Any, engine: Engine, vocab: int, request: Generate, device: Any
) -> dict[Point, Callable[[], Any]]:
    """Return what runs each point, ("prefill", tokens, 1) or ("decode", context, batch)."""
    made = torch.Generator(device="cpu").manual_seed(SEED)

    def ids(*size: int) -> Any:
        return torch.randint(vocab, size, generator=made).to(device)

    def prompt(n: int) -> Callable[[], Any]:
        given = ids(1, n)
        return lambda: engine.prefill(0, given)

    def token(context: int, batch: int) -> Callable[[], Any]:
        given = ids(batch)
        at = torch.full((batch,), context - 1, device=device)
        return lambda: engine.decode(given, at, context)

    found: dict[Point, Callable[[], Any]] = {}
    for n in request.prompts:
        found["prefill", n, 1] = prompt(n)
    for batch in request.batches:
        for context in request.contexts:
            found["decode", context, batch] = token(context, batch)
    return found


def _median_s(run: Callable[[], Any], wait: Any, visit_s: float) -> float:
    """Return the median seconds of a pass, which is waited for as the sampling of a token is."""
    times: list[float] = []
    end = time.perf_counter() + visit_s
    while len(times) < LEAST or (time.perf_counter() < end and len(times) < MOST):
        began = time.perf_counter()
        wait(run().argmax(-1))
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def _copy_bytes_per_s(torch: Any, device: Any, wait: Any) -> float:
    source = torch.ones(COPIED_BYTES // 4, device=device)
    target = torch.empty_like(source)
    times = []
    for _ in range(COPIES):
        began = time.perf_counter()
        wait(target.copy_(source))
        times.append(time.perf_counter() - began)
    return 2 * COPIED_BYTES / statistics.median(times)
