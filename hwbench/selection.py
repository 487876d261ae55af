"""Which cases: a profile's entries over runtimes, devices, dtypes and sizes, narrowed by the user.

Nothing is measured here and no framework is imported; what the runtimes can use was probed before.
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from hwbench import edge_cases, registry, runtime_options, scenarios, sides
from hwbench.case import HARDENING, SIDE, Case
from hwbench.edge_facts import EDGE, QUANTISED
from hwbench.errors import BadInput, UnknownName
from hwbench.matching import matching
from hwbench.probed import RuntimeFacts
from hwbench.profile import ACCELERATOR, CPU, Entry, Profile, family
from hwbench.runtime import Runtime
from hwbench.setting import OPTION
from hwbench.units import ITEM_BYTES

ALL = "all"  # every shortcut there is


@dataclass(frozen=True, kw_only=True)
class Selection:
    """What the user asked for beside the profile; empty means the profile's own."""

    only: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    runtimes: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    dtypes: tuple[str, ...] = ()
    batch_sizes: tuple[int, ...] = ()
    auto_batch: bool = False  # look for the batch size, beside those of `batch_sizes`
    models: tuple[str, ...] = ()  # workloads, or models of one's own by SPEC (`own_models`)
    blocks: tuple[int, ...] = ()  # the models cut to so many; AUTO_BLOCKS: as memory allows
    pretrained: bool = False  # those with the weights of their library's cache
    shortcuts: tuple[str, ...] = ()  # of training, beside the network's own step; or `all`
    tasks: int | None = None  # of shortcuts that have several
    settings: tuple[str, ...] = ()  # of training, beside the plain step: channels_last+fused
    hardenings: tuple[str, ...] = ()  # of training, beside the network's own step: pgd-7, private
    threads: int | None = None
    processes: int | None = None
    max_seconds: float | None = None
    precision: float | None = None
    soak_s: float | None = None
    scenarios: tuple[str, ...] = ()  # of inference; then nothing else is run
    latency_bound_s: float | None = None
    runtime_options: tuple[str, ...] = ()  # NAME=VALUE, of those runtimes that have it
    edge_profiles: tuple[str, ...] = ()  # inference on ONNX Runtime under their limits
    model_memory_bytes: int | None = None  # of an edge profile, instead of its own
    rate_per_s: float | None = None  # inferences a second, at which a battery's life is told
    against: str | None = None  # another revision, environment or setting: a second side


def check_names(selection: Selection) -> None:
    """Raise UnknownName for a runtime, dtype or model that does not exist anywhere."""
    for name in selection.runtimes:
        registry.runtimes()[name]
    for name in selection.dtypes:
        if name not in ITEM_BYTES:
            raise UnknownName("dtype", name, ITEM_BYTES)
    for name in selection.models:
        registry.networks()[name]
    for name in selection.shortcuts:
        if name != ALL:
            registry.shortcuts()[name]
    for spec in selection.hardenings:
        registry.hardening(spec)
    for spec in selection.settings:
        registry.settings_of(spec)
    if selection.against is not None:
        sides.side_of(selection.against)
    runtime_options.check(selection.runtime_options, selection.runtimes)
    edge_cases.check(selection)
    if not selection.edge_profiles:
        scenarios.check(selection.scenarios, selection.latency_bound_s, selection.batch_sizes)
    if selection.auto_batch and selection.scenarios:
        raise BadInput(
            f"--batch-size auto: the scenario {selection.scenarios[0]} states its own batch, or"
            " needs a number: leave --batch-size out, or give one"
        )


def selected(
    profile: Profile,
    selection: Selection,
    facts: Mapping[str, RuntimeFacts],
    present: Sequence[str] = (),
) -> list[Case]:
    """Return the cases of a run, those of one runtime and group together.

    Raises UnknownName for a name or device that is nowhere, BadInput where a glob or all of the
    options together leave nothing.
    """
    check_names(selection)
    devices = _devices(selection.devices, facts, present)
    every = list(entries(profile, selection))
    if selection.edge_profiles:
        names = [e.name for e in every if e.kind == "workload"]
        made = list(edge_cases.cases(names, selection))
    else:
        made = [c for e in every for c in _cases(e, selection, devices)]
    cases = {c.id: c for c in runtime_options.applied(made, selection.runtime_options)}
    chosen = _ordered(matching(cases, selection.only, selection.exclude))
    if selection.against is None:
        return chosen
    label = sides.side_of(selection.against).label
    return [c for case in chosen for c in (case, on_side(case, label))]


def on_side(case: Case, label: str) -> Case:
    """Return a case as the other side visits it."""
    return replace(case, options={**case.options, SIDE: label})


def _devices(
    asked: Sequence[str], facts: Mapping[str, RuntimeFacts], present: Sequence[str]
) -> Mapping[str, tuple[str, ...]]:
    """Return the devices to use by runtime: those asked for, or all that each has."""
    known = dict.fromkeys([*(d for f in facts.values() for d in f.devices), *present])
    aliases = {d.split(":")[0]: d for d in reversed(list(known)) if ":" in d}
    wanted = [aliases.get(d, d) for d in asked]
    for name in wanted:
        if known and name not in known:
            raise UnknownName("device", name, known)
    # A runtime that is not installed keeps its CPU cases in the plan, as skipped.
    return {name: tuple(wanted) or f.devices or (CPU,) for name, f in facts.items()}


def entries(profile: Profile, selection: Selection) -> Iterator[Entry]:
    """Yield the profile's entries; `--model` puts its own in the place of the workloads."""
    every = (CPU, ACCELERATOR)
    for entry in profile.entries:
        if entry.kind == "kernel" and selection.scenarios:
            continue
        if entry.kind == "kernel" or not selection.models:
            yield entry
    for name in selection.models:
        yield Entry(
            kind="workload",
            name=name,
            phases=("inference", "training"),
            dtypes={f: ("float32",) for f in every},
            shapes={},
            batch_sizes={},
            scenarios=(),
            runtimes=(),
        )


def _cases(
    entry: Entry, selection: Selection, devices: Mapping[str, Sequence[str]]
) -> Iterator[Case]:
    """Yield the cases of an entry over runtimes, devices, dtypes and sizes."""
    for name in selection.runtimes or entry.runtimes or usual_runtimes(entry):
        runtime = registry.runtimes()[name]
        if not (selection.runtimes or _speaks(runtime, entry)):
            continue
        for device, phase in itertools.product(devices[name], entry.phases):
            if phase not in runtime.phases and not selection.runtimes:
                continue  # onnxruntime has no training: not a case, unless it was asked for
            dtypes = selection.dtypes or entry.dtypes[family(device)]
            for dtype in dtypes:
                make = _kernel_cases if entry.kind == "kernel" else _workload_cases
                yield from make(entry, selection, name, device, phase, dtype)


def usual_runtimes(entry: Entry) -> list[str]:
    """Return the runtimes that nobody need name: of a .tflite file those that run it."""
    shelf = registry.runtimes().items
    found = [n for n, r in shelf.items() if r.default]
    if any(_speaks(shelf[n], entry) for n in found):
        return found
    return [n for n, r in shelf.items() if _speaks(r, entry)]


def _speaks(runtime: Runtime, entry: Entry) -> bool:
    """Return whether a runtime can run an entry: a model of one's own is of one dialect."""
    if entry.kind == "kernel":
        return True
    dialects = registry.networks()[entry.name].workload.dialects
    return not dialects or runtime.dialect in dialects


def _kernel_cases(
    entry: Entry, selection: Selection, runtime: str, device: str, phase: str, dtype: str
) -> Iterator[Case]:
    kernel = registry.kernels()[entry.name]
    if phase == "backward" and (kernel.backward_flops is None or dtype == "int8"):
        return
    for label, scenario in itertools.product(entry.shapes[family(device)], entry.scenarios):
        yield Case(
            kind="kernel",
            name=kernel.name,
            version=kernel.version,
            phase=phase,
            scenario=scenario,
            runtime=runtime,
            device=device,
            dtype=dtype,
            shape=kernel.shapes[label],
        )


def _workload_cases(
    entry: Entry, selection: Selection, runtime: str, device: str, phase: str, dtype: str
) -> Iterator[Case]:
    network = registry.networks()[entry.name]
    own = {family(device): (network.variant.batch_size,)}
    sizes = (entry.batch_sizes or own).get(family(device), ())
    bound_s = selection.latency_bound_s
    for scenario, batch_size in _queries(selection, phase, sizes):
        plain = Case(
            kind="workload",
            name=network.name,
            version=network.workload.version,
            phase=phase,
            scenario=scenario,
            runtime=runtime,
            device=device,
            dtype=dtype,
            batch_size=batch_size,
            shape=network.variant.shape,
            options={} if bound_s is None else {scenarios.LATENCY_BOUND: bound_s},
        )
        yield plain
        if phase == "training":
            yield from by_shortcuts(plain, selection.shortcuts, selection.tasks)
            for spec in dict.fromkeys(selection.settings):
                yield replace(plain, options={**plain.options, OPTION: spec})
            for spec in dict.fromkeys(selection.hardenings):
                yield replace(plain, options={**plain.options, HARDENING: spec})


def by_shortcuts(plain: Case, names: Sequence[str], tasks: int | None = None) -> Iterator[Case]:
    """Yield the training cases of shortcuts beside the network's own, which some share."""
    shelf = registry.shortcuts()
    for name in dict.fromkeys(shelf.items if ALL in names else names):
        if shelf[name].build is not None:
            yield replace(plain, options={**plain.options, **shelf[name].options(tasks)})


def batch_scenario(phase: str, batch_size: int | None) -> str:
    """Return the scenario of a network where none was asked for."""
    if phase == "training":
        return "train_step"
    return "single_stream" if batch_size == 1 else "offline"


def _queries(
    selection: Selection, phase: str, sizes: Sequence[int]
) -> Iterator[tuple[str, int | None]]:
    """Yield (scenario, batch size) of a network; `sizes` are the profile's, none: not here.

    None is a batch size that is still to be found.
    """
    asked = selection.batch_sizes
    for scenario in selection.scenarios if sizes and phase == "inference" else ():
        for batch_size in scenarios.batch_sizes(scenario, asked, sizes):
            yield scenario, batch_size
    if selection.scenarios:
        return
    own: Sequence[int | None] = asked if sizes and asked else sizes
    if sizes and selection.auto_batch:
        own = [*asked, None]
    for size in own:
        yield batch_scenario(phase, size), size


def _ordered(cases: Iterable[Case]) -> list[Case]:
    """Order cases so that those of one runtime, device and group stand together."""
    return sorted(cases, key=lambda c: (c.runtime, c.device, c.kind, group(c)))


def group(case: Case) -> str:
    """Return what shares a fresh process: all kernels together, each network by itself."""
    whose = f"/{case.options[SIDE]}" if SIDE in case.options else ""
    name = "kernels" if case.kind == "kernel" else case.name
    if EDGE in case.options:  # its limits, and its memory, are those of one process
        name += f"/{case.options[EDGE]}/{case.options.get(QUANTISED, 'float32')}"
    return f"{case.runtime}/{case.device}/{name}{whose}"
