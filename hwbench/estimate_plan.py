"""What the user asked of an estimate, checked, as a plan."""

from hwbench import (
    data_found,
    data_made,
    grid,
    hardened,
    presets,
    registry,
    request_numbers,
    search_plan,
    sharing_asked,
    training_pace,
)
from hwbench.data_made import kind_of
from hwbench.errors import BadInput, UnknownName
from hwbench.estimate_request import Money, Request, SearchAsked
from hwbench.estimated import Plan
from hwbench.step_source import Step

SOME_SAMPLES = 100_000  # that rows are of, where samples are solved for and none are given
SOLVABLE = ("samples", "epochs", "batch-size")
PURCHASES = ("on-demand", "spot", "reserved", "owned", "hosted")

__all__ = ["Money", "Request", "SearchAsked", "check", "check_size", "plan_of", "samples_of"]


def check(request: Request) -> None:
    """Raise BadInput, or UnknownName with the near ones, for what cannot be asked."""
    network = registry.networks()[request.workload]
    for name in request.shortcuts:
        registry.shortcuts()[name]
    for name in request.purchases:
        if name not in PURCHASES:
            raise UnknownName("purchase option", name, PURCHASES)
    request_numbers.check(request)
    hardened.check(request)
    sharing_asked.check(request.tasks, request.sharing)
    search_plan.check(request.search)
    _combined(request)
    if request.region is not None:
        grid.row(request.region)
    presets.storage(request.money.storage)
    data_made.check_size(network, request.image_px, request.data)
    if request.data is not None:
        data_found.dataset_at(request.data, network)


def _combined(request: Request) -> None:
    """Raise BadInput for options that do not go together, or lack each other."""
    given = [request.samples, request.tokens, request.curve]
    if given == [None] * 3 and request.solve != "samples":
        raise BadInput("the size of the data is missing: give --samples N, or --tokens N")
    if request.samples is not None and request.tokens is not None:
        raise BadInput("--samples and --tokens say the same in two ways: give one of them")
    if request.epochs is not None and request.steps is not None:
        raise BadInput("--epochs and --steps say the same in two ways: give one of them")
    if (request.target_accuracy is None) != (request.curve is None):
        raise BadInput("--target-accuracy and --curve go together: the one is read off the other")
    if request.curve is not None and len([g for g in given if g is not None]) > 1:
        raise BadInput("--curve says how many samples it takes: leave out --samples and --tokens")
    if request.solve is None:
        return
    if request.solve not in SOLVABLE:
        raise UnknownName("--solve", request.solve, SOLVABLE)
    if request.deadline_s is None and request.budget_usd is None:
        raise BadInput(f"--solve {request.solve} needs a limit: --deadline, --budget or both")
    if request.solve == "epochs" and request.steps is not None:
        raise BadInput("--solve epochs: --steps says already how long it is: leave it out")


def check_size(request: Request, samples: int, epochs: float | None) -> None:
    """Raise BadInput where a batch is larger than the dataset, or nothing says how long it is.

    `epochs` are those of a learning curve. Before anything is measured, which takes minutes.
    """
    _batch_fits(request.batch_size or 1, samples)
    given = (request.epochs, request.steps, request.tokens, request.scratch_epochs)
    known = (*given, epochs, _solved_epochs(request))
    for name in request.shortcuts or ("from_scratch",):
        if all(k is None for k in known) and registry.shortcuts()[name].epochs is None:
            raise BadInput(f"how long {name} trains is missing: give --epochs E or --steps N")


def _solved_epochs(request: Request) -> float | None:
    """Return the epochs that rows are of where they are asked for and none are given."""
    return 1.0 if request.solve == "epochs" else None


def stand_ins(request: Request) -> tuple[str, ...]:
    """Return what is to be said where the rows are not of a size or length that was given."""
    found = []
    if request.solve == "samples" and (request.samples or request.tokens or request.curve) is None:
        found.append(f"no --samples: the rows are of {samples_of(request):,}")
    if request.solve == "epochs" and request.epochs is None:
        found.append("no --epochs: the rows are of one")
    return tuple(found)


def _batch_fits(batch_size: int, samples: int) -> None:
    if batch_size > samples:
        raise BadInput(
            f"a batch of {batch_size} is larger than the dataset of {samples} samples:"
            " lower --batch-size"
        )


def samples_of(request: Request) -> int:
    """Return the items of the dataset; of tokens as many whole sequences as they make.

    Where they are what is solved for, and none are given, some round number.
    """
    if request.samples is not None:
        return request.samples
    if request.tokens is None:
        return max(SOME_SAMPLES, 100 * (request.batch_size or 1))
    network = registry.networks()[request.workload]
    if kind_of(network) != "tokens":
        raise BadInput(f"--tokens: {request.workload} takes no tokens; give --samples")
    seq = network.variant.config["seq"]
    if request.tokens < seq:
        raise BadInput(f"--tokens {request.tokens} make no sequence of {seq}")
    return request.tokens // seq


def plan_of(
    request: Request,
    step: Step,
    samples: int,
    epochs: float | None,
    item_bytes: tuple[float | None, str | None],
) -> Plan:
    """Return the plan; raise BadInput where the batch is larger than the dataset.

    `epochs` are a learning curve's, for want of the user's; `item_bytes` come with their source.
    """
    _batch_fits(step.batch_size, samples)
    m = step.case
    if request.epochs is not None or request.steps is not None:
        epochs = request.epochs
    elif request.tokens is not None and epochs is None:
        epochs = 1.0  # a stream of tokens is gone through once, unless more is said
    elif epochs is None:
        epochs = _solved_epochs(request)
    shortcuts = request.shortcuts or ("from_scratch",)
    return Plan(
        workload=request.workload,
        samples=samples,
        epochs=epochs,
        steps=request.steps,
        batch_size=step.batch_size,
        runtime=m.runtime,
        device=m.device,
        dtype=m.dtype,
        shortcut=shortcuts[0],
        shortcuts=shortcuts,
        purchases=request.purchases,
        evaluation_frac=request.evaluation_frac,
        item_bytes=item_bytes[0],
        item_bytes_source=item_bytes[1],
        data=str(request.data) if request.data else None,
        residence=request.residence,
        region=request.region,
        electricity_usd_per_kwh=request.electricity_usd_per_kwh,
        pue=request.pue,
        deadline_s=request.deadline_s,
        budget_usd=request.budget_usd,
        level=request.level,
        hardening=request.hardening,
        tasks=request.tasks,
        scratch_epochs=request.scratch_epochs,
        tokens_per_sample=training_pace.tokens_of(request.workload),
    )
