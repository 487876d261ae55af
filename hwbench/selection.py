"""Which cases: a profile's entries over runtimes, devices, dtypes and sizes, narrowed by the user.

Nothing is measured here and no framework is imported; what the runtimes can use was probed before.
"""

import fnmatch
import itertools
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from hwbench import registry, scenarios, sides
from hwbench.case import HARDENING, SIDE, Case
from hwbench.errors import BadInput, UnknownName
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
    cases = {c.id: c for e in _entries(profile, selection) for c in _cases(e, selection, devices)}
    chosen = _ordered(_matching(cases, selection))
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


def _entries(profile: Profile, selection: Selection) -> Iterator[Entry]:
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
    default = [n for n, r in registry.runtimes().items.items() if r.default]
    for name in selection.runtimes or entry.runtimes or default:
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


def _matching(cases: Mapping[str, Case], selection: Selection) -> list[Case]:
    """Keep what `--only` and `--exclude` leave; raise where a glob or the whole leaves nothing."""
    for option, globs in (("--only", selection.only), ("--exclude", selection.exclude)):
        for glob in globs:
            if not fnmatch.filter(cases, glob):
                raise BadInput(_no_match(option, glob, cases))
    chosen = [
        case
        for name, case in cases.items()
        if (not selection.only or any(fnmatch.fnmatchcase(name, g) for g in selection.only))
        and not any(fnmatch.fnmatchcase(name, g) for g in selection.exclude)
    ]
    if not chosen:
        raise BadInput(
            "no case is left to run: --only, --exclude and the other options"
            " leave none of the profile's; see `hwbench run --dry-run`"
        )
    return chosen


def _no_match(option: str, glob: str, ids: Collection[str]) -> str:
    """Say that a glob matches nothing, with the ids that come nearest to it, word by word."""
    from difflib import SequenceMatcher

    words = [w for w in re.split(r"[*?/\[\]]+", glob) if w]
    likeness = {
        (word, part): SequenceMatcher(None, word, part).ratio()
        for word in words
        for part in {part for i in ids for part in i.split("/")}
    }

    def near(name: str) -> float:
        return sum(max(likeness[word, part] for part in name.split("/")) for word in words)

    shown = "  ".join(sorted(ids, key=near, reverse=True)[:3])
    return f"{option} {glob}: matches no case id of the profile; near: {shown}"


def _ordered(cases: Iterable[Case]) -> list[Case]:
    """Order cases so that those of one runtime, device and group stand together."""
    return sorted(cases, key=lambda c: (c.runtime, c.device, c.kind, group(c)))


def group(case: Case) -> str:
    """Return what shares a fresh process: all kernels together, each network by itself."""
    whose = f"/{case.options[SIDE]}" if SIDE in case.options else ""
    name = "kernels" if case.kind == "kernel" else case.name
    return f"{case.runtime}/{case.device}/{name}{whose}"
