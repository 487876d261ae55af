"""The verb `instances`: what can be rented, at what price, how old, and whether it is sound."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Literal, get_args

from hwbench import catalog_check, catalog_file, catalog_update, data_sheets, grid, instances
from hwbench.catalog_update import Updated
from hwbench.data_sheet import DataSheet
from hwbench.errors import BadInput, UnknownName
from hwbench.instance import Instance, Problem, Provider
from hwbench.instance_peak import Peak, peak, usd_per_flops

Sort = Literal["usd", "memory", "name", "usd-per-tflops"]
SORTS: tuple[Sort, ...] = get_args(Sort)


@dataclass(frozen=True, kw_only=True)
class Wish:
    """Which instances to list; None and False stand for no wish. `file` is `--catalog`."""

    gpu: str | None = None
    provider: str | None = None
    cpu_only: bool = False
    min_memory_bytes: int | None = None  # of the host
    min_gpu_memory_bytes: int | None = None  # of one accelerator
    max_usd_per_h: float | None = None
    sort: Sort = "usd"
    file: Path | None = None


@dataclass(frozen=True, kw_only=True)
class Listing:
    """The instances that were asked for, how old their prices are, and rows that were left out."""

    instances: tuple[Instance, ...]
    ages: tuple[str, ...]
    problems: tuple[Problem, ...]


@dataclass(frozen=True, kw_only=True)
class Shown:
    """All that is known of one instance; `warning` is of a price that is old."""

    instance: Instance
    provider: Provider | None
    data_sheet: DataSheet | None
    peak: Peak | None
    warning: str | None


@dataclass(frozen=True, kw_only=True)
class Checked:
    """What a check went through and found; ages are no fault."""

    n_instances: int
    n_devices: int
    n_regions: int
    problems: tuple[Problem, ...]
    ages: tuple[str, ...]


def listed(wish: Wish, today: date | None = None) -> Listing:
    """Return the instances that a wish leaves, in its order.

    Raises UnknownName for a provider or accelerator that no instance has, BadInput for `cpu_only`
    beside a GPU.
    """
    if wish.cpu_only and (wish.gpu or wish.min_gpu_memory_bytes):
        raise BadInput("--cpu-only and a wish for a GPU leave no instance: take one of them")
    found = instances.catalogue(wish.file)
    rows = found.instances
    if wish.provider:
        rows = _of_provider(wish.provider, rows)
    if wish.gpu:
        rows = _of_gpu(wish.gpu, rows)
    chosen = sorted((i for i in rows if _fits(i, wish)), key=_ORDERS[wish.sort])
    ages = instances.ageing(chosen, today or date.today())
    return Listing(instances=tuple(chosen), ages=ages, problems=found.problems)


def _of_provider(name: str, rows: Sequence[Instance]) -> tuple[Instance, ...]:
    found = tuple(i for i in rows if i.provider == name.lower())
    if not found:
        raise UnknownName("provider", name, {i.provider for i in rows})
    return found


def _of_gpu(name: str, rows: Sequence[Instance]) -> tuple[Instance, ...]:
    """Return the instances whose accelerator has the words of a name: `H100`, `A100-80GB`."""
    wanted = [w for w in re.split(r"[\s\-_]+", name.lower()) if w]
    found = tuple(i for i in rows if i.accelerator and _has(wanted, i.accelerator))
    if not found:
        known = {i.accelerator for i in rows if i.accelerator}
        raise UnknownName("accelerator", name, known | {n.split("-")[0] for n in known})
    return found


def _has(wanted: Sequence[str], accelerator: str) -> bool:
    """Return whether each wanted word is one or several whole words of the accelerator's name."""
    words = accelerator.lower().split("-")
    n = len(words)
    joined = {"".join(words[a:b]) for a in range(n) for b in range(a + 1, n + 1)}
    return all(w in joined for w in wanted)


def _fits(i: Instance, wish: Wish) -> bool:
    """Return whether an instance meets the wish; what is not known of it does not."""
    return (
        not (wish.cpu_only and i.accelerator)
        and (wish.min_memory_bytes is None or (i.memory_bytes or 0) >= wish.min_memory_bytes)
        and (
            wish.min_gpu_memory_bytes is None
            or (i.accelerator_memory_bytes or 0) >= wish.min_gpu_memory_bytes
        )
        and (wish.max_usd_per_h is None or i.usd_per_h <= wish.max_usd_per_h)
    )


def _by_peak(i: Instance) -> tuple[float, str]:
    found = usd_per_flops(i)
    return (float("inf") if found is None else found, i.name)


_ORDERS: dict[Sort, Callable[[Instance], tuple[float, str]]] = {
    "usd": lambda i: (i.usd_per_h, i.name),
    "memory": lambda i: (-float(i.memory_bytes or 0), i.name),
    "name": lambda i: (0.0, i.name),
    "usd-per-tflops": _by_peak,
}


def shown(pattern: str, file: Path | None = None, today: date | None = None) -> tuple[Shown, ...]:
    """Return all that is known of the instances of a name or glob; raise UnknownName."""
    found = instances.matching(pattern, instances.catalogue(file).instances)
    known = instances.providers()
    return tuple(
        Shown(
            instance=i,
            provider=known.get(i.provider),
            data_sheet=data_sheets.find(i.accelerator or i.cpu or ""),
            peak=peak(i),
            warning=instances.age_warning(i, today or date.today()),
        )
        for i in found
    )


def checked(file: Path | None = None, today: date | None = None) -> Checked:
    """Check a company's file, or all that is shipped and was fetched; raise BadInput.

    Old prices are told and are no problem: a file does not become wrong by lying.
    """
    found = catalog_file.read(file) if file else instances.catalogue()
    rows = found.instances
    devices = () if file else data_sheets.all_sheets()
    regions = () if file else grid.rows()
    problems = [*found.problems, *catalog_check.of_instances(rows)]
    problems += catalog_check.of_sheets(devices) + catalog_check.of_grid(regions)
    return Checked(
        n_instances=len(rows),
        n_devices=len(devices),
        n_regions=len(regions),
        problems=tuple(problems),
        ages=instances.ageing(rows, today or date.today()),
    )


def updated(providers: Sequence[str], timeout_s: float) -> tuple[Updated, ...]:
    """Fetch newer prices into the user's cache; see `catalog_update.update`."""
    return catalog_update.update(providers, timeout_s)
