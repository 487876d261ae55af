"""The verb `advise`: which settings help this network on this machine, and what they save."""

import datetime
import math
from dataclasses import dataclass
from pathlib import Path

import hwbench
from hwbench import (
    advice_saved,
    advising,
    data_found,
    host,
    loader_search,
    lock,
    own_models,
    registry,
    store,
    training_choice,
    tree_file,
)
from hwbench.advised import SCHEMA, Advice, LoaderAdvice
from hwbench.advising import Found
from hwbench.child import Child
from hwbench.errors import BadInput
from hwbench.paired_steps import StepFailed
from hwbench.probing import Spawn
from hwbench.progress import Progress, Silent
from hwbench.training_choice import Training

RUNTIME = "torch"
_CUT = "interrupted"


@dataclass(frozen=True, kw_only=True)
class Options:
    """What was asked. `samples` and `epochs` are of the training whose saving is told."""

    workload: str
    data: Path | None = None
    batch_size: int | None = None
    device: str | None = None
    threads: int | None = None
    settings: tuple[str, ...] = ()  # none: all
    samples: int | None = None
    epochs: float = 1.0
    usd_per_h: float | None = None
    seconds: float = advising.SECONDS  # of each setting's blocks
    out: Path | None = None
    force: bool = False


def advise(options: Options, progress: Progress | None = None, spawn: Spawn = Child) -> Advice:
    """Measure the settings and return the advice; after Ctrl-C what was measured until then.

    Raises BadInput for what cannot be asked, and where the plain step cannot be made here.
    """
    progress = progress or Silent()
    names = options.settings or tuple(registry.settings().items)
    for name in names:
        registry.settings()[name]
    if not (options.epochs > 0 and math.isfinite(options.epochs)):
        raise BadInput(f"--epochs {options.epochs:g}: above 0")
    training = training_choice.choose(
        None, options.workload, RUNTIME, options.device, None, options.batch_size
    )
    network = registry.networks()[options.workload]
    if len(network.workload.objectives) > 1:
        raise BadInput(f"{options.workload} is trained by several losses in turn: no setting of it")
    dataset = data_found.dataset_at(options.data, network) if options.data else None
    if dataset is not None and training.batch_size > dataset.items:
        raise BadInput(
            f"a batch of {training.batch_size} is larger than the dataset of {dataset.items} items:"
            " lower --batch-size, or give more data"
        )
    if options.out is not None:
        store.check_writable(options.out)
    threads = options.threads or host.environment().cpu.cores
    latest: list[Found] = []

    def keep(found: Found) -> None:
        """Keep what was measured until now: a kill loses the rest alone."""
        latest[:] = [found]
        if options.out is not None:
            tree_file.save(_advice(options, training, threads, found, None, _CUT), options.out)

    loader: LoaderAdvice | None = None
    no_loader: str | None = "no --data was given"
    interrupted = False
    with lock.held("advise", options.force):
        try:
            found = advising.advised(
                training.case, names, threads, options.seconds, progress, spawn, keep
            )
            if dataset is not None:
                assert found.plain.step_s is not None
                loader, no_loader = loader_search.tried(
                    training.case, dataset, found.plain.step_s, threads, progress, spawn
                )
        except StepFailed as e:
            raise BadInput(f"{options.workload} cannot be trained here: {e}") from None
        except KeyboardInterrupt:
            if not latest:
                raise
            (found,) = latest
            no_loader, interrupted = _CUT, True
    advice = _advice(options, training, threads, found, loader, no_loader, interrupted=interrupted)
    if options.out is not None:
        tree_file.save(advice, options.out)
    return advice


def _advice(
    options: Options,
    training: Training,
    threads: int,
    found: Found,
    loader: LoaderAdvice | None,
    no_loader: str | None,
    *,
    interrupted: bool = True,
) -> Advice:
    saved, no_saved = advice_saved.of(
        found, loader, training.batch_size, options.samples, options.epochs, options.usd_per_h
    )
    facts = own_models.facts_of(options.workload)
    return Advice(
        schema=SCHEMA,
        created_utc=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        hwbench_version=hwbench.__version__,
        workload=options.workload,
        spec=facts.spec if facts else None,
        runtime=RUNTIME,
        device=training.device,
        threads=threads,
        batch_size=training.batch_size,
        steps=found.steps,
        plain=found.plain,
        plain_first_loss=found.first_loss,
        rows=found.rows,
        together=found.together,
        use=found.use,
        loader=loader,
        no_loader=no_loader,
        saved=saved,
        no_saved=no_saved,
        notes=facts.notes if facts else (),
        interrupted=interrupted,
    )
