"""What the user asked of an estimate, checked, as a plan."""

import math
from dataclasses import dataclass, field
from pathlib import Path

from hwbench import grid, registry
from hwbench.data_made import kind_of
from hwbench.errors import BadInput
from hwbench.estimated import Plan
from hwbench.step_source import Step

PURCHASES = ("on-demand", "spot", "reserved", "owned", "hosted")


@dataclass(frozen=True, kw_only=True)
class Money:
    """What buying needs beside the catalogue's prices; None is not known."""

    usd_per_h: float | None = None  # of this machine, where it is rented
    spot_usd_per_h: float | None = None
    interruptions: str = "some"  # a preset's name, or a rate an hour
    restart_s: float = 180.0
    reserved_usd_per_h: float | None = None
    reserved_discount_frac: float | None = None
    utilisation_frac: float = 0.7
    purchase_usd: float | None = None
    residual_frac: float = 0.3
    years: float = 3.0
    opex_usd_per_year: float = 0.0
    interest_frac: float = 0.0
    usd_per_mtoken: float | None = None
    hosted_usd_per_h: float | None = None
    storage: str = "gp3"
    embodied: str | None = None


@dataclass(frozen=True, kw_only=True)
class Request:
    """An estimate as it was asked for; what is None is left to the record or has no bound."""

    records: tuple[Path, ...] = ()
    records_dir: Path | None = None
    workload: str
    samples: int | None = None
    tokens: int | None = None
    epochs: float | None = None
    steps: int | None = None
    batch_size: int | None = None
    runtime: str | None = None
    device: str | None = None
    dtype: str | None = None
    shortcuts: tuple[str, ...] = ()
    on: tuple[str, ...] = ()
    purchases: tuple[str, ...] = ()
    catalog: Path | None = None
    region: str | None = None
    electricity_usd_per_kwh: float | None = None
    pue: float | None = None
    deadline_s: float | None = None
    budget_usd: float | None = None
    level: float = 0.9
    evaluation_frac: float = 0.1
    data: Path | None = None
    item_bytes: float | None = None
    residence: str = "disk"
    workers: int | None = None
    target_accuracy: float | None = None
    curve: Path | None = None
    solve: str | None = None
    confirm: int = 0
    measure: bool = True  # what this machine's records lack
    max_age_s: float = 7 * 86400.0
    max_usd: float | None = None
    money: Money = field(default_factory=Money)
    curve_sizes: int = 25
    argv: tuple[str, ...] = ()


def check(request: Request) -> None:
    """Raise BadInput, or UnknownName with the near ones, for what cannot be asked."""
    registry.networks()[request.workload]
    for name in request.shortcuts:
        registry.shortcuts()[name]
    for name in request.purchases:
        if name not in PURCHASES:
            from hwbench.errors import UnknownName

            raise UnknownName("purchase option", name, PURCHASES)
    _numbers(request)
    if (request.samples is None) == (request.tokens is None) and not request.curve:
        raise BadInput("the size of the data is missing: give --samples N, or --tokens N")
    if request.epochs is not None and request.steps is not None:
        raise BadInput("--epochs and --steps say the same in two ways: give one of them")
    if request.region is not None:
        grid.row(request.region)
    if (request.target_accuracy is None) != (request.curve is None):
        raise BadInput("--target-accuracy and --curve go together: the one is read off the other")
    if request.solve is not None and request.deadline_s is None and request.budget_usd is None:
        raise BadInput(f"--solve {request.solve} needs a limit: --deadline, --budget or both")


def _numbers(request: Request) -> None:
    positive = {
        "--samples": request.samples,
        "--tokens": request.tokens,
        "--epochs": request.epochs,
        "--steps": request.steps,
        "--batch-size": request.batch_size,
        "--deadline": request.deadline_s,
        "--budget": request.budget_usd,
        "--item-bytes": request.item_bytes,
        "--usd-per-h": request.money.usd_per_h,
        "--spot-usd-per-h": request.money.spot_usd_per_h,
        "--reserved-usd-per-h": request.money.reserved_usd_per_h,
        "--purchase-usd": request.money.purchase_usd,
        "--years": request.money.years,
        "--usd-per-mtoken": request.money.usd_per_mtoken,
        "--hosted-usd-per-h": request.money.hosted_usd_per_h,
        "--max-usd": request.max_usd,
    }
    for option, value in positive.items():
        if value is not None and not (math.isfinite(value) and value > 0):
            raise BadInput(f"{option} must be above 0, found {value:g}")
    if request.electricity_usd_per_kwh is not None and request.electricity_usd_per_kwh < 0:
        raise BadInput(
            "--electricity-usd-per-kwh must be 0 or more, found"
            f" {request.electricity_usd_per_kwh:g}"
        )
    if request.pue is not None and not 1 <= request.pue < 10:
        raise BadInput(f"--pue is at least 1 (nothing on top), found {request.pue:g}")
    for option, frac in (
        ("--level", request.level),
        ("--utilisation", request.money.utilisation_frac),
        ("--target-accuracy", request.target_accuracy),
    ):
        if frac is not None and not 0 < frac <= (1 if option != "--level" else 0.999):
            raise BadInput(f"{option} lies between 0 and 1, found {frac:g}")
    if not 0 <= request.evaluation_frac <= 10:
        raise BadInput(
            f"--evaluation-frac lies between 0 and 10, found {request.evaluation_frac:g}"
        )


def samples_of(request: Request) -> int:
    """Return the items of the dataset; of tokens as many whole sequences as they make."""
    if request.samples is not None:
        return request.samples
    assert request.tokens is not None
    network = registry.networks()[request.workload]
    if kind_of(network) != "tokens":
        raise BadInput(f"--tokens: {request.workload} takes no tokens; give --samples")
    seq = network.variant.config["seq"]
    if request.tokens < seq:
        raise BadInput(f"--tokens {request.tokens} make no sequence of {seq}")
    return request.tokens // seq


def plan_of(request: Request, step: Step, samples: int, item_bytes: float | None) -> Plan:
    """Return the plan; raise BadInput where the batch is larger than the dataset."""
    if step.batch_size > samples:
        raise BadInput(
            f"a batch of {step.batch_size} is larger than the dataset of {samples} samples:"
            " lower --batch-size"
        )
    m = step.case
    epochs = request.epochs
    if epochs is None and request.steps is None and request.tokens is not None:
        epochs = 1.0  # a stream of tokens is gone through once, unless more is said
    return Plan(
        workload=request.workload,
        samples=samples,
        epochs=epochs,
        steps=request.steps,
        batch_size=step.batch_size,
        runtime=m.runtime,
        device=m.device,
        dtype=m.dtype,
        shortcuts=request.shortcuts or ("from_scratch",),
        purchases=request.purchases,
        evaluation_frac=request.evaluation_frac,
        item_bytes=item_bytes,
        data=str(request.data) if request.data else None,
        residence=request.residence,
        region=request.region,
        electricity_usd_per_kwh=request.electricity_usd_per_kwh,
        pue=request.pue,
        deadline_s=request.deadline_s,
        budget_usd=request.budget_usd,
        level=request.level,
    )
