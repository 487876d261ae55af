"""The verb `list`: what there is to run, without loading any library."""

import importlib.machinery
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hwbench import edge_facts, profile, registry
from hwbench.errors import UnknownName

if TYPE_CHECKING:
    from hwbench.instance import Instance


@dataclass(frozen=True, kw_only=True)
class Item:
    """One thing that can be named on the command line."""

    name: str
    summary: str
    details: dict[str, str | int | float | bool] = field(default_factory=dict)


def kinds() -> tuple[str, ...]:
    """Return the kinds of things that can be listed."""
    return tuple(_LISTS)


def items(kind: str) -> tuple[Item, ...]:
    """Return the things of a kind, or raise UnknownName."""
    if kind not in _LISTS:
        raise UnknownName("list", kind, _LISTS)
    return tuple(_LISTS[kind]())


def broken(kind: str) -> dict[str, str]:
    """Return the plug-in files of a kind that could not be used, with the reason."""
    shelf = _SHELVES.get(kind)
    return dict(shelf().broken) if shelf else {}


def _kernels() -> list[Item]:
    return [
        Item(
            name=k.name,
            summary=k.formula,
            details={
                "version": k.version,
                "phases": "forward, backward" if k.backward_flops else "forward",
                "shapes": ", ".join(k.shapes),
                "dtypes": ", ".join(k.dtypes),
            },
        )
        for k in registry.kernels().items.values()
    ]


def _workloads() -> list[Item]:
    return [
        Item(
            name=n.name,
            summary=n.workload.summary,
            details={
                "version": n.workload.version,
                "item": n.workload.item,
                "batch_size": n.variant.batch_size,
                "parameters": n.workload.parameters(n.variant.config),
                "flops_per_item": n.workload.flops(n.variant.config),
            },
        )
        for n in registry.networks().items.values()
    ]


def _runtimes() -> list[Item]:
    return [
        Item(
            name=r.name,
            summary=r.summary,
            details={
                "installed": importlib.machinery.PathFinder.find_spec(r.library) is not None,
                "default": r.default,
                "install": r.remedy,
                "options": "; ".join(f"{k}={'|'.join(v)}" for k, v in r.options.items()),
            },
        )
        for r in registry.runtimes().items.values()
    ]


def _meters() -> list[Item]:
    return [Item(name=m.name, summary=m.summary) for m in registry.meters().items.values()]


def _shortcuts() -> list[Item]:
    return [
        Item(
            name=s.name,
            summary=s.summary,
            details={
                "step_by_theory": s.theory,
                "frozen": s.frozen,
                "memory": s.memory,
                "one_off": s.one_off,
                "epochs": f"{s.epochs.usual:g}: {s.epochs.source}" if s.epochs else "the user's",
                "not_with": ", ".join(s.excludes),
            },
        )
        for s in registry.shortcuts().items.values()
    ]


def _settings() -> list[Item]:
    return [
        Item(name=s.name, summary=s.summary, details={"saves": s.saves, "torch": s.typed})
        for s in registry.settings().items.values()
    ]


def _profiles() -> list[Item]:
    return [
        Item(name=p.name, summary=p.summary, details={"rounds": p.rounds})
        for p in profile.profiles().values()
    ]


def _edge_profiles() -> list[Item]:
    return [
        Item(
            name=p.name,
            summary=f"{p.summary}: {p.threads} threads, {p.memory_bytes / 1024**2:,.4g} MiB",
            details={
                "device": p.device,
                "precisions": ", ".join(p.precisions),
                "battery_wh": "none" if p.battery_wh is None else p.battery_wh,
                "source": p.source,
                "date": p.date.isoformat(),
            },
        )
        for p in edge_facts.profiles().values()
    ]


def _instances() -> list[Item]:
    from hwbench import instances  # its files are read for this list alone

    return [
        Item(
            name=i.name,
            summary=_machine(i),
            details={"usd_per_h": i.usd_per_h, "date": i.date.isoformat(), "source": i.source},
        )
        for i in instances.catalogue().instances
    ]


def _machine(i: "Instance") -> str:
    what = f"{i.n_accelerators} x {i.accelerator}" if i.accelerator else i.cpu or "CPU only"
    vcpus = f", {i.vcpus} vCPU" if i.vcpus else ""
    return f"{what}{vcpus}: {i.usd_per_h:g} USD/h as of {i.date}"


_LISTS: dict[str, Callable[[], list[Item]]] = {
    "kernels": _kernels,
    "workloads": _workloads,
    "runtimes": _runtimes,
    "meters": _meters,
    "shortcuts": _shortcuts,
    "settings": _settings,
    "profiles": _profiles,
    "edge-profiles": _edge_profiles,
    "instances": _instances,
}
_SHELVES: dict[str, Callable[[], registry.Shelf[Any]]] = {
    "kernels": registry.kernels,
    "workloads": registry.workloads,
    "runtimes": registry.runtimes,
    "meters": registry.meters,
    "shortcuts": registry.shortcuts,
    "settings": registry.settings,
}
