"""What serving a language model comes to: the facts of measured passes, and what is simulated."""

from dataclasses import dataclass
from typing import Literal

from hwbench.bounds import NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt
from hwbench.estimate_value import Estimate

SCHEMA = "hwbench.serving/1"


@dataclass(frozen=True, kw_only=True)
class Generate:
    """Time prompts and next tokens of a model, in `rounds` over all of them, `visit_s` each."""

    workload: str
    runtime: str
    device: str
    dtype: str
    threads: int
    prompts: tuple[int, ...]
    batches: tuple[int, ...]
    contexts: tuple[int, ...]
    rounds: int
    visit_s: PositiveFloat
    memory_limit_bytes: int | None = None
    blocks: tuple[int, ...] = ()  # depths to measure, the whole being told by the line through them


@dataclass(frozen=True, kw_only=True)
class PrefillPoint:
    """A prompt of `tokens` run at once: the mean seconds of each round."""

    tokens: PositiveInt
    rounds_s: tuple[PositiveFloat, ...]


@dataclass(frozen=True, kw_only=True)
class DecodePoint:
    """The next token of each of `batch_size` requests that are `context` long, by round."""

    batch_size: PositiveInt
    context: PositiveInt
    rounds_s: tuple[PositiveFloat, ...]


@dataclass(frozen=True, kw_only=True)
class TokenTimes:
    """What a child measured of a model, in rounds over all points."""

    prefill: tuple[PrefillPoint, ...]
    decode: tuple[DecodePoint, ...]
    weights_bytes: PositiveInt
    cache_bytes_per_token: PositiveInt  # keys and values of one position of one request
    copy_bytes_per_s: PositiveFloat  # read and written, by a large copy on the device
    product_flops_per_s: PositiveFloat  # of the best square matrix product in the dtype
    peak_bytes: NonNegativeInt | None
    blocks: tuple[PositiveInt, ...] = ()  # depths that were measured; none: the whole was


@dataclass(frozen=True, kw_only=True)
class PrefillFit:
    """Seconds of a prompt of n tokens: a + b n + c n^2, none of them negative."""

    a_s: NonNegativeFloat
    b_s: NonNegativeFloat
    c_s: NonNegativeFloat
    residual_frac: NonNegativeFloat

    def seconds(self, tokens: float) -> float:
        """Return the time of a prompt."""
        return self.a_s + self.b_s * tokens + self.c_s * tokens * tokens


@dataclass(frozen=True, kw_only=True)
class DecodeLine:
    """Seconds of a pass over `batch_size` requests of up to n tokens: a + c n, c not negative."""

    batch_size: PositiveInt
    a_s: NonNegativeFloat
    c_s: NonNegativeFloat


@dataclass(frozen=True, kw_only=True)
class DecodeFit:
    """A line over the context for each batch that was measured; between two batches their mean by
    distance, since kernels take steps of their own from batch to batch.
    """

    lines: tuple[DecodeLine, ...]  # by batch
    residual_frac: NonNegativeFloat

    def seconds(self, batch_size: float, context: float) -> float:
        """Return the time of a pass; `context` is that of the longest request."""
        below = [x for x in self.lines if x.batch_size <= batch_size] or [self.lines[0]]
        above = [x for x in self.lines if x.batch_size >= batch_size] or [self.lines[-1]]
        low, high = below[-1], above[0]
        apart = high.batch_size - low.batch_size
        share = (batch_size - low.batch_size) / apart if apart else 0.0
        ends = [x.a_s + x.c_s * context for x in (low, high)]
        return ends[0] + share * (ends[1] - ends[0])


@dataclass(frozen=True, kw_only=True)
class BatchRow:
    """Decoding at a batch, from the prompt's length to its end: measured at both, as their mean."""

    batch_size: PositiveInt
    token_s: Estimate  # time per output token of a request
    tokens_per_s: Estimate
    bandwidth_frac: NonNegativeFloat  # weights and cache read, of the bandwidth of a copy
    cache_bytes: NonNegativeInt


@dataclass(frozen=True, kw_only=True)
class Load:
    """Requests at a rate, simulated: the times of those that were served, from their arrival."""

    requests_per_s: PositiveFloat
    requests: PositiveInt
    keeps_up: bool
    first_token_s: dict[str, Estimate]  # p50, p90
    latency_s: dict[str, Estimate]
    token_s: dict[str, Estimate]  # between the tokens of a request, its mean
    output_tokens_per_s: PositiveFloat
    busy_frac: NonNegativeFloat
    mean_batch: NonNegativeFloat


@dataclass(frozen=True, kw_only=True)
class TokenCost:
    """Dollars of a million tokens, prompts and answers together, at a load."""

    usd_per_h: PositiveFloat
    requests_per_s: PositiveFloat  # that are served meanwhile
    usd_per_m_tokens: Estimate
    usd_per_m_output_tokens: Estimate
    hosted_usd_per_m_tokens: PositiveFloat | None
    break_even_tokens_per_month: PositiveFloat | None  # above it this machine is the cheaper
    within_reach: bool | None  # whether the machine serves so many in a month
    reason: str | None


@dataclass(frozen=True, kw_only=True)
class TokenEnergy:
    """What a machine that is always full takes for a million tokens, prompts and answers."""

    power_w: PositiveFloat  # the mean while the passes were measured
    covers: str
    joules_per_m_tokens: Estimate


@dataclass(frozen=True, kw_only=True)
class Place:
    """The mix on a rented instance that is always full, carried over from the measured passes.

    Null with the `reason`; `token_s` is the time per output token at the smallest batch measured.
    """

    instance: str
    devices: tuple[str, ...]
    dtype: str
    usd_per_h: PositiveFloat
    price_date: str
    requests_per_s: Estimate | None
    token_s: Estimate | None
    cost: TokenCost | None
    energy: TokenEnergy | None
    reason: str | None
    energy_reason: str | None
    basis: Literal["scaled"] | None
    method: str | None


@dataclass(frozen=True, kw_only=True)
class ServingFile:
    """What serving a model on this machine comes to; nothing but `times` was measured."""

    schema: str
    id: str
    created_utc: str
    hwbench_version: str
    argv: tuple[str, ...]
    workload: str
    runtime: str
    device: str
    dtype: str
    threads: PositiveInt
    prompt_tokens: PositiveInt
    output_tokens: PositiveInt
    slots: PositiveInt
    times: TokenTimes
    prefill: PrefillFit
    decode: DecodeFit
    first_token_s: Estimate  # of a prompt alone on the machine
    batches: tuple[BatchRow, ...]
    most_requests_per_s: Estimate  # that are served as they come, simulated
    loads: tuple[Load, ...]
    bound_s: PositiveFloat | None
    best_within_bound: Load | None  # the highest rate whose p90 is within the bound
    bound_reason: str | None
    cost: TokenCost | None
    energy: TokenEnergy | None
    energy_reason: str | None
    places: tuple[Place, ...]
    notes: tuple[str, ...]
