"""Continuous batching, simulated: requests in a queue, prompts first, then a token for each.

The rule is that of the servers in use (Orca, Yu et al., OSDI 2022; vLLM without chunked prefill):
while a request waits and a slot is free, its prompt is run, which holds the others up; else one
pass gives each running request its next token; one that is done frees its slot at once.
`bench.serving_loop` runs the same rule for real.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from hwbench import arrivals


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A request: when it arrives, the tokens of its prompt and of its answer (one or more)."""

    at_s: float
    prompt: int
    output: int


def arriving(flood: Sequence[Asked], rate_per_s: float, seed: tuple[int, ...]) -> list[Asked]:
    """Return the same requests as Poisson arrivals, the same draws at every rate."""
    found, now = [], 0.0
    for asked, gap in zip(flood, islice(arrivals.gaps(rate_per_s, seed), len(flood)), strict=True):
        now += gap
        found.append(replace(asked, at_s=now))
    return found


@dataclass(frozen=True, kw_only=True)
class Answered:
    """When a request's first and last token were there."""

    asked: Asked
    first_s: float
    last_s: float

    @property
    def first_token_s(self) -> float:
        """Return the time to the first token, from the arrival."""
        return self.first_s - self.asked.at_s

    @property
    def latency_s(self) -> float:
        """Return the time to the last token, from the arrival."""
        return self.last_s - self.asked.at_s

    @property
    def token_s(self) -> float | None:
        """Return the mean time between its tokens; None for an answer of one."""
        more = self.asked.output - 1
        return (self.last_s - self.first_s) / more if more else None


@dataclass(frozen=True, kw_only=True)
class Simulated:
    """The requests in order of arrival, and how the machine fared."""

    answers: tuple[Answered, ...]
    busy_s: float
    wall_s: float
    passes: int
    batched: int  # requests in all passes together

    @property
    def mean_batch(self) -> float:
        """Return how many requests a pass had in the mean."""
        return self.batched / self.passes if self.passes else 0.0


@dataclass(kw_only=True)
class _Running:
    number: int
    context: int
    left: int
    first_s: float


def simulate(
    requests: Sequence[Asked],
    slots: int,
    prefill_s: Callable[[float], float],
    decode_s: Callable[[float, float], float],
) -> Simulated:
    """Serve requests, which are in order of arrival, and return when each was answered."""
    now = busy = 0.0
    passes = batched = coming = 0
    running: list[_Running] = []
    done: dict[int, Answered] = {}

    def finish(r: _Running) -> None:
        done[r.number] = Answered(asked=requests[r.number], first_s=r.first_s, last_s=now)

    while len(done) < len(requests):
        waits = coming < len(requests) and requests[coming].at_s <= now
        if waits and len(running) < slots:
            asked = requests[coming]
            took = prefill_s(asked.prompt)
            now, busy = now + took, busy + took
            new = _Running(number=coming, context=asked.prompt, left=asked.output - 1, first_s=now)
            coming += 1
            finish(new) if not new.left else running.append(new)
        elif running:
            for r in running:
                r.context += 1
                r.left -= 1
            took = decode_s(len(running), max(r.context for r in running))
            now, busy = now + took, busy + took
            passes, batched = passes + 1, batched + len(running)
            for r in running:
                if not r.left:
                    finish(r)
            running = [r for r in running if r.left]
        else:
            now = max(now, requests[coming].at_s)
    first = requests[0].at_s if requests else 0.0
    return Simulated(
        answers=tuple(done[n] for n in range(len(requests))),
        busy_s=busy,
        wall_s=now - first,
        passes=passes,
        batched=batched,
    )


def percentile(values: Sequence[float], q: float) -> float:
    """Return the least value that a share `q` of all does not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(q * len(ordered)) - 1)]
