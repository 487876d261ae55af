"""Which training is validated: what was asked, else what a record has, else the defaults."""

from dataclasses import dataclass, replace

from hwbench import holding, registry, step_source
from hwbench.case import Case
from hwbench.errors import BadInput, UnknownName
from hwbench.measurement import Record
from hwbench.step_source import Step, Wanted
from hwbench.units import ITEM_BYTES

WORKLOAD = "resnet18"
RUNTIME, DEVICE, DTYPE = "torch", "cpu", "float32"


@dataclass(frozen=True, kw_only=True)
class Training:
    """A training with every choice made; `step` is the record's, where there is a record."""

    workload: str
    runtime: str
    device: str
    dtype: str
    batch_size: int
    step: Step | None = None

    @property
    def case(self) -> Case:
        """Return the case of its step, the network's own."""
        network = registry.networks()[self.workload]
        return Case(
            kind="workload",
            name=self.workload,
            version=network.workload.version,
            phase="training",
            scenario="train_step",
            runtime=self.runtime,
            device=self.device,
            dtype=self.dtype,
            batch_size=self.batch_size,
            shape=network.variant.shape,
        )


def choose(
    record: Record | None,
    workload: str | None,
    runtime: str | None = None,
    device: str | None = None,
    dtype: str | None = None,
    batch_size: int | None = None,
) -> Training:
    """Return the training; what is None comes from the record's best case, or is the default.

    Raises UnknownName for a name that nothing has, BadInput where no loop here can train it or the
    record lacks it.
    """
    if workload is not None:
        registry.networks()[workload]
    if runtime is not None:
        _check_loop(runtime)
    if dtype is not None and dtype not in ITEM_BYTES:
        raise UnknownName("dtype", dtype, ITEM_BYTES)
    if record is not None:
        name = workload or _first(record)
        wanted = Wanted(
            workload=name, runtime=runtime, device=device, dtype=dtype, batch_size=batch_size
        )
        found = _of_record(record, wanted)
    else:
        name = workload or WORKLOAD
        found = Training(
            workload=name,
            runtime=runtime or default_runtime(name),
            device=device or DEVICE,
            dtype=dtype or DTYPE,
            batch_size=batch_size or registry.networks()[name].variant.batch_size,
        )
    _check(found)
    return found


def default_runtime(workload: str) -> str:
    """Return the runtime of a network where none was named: torch, or what it is made in."""
    speaks = registry.networks()[workload].workload.dialects
    if not speaks or registry.runtimes()[RUNTIME].dialect in speaks:
        return RUNTIME
    able = (n for n, r in registry.runtimes().items.items() if r.open_loop and r.dialect in speaks)
    return next(able, RUNTIME)


def _check_loop(name: str) -> None:
    """Raise UnknownName for no runtime, BadInput for one without a training loop."""
    if registry.runtimes()[name].open_loop is None:
        able = [n for n, r in registry.runtimes().items.items() if r.open_loop is not None]
        raise BadInput(f"--runtime {name}: it has no training loop here: {' or '.join(able)} has")


def _check(training: Training) -> None:
    """Raise BadInput for a dtype or device that the network or the runtime never trains in.

    So too for a network whose weights do not fit.
    """
    network = registry.networks()[training.workload]
    speaks = network.workload.dialects
    if speaks and registry.runtimes()[training.runtime].dialect not in speaks:
        raise BadInput(
            f"{training.workload} is made in {speaks[0]}: {training.runtime} cannot train it"
        )
    if training.dtype not in network.workload.dtypes:
        raise BadInput(
            f"{training.workload} has no {training.dtype} form, only"
            f" {', '.join(network.workload.dtypes)}"
        )
    why_not = registry.runtimes()[training.runtime].supports(training.case)
    if why_not is not None:
        raise BadInput(
            f"{training.workload} in {training.dtype} on {training.device} cannot be trained by"
            f" {training.runtime}: {why_not}"
        )
    why_not = holding.too_large(training.case, holding.here())
    if why_not is not None:
        raise BadInput(f"{training.workload} cannot be trained here: it {why_not}")


def _of_record(record: Record, wanted: Wanted) -> Training:
    """Return the record's training with the most items a second, by a runtime with a loop here."""
    for runtime in [wanted.runtime] if wanted.runtime else _able(record, wanted):
        step = step_source.step_of(record, replace(wanted, runtime=runtime))
        if step is not None:
            return Training(
                workload=wanted.workload,
                runtime=step.case.runtime,
                device=step.case.device,
                dtype=step.case.dtype,
                batch_size=step.batch_size,
                step=step,
            )
    have = step_source.missing(record, Wanted(workload=wanted.workload))
    raise BadInput(
        f"the record {record.id} has no training of {wanted.workload} as it was asked for, only"
        f" {have}: ask for what it has, or validate without a record"
    )


def _able(record: Record, wanted: Wanted) -> list[str]:
    """Return the runtimes of a record's cases that have a training loop here, the fastest first."""
    names = [m.runtime for m in step_source.candidates(record, wanted)]
    known = registry.runtimes().items
    return [n for n in dict.fromkeys(names) if n in known and known[n].open_loop is not None]


def _first(record: Record) -> str:
    """Return the network of the first training case that was measured."""
    for m in record.measurements:
        if step_source.candidates(record, Wanted(workload=m.name)):
            registry.networks()[m.name]
            return m.name
    raise BadInput(
        f"the record {record.id} has no training case: make one with `hwbench run --profile quick`,"
        " or validate without a record"
    )


def check_shortcut(training: Training, name: str) -> None:
    """Raise UnknownName for no shortcut, BadInput where a loop here cannot train by it."""
    shortcut = registry.shortcuts()[name]
    network = registry.networks()[training.workload]
    why = shortcut.supports(network.workload, network.variant.config)
    if why is not None:
        raise BadInput(f"--shortcut {name}: {why}")
    if shortcut.build is not None and shortcut.forward_passes_once and shortcut.loads_data:
        raise BadInput(
            f"--shortcut {name}: what it pays once ({shortcut.one_off}) is a training of its own:"
            " validate that one (`hwbench validate --workload dcgan`)"
        )
