"""Continuous batching simulated against the same loop run for real, on this machine.

`python -m bench.serving_loop`: requests arrive (Poisson) at a loop in torch by the simulation's
rule. The machine's speed wanders, so the loop's clock is held now and then while the passes are
measured, as `hwbench serving` measures them; the figures are the simulation's percentiles over the
loop's.
"""

import random
import time
from collections.abc import Callable, Sequence
from typing import Any

from bench.figure import Figure, parser, show
from hwbench import registry, token_figures, token_lengths, token_sim
from hwbench.dialects.torch_decoding import Engine
from hwbench.dialects.torch_generating import Passes
from hwbench.serve_tokens import BATCHES
from hwbench.token_sim import Answered, Asked
from hwbench.tokens import Generate

SEED = (1, 2)
WITHIN = 0.10
EVERY = 40  # passes of the loop between two rounds of measured ones


def requests(count: int, prompt: tuple[int, int], output: tuple[int, int]) -> list[Asked]:
    """Return requests that wait from the start, of lengths drawn from these ranges."""
    rng = random.Random("mix")
    return [
        Asked(at_s=0.0, prompt=rng.randint(*prompt), output=rng.randint(*output))
        for _ in range(count)
    ]


class Loop:
    """The rule of `token_sim` with a real engine and the machine's clock."""

    def __init__(self, torch: Any, engine: Engine, slots: int, vocab: int) -> None:
        """Serve on these slots."""
        self.torch, self.engine, self.slots, self.vocab = torch, engine, slots, vocab

    def serve(
        self, asked: Sequence[Asked], every: int = 0, aside: Callable[[], None] = lambda: None
    ) -> list[Answered]:
        """Serve requests as they arrive; return when each was answered.

        After every so many passes the clock is held while `aside` runs.
        """
        torch, engine = self.torch, self.engine
        generator = torch.Generator().manual_seed(1)
        prompts = [torch.randint(self.vocab, (1, a.prompt), generator=generator) for a in asked]
        numbers: list[int] = []  # of the requests, by slot
        places: list[int] = []  # of each slot's next token
        left: list[int] = []
        ids: list[Any] = []
        first: dict[int, float] = {}
        last: dict[int, float] = {}
        coming, passes, held_s, began = 0, 0, 0.0, time.perf_counter()

        def now() -> float:
            return time.perf_counter() - began - held_s

        def free(slot: int) -> None:
            end = len(numbers) - 1
            if slot != end:
                engine.move(end, slot, places[end])
            for held in (numbers, places, left, ids):
                held[slot] = held[end]  # type: ignore[index]
                held.pop()  # type: ignore[attr-defined]

        while len(last) < len(asked):
            passes += 1
            if every and passes % every == 0:
                paused = time.perf_counter()
                aside()
                held_s += time.perf_counter() - paused
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


def figures(
    name: str,
    count: int,
    prompt: tuple[int, int],
    output: tuple[int, int],
    share: float,
    threads: int,
    every: int,
) -> list[Figure]:
    """Return the simulation's p50 and p90 over the loop's, at a share of what is served at most."""
    import torch

    torch.set_num_threads(threads)
    net = registry.networks()[name]
    config, slots = net.variant.config, max(BATCHES)
    limit = prompt[1] + output[1]
    flood = requests(count, prompt, output)
    passes = Passes(
        net.workload,
        config,
        Generate(
            workload=name,
            runtime="torch",
            device="cpu",
            dtype="float32",
            threads=threads,
            prompts=token_lengths.prompts_to_measure([a.prompt for a in flood]),
            batches=BATCHES,
            contexts=(prompt[0] + 1, limit),
            rounds=1,
            visit_s=0.1,
        ),
    )
    decoding = net.workload.decoding
    assert decoding is not None
    passes.round()
    before = token_figures.fits(passes.told())
    rate = share * token_figures.most_per_s(flood, slots, before).point
    with torch.inference_mode():
        engine = Engine(
            torch, decoding(config, passes.model, limit), slots, limit, torch.float32, "cpu"
        )
        loop = Loop(torch, engine, slots, config["vocab"])
        loop.serve(flood[:4])  # what is made at a first call is not served
        served = loop.serve(token_sim.arriving(flood, rate, SEED), every, passes.round)
    fits = token_figures.fits(passes.told())
    told = token_figures.load(
        rate,
        token_figures.most_per_s(flood, slots, fits).point,
        token_sim.arriving(flood, rate, SEED),
        slots,
        fits,
    )
    found = []
    for label, q in (("p50", 0.5), ("p90", 0.9)):
        real = token_sim.percentile([a.latency_s for a in served], q)
        ratio = told.latency_s[label].point / real
        found.append(
            Figure(
                name=f"{name}, {count} requests at {share:.0%}: {label} told / served",
                measured=f"{ratio:.3f} ({real:.2f} s)",
                target=f"within {WITHIN:.0%}",
                met=abs(ratio - 1) <= WITHIN,
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
            figures("gpt2_small_small", 20, (8, 16), (4, 16), asked.share, asked.threads, 40),
            asked.json,
        )
        return
    found = figures("gpt2_small", 200, (16, 128), (4, 24), asked.share, asked.threads, EVERY)
    show(found, asked.json)


if __name__ == "__main__":
    main()
