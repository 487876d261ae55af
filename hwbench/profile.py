"""Profiles: which cases a run holds and how it visits them, read from `catalog/profiles.toml`."""

import tomllib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from hwbench import registry
from hwbench.errors import UnknownName

CPU, ACCELERATOR = "cpu", "accelerator"


@dataclass(frozen=True, kw_only=True)
class Entry:
    """Cases of one kernel or workload. Each mapping goes by device family: cpu | accelerator."""

    kind: str
    name: str
    phases: tuple[str, ...]
    dtypes: Mapping[str, tuple[str, ...]]
    shapes: Mapping[str, tuple[str, ...]]  # kernel: labels of its shapes
    batch_sizes: Mapping[str, tuple[int, ...]]  # workload; no table: the variant's own
    scenarios: tuple[str, ...]  # kernel: hot | cold
    runtimes: tuple[str, ...]  # empty: every runtime taken by default


@dataclass(frozen=True, kw_only=True)
class EnergyPlan:
    """How a profile measures energy where a meter can."""

    windows: int
    window_s: float
    idle_s: float
    kinds: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Profile:
    """A named plan of a run."""

    name: str
    summary: str
    rounds: int
    visit_s: float
    min_samples: int
    visit_limit_s: float
    fresh_processes: bool
    max_seconds: float | None
    max_rounds: int
    precision_frac: float
    soak_s: Mapping[str, float]  # by device family
    energy: EnergyPlan | None  # None: energy is not measured
    entries: tuple[Entry, ...]


@cache
def profiles() -> Mapping[str, Profile]:
    """Return the profiles by name, from the shortest to the longest."""
    text = (registry.PACKAGE / "catalog" / "profiles.toml").read_text(encoding="utf-8")
    return {name: _profile(name, data) for name, data in tomllib.loads(text).items()}


def named(name: str) -> Profile:
    """Return the profile `name` or raise UnknownName."""
    if name not in profiles():
        raise UnknownName("profile", name, profiles())
    return profiles()[name]


def family(device: str) -> str:
    """Return the device family that sizes in a profile go by."""
    return CPU if device == "cpu" else ACCELERATOR


def _profile(name: str, data: Mapping[str, Any]) -> Profile:
    entries = [_entry("kernel", e) for e in data.get("kernel", [])]
    entries += [_entry("workload", e) for e in data.get("workload", [])]
    if data.get("everything"):
        entries += _unnamed({e.name for e in entries})
    return Profile(
        name=name,
        summary=data["summary"],
        rounds=data["rounds"],
        visit_s=data["visit_s"],
        min_samples=data["min_samples"],
        visit_limit_s=data["visit_limit_s"],
        fresh_processes=data["fresh_processes"],
        max_seconds=data.get("max_seconds"),
        max_rounds=data.get("max_rounds", data["rounds"]),
        precision_frac=data.get("precision", 0.01),
        soak_s=data.get("soak_s", {}),
        energy=_energy(data["energy"]) if "energy" in data else None,
        entries=tuple(entries),
    )


def _energy(data: Mapping[str, Any]) -> EnergyPlan:
    return EnergyPlan(
        windows=data["windows"],
        window_s=data["window_s"],
        idle_s=data["idle_s"],
        kinds=tuple(data["kinds"]),
    )


def _entry(kind: str, data: Mapping[str, Any]) -> Entry:
    return Entry(
        kind=kind,
        name=data["name"],
        phases=tuple(data["phases"]),
        dtypes=_by_family(data.get("dtypes", ["float32"])),
        shapes=_by_family(data.get("shapes", [])),
        batch_sizes=_by_family(data["batch_sizes"]) if "batch_sizes" in data else {},
        scenarios=tuple(data.get("scenarios", ["hot"])),
        runtimes=tuple(data.get("runtimes", [])),
    )


def _unnamed(named: Collection[str]) -> Iterator[Entry]:
    """Yield an entry for every kernel and workload that the profile does not name."""
    for kernel in registry.kernels().items.values():
        if kernel.name not in named:
            phases = ["forward", *(["backward"] if kernel.backward_flops else [])]
            shapes, dtypes = list(kernel.shapes), [kernel.dtypes[0]]
            fields = {"name": kernel.name, "phases": phases, "shapes": shapes, "dtypes": dtypes}
            yield _entry("kernel", fields)
    for workload in registry.workloads().items.values():
        if workload.name not in named:
            yield _entry("workload", {"name": workload.name, "phases": ["inference", "training"]})


def _by_family(value: Any) -> Mapping[str, tuple[Any, ...]]:
    """Read `[...]` as the same for both families, and a table as one list for each it names."""
    if isinstance(value, list):
        return {CPU: tuple(value), ACCELERATOR: tuple(value)}
    return {f: tuple(value.get(f, [])) for f in (CPU, ACCELERATOR)}
