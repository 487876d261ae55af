"""The verb `inspect`: what a network is made of, and where the time of its step goes."""

import datetime
from dataclasses import dataclass
from pathlib import Path

import hwbench
from hwbench import (
    codec,
    data_found,
    host,
    loader_search,
    lock,
    own_models,
    protocol,
    registry,
    store,
    training_choice,
    tree_file,
)
from hwbench.advised import LoaderAdvice
from hwbench.case import Case
from hwbench.child import Child, ChildFailed
from hwbench.errors import BadInput
from hwbench.inspected import NO_DATA, SCHEMA, Inspection, Profiled
from hwbench.probing import Spawn
from hwbench.progress import Progress, Silent

RUNTIME, LIMIT_S = "torch", 1800.0


@dataclass(frozen=True, kw_only=True)
class Options:
    """What was asked."""

    workload: str
    batch_size: int | None = None
    device: str | None = None
    dtype: str | None = None
    threads: int | None = None
    data: Path | None = None  # the user's own: what a step waits for its batch
    out: Path | None = None
    force: bool = False


def inspect(options: Options, progress: Progress | None = None, spawn: Spawn = Child) -> Inspection:
    """Train some steps in a child and return where they went.

    Raises BadInput for what cannot be asked, or not be trained here.
    """
    progress = progress or Silent()
    training = training_choice.choose(
        None, options.workload, RUNTIME, options.device, options.dtype, options.batch_size
    )
    network = registry.networks()[options.workload]
    workload, config = network.workload, network.variant.config
    if workload.untrainable is not None:
        raise BadInput(f"{options.workload} cannot be trained: {workload.untrainable}")
    dataset = data_found.dataset_at(options.data, network) if options.data else None
    if dataset is not None and training.batch_size > dataset.items:
        raise BadInput(
            f"a batch of {training.batch_size} is larger than the dataset of {dataset.items} items:"
            " lower --batch-size, or give more data"
        )
    if options.out is not None:
        store.check_writable(options.out)
    threads = options.threads or host.environment().cpu.cores
    progress.note(f"{options.workload}: some steps, taken apart")
    with lock.held("inspect", options.force):
        found = _profiled(training.case, threads, progress, spawn)
        loader: LoaderAdvice | None = None
        no_loader: str | None = NO_DATA
        if dataset is not None:
            loader, no_loader = loader_search.tried(
                training.case, dataset, found.phases.step_s, threads, progress, spawn, rounds=1
            )
    facts = own_models.facts_of(options.workload)
    flops = workload.flops(config) or None
    training_flops = workload.work(config, "training", 1) or None
    rate = (training_flops or 0) * training.batch_size / found.phases.step_s
    done = Inspection(
        schema=SCHEMA,
        created_utc=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        hwbench_version=hwbench.__version__,
        workload=options.workload,
        summary=workload.summary,
        spec=facts.spec if facts else None,
        runtime=RUNTIME,
        device=training.device,
        dtype=training.dtype,
        threads=threads,
        batch_size=training.batch_size,
        item=workload.item,
        flops_per_item=flops,
        training_flops_per_item=training_flops,
        mfu_frac=rate / found.gemm_flops_per_s if training_flops else None,
        found=found,
        loader=loader,
        no_loader=no_loader,
        notes=facts.notes if facts else (),
    )
    if options.out is not None:
        tree_file.save(done, options.out)
    return done


def _profiled(case: Case, threads: int, progress: Progress, spawn: Spawn) -> Profiled:
    child = spawn(0, threads, {})
    try:
        request = protocol.Profile(case=case, threads=threads)
        reply = child.ask("profile", request, LIMIT_S, progress.tick)
    except ChildFailed as e:
        raise BadInput(f"{case.name} cannot be trained here: {e}") from None
    finally:
        child.end()
    if not reply.ok:
        remedy = f": {reply.remedy}" if reply.remedy else ""
        raise BadInput(f"{case.name} cannot be trained here: {reply.reason}{remedy}")
    return codec.decode(Profiled, reply.result)
