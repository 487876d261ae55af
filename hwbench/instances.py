"""The instances that can be named: shipped, brought up to date by the user, and a company's own.

One provider is one file, `catalog/instances-<provider>.toml`: adding a provider is adding a file.
Of two rows of one name the newer price holds, and a file that was asked for holds over all.
"""

import fnmatch
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

from hwbench import catalog_file, data_sheets, registry, skypilot_catalog, user_cache
from hwbench.catalog_file import Listed
from hwbench.errors import BadInput, UnknownName
from hwbench.instance import Catalogue, Instance, Problem, Provider

OLD_DAYS = 180  # from when on a price is shown with a warning
ALL = "all"

# What a newer row that does not say it takes from the older one: the machine, not its price.
_MACHINE = (
    "vcpus",
    "vcpus_per_core",
    "memory_bytes",
    "cpu",
    "granularity_s",
    "minimum_s",
    "pue",
)
_PROVIDERS = ("granularity_s", "minimum_s", "pue")


@cache
def shipped() -> tuple[Listed, ...]:
    """Return what each provider's file of the package holds."""
    folder = registry.PACKAGE / "catalog"
    return tuple(
        catalog_file.read(p, confidence="high") for p in sorted(folder.glob("instances-*.toml"))
    )


def providers() -> Mapping[str, Provider]:
    """Return what the shipped files state of their providers, by name."""
    return {f.provider.name: f.provider for f in shipped() if f.provider is not None}


def cached_at(provider: str) -> Path:
    """Return where the user's own update of a provider lies (`hwbench instances update`)."""
    return user_cache.place() / f"instances-{provider}.json"


def catalogue(file: Path | None = None) -> Catalogue:
    """Return every instance that is known here; `file` (`--catalog`) holds over all others.

    Rows that are wrong are left out and named among the problems. Raises BadInput where `file`
    cannot be read at all; an update that cannot be is a problem.
    """
    listed = list(shipped())
    found = _grouped(i for f in listed for i in f.instances)
    newer, problems = _updates()
    for group in _grouped(i for f in newer for i in f.instances).values():
        old = found.get(group[0].name)
        if old is None or group[0].date > old[0].date:
            found[group[0].name] = _completed(group, old)
    listed += newer
    if file is not None:
        own = catalog_file.read(file)
        listed.append(own)
        for name, group in _grouped(own.instances).items():
            found[name] = _completed(group, found.get(name))
    problems += [p for f in listed for p in f.problems]
    return Catalogue(
        instances=tuple(i for group in found.values() for i in group), problems=tuple(problems)
    )


def _updates() -> tuple[list[Listed], list[Problem]]:
    """Return what the user's machine holds beside the package, the newest last."""
    found = skypilot_catalog.read(providers())
    problems = []
    for path in sorted(user_cache.place().glob("instances-*.json")):
        try:
            found.append(catalog_file.read(path))
        except BadInput as e:
            problems.append(Problem(where=str(path), what=str(e)))
    return found, problems


def _grouped(instances: Iterable[Instance]) -> dict[str, tuple[Instance, ...]]:
    """Return the instances by name: several where a type is priced in several regions."""
    found: dict[str, list[Instance]] = {}
    for i in instances:
        found.setdefault(i.name, []).append(i)
    return {name: tuple(group) for name, group in found.items()}


def _completed(
    group: tuple[Instance, ...], old: tuple[Instance, ...] | None
) -> tuple[Instance, ...]:
    """Return newer rows with what is known of the machine and of its provider."""
    return tuple(_joined(i, old[0] if old else None) for i in group)


def _joined(new: Instance, old: Instance | None) -> Instance:
    known = {name: getattr(old, name) for name in _MACHINE} if old else {}
    provider = providers().get(new.provider)
    for name in _PROVIDERS:
        fact = getattr(provider, name) if provider else None
        if known.get(name) is None and fact is not None:
            known[name] = fact.value
    missing = {k: v for k, v in known.items() if getattr(new, k) is None}
    return replace(new, **missing, **(_accelerators(new, old) if old else {}))


def _accelerators(new: Instance, old: Instance) -> dict[str, Any]:
    """Return the accelerators of the older row where the newer one does not tell which they are.

    Price lists say H100 and not whether it is the SXM or the PCIe one.
    """
    untold = new.accelerator is None or (
        new.n_accelerators == old.n_accelerators and data_sheets.find(new.accelerator) is None
    )
    if not untold:
        return {}
    names = ("accelerator", "n_accelerators", "accelerator_memory_bytes")
    return {name: getattr(old, name) for name in names}


def matching(pattern: str, instances: Sequence[Instance]) -> tuple[Instance, ...]:
    """Return the instances of a name, of a glob (`aws:p5*`), or `all`.

    The provider may be left out, and case does not matter. Raises UnknownName with the near ones.
    """
    if pattern.lower() == ALL:
        return tuple(instances)
    wanted = pattern.lower()
    found = tuple(
        i
        for i in instances
        if any(fnmatch.fnmatchcase(n.lower(), _literal(wanted)) for n in (i.name, i.sku))
    )
    if not found:
        raise UnknownName("instance", pattern, _near(pattern, instances))
    return found


def _literal(pattern: str) -> str:
    """Return a glob in which brackets stand for themselves: names have none to choose from."""
    return pattern.replace("[", "[[]")


def _near(pattern: str, instances: Sequence[Instance]) -> Iterable[str]:
    """Return the names to offer: with their provider only where one was asked for."""
    return {i.name if ":" in pattern else i.sku for i in instances}


def age_warning(instance: Instance, today: date) -> str | None:
    """Return the warning for a price older than 180 days, None for a younger one."""
    days = (today - instance.date).days
    if days <= OLD_DAYS:
        return None
    return (
        f"the price of {instance.name} is dated {instance.date}, {days} days ago:"
        " `hwbench instances update` fetches newer ones, `--catalog FILE` takes your own"
    )


def ageing(instances: Iterable[Instance], today: date) -> tuple[str, ...]:
    """Return one line for each provider and date of prices older than 180 days."""
    counts: dict[tuple[str, date], int] = {}
    for i in instances:
        if age_warning(i, today):
            counts[i.provider, i.date] = counts.get((i.provider, i.date), 0) + 1
    return tuple(
        f"{provider}: {n} price{'s' if n > 1 else ''} dated {day}, {(today - day).days} days ago"
        for (provider, day), n in sorted(counts.items())
    )
