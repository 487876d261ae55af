"""Continuous batching simulated against the same loop run for real, on this machine.

`python -m bench.serving_loop`: the passes are measured, then requests arrive (Poisson) at a loop in
torch by the same rule; the figures are the simulation's percentiles over the loop's.
"""

import random
import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

from bench.figure import Figure, parser, show
from hwbench import arrivals, registry, token_figures, token_sim
from hwbench.dialects import torch_generating
from hwbench.dialects.torch import network
from hwbench.dialects.torch_decoding import Engine
from hwbench.serve_tokens import BATCHES
from hwbench.token_sim import Answered, Asked
from hwbench.tokens import Generate, TokenTimes

SEED = (1, 2)
WITHIN = 0.10


def requests(count: int, prompt: tuple[int, int], output: tuple[int, int]) -> list[Asked]:
    """Return requests that wait from the start, of lengths drawn from these ranges."""
    rng = random.Random("mix")
    return [
        Asked(at_s=0.0, prompt=rng.randint(*prompt), output=rng.randint(*output))
        for _ in range(count)
    ]


def arriving(flood: Sequence[Asked], rate: float) -> list[Asked]:
    """Return them as Poisson arrivals."""
    found, now = [], 0.0
    for asked, gap in zip(flood, islice(arrivals.gaps(rate, SEED), len(flood)), strict=True):
        now += gap
        found.append(Asked(at_s=now, prompt=asked.prompt, output=asked.output))
    return found


class Loop:
    """The rule of `token_sim` with a real engine and the machine's clock."""

    def __init__(self, torch: Any, engine: Engine, slots: int, vocab: int) -> None:
        """Serve on these slots."""
        self.torch, self.engine, self.slots, self.vocab = torch, engine, slots, vocab

    def serve(self, asked: Sequence[Asked]) -> list[Answered]:
        """Serve requests as they arrive; return when each was answered."""
        torch, engine = self.torch, self.engine
        generator = torch.Generator().manual_seed(1)
        prompts = [torch.randint(self.vocab, (1, a.prompt), generator=generator) for a in asked]
        numbers: list[int] = []  # of the requests, by slot
        places: list[int] = []  # of each slot's next token
        left: list[int] = []
        ids: list[Any] = []
        first: dict[int, float] = {}
        last: dict[int, float] = {}
        coming, began = 0, time.perf_counter()

        def now() -> float:
            return time.perf_counter() - began

        def free(slot: int) -> None:
            end = len(numbers) - 1
            if slot != end:
                engine.move(end, slot)
            for held in (numbers, places, left, ids):
                held[slot] = held[end]  # type: ignore[index]
                held.pop()  # type: ignore[attr-defined]

        while len(last) < len(asked):
            waits = coming < len(asked) and asked[coming].at_s <= now()
            if waits and len(numbers) < self.slots:
                token = engine.prefill(len(numbers), prompts[coming]).argmax(-1)
                first[coming] = now()
                if asked[coming].output == 1:
                    last[coming] = first[coming]
                else:
                    numbers.append(coming)
                    places.append(asked[coming].prompt)
                    left.append(asked[coming].output - 1)
                    ids.append(token)
                coming += 1
            elif numbers:
                at = torch.tensor(places)
                tokens = engine.decode(torch.cat(ids), at, max(places) + 1).argmax(-1)
                ids = list(tokens.split(1))
                done = now()
                for slot in reversed(range(len(numbers))):
                    places[slot] += 1
                    left[slot] -= 1
                    if not left[slot]:
                        last[numbers[slot]] = done
                        free(slot)
            else:
                time.sleep(max(0.0, asked[coming].at_s - now()))
        return [Answered(asked=a, first_s=first[n], last_s=last[n]) for n, a in enumerate(asked)]


def _together(before: TokenTimes, after: TokenTimes) -> TokenTimes:
    """Return the rounds of both: a machine drifts while it serves."""
    return replace(
        before,
        prefill=tuple(
            replace(a, rounds_s=(*a.rounds_s, *b.rounds_s))
            for a, b in zip(before.prefill, after.prefill, strict=True)
        ),
        decode=tuple(
            replace(a, rounds_s=(*a.rounds_s, *b.rounds_s))
            for a, b in zip(before.decode, after.decode, strict=True)
        ),
    )


def figures(
    name: str,
    count: int,
    prompt: tuple[int, int],
    output: tuple[int, int],
    share: float,
    threads: int,
    rounds: int = 3,
) -> list[Figure]:
    """Return the simulation's p50 and p90 over the loop's, at a share of what is served at most."""
    import torch

    torch.set_num_threads(threads)
    net = registry.networks()[name]
    config, slots = net.variant.config, max(BATCHES)
    asked = Generate(
        workload=name,
        runtime="torch",
        device="cpu",
        dtype="float32",
        threads=threads,
        prompts=tuple(sorted({prompt[0], prompt[1] // 2, prompt[1]})),
        batches=BATCHES,
        contexts=(prompt[0] + 1, prompt[1] + output[1]),
        rounds=rounds,
        visit_s=0.3,
    )
    limit = prompt[1] + output[1]
    decoding = net.workload.decoding
    assert decoding is not None
    model = network(torch, net.workload, config).eval()
    flood = requests(count, prompt, output)
    with torch.inference_mode():
        engine = Engine(torch, decoding(config, model, limit), slots, limit, torch.float32, "cpu")
        loop = Loop(torch, engine, slots, config["vocab"])
        loop.serve(flood[:4])  # what is made at a first call is not served
        before = torch_generating.timed(net.workload, config, asked)
        fits = token_figures.fits(before)
        rate = share * token_figures.most_per_s(flood, slots, fits).point
        served = loop.serve(arriving(flood, rate))
        after = torch_generating.timed(net.workload, config, asked)
    found = []
    both = token_figures.fits(_together(before, after))
    for when, by in (
        ("before", fits),
        ("after", token_figures.fits(after)),
        ("by both", both),
    ):
        told = token_sim.simulate(
            arriving(flood, rate), slots, by.pooled.prefill.seconds, by.pooled.decode.seconds
        ).answers
        for label, q in (("p50", 0.5), ("p90", 0.9)):
            real = token_sim.percentile([a.latency_s for a in served], q)
            ratio = token_sim.percentile([a.latency_s for a in told], q) / real
            found.append(
                Figure(
                    name=f"{name}, {count} requests at {share:.0%}: {label} told {when} / served",
                    measured=f"{ratio:.3f} ({real:.2f} s)",
                    target=f"within {WITHIN:.0%}" if by is both else "-",
                    met=abs(ratio - 1) <= WITHIN if by is both else None,
                )
            )
    return found


def main() -> None:
    """Print them."""
    given = parser(__doc__)
    given.add_argument("--threads", type=int, default=2)
    given.add_argument("--share", type=float, default=0.6)
    asked = given.parse_args()
    if asked.tiny:
        show(
            figures("gpt2_small_small", 20, (8, 16), (4, 16), asked.share, asked.threads, 1),
            asked.json,
        )
        return
    show(figures("gpt2_small", 200, (16, 128), (4, 24), asked.share, asked.threads), asked.json)


if __name__ == "__main__":
    main()
