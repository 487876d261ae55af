"""The times of a language model's passes in torch: prompts, and next tokens of a batch."""

import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from hwbench.depth import line
from hwbench.dialects import torch_device as on
from hwbench.dialects.torch import network
from hwbench.dialects.torch_decoding import Engine
from hwbench.dialects.torch_product import best_product
from hwbench.dialects.torch_tensors import torch_dtype
from hwbench.errors import Unavailable
from hwbench.tokens import DecodePoint, Generate, PrefillPoint, TokenTimes
from hwbench.workload import Config, Workload

SEED = 7
COPIED_BYTES = 256 * 1024**2  # far above any cache
COPIES = 7
LEAST, MOST = 3, 50  # passes of a visit
Point = tuple[str, int, int, int]  # prefill or decode, tokens, requests, blocks


def timed(workload: Workload, config: Config, request: Generate) -> TokenTimes:
    """Return the means of all points by round; the model is in evaluation mode in the dtype.

    Points are visited in turn, round after round, so that a drift is common to them. Raises
    Unavailable for a network that generates no text.
    """
    passes = Passes(workload, config, request)
    for _ in range(request.rounds):
        passes.round()
    return passes.told()


class Passes:
    """A model with what runs each point, and the means of the rounds so far.

    By blocks the model has the deepest cut's; a shallower one leaves out the last of them, and what
    is told of the whole is the line through the depths of each round.
    """

    def __init__(self, workload: Workload, config: Config, request: Generate) -> None:
        """Make the model and run each pass once; raise Unavailable for one that makes no text."""
        torch = on.library()
        if workload.decoding is None:
            raise Unavailable(f"{workload.name} does not generate text")
        self.torch, self._request = torch, request
        self.device = on.place(torch, request.device)
        on.set_precision(torch, request.dtype)
        dtype = torch_dtype(torch, request.dtype)
        self._layers = config["layers"]
        self._depths = tuple(sorted(request.blocks)) or (self._layers,)
        held = {**config, "layers": self._depths[-1]}
        self._parameters = workload.parameters(config)
        self.model = network(torch, workload, held).to(self.device, dtype).eval()
        self._limit = max(*request.prompts, *request.contexts)
        self._slots = max(request.batches)
        self._wait = on.waiter(torch, self.device)
        with torch.inference_mode():
            parts = workload.decoding(held, self.model, self._limit)
            self._passes: dict[Point, Callable[[], Any]] = {}
            for depth in self._depths:
                cut = replace(parts, blocks=parts.blocks[:depth])
                engine = Engine(torch, cut, self._slots, self._limit, dtype, self.device)
                made = _passes(torch, engine, config["vocab"], request, self.device)
                self._passes |= {(*point, depth): run for point, run in made.items()}
            self._cache_bytes = engine.cache_bytes / (self._slots * self._limit) / depth
            for run in self._passes.values():
                self._wait(run())  # what is made at a first call is not timed
        self._found: dict[Point, list[float]] = {point: [] for point in self._passes}

    def round(self) -> None:
        """Visit each point once."""
        with self.torch.inference_mode():
            for point, run in self._passes.items():
                self._found[point].append(_mean_s(run, self._wait, self._request.visit_s))

    def told(self) -> TokenTimes:
        """Return the means of the rounds, and what the model and its cache take."""
        on_cpu = self.device.type == "cpu"
        with self.torch.inference_mode():
            copied = _copy_bytes_per_s(self.torch, self.device, self._wait)
            dtype = self._request.dtype
            _, product = best_product(self.torch, self.device, dtype, self._wait)
        word = next(self.model.parameters()).element_size()
        whole = self._whole()
        return TokenTimes(
            prefill=tuple(
                PrefillPoint(tokens=n, rounds_s=s)
                for (kind, n, _), s in whole.items()
                if kind == "prefill"
            ),
            decode=tuple(
                DecodePoint(batch_size=b, context=n, rounds_s=s)
                for (kind, n, b), s in whole.items()
                if kind == "decode"
            ),
            weights_bytes=self._parameters * word,
            cache_bytes_per_token=round(self._cache_bytes * self._layers),
            blocks=() if self._depths == (self._layers,) else self._depths,
            copy_bytes_per_s=copied,
            product_flops_per_s=product,
            peak_bytes=None if on_cpu else on.peak_bytes(self.torch, self.device)(),
        )

    def _whole(self) -> dict[tuple[str, int, int], tuple[float, ...]]:
        """Return the rounds of each point with all blocks; no faster than the deepest cut."""
        found = {}
        for kind, tokens, batch in dict.fromkeys(point[:3] for point in self._found):
            cuts = [self._found[kind, tokens, batch, d] for d in self._depths]
            rounds = []
            for times in zip(*cuts, strict=True):
                whole = times[-1]
                if len(times) > 1:
                    fixed, block = line(self._depths, times)
                    whole = max(whole, fixed + block * self._layers)
                rounds.append(whole)
            found[kind, tokens, batch] = tuple(rounds)
        return found


def _passes(
    torch: Any, engine: Engine, vocab: int, request: Generate, device: Any
) -> dict[tuple[str, int, int], Callable[[], Any]]:
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

    found: dict[tuple[str, int, int], Callable[[], Any]] = {}
    for n in request.prompts:
        found["prefill", n, 1] = prompt(n)
    for batch in request.batches:
        for context in request.contexts:
            found["decode", context, batch] = token(context, batch)
    return found


def _mean_s(run: Callable[[], Any], wait: Any, visit_s: float) -> float:
    """Return the mean seconds of a pass, which is waited for as the sampling of a token is.

    Not the median: an answer is a sum of passes, the slow ones too.
    """
    times: list[float] = []
    end = time.perf_counter() + visit_s
    while len(times) < LEAST or (time.perf_counter() < end and len(times) < MOST):
        began = time.perf_counter()
        wait(run().argmax(-1))
        times.append(time.perf_counter() - began)
    return statistics.fmean(times)


def _copy_bytes_per_s(torch: Any, device: Any, wait: Any) -> float:
    source = torch.ones(COPIED_BYTES // 4, device=device)
    target = torch.empty_like(source)
    times = []
    for _ in range(COPIES):
        began = time.perf_counter()
        wait(target.copy_(source))
        times.append(time.perf_counter() - began)
    return 2 * COPIED_BYTES / statistics.median(times)
