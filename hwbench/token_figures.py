"""From measured passes to the figures of serving: each round is a sample of its own."""

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hwbench import stats, token_fits, token_sim
from hwbench.estimate_value import Estimate
from hwbench.token_sim import Asked, Simulated, arriving
from hwbench.tokens import BatchRow, DecodeFit, DecodePoint, Load, PrefillFit, TokenTimes

LEVEL = 0.90
LEAST_LOG = 0.02  # no figure of a simulation is told better than that [assumed]
PERCENTILES = {"p50": 0.5, "p90": 0.9}


@dataclass(frozen=True, kw_only=True)
class Pair:
    """How long a prompt takes, and a pass over the running requests."""

    prefill: PrefillFit
    decode: DecodeFit


@dataclass(frozen=True, kw_only=True)
class Fits:
    """The fits of each round, and of the means over all of them: a load is a sum of passes."""

    rounds: tuple[Pair, ...]
    pooled: Pair

    @property
    def residual_frac(self) -> float:
        """Return the larger of what the two pooled fits miss."""
        return max(self.pooled.prefill.residual_frac, self.pooled.decode.residual_frac)


def fits(times: TokenTimes) -> Fits:
    """Return the fits of a child's times."""

    def pair(of: Callable[[Sequence[float]], float]) -> Pair:
        return Pair(
            prefill=token_fits.prefill(times.prefill, [of(p.rounds_s) for p in times.prefill]),
            decode=token_fits.decode(times.decode, [of(p.rounds_s) for p in times.decode]),
        )

    def at(number: int) -> Callable[[Sequence[float]], float]:
        return lambda rounds: rounds[number]

    every = [p.rounds_s for p in times.prefill] + [p.rounds_s for p in times.decode]
    count = min(map(len, every))
    return Fits(rounds=tuple(pair(at(n)) for n in range(count)), pooled=pair(statistics.fmean))


def estimate(values: Sequence[float], point: float, residual_frac: float = 0.0) -> Estimate:
    """Return a figure whose `values` are by round: Student's interval, and what a fit misses."""
    logs = [math.log(v) for v in values]
    half = 0.0
    if len(logs) > 1:
        t = stats.student_t(LEVEL, len(logs) - 1)
        half = t * stats.standard_deviation(logs) / math.sqrt(len(logs))
    half = math.hypot(half, stats.normal_quantile(LEVEL) * residual_frac)
    return Estimate(
        point=point, low=point * math.exp(-half), high=point * math.exp(half), level=LEVEL
    )


def prompt_s(found: Fits, tokens: int) -> Estimate:
    """Return the time to the first token of a prompt that has the machine to itself."""
    values = [f.prefill.seconds(tokens) for f in found.rounds]
    pooled = found.pooled.prefill
    return estimate(values, pooled.seconds(tokens), pooled.residual_frac)


def batches(times: TokenTimes) -> tuple[BatchRow, ...]:
    """Return a row for each batch: the mean of its pass at the shortest and the longest context."""
    found = []
    for size in dict.fromkeys(p.batch_size for p in times.decode):
        points = [p for p in times.decode if p.batch_size == size]
        rounds = [sum(s) / len(s) for s in zip(*(p.rounds_s for p in points), strict=True)]
        token = estimate(rounds, statistics.fmean(rounds))
        context = sum(p.context for p in points) / len(points)
        cache = size * context * times.cache_bytes_per_token
        read = (times.weights_bytes + cache) / token.point
        found.append(
            BatchRow(
                batch_size=size,
                token_s=token,
                tokens_per_s=Estimate(
                    point=size / token.point,
                    low=size / token.high,
                    high=size / token.low,
                    level=LEVEL,
                ),
                bandwidth_frac=read / times.copy_bytes_per_s,
                cache_bytes=round(_longest(points) * size * times.cache_bytes_per_token),
            )
        )
    return tuple(found)


def _longest(points: Sequence[DecodePoint]) -> int:
    return max(p.context for p in points)


def _run(requests: Sequence[Asked], slots: int, by: Pair) -> Simulated:
    return token_sim.simulate(requests, slots, by.prefill.seconds, by.decode.seconds)


def most_per_s(flood: Sequence[Asked], slots: int, found: Fits) -> Estimate:
    """Return the requests a second that are served where all of them wait from the start."""
    return estimate(
        [len(flood) / _run(flood, slots, by).wall_s for by in found.rounds],
        len(flood) / _run(flood, slots, found.pooled).wall_s,
        max(LEAST_LOG, found.residual_frac),
    )


def mixed(rounds: Sequence[Simulated], of: Callable[[Simulated], list[float]]) -> list[float]:
    """Return the times of requests at the speeds of all rounds together.

    A machine wanders, and the tail is of its slow times: at its mean speed there would be less.
    """
    return [t for r in rounds for t in of(r)]


def load(rate: float, most: float, requests: Sequence[Asked], slots: int, found: Fits) -> Load:
    """Return the figures of requests that arrive at a rate."""
    pooled = _run(requests, slots, found.pooled)
    rounds = [_run(requests, slots, by) for by in found.rounds]

    def told(of: Callable[[Simulated], list[float]]) -> dict[str, Estimate]:
        every = mixed(rounds, of)
        if not every:
            return {}
        return {
            name: estimate(
                [max(1e-9, token_sim.percentile(of(r), q)) for r in rounds],
                max(1e-9, token_sim.percentile(every, q)),
                max(LEAST_LOG, found.residual_frac),
            )
            for name, q in PERCENTILES.items()
        }

    written = sum(a.asked.output for a in pooled.answers)
    return Load(
        requests_per_s=rate,
        requests=len(requests),
        keeps_up=rate < most,
        first_token_s=told(lambda s: [a.first_token_s for a in s.answers]),
        latency_s=told(lambda s: [a.latency_s for a in s.answers]),
        token_s=told(lambda s: [a.token_s for a in s.answers if a.token_s is not None]),
        output_tokens_per_s=written / pooled.wall_s,
        busy_frac=min(1.0, pooled.busy_s / pooled.wall_s),
        mean_batch=pooled.mean_batch,
    )


def best(
    bound_s: float | None,
    flood: Sequence[Asked],
    most: float,
    slots: int,
    found: Fits,
    seed: tuple[int, int],
) -> tuple[Load | None, str | None]:
    """Return the load of the highest rate whose p90 is within the bound, or why there is none."""
    if bound_s is None:
        return None, "no --latency-bound was asked"

    def within(rate: float) -> bool:
        asked = arriving(flood, rate, seed)
        rounds = [_run(asked, slots, by) for by in found.rounds]
        every = mixed(rounds, lambda s: [a.latency_s for a in s.answers])
        return token_sim.percentile(every, 0.9) <= bound_s

    low, high = most / 1000, most
    if not within(low):
        return None, "a request takes longer even where it has the machine to itself"
    if within(high):
        low = high
    for _ in range(20):
        if high / low < 1.01:
            break
        middle = (low * high) ** 0.5
        low, high = (middle, high) if within(middle) else (low, middle)
    return load(low, most, arriving(flood, low, seed), slots, found), None
