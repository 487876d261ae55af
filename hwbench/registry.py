"""Plug-ins by folder listing: a file in the folder is in the registry, and nothing else names it.

`kernels/` lies beside the package in a checkout and inside it when installed; both are mounted as
`hwbench.kernels` (see docs/architecture.md).
"""

import importlib
import sys
import types
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Generic, TypeVar

from hwbench import depth
from hwbench.chart_kind import ChartKind
from hwbench.errors import BadInput, UnknownName
from hwbench.hardening import Hardening
from hwbench.kernel import Kernel
from hwbench.meter import Meter
from hwbench.runtime import Runtime
from hwbench.setting import JOIN, Setting
from hwbench.shortcut import Shortcut
from hwbench.workload import Variant, Workload

PACKAGE = Path(__file__).parent

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Shelf(Generic[T]):
    """The plug-ins of one kind by name, and the files that could not be used, with the reason."""

    kind: str
    items: Mapping[str, T]
    broken: Mapping[str, str]

    def __getitem__(self, name: str) -> T:
        """Return the plug-in of that name, or raise UnknownName with the near ones."""
        if name not in self.items:
            raise UnknownName(self.kind, name, self.items)
        return self.items[name]


@dataclass(frozen=True, kw_only=True)
class Network:
    """A workload at one variant, under the name users type: `resnet18`, `resnet18_small`."""

    name: str
    workload: Workload
    variant: Variant


def mount_kernels() -> None:
    """Make `hwbench.kernels` importable from an install and from a checkout alike."""
    name = "hwbench.kernels"
    if name in sys.modules:
        return
    inside, beside = PACKAGE / "kernels", PACKAGE.parent / "kernels"
    module = types.ModuleType(name, "The microbenchmark kernels, one file each.")
    module.__path__ = [str(inside if inside.is_dir() else beside)]
    sys.modules[name] = module


def _load(kind: str, package: str, constant: str, cls: type[T]) -> Shelf[T]:
    """Import every module of `package` and take its `constant`; a bad file is named, not fatal."""
    items: dict[str, T] = {}
    broken: dict[str, str] = {}
    found_in: dict[str, str] = {}
    folders = importlib.import_module(package).__path__
    for path in (p for folder in folders for p in sorted(Path(folder).glob("*.py"))):
        if path.stem.startswith("_"):
            continue
        try:
            plugin = _plugin(f"{package}.{path.stem}", constant, cls)
        except Exception as e:  # a stranger's file may fail in any way; the rest must work
            broken[path.name] = f"{type(e).__name__}: {e}"
            continue
        name: str = plugin.name  # type: ignore[attr-defined]
        if name in items:
            broken[path.name] = f"the name {name!r} is taken by {found_in[name]}"
            continue
        items[name], found_in[name] = plugin, path.name
    return Shelf(kind=kind, items=items, broken=broken)


def _plugin(module_name: str, constant: str, cls: type[T]) -> T:
    """Import one plug-in file and return its constant, or raise what is wrong with it."""
    module = importlib.import_module(module_name)
    value: Any = getattr(module, constant, None)
    if not isinstance(value, cls):
        raise TypeError(f"it defines no {constant} = {cls.__name__}(...)")
    return value


@cache
def kernels() -> Shelf[Kernel]:
    """Return the kernels."""
    mount_kernels()
    return _load("kernel", "hwbench.kernels", "KERNEL", Kernel)


@cache
def workloads() -> Shelf[Workload]:
    """Return the workloads, each with its variants inside."""
    return _load("workload", "hwbench.workloads", "WORKLOAD", Workload)


_own: dict[str, Network] = {}  # models of the user's own: see `own_models`


def adopt(network: Network) -> Network:
    """Put a model of the user's own beside the workloads; return it."""
    _own[network.name] = network
    return network


def disown() -> None:
    """Forget the models of the user's own."""
    _own.clear()


class Networks(Shelf[Network]):
    """Networks by name; `NAME@layers=K` is one cut to K of its blocks (`depth`)."""

    def __getitem__(self, name: str) -> Network:
        """Return the network of that name, or raise UnknownName with the near ones."""
        own, layers = depth.parted(name)
        if layers is None or name in self.items:
            return super().__getitem__(name)
        return _cut(super().__getitem__(own), layers)


def _cut(whole: Network, layers: int) -> Network:
    most = whole.variant.config.get("layers", 0)
    if not most:
        raise BadInput(f"{whole.name} is not made of blocks that are alike: it cannot be cut")
    if not 1 <= layers <= most:
        raise BadInput(f"{whole.name} has {most} blocks: it cannot be cut to {layers}")
    period = whole.variant.config.get("period", 1)
    if layers % period:
        raise BadInput(
            f"{whole.name} has blocks of several kinds, which repeat by {period}: it cannot be cut"
            f" to {layers}, but to {period}, {2 * period} and so on"
        )
    config = {**whole.variant.config, "layers": layers}
    variant = replace(whole.variant, config=config)
    return replace(whole, name=depth.cut(whole.name, layers), variant=variant)


def networks() -> Networks:
    """Return every workload at every variant by the name users type, and the user's own models."""
    shelf = _built_in()
    if not _own:
        return shelf
    return Networks(kind=shelf.kind, items={**shelf.items, **_own}, broken=shelf.broken)


@cache
def _built_in() -> Networks:
    shelf = workloads()
    items = {
        name: Network(name=name, workload=w, variant=v)
        for w in shelf.items.values()
        for suffix, v in w.variants.items()
        for name in [f"{w.name}_{suffix}" if suffix else w.name]
    }
    return Networks(kind="workload", items=items, broken=shelf.broken)


@cache
def runtimes() -> Shelf[Runtime]:
    """Return the runtimes, installed or not."""
    return _load("runtime", "hwbench.runtimes", "RUNTIME", Runtime)


@cache
def meters() -> Shelf[Meter]:
    """Return the meters, usable here or not."""
    return _load("meter", "hwbench.meters", "METER", Meter)


@cache
def shortcuts() -> Shelf[Shortcut]:
    """Return the cheaper ways to train."""
    return _load("shortcut", "hwbench.shortcuts", "SHORTCUT", Shortcut)


@cache
def charts() -> Shelf[ChartKind]:
    """Return the kinds of figures that are data before they are drawn."""
    return _load("plot", "hwbench.charts", "CHART", ChartKind)


@cache
def settings() -> Shelf[Setting]:
    """Return the settings of a training step."""
    return _load("setting", "hwbench.settings", "SETTING", Setting)


def settings_of(spec: str) -> tuple[Setting, ...]:
    """Return the settings that a case's option names, `channels_last+fused`; raise UnknownName."""
    return tuple(settings()[name] for name in spec.split(JOIN))


@cache
def hardenings() -> Shelf[Hardening]:
    """Return the trainings that withstand something."""
    return _load("hardening", "hwbench.hardenings", "HARDENING", Hardening)


def hardening(spec: str) -> tuple[Hardening, int]:
    """Return the hardening of a spec such as `pgd-7`, and its number.

    Raises UnknownName for one that does not exist, BadInput for a number that does not fit.
    """
    found = hardenings()[spec.partition("-")[0]]
    return found, found.count(spec)
