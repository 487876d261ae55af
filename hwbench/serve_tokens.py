"""The verb `serving`: what serving a language model on this machine comes to.

Prompts and next tokens are measured in a child; a mix of requests is simulated from them, and the
dollars of a million tokens follow. Everything but the passes is told, not measured, and says so.
"""

import datetime
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import hwbench
from hwbench import (
    blocks,
    codec,
    depth,
    holding,
    host,
    lock,
    registry,
    serving_places,
    store,
    token_costs,
    token_figures,
    token_lengths,
    tree_file,
)
from hwbench.case import Case
from hwbench.child import Child, ChildFailed
from hwbench.crew import MEMORY_FRAC
from hwbench.errors import BadInput
from hwbench.instance import Instance
from hwbench.loop_energy import LoopPower
from hwbench.probing import Spawn
from hwbench.progress import Progress, Silent
from hwbench.serving_places import Mix
from hwbench.token_lengths import Sizes
from hwbench.token_sim import Asked, arriving
from hwbench.tokens import SCHEMA, Generate, ServingFile, TokenTimes

BATCHES = tuple(range(1, 9))
RUNTIME, DEVICE, DTYPE = "torch", "cpu", "float32"
ROUNDS, VISIT_S, LIMIT_S = 5, 0.3, 1800.0
REQUESTS = 400  # of a simulation
SHARES = (0.2, 0.4, 0.6, 0.8, 0.9, 0.95)  # of the most that is served, where no rate is asked
SEED = (20261127, 1)


@dataclass(frozen=True, kw_only=True)
class Options:
    """What was asked."""

    workload: str
    prompt: str = "512"
    output: str = "128"
    blocks: tuple[int, ...] = ()  # depths to measure, where the whole does not fit
    requests: Path | None = None  # a file of them, in the place of ranges
    batch_sizes: tuple[int, ...] = BATCHES
    requests_per_s: tuple[float, ...] = ()
    latency_bound_s: float | None = None
    usd_per_h: float | None = None
    hosted_usd_per_m: float | None = None
    on: tuple[str, ...] = ()
    catalog: Path | None = None
    device: str = DEVICE
    dtype: str = DTYPE
    threads: int | None = None
    out: Path | None = None
    force: bool = False
    argv: tuple[str, ...] = ()


def serve(options: Options, progress: Progress | None = None, spawn: Spawn = Child) -> ServingFile:
    """Measure a model's passes and return what serving it comes to.

    Raises BadInput for what cannot be asked or does not fit, UnknownName for no workload.
    """
    progress = progress or Silent()
    sizes = token_lengths.sizes(options.prompt, options.output, options.requests)
    _check(options, sizes)
    if options.out is not None:
        store.check_writable(options.out)
    instances = serving_places.instances_of(options.on, options.catalog)
    threads = options.threads or host.environment().cpu.cores
    request = _request(options, sizes, threads)
    progress.note(
        f"{options.workload}: {len(request.prompts)} prompts,"
        f" {len(request.batches) * len(request.contexts)} batches, {ROUNDS} rounds"
    )
    with lock.held("serving", options.force):
        power = LoopPower.opened(time.monotonic)
        try:
            times = _measured(request, progress, spawn)
            watts = power.watts()
        finally:
            power.end()
    done = told(options, sizes, threads, times, watts, instances)
    if options.out is not None:
        tree_file.save(done, options.out)
    return done


def told(
    options: Options,
    sizes: Sizes,
    threads: int,
    times: TokenTimes,
    power: tuple[float | None, str],
    instances: Sequence[Instance] = (),
) -> ServingFile:
    """Return what follows from the measured passes, the mean power meanwhile, or why it is not
    known, and for instances to carry them over to.
    """
    slots = max(options.batch_sizes)
    fits = token_figures.fits(times)
    flood = [
        Asked(at_s=0.0, prompt=p, output=o) for p, o in token_lengths.mix(sizes, REQUESTS, SEED)
    ]
    most = token_figures.most_per_s(flood, slots, fits)
    rates = options.requests_per_s or tuple(share * most.point for share in SHARES)
    loads = tuple(
        token_figures.load(r, most.point, arriving(flood, r, SEED), slots, fits) for r in rates
    )
    best, why = token_figures.best(options.latency_bound_s, flood, most.point, slots, fits, SEED)
    prompt, output = sizes.means
    tokens = prompt + output
    pooled = fits.pooled
    now = datetime.datetime.now(datetime.UTC)
    return ServingFile(
        schema=SCHEMA,
        id=f"{now:%Y%m%dT%H%M%S}-{secrets.token_hex(4)}",
        created_utc=now.isoformat(timespec="seconds"),
        hwbench_version=hwbench.__version__,
        argv=options.argv,
        workload=options.workload,
        runtime=RUNTIME,
        device=options.device,
        dtype=options.dtype,
        threads=threads,
        prompt_tokens=round(prompt),
        output_tokens=round(output),
        slots=slots,
        times=times,
        prefill=pooled.prefill,
        decode=pooled.decode,
        first_token_s=token_figures.prompt_s(fits, round(prompt)),
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
            output,
        ),
        energy=token_costs.energy(*power, most, tokens) if power[0] else None,
        energy_reason=None if power[0] else power[1],
        places=serving_places.places(
            instances,
            Mix(
                workload=options.workload,
                device=options.device,
                dtype=options.dtype,
                flood=tuple(flood),
                slots=slots,
                limit=sizes.longest,
                tokens=tokens,
                output_tokens=output,
                hosted_usd_per_m=options.hosted_usd_per_m,
            ),
            times,
        ),
        notes=(*token_lengths.notes(sizes), *_by_blocks(options, times)),
    )


def _by_blocks(options: Options, times: TokenTimes) -> tuple[str, ...]:
    """Return that the whole was not run, where it was not."""
    if not times.blocks:
        return ()
    layers = registry.networks()[options.workload].variant.config["layers"]
    measured = " and ".join(map(str, times.blocks))
    return (
        f"by blocks: passes of {measured} of {layers} blocks were measured, and told on by their"
        " line; the memory of the whole was never held",
    )


def _check(options: Options, sizes: Sizes) -> None:
    network = registry.networks()[options.workload]
    if network.workload.decoding is None:
        able = ", ".join(n for n, w in registry.workloads().items.items() if w.decoding)
        raise BadInput(f"{options.workload} does not generate text: {able} do")
    whole, most = sizes.longest, network.variant.config["context"]
    if whole > most:
        raise BadInput(
            f"prompts of up to {sizes.prompt.most} tokens and answers of up to {sizes.output.most}"
            f" come to {whole}, more than the {most} positions of {options.workload}: lower them"
        )
    if options.hosted_usd_per_m is not None and not (options.usd_per_h or options.on):
        raise BadInput(
            "--hosted-usd-per-m is held against a machine's price: --usd-per-h for this one, or"
            " --on INSTANCE"
        )
    if options.dtype not in network.workload.dtypes:
        raise BadInput(
            f"{options.workload} has no {options.dtype} form, only"
            f" {', '.join(network.workload.dtypes)}"
        )
    deepest = blocks.cuts([options.workload], options.blocks, host.available_memory_bytes())[-1]
    case = Case(
        kind="workload",
        name=deepest,
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
        remedy = "" if options.blocks else ": --blocks 1,2 tells it from two of its blocks"
        raise BadInput(f"{deepest} cannot be served here: it {why.partition(': ')[0]}{remedy}")


def _request(options: Options, sizes: Sizes, threads: int) -> Generate:
    """Return the points to measure: prompts that occur, batches from its end to the last."""
    drawn = [p for p, _ in token_lengths.mix(sizes, REQUESTS, SEED)]
    prompts = token_lengths.prompts_to_measure(drawn)
    contexts = {prompts[0] + 1, sizes.longest}
    free = host.available_memory_bytes()
    return Generate(
        workload=options.workload,
        runtime=RUNTIME,
        device=options.device,
        dtype=options.dtype,
        threads=threads,
        prompts=prompts,
        batches=tuple(sorted(set(options.batch_sizes))),
        contexts=tuple(sorted(contexts)),
        rounds=ROUNDS,
        visit_s=VISIT_S,
        memory_limit_bytes=int(MEMORY_FRAC * free) if free and options.device == DEVICE else None,
        blocks=tuple(
            depth.parted(n)[1] or 0
            for n in blocks.cuts([options.workload], options.blocks, free)
            if options.blocks
        ),
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
