"""The verb `serving`: what serving a language model on this machine comes to.

Prompts and next tokens are measured in a child; a mix of requests is simulated from them, and the
dollars of a million tokens follow. Everything but the passes is told, not measured, and says so.
"""

import datetime
import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import hwbench
from hwbench import (
    arrivals,
    codec,
    holding,
    host,
    lock,
    registry,
    store,
    token_costs,
    token_figures,
    token_lengths,
    token_sim,
    tree_file,
)
from hwbench.case import Case
from hwbench.child import Child, ChildFailed
from hwbench.crew import MEMORY_FRAC
from hwbench.errors import BadInput
from hwbench.probing import Spawn
from hwbench.progress import Progress, Silent
from hwbench.token_figures import Fits
from hwbench.token_lengths import Lengths
from hwbench.token_sim import Asked
from hwbench.tokens import SCHEMA, Generate, Load, ServingFile, TokenTimes

BATCHES = tuple(range(1, 9))
RUNTIME, DEVICE, DTYPE = "torch", "cpu", "float32"
ROUNDS, VISIT_S, LIMIT_S = 5, 0.3, 1800.0
REQUESTS = 400  # of a simulation
SHARES = (0.5, 0.8, 0.95)  # of the most that is served, where no rate is asked
SEED = (20261127, 1)
NO_ENERGY = "no meter is read by this command: `hwbench run` measures a model's energy"


@dataclass(frozen=True, kw_only=True)
class Options:
    """What was asked."""

    workload: str
    prompt: str = "512"
    output: str = "128"
    batch_sizes: tuple[int, ...] = BATCHES
    requests_per_s: tuple[float, ...] = ()
    latency_bound_s: float | None = None
    usd_per_h: float | None = None
    hosted_usd_per_m: float | None = None
    device: str = DEVICE
    dtype: str = DTYPE
    threads: int | None = None
    out: Path | None = None
    force: bool = False


def serve(options: Options, progress: Progress | None = None, spawn: Spawn = Child) -> ServingFile:
    """Measure a model's passes and return what serving it comes to.

    Raises BadInput for what cannot be asked or does not fit, UnknownName for no workload.
    """
    progress = progress or Silent()
    prompt = token_lengths.parse("--prompt", options.prompt)
    output = token_lengths.parse("--output", options.output)
    _check(options, prompt, output)
    if options.out is not None:
        store.check_writable(options.out)
    threads = options.threads or host.environment().cpu.cores
    request = _request(options, prompt, output, threads)
    progress.note(
        f"{options.workload}: {len(request.prompts)} prompts,"
        f" {len(request.batches) * len(request.contexts)} batches, {ROUNDS} rounds"
    )
    with lock.held("serving", options.force):
        times = _measured(request, progress, spawn)
    done = told(options, prompt, output, threads, times)
    if options.out is not None:
        tree_file.save(done, options.out)
    return done


def told(
    options: Options, prompt: Lengths, output: Lengths, threads: int, times: TokenTimes
) -> ServingFile:
    """Return what follows from the measured passes."""
    slots = max(options.batch_sizes)
    fits = token_figures.fits(times)
    flood = [Asked(at_s=0.0, prompt=p, output=o) for p, o in _mix(prompt, output)]
    most = token_figures.most_per_s(flood, slots, fits)
    rates = options.requests_per_s or tuple(share * most.point for share in SHARES)
    loads = tuple(
        token_figures.load(r, most.point, _arriving(flood, r), slots, fits) for r in rates
    )
    best, why = _best(options, flood, most.point, slots, fits)
    tokens = prompt.mean + output.mean
    pooled = fits.pooled
    return ServingFile(
        schema=SCHEMA,
        created_utc=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        hwbench_version=hwbench.__version__,
        workload=options.workload,
        runtime=RUNTIME,
        device=options.device,
        dtype=options.dtype,
        threads=threads,
        prompt_tokens=round(prompt.mean),
        output_tokens=round(output.mean),
        slots=slots,
        times=times,
        prefill=pooled.prefill,
        decode=pooled.decode,
        first_token_s=token_figures.prompt_s(fits, round(prompt.mean)),
        batches=token_figures.batches(times),
        most_requests_per_s=most,
        loads=loads,
        bound_s=options.latency_bound_s,
        best_within_bound=best,
        bound_reason=why,
        cost=token_costs.cost(
            options.usd_per_h,
            options.hosted_usd_per_m,
            loads[-1] if options.requests_per_s else None,
            most,
            tokens,
            output.mean,
        ),
        energy_reason=NO_ENERGY,
        notes=_notes(prompt, output),
    )


def _notes(prompt: Lengths, output: Lengths) -> tuple[str, ...]:
    ranges = [n for n, x in (("prompts", prompt), ("answers", output)) if x.least != x.most]
    found = ["weights are random and answers as long as was asked: what is said is of speed alone"]
    if ranges:
        found.append(f"{' and '.join(ranges)} are drawn equally often at each scale between")
    return tuple(found)


def _check(options: Options, prompt: Lengths, output: Lengths) -> None:
    network = registry.networks()[options.workload]
    if network.workload.decoding is None:
        able = ", ".join(n for n, w in registry.workloads().items.items() if w.decoding)
        raise BadInput(f"{options.workload} does not generate text: {able} do")
    whole, most = prompt.most + output.most, network.variant.config["context"]
    if whole > most:
        raise BadInput(
            f"a prompt of {prompt.most} and an answer of {output.most} tokens are more than the"
            f" {most} positions of {options.workload}: lower --prompt or --output"
        )
    if options.hosted_usd_per_m is not None and options.usd_per_h is None:
        raise BadInput("--hosted-usd-per-m is held against this machine's price: --usd-per-h")
    if options.dtype not in network.workload.dtypes:
        raise BadInput(
            f"{options.workload} has no {options.dtype} form, only"
            f" {', '.join(network.workload.dtypes)}"
        )
    case = Case(
        kind="workload",
        name=options.workload,
        version=network.workload.version,
        phase="inference",
        scenario="server",
        runtime=RUNTIME,
        device=options.device,
        dtype=options.dtype,
        batch_size=1,
    )
    why = holding.too_large(case, holding.here())
    if why is not None:
        raise BadInput(f"{options.workload} cannot be served here: it {why.partition(': ')[0]}")


def _request(options: Options, prompt: Lengths, output: Lengths, threads: int) -> Generate:
    """Return the points to measure: prompts up to the longest, batches from its end to the last."""
    longest = prompt.most
    prompts = {max(1, longest // 4), max(1, longest // 2), longest, prompt.least}
    contexts = {prompt.least + 1, longest + output.most}
    free = host.available_memory_bytes()
    return Generate(
        workload=options.workload,
        runtime=RUNTIME,
        device=options.device,
        dtype=options.dtype,
        threads=threads,
        prompts=tuple(sorted(prompts)),
        batches=tuple(sorted(set(options.batch_sizes))),
        contexts=tuple(sorted(contexts)),
        rounds=ROUNDS,
        visit_s=VISIT_S,
        memory_limit_bytes=int(MEMORY_FRAC * free) if free and options.device == DEVICE else None,
    )


def _measured(request: Generate, progress: Progress, spawn: Spawn) -> TokenTimes:
    child = spawn(0, request.threads, {})
    try:
        reply = child.ask("generate", request, LIMIT_S, progress.tick)
    except ChildFailed as e:
        raise BadInput(f"{request.workload} cannot be served here: {e}") from None
    finally:
        child.end()
    if not reply.ok:
        remedy = f": {reply.remedy}" if reply.remedy else ""
        raise BadInput(f"{request.workload} cannot be served here: {reply.reason}{remedy}")
    return codec.decode(TokenTimes, reply.result)


def _mix(prompt: Lengths, output: Lengths) -> list[tuple[int, int]]:
    rng = random.Random(str(SEED))
    return [(prompt.drawn(rng), output.drawn(rng)) for _ in range(REQUESTS)]


def _arriving(flood: Sequence[Asked], rate: float) -> list[Asked]:
    """Return the same requests as Poisson arrivals, the same draws at every rate."""
    found, now = [], 0.0
    for asked, gap in zip(flood, islice(arrivals.gaps(rate, SEED), len(flood)), strict=True):
        now += gap
        found.append(Asked(at_s=now, prompt=asked.prompt, output=asked.output))
    return found


def _best(
    options: Options, flood: Sequence[Asked], most: float, slots: int, fits: Fits
) -> tuple[Load | None, str | None]:
    """Return the load of the highest rate whose p90 is within the bound, or why there is none."""
    bound = options.latency_bound_s
    if bound is None:
        return None, "no --latency-bound was asked"

    def within(rate: float) -> bool:
        done = token_sim.simulate(
            _arriving(flood, rate), slots, fits.pooled.prefill.seconds, fits.pooled.decode.seconds
        )
        return token_sim.percentile([a.latency_s for a in done.answers], 0.9) <= bound

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
    return token_figures.load(low, most, _arriving(flood, low), slots, fits), None
