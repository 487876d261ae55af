"""Measured passes carried over to another device: what serving would come to there.

A pass is bound by what it computes or by what it reads. What share of that bound it reached here,
with the product and the copy that this machine does at its best, it is taken to reach there, with
what kernels reach of the data sheet's peaks; on an accelerator launching kernels takes time too. No
accuracy was measured for it: the interval is that of a judgement (docs/methodology.md, scaling).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from hwbench import stats, token_costs, token_figures
from hwbench.data_sheet import DataSheet
from hwbench.estimate_value import Estimate
from hwbench.memory_needs import USABLE_FRAC
from hwbench.registry import Network
from hwbench.sightings import REACHED_BYTES_FRAC, REACHED_FLOPS_FRAC
from hwbench.token_figures import LEVEL
from hwbench.token_sim import Asked
from hwbench.tokens import TokenCost, TokenTimes

SIGMA = {True: 0.30, False: 0.45}  # of a logarithm, within a kind of device and across [judgement]
# Of a pass in a CUDA graph, where it was measured on a processor, which launches nothing: kernels
# of a block, and the seconds of each, of which 1 to 2 us are usual.
LAUNCHES, LAUNCH_S = 16, 1.5e-6
ACCELERATOR_DTYPE = "bfloat16"  # what is usually served in


@dataclass(frozen=True, kw_only=True)
class Passes:
    """What the passes of a network take: FLOPs of a prompt, and of each next token."""

    block_flops: float  # of one token through all that multiplies, attention and head left out
    head_flops: float  # of the head, for one token
    attention_flops: float  # of one token against one position
    word_bytes: int  # of a weight as it was measured
    layers: int

    @classmethod
    def of(cls, network: Network, word_bytes: int) -> "Passes":
        """Take them from the network's own formula, whose attention is of every pair of tokens."""
        config, flops = network.variant.config, network.workload.flops
        one, two = (flops({**config, "seq": n}) for n in (1, 2))
        attention = two / 2 - one
        head = 2.0 * config["width"] * config["vocab"]
        return cls(
            block_flops=one - attention - head,
            head_flops=head,
            attention_flops=attention,
            word_bytes=word_bytes,
            layers=config["layers"],
        )

    def prefill_flops(self, tokens: int) -> float:
        """Return the FLOPs of a prompt: each token attends to those before it."""
        own = tokens * self.block_flops + self.head_flops
        return own + self.attention_flops * tokens * (tokens + 1) / 2

    def decode_flops(self, batch_size: int, context: int) -> float:
        """Return the FLOPs of a pass that gives each request its next token."""
        each = self.block_flops + self.head_flops + self.attention_flops * context
        return batch_size * each


@dataclass(frozen=True, kw_only=True)
class Roof:
    """What bounds a pass: the best of products, and of reading; `kind` is cpu or gpu."""

    flops_per_s: float
    read_bytes_per_s: float
    kind: str

    def seconds(self, flops: float, read_bytes: float) -> float:
        """Return the least time of a pass."""
        return max(flops / self.flops_per_s, read_bytes / self.read_bytes_per_s)


def here(times: TokenTimes, device: str) -> Roof:
    """Return the roof that was measured beside the passes: what a copy moves, reading may."""
    return Roof(
        flops_per_s=times.product_flops_per_s,
        read_bytes_per_s=times.copy_bytes_per_s,
        kind="cpu" if device == "cpu" else "gpu",
    )


def there(sheet: DataSheet, dtype: str, share: float) -> Roof | str:
    """Return the roof of a device by its data sheet, or what that lacks."""
    peak, moved = sheet.peak_flops_per_s.get(dtype), sheet.bandwidth_bytes_per_s
    if peak is None:
        return f"no dense {dtype} peak of the {sheet.name} is known"
    if moved is None:
        return f"the bandwidth of the {sheet.name} is not known"
    return Roof(
        flops_per_s=peak * REACHED_FLOPS_FRAC * share,
        read_bytes_per_s=moved * REACHED_BYTES_FRAC * share,
        kind="cpu" if sheet.kind == "cpu" else "gpu",
    )


def carried(times: TokenTimes, passes: Passes, source: Roof, target: Roof, word: int) -> TokenTimes:
    """Return the times of the passes on another device, with weights and cache of `word` bytes."""
    ratio = word / passes.word_bytes
    launched = source.kind == "cpu" and target.kind != "cpu"
    launches_s = LAUNCHES * LAUNCH_S * passes.layers if launched else 0.0
    weights, cache = times.weights_bytes, times.cache_bytes_per_token

    def moved(rounds: Sequence[float], flops: float, read: float) -> tuple[float, ...]:
        # Never less than the bound there: a copy here may tell less than reading alone reaches.
        least = target.seconds(flops, read * ratio)
        by = least / source.seconds(flops, read)
        return tuple(max(least, s * by) + launches_s for s in rounds)

    return replace(
        times,
        prefill=tuple(
            replace(p, rounds_s=moved(p.rounds_s, passes.prefill_flops(p.tokens), weights))
            for p in times.prefill
        ),
        decode=tuple(
            replace(
                p,
                rounds_s=moved(
                    p.rounds_s,
                    passes.decode_flops(p.batch_size, p.context),
                    weights + p.batch_size * p.context * cache,
                ),
            )
            for p in times.decode
        ),
        weights_bytes=round(weights * ratio),
        cache_bytes_per_token=max(1, round(cache * ratio)),
    )


@dataclass(frozen=True, kw_only=True)
class Told:
    """What an instance serves, and at what price."""

    requests_per_s: Estimate
    token_s: Estimate
    cost: TokenCost


def told(
    times: TokenTimes,
    flood: Sequence[Asked],
    slots: int,
    replicas: int,
    usd_per_h: float,
    hosted_usd_per_m: float | None,
    tokens: tuple[float, float],
    same_kind: bool,
) -> Told:
    """Return what `replicas` of a device serve with times carried over to it.

    `tokens` are those of a request, prompt and answer, and those of its answer alone.
    """
    spread = math.exp(stats.normal_quantile(LEVEL) * SIGMA[same_kind])
    most = token_figures.most_per_s(flood, slots, token_figures.fits(times))
    rate = _wider(most, spread, replicas)
    alone = token_figures.batches(times)[0]
    return Told(
        requests_per_s=rate,
        token_s=_wider(alone.token_s, spread, 1),
        cost=_cost(usd_per_h, hosted_usd_per_m, rate, tokens),
    )


def _cost(
    usd_per_h: float, hosted_usd_per_m: float | None, rate: Estimate, tokens: tuple[float, float]
) -> TokenCost:
    found = token_costs.cost(usd_per_h, hosted_usd_per_m, None, rate, *tokens)
    assert found is not None
    return found


def _wider(e: Estimate, spread: float, times: int) -> Estimate:
    half = math.hypot(math.log(e.high / e.point), math.log(spread))
    return Estimate(
        point=e.point * times,
        low=e.point * times / math.exp(half),
        high=e.point * times * math.exp(half),
        level=e.level,
    )


def room(times: TokenTimes, slots: int, limit: int, memory_bytes: float | None) -> str | None:
    """Return why weights and cache do not fit a device, or None; of unknown memory, that it is."""
    if memory_bytes is None:
        return "the memory of its device is not known"
    held = times.weights_bytes + slots * limit * times.cache_bytes_per_token
    if held <= USABLE_FRAC * memory_bytes:
        return None
    return (
        f"weights and cache take {held / 1e9:,.1f} GB, a device has {memory_bytes / 1e9:,.1f} GB:"
        " a model over several devices is not told"
    )
